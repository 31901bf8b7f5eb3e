"""The domain: plain functions and pydantic types."""
