"""The rules of money, without Dagster: currencies, the tax split, resource matching, readiness, the payload for finance.

What belongs here: a rule that an accountant could dispute, as one SQL fragment or one function, with its source.
What does not: how a file is read (`formats`), where rows are kept (`warehouse`), how a request is sent (`finance`).
"""
