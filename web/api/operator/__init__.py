"""What the routes of operators call, by resource."""
