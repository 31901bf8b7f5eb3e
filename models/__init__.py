"""The tables: columns, indexes and constraints, no behaviour."""
