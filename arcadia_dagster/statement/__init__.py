"""The monthly statement: a month of the warehouse as one HTML file that a person reads, prints and keeps.

What belongs here: the figures (SQL), their page (a template), and which pages are out of date. Nothing here changes a figure:
amounts are those of `tax_split_totals` and `cost_lines`, in minor units.
"""
