"""At-least-once delivery for Huey: a message is removed only after its task has run.

Knows nothing of roadmaps; it could be a package of its own.
"""
