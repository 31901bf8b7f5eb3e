"""Queues with the same empty task: each module has `send(number, sent)`, and the task, which is `ticks.tick`.

What the environment says: PLACE (the address of Redis, or a file), TICKS (how many tasks) and TICKS_FILE (where it is told when
they ran). Each consumer is started by the command that its documentation names, as one process with four threads or, where
there are none, with what is nearest.
"""
