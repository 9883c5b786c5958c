"""Serving over HTTP behind a guard: the Dagster UI and the statements. The sandbox has the same guard.

What belongs here: who may ask, and starting a server with that guard. What does not: the answers.
"""
