"""HTTP to services elsewhere: what finance, providers and the webhook need alike, and nothing of what their answers mean."""

from arcadia_dagster.transport.service import Failures, Limits, Retries, Service, ServiceError
from arcadia_dagster.transport.urls import exposure, is_loopback, parsed_url
from arcadia_dagster.transport.words import quoted, retry_after_seconds

__all__ = [
    "Failures",
    "Limits",
    "Retries",
    "Service",
    "ServiceError",
    "exposure",
    "is_loopback",
    "parsed_url",
    "quoted",
    "retry_after_seconds",
]
