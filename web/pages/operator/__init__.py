"""What operators see, one module a page."""
