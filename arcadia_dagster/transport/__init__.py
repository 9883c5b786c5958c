"""HTTP to services elsewhere: the common part of finance, providers and the webhook. What an answer means is not here."""

from arcadia_dagster.transport.service import Failures, Limits, Retries, Service, ServiceError
from arcadia_dagster.transport.urls import exposure, parsed_url
from arcadia_dagster.transport.words import quoted, retry_after_seconds

__all__ = [
    "Failures",
    "Limits",
    "Retries",
    "Service",
    "ServiceError",
    "exposure",
    "parsed_url",
    "quoted",
    "retry_after_seconds",
]
