"""Clients that download invoices and inventories from a provider's API into the inbox, the door that every file takes.

`digitalocean.py` asks DigitalOcean; `download.py` finds new invoices and puts them into the inbox.
"""
