"""Sending a message to the webhook, within seconds and without ever showing its address, which is the password to it."""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx

from arcadia_dagster.loopback import is_loopback
from arcadia_dagster.settings import ALERT_VARIABLE
from arcadia_dagster.transport.service import Failures, Limits, Retries, Service, ServiceError
from arcadia_dagster.transport.urls import parsed_url
from arcadia_dagster.transport.words import retry_after_seconds

DEADLINE: Final = 5.0
"""Seconds for one whole message, where nothing else is said."""

_ANSWER_BYTES: Final = 2_000
_SLACKS_WORD: Final = re.compile(r"[a-z_]{3,40}")
_ABOUT_THE_MESSAGE: Final = frozenset({400, 413, 422})


class AlertError(ServiceError):
    """The webhook did not take a message; the words never have its address.

    Attributes:
        is_about_the_message: Whether another message may get through.
    """

    is_about_the_message: bool = False


def webhook_problem(url: str) -> str | None:
    """Say why a webhook's address cannot be right, without the address; None where it can be used."""
    parsed = parsed_url(url)
    if parsed is None:
        return f"{ALERT_VARIABLE} is not an https:// URL with a host"
    if parsed.scheme != "https" and not is_loopback(parsed.host):
        return f"{ALERT_VARIABLE} is http:// to another machine, which shows it to the network: expected https://"
    return None


def send(
    url: str, payload: Mapping[str, Any], *, deadline: float = DEADLINE, clock: Callable[[], float] = time.time
) -> None:
    """Send one message.

    Args:
        url: The webhook.
        payload: What to send, as JSON.
        deadline: Seconds for all of it, from connecting to the last byte of the answer.
        clock: The time, for a `Retry-After` that is a date.

    Raises:
        AlertError: It did not get through.
    """
    if (problem := webhook_problem(url)) is not None:
        raise AlertError(problem)
    service = Service(
        url=url,
        name="the webhook",
        setting=ALERT_VARIABLE,
        limits=Limits(connect=deadline, read=deadline, deadline=deadline, answer_bytes=_ANSWER_BYTES),
        retries=Retries(),
        failures=Failures(passing=AlertError, setting=AlertError, unresolved=AlertError),
        redact=lambda words: _without_address(words, url),
    )
    content = json.dumps(payload, ensure_ascii=False).encode()
    with service:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        response, words = service.request("POST", url, headers=headers, content=content)
    if not response.is_success:
        raise _refusal(url, response, words, clock())


def _refusal(url: str, response: httpx.Response, words: bytes, now: float) -> AlertError:
    status = response.status_code
    # Slack names the error in one word, such as `no_service`. Any other answer may repeat the address.
    word = words.decode("ascii", "replace").strip()
    said = f" ({word})" if _SLACKS_WORD.fullmatch(word) and word not in url else ""
    advice = f": check {ALERT_VARIABLE}" if status in {301, 302, 307, 308, 401, 403, 404, 405, 410} else ""
    refusal = AlertError(
        f"the webhook answered {status}{said}{advice}",
        status=status,
        requests=1,
        retry_after=retry_after_seconds(response.headers.get("retry-after"), now),
    )
    refusal.is_about_the_message = status in _ABOUT_THE_MESSAGE
    return refusal


def _without_address(words: str, url: str) -> str:
    """The words, unless they have a part of the address."""
    parsed = httpx.URL(url)
    parts = [parsed.host, *(part for part in (*parsed.path.split("/"), parsed.query.decode()) if part)]
    return "(not shown: it has a part of the address)" if any(part in words for part in parts) else words
