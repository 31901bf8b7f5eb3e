"""HTTP: parse, one call, respond. Never imports huey, peewee or models."""
