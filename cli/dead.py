"""`dead`: another name for parts of `jobs`, from before there was that."""

from cli.jobs import dead_alias as dead

__all__ = ["dead"]
