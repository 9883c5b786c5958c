"""The rules of double entry: accounts, bills and journals, and the files that accounting programs import.

It knows no table and no Dagster: a person can read and dispute each rule alone.
"""
