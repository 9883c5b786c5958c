"""Whether everything at rest is what it must be: archive, register, totals, and finance's records.

What belongs here: what compares the rooms below with each other, and changes nothing. What does not: what a room checks of its
own, as `landing.verifying` does of the archive.
"""
