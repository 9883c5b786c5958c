"""Alerts: failed runs and failed checks are told to people where they are, by a webhook.

What belongs here: what counts as one cause, the words, and how they get to the webhook. What does not: what has failed
(`defs/alerts.py` asks Dagster). A webhook that is dead changes nothing about anything else.
"""
