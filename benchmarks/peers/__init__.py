"""The peers of the service, each written as its own documentation recommends.

None of it is part of the service.
"""
