"""What the commands of `arcadia` do, one module for each kind of person who uses them.

What belongs here: what a command prints and asks for. What does not: the work itself, which a notebook can call too. Dagster and
pandas are imported only where a command needs them, for `arcadia status` must be quick.
"""
