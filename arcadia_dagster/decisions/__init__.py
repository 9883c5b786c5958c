"""What people decide about documents and invoices: release, approve, dismiss, void, end, mend, retire.

What belongs here: whether a decision can be taken, and what the person saw who takes it. What does not: the record that keeps it,
which `landing` writes and registers anew.
"""
