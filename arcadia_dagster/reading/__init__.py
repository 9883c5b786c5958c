"""What all formats use to get from bytes in the archive to text, records and values.

What belongs here: packed and encoded content, records and their places, amounts, times, totals, and the interface of a format.
What does not: what a provider's file looks like, and which formats there are (`formats`).
"""
