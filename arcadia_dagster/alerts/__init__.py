"""Alerts: messages about failed runs and failed checks, sent to a webhook.

What belongs here: what counts as one cause, the words, and the request to the webhook. What does not: which runs and checks
have failed (`defs/alerts.py` asks Dagster). A dead webhook stops nothing else.
"""
