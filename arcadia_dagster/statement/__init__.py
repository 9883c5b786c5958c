"""The monthly statement: a month of the warehouse as one HTML file that a person reads, prints and keeps.

What belongs here: the page (a template), and which pages are out of date. The figures come from `reports`: nothing here asks a
table anything.
"""
