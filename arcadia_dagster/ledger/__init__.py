"""What each finance service is on record to have: every push that was intended, every answer, and the state that they led to.

What belongs here: the tables `finance_records` and `finance_attempts`, the only steps from one state to another, and whether
records and attempts agree. What does not: which invoices are to be pushed, and how (`finance`).
"""
