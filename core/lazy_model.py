"""Base of the models of requests, responses and files."""

from pydantic import BaseModel, ConfigDict


class LazyModel(BaseModel):
    """Model whose validator is built at its first use: each process uses a few of all models."""

    model_config = ConfigDict(defer_build=True)
