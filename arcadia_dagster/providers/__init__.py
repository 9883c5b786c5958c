"""Clients that download invoices and inventories from providers' APIs into the inbox, as every file comes.

`catalogue.py` names the providers, each a module of its own; `download.py` finds new invoices and puts them into the inbox.
"""
