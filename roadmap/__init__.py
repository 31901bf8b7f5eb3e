"""The domain: what a roadmap is, how it comes about, and what is told of it. Plain functions and pydantic types."""
