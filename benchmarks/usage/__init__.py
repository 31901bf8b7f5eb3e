"""Resources of a month of running, for the bills of `cli/costs/`. `make bench-usage`."""
