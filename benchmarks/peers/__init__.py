"""What the service is compared with, each written as its own documentation recommends. Nothing here is part of the service."""
