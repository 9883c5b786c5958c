"""Delivery to the finance service: the token, the HTTP client, and the record of every attempt.

What belongs here: how an invoice gets to finance exactly once whatever fails. What does not: which invoices there are and
what they amount to (`billing`). The sandbox imports nothing from here, so that one wrong idea cannot agree with itself.
"""
