"""People who may use the service."""

import peewee

from models.base import Identified, UtcDateTimeField


class Account(Identified):
    email = peewee.CharField(max_length=254, unique=True)  # lower case
    name = peewee.CharField(max_length=100, default="")
    password_hash = peewee.CharField(max_length=200)  # argon2id; empty: nobody can log in with a password
    created_at = UtcDateTimeField()
