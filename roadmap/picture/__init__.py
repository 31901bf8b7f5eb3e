"""The roadmap as a map: where everything stands (layout), and the same as SVG (drawing)."""
