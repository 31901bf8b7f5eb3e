"""What a month of running costs."""
