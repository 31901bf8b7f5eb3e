"""Growing cost: each figure over how much of something there is. `python -m benchmarks.growth`.

One module a curve in `curves/`.
"""
