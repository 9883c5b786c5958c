"""How the warehouse is stored: one DuckDB file, or a lake for several machines; its engines, locks and transactions.

What belongs here: how to connect, and who may write when. What does not: which tables there are. Whoever opens a database hands
in its schema.
"""
