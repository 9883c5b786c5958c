"""What is served over HTTP from here, behind a guard: the Dagster UI and the statements. The sandbox has the same guard.

What belongs here: who may ask, and starting a server that asks that first. What does not: what the answers are.
"""
