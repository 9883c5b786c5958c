"""The landing: it finds the complete new files of the inbox, archives them, and registers the documents.

What belongs here: files, names and times. What does not: what a file says (`formats`). The inbox is never changed.
"""
