"""What each finance service is on record to have: every push that was intended, every answer, and the state that they led to.

What belongs here: the tables `finance_records` and `finance_attempts`, and the only steps from one state to another. What does
not: which invoices are to be pushed, and how (`finance`).
"""
