"""The Huey queues and their tasks.

Importing any module registers all tasks, as `huey_consumer` needs it: those of each queue are in
the module of its name, periodic ones in `upkeep`.
"""

from importlib import import_module

from core.settings import CONSUMERS

for _consumer in CONSUMERS:
    import_module(f"tasks.{_consumer.queue}")
import_module("tasks.upkeep")
