"""How fast the program is, beside what a user would use instead and beside the floor: see `python -m benchmarks --help`."""
