"""Clients that download invoices and inventories from a provider's API into the inbox, the door that every file takes.

`digitalocean.py` asks DigitalOcean; `download.py` tells what is new and puts it into the inbox.
"""
