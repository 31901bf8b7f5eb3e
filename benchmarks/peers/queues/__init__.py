"""Queues with the same empty task, `ticks.tick`; each module has `send(number, sent)`.

The environment has PLACE (the address of Redis, or a file), TICKS (how many tasks) and TICKS_FILE
(where the times at which they ran are written). Each consumer is started by the command of its
documentation, as one process with four threads, or the nearest that it has.
"""
