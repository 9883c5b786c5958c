"""The landing: what is complete in the inbox, what of it is new, the archive, and the register of documents.

What belongs here: files, names and times. What does not: what a file says (`formats`). The inbox is never changed.
"""
