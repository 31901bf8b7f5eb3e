"""How cost grows: each figure over how much of something there is. `make bench-growth`; one module a curve in `curves/`."""
