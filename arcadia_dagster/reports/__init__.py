"""What is read from the tables, and changes nothing: lists, explanations, the month's close, exports.

What belongs here: a question that a person or another program asks, and its answer as plain values or files. What does not: how a
command prints it (`commands`), and what an answer rests on (`stages`, `finance`).
"""
