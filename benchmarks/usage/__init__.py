"""What a month of running costs in resources, for the calculator of bills in `cli/costs/`. `make bench-usage`."""
