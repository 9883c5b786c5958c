"""The stages of an invoice, from the register to its totals, and how to look at what came of it.

What belongs here: which rows of one table follow from which rows of another, one module a stage, each replacing its months in
one transaction. What does not: the rules themselves (`billing`), reading files (`formats`), Dagster (`assets`).
"""
