"""How many workers, servers and connections a load takes, and whether that is true: `make capacity`."""
