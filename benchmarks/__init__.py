"""How fast and how big: benchmarks that print tables and assert nothing. `python -m benchmarks` runs all of them."""
