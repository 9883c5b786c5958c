"""The stages of an invoice, from the register to its totals.

What belongs here: which rows of one table follow from which rows of another, one module a stage, each replacing its months in
one transaction. What does not: the rules themselves (`billing`), reading files (`formats`), Dagster (`defs`).
"""
