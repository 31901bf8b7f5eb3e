"""Growing cost: each figure over how much of something there is. `make bench-growth`.

One module a curve in `curves/`.
"""
