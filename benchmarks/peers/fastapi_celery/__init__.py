"""The stack that the service replaces: FastAPI, SQLAlchemy 2 (asyncio) on asyncpg, Celery on Redis.

It does what the service does when a goal is posted: token, a check that the login has not ended,
validation, a row and its first event in one transaction, a task, and a record of the log by another
task. It has neither limits nor Idempotency-Key.
"""
