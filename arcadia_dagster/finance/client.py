"""Sending one invoice to the finance service over HTTP, with retries, and with a sure meaning for each answer.

What belongs here: the request, what every possible answer means (`errors.py` has the tree), and when to try again.
What does not: which invoices to send, and the record of what was sent (`records.py`).
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self

import httpx

from arcadia_dagster.finance import listing
from arcadia_dagster.finance.errors import (
    ConfigurationFailure,
    FinanceError,
    PayloadRefused,
    TransientFailure,
    UnknownOutcome,
)
from arcadia_dagster.finance.target import target_of
from arcadia_dagster.finance.token import TokenMint
from arcadia_dagster.settings import FINANCE_READ_TIMEOUT
from arcadia_dagster.transport.service import Failures, Limits, Retries, Service
from arcadia_dagster.transport.urls import exposure
from arcadia_dagster.transport.words import retry_after_seconds

IMPORT_PATH: Final = "/api/v1/integrations/cloud/import-invoice"

RETRY_DELAYS: Final = (1.0, 2.0)
"""Seconds before the second request, before the third, and so on, where nothing else is said."""

_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_WITH_RETRY_AFTER: Final = frozenset({429, 503})
_WRONG_SETTING: Final = {
    401: "it does not accept the token: check SKYAI_FINANCE_SECRET, SKYAI_FINANCE_ISSUER and this machine's clock",
    403: "it does not accept the role: check SKYAI_FINANCE_ROLES and SKYAI_FINANCE_TENANT_ID",
    404: "it has no such address: check SKYAI_FINANCE_URL",
    405: "it takes no invoices at this address: check SKYAI_FINANCE_URL",
}
_ANSWER_BYTES: Final = 64 * 1024  # a right answer has about a hundred
_ID_CHARACTERS: Final = 255


@dataclass(frozen=True, slots=True)
class Imported:
    """Finance has the invoice.

    Attributes:
        invoice_id: Finance's id of the invoice; a number in the answer becomes text.
        vendor_id: Finance's id of the vendor; None where the answer has no usable one.
        action: Whether finance made the invoice or updated the one it had; both are a success.
        status: The HTTP status, 200 to 299.
        requests: How many requests it took.
    """

    invoice_id: str
    vendor_id: str | None
    action: Literal["created", "updated"]
    status: int
    requests: int


class FinanceClient:
    """Sends invoices to the finance service; one for a whole run, safe to use from several threads.

    A context manager: it keeps connections open between invoices, and leaving it closes them. It never follows a
    redirect (a redirected POST becomes a GET) and uses no proxy or netrc of the environment.

    At worst one invoice takes three requests of `deadline` seconds and the pauses between them. The system's resolver
    of host names has its own time limits.
    """

    def __init__(
        self,
        base_url: str,
        mint: TokenMint,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = FINANCE_READ_TIMEOUT,
        deadline: float = 60.0,
        retry_delays: tuple[float, ...] = RETRY_DELAYS,
        jitter: float = 0.1,
        retry_after_limit: float = 30.0,
        allow_http: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Check the URL; no connection is made yet.

        Args:
            base_url: Where finance is, without the path of the import.
            mint: Makes the token that each request carries.
            connect_timeout: Seconds for a connection, TLS included.
            read_timeout: Seconds without a byte from finance, or without taking one of ours.
            deadline: Seconds for one whole request, from connecting to the last byte of the answer.
            retry_delays: Seconds before the second request, before the third, and so on.
            jitter: By how much a pause may be longer, at random, as a share of it: so that many clients that failed
                together do not come back together.
            retry_after_limit: The longest `Retry-After` that is waited for, in seconds.
            allow_http: Whether `http://` may leave this machine, which shows the token to the network.
            sleep: Waits for so many seconds.
            clock: The time, in seconds since 1970-01-01 UTC, for a `Retry-After` that is a date.

        Raises:
            ConfigurationFailure: The URL cannot be used; the message does not repeat it.
        """
        self.target = _usable_target(base_url, allow_http=allow_http)
        self._mint = mint
        self._clock = clock
        self._service = Service(
            url=self.target,
            name=self.target,
            setting="SKYAI_FINANCE_URL",
            read_setting="SKYAI_FINANCE_READ_TIMEOUT",
            limits=Limits(connect=connect_timeout, read=read_timeout, deadline=deadline, answer_bytes=_ANSWER_BYTES),
            retries=Retries(delays=retry_delays, jitter=jitter, longest=retry_after_limit),
            failures=Failures(passing=TransientFailure, setting=ConfigurationFailure, unresolved=ConfigurationFailure),
            redact=mint.redact,
            sleep=sleep,
        )

    def __repr__(self) -> str:
        return f"FinanceClient({self.target!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; no invoice can be sent any more."""
        self._service.close()

    def import_invoice(
        self,
        payload: Mapping[str, object],
        *,
        tenant_id: str | None = None,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> Imported:
        """Have finance create or update one invoice.

        Args:
            payload: The fields of the request's body, as JSON types.
            tenant_id: The tenant that it is pushed under; the identity's own where None.
            goes_on: Whether a request that failed may be tried again; asked before each pause and after it.

        Returns:
            What finance answered.

        Raises:
            TransientFailure: Finance was away or overloaded for all requests; send it again later.
            UnknownOutcome: A 2xx answer that names no invoice; send it again later.
            ConfigurationFailure: No invoice would get through; a setting must be changed.
            PayloadRefused: Finance will not take this payload.
        """
        body = _canonical(payload)
        last: BaseException | None = None

        def note(_: float, failure: BaseException) -> None:
            nonlocal last
            last = failure
            if not goes_on():
                raise failure

        def send(request: int) -> Imported:
            if last is not None and not goes_on():
                raise last
            return self._send(body, tenant_id, request)

        return self._service.retrying(send, before_pause=note)

    def list_invoices(self, path: str, tenant_id: str) -> list[dict[str, Any]]:
        """Finance's rows of a tenant, from all pages of its list.

        Args:
            path: Where below the base URL finance lists them, as a JSON list or as one under `data`. A link to the next page
                is followed below the base URL and nowhere else.
            tenant_id: Whose identity asks, with the parameter `tenant_id` too; rows that name another tenant are left out.

        Returns:
            Rows with `listing.FIELDS`, as finance states them.

        Raises:
            TransientFailure: Finance was away or overloaded for all requests, or slow for the list as a whole.
            ConfigurationFailure: Finance has no list there, or none that can be read, or not all of it.
        """
        until = time.monotonic() + listing.MOST_SECONDS
        rows: list[dict[str, Any]] = []
        here: str = path
        params: dict[str, str] | None = {"tenant_id": tenant_id}
        for _ in range(listing.MOST_PAGES):
            page = self._page(here, params, tenant_id)
            rows += page.rows
            if not page.goes_on:
                if page.count > len(rows):
                    raise self._not_whole(path, f"it counts {page.count} invoices and lists {len(rows)}")
                return [row for row in rows if row.get("tenant_id", tenant_id) == tenant_id]
            if page.link is None:
                raise self._not_whole(
                    path, "it has a next page, but does not say where it is in a way that this program knows"
                )
            here, params = self._below(path, here, page.link), None
            if len(rows) > listing.MOST_ROWS:
                break
            if time.monotonic() > until:
                raise TransientFailure(f"finance took more than {listing.MOST_SECONDS:g} s to list its invoices")
        raise self._not_whole(path, f"it has more pages after {len(rows)} rows")

    def quoted(self, text: str, most: int = 80) -> str:
        """Somebody else's words, fit to be shown: without our secrets, short, on one line and harmless to a terminal."""
        words = self._service.quoted(text.encode(errors="replace"))
        return words if len(words) <= most else words[:most] + "..."

    def _send(self, body: bytes, tenant_id: str | None, request: int) -> Imported:
        response, content = self._exchange(request, "POST", IMPORT_PATH, tenant_id, content=body)
        if response.is_success:
            return self._imported(response.status_code, content, request)
        raise self._refusal(response, content, request)

    def _page(self, path: str, params: Mapping[str, str] | None, tenant_id: str) -> listing.Page:
        return self._service.retrying(lambda request: self._one_page(path, params, tenant_id, request))

    def _one_page(self, path: str, params: Mapping[str, str] | None, tenant_id: str, request: int) -> listing.Page:
        response, content = self._exchange(request, "GET", path, tenant_id, params=params, most=listing.PAGE_BYTES)
        if response.status_code in _RETRIED or response.status_code in {401, 403}:
            raise self._refusal(response, content, request)
        why = f"it says: {self._service.quoted(content)}"
        try:
            if response.is_success:
                return listing.page_of(response, content)
        except listing.NotAListError as error:
            why = self._service.quoted(str(error).encode(errors="replace"))
        raise ConfigurationFailure(
            f"finance answered {response.status_code} at {self.quoted(path)} without a list of invoices: check "
            f"SKYAI_FINANCE_LIST_PATH; {why}",
            status=response.status_code,
            requests=request,
        )

    def _below(self, path: str, here: str, link: str) -> str:
        """The address of the next page, below the base URL: no other address gets our token."""
        try:
            url = str(httpx.URL(self.target + here).join(link).copy_with(fragment=None))
        except httpx.InvalidURL:
            url = ""
        if not url.startswith(self.target + "/"):
            raise self._not_whole(path, f"its next page is elsewhere: {self.quoted(link)}")
        return url.removeprefix(self.target)

    def _not_whole(self, path: str, why: str) -> ConfigurationFailure:
        return ConfigurationFailure(
            f"finance lists its invoices in pages at {self.quoted(path)}, and not all of them came: {why}. A part of the list "
            "cannot be compared: set SKYAI_FINANCE_LIST_PATH to a list that is whole, or that has links to its pages"
        )

    def _exchange(
        self,
        request: int,
        method: str,
        path: str,
        tenant_id: str | None,
        *,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        most: int | None = None,
    ) -> tuple[httpx.Response, bytes]:
        """One request and the beginning of its answer, up to `most` bytes and a part."""
        # A token for each request: one that expired during a pause would be a 401, which is not tried again.
        headers = {"Authorization": f"Bearer {self._mint.token(tenant_id)}", "Content-Type": "application/json"}
        return self._service.request(
            method, self.target + path, headers=headers, number=request, content=content, params=params, most=most
        )

    def _imported(self, status: int, content: bytes, request: int) -> Imported:
        answer = _json_object(content)
        invoice_id, action = self._harmless_id(answer.get("invoice_id")), answer.get("action")
        if invoice_id is None or action not in ("created", "updated"):
            message = (
                f"finance answered {status} without an invoice_id or without an action: {self._service.quoted(content)}"
            )
            raise UnknownOutcome(message, status=status, requests=request)
        return Imported(
            invoice_id=invoice_id,
            vendor_id=self._harmless_id(answer.get("vendor_id")),
            action=action,
            status=status,
            requests=request,
        )

    def _refusal(self, response: httpx.Response, content: bytes, request: int) -> FinanceError:
        status = response.status_code
        words = self._service.quoted(content)
        if status in _RETRIED:
            asked = response.headers.get("Retry-After") if status in _WITH_RETRY_AFTER else None
            retry_after = retry_after_seconds(asked, self._clock())
            wait = "" if retry_after is None else f", try again in {retry_after:.0f} s"
            return TransientFailure(
                f"finance answered {status} to request {request}{wait}: {words}",
                status=status,
                requests=request,
                retry_after=retry_after,
            )
        if setting := _WRONG_SETTING.get(status):
            return ConfigurationFailure(
                f"finance answered {status}, {setting}. It says: {words}", status=status, requests=request
            )
        if status in range(400, 600):
            return PayloadRefused(
                f"finance answered {status}, it does not take this invoice: {words}", status=status, requests=request
            )
        # Without the address's query, which may have secrets.
        location = re.split(r"[?#]", response.headers.get("Location", ""))[0]
        elsewhere = f", pointing to {self._service.quoted(location.encode())}" if location else ""
        return ConfigurationFailure(
            f"finance answered {status}{elsewhere}; redirects are not followed: check SKYAI_FINANCE_URL",
            status=status,
            requests=request,
        )

    def _harmless_id(self, value: object) -> str | None:
        """An id that can be kept and shown; None where it repeats our secret or a token."""
        usable = _usable_id(value)
        return usable if usable is not None and self._mint.redact(usable) == usable else None


def _usable_target(base_url: str, *, allow_http: bool) -> str:
    """Give the target of a URL that a token may be sent to."""
    try:
        target = target_of(base_url)
    except ValueError as error:
        message = f"SKYAI_FINANCE_URL is {error}"
        raise ConfigurationFailure(message) from None
    if problem := exposure(httpx.URL(base_url), allow_http=allow_http, allowed_by="SKYAI_FINANCE_ALLOW_HTTP"):
        message = f"SKYAI_FINANCE_URL {problem}"
        raise ConfigurationFailure(message)
    return target


def _canonical(payload: Mapping[str, object]) -> bytes:
    """Write the body so that the same facts always give the same bytes, whatever the order they come in."""
    try:
        text = json.dumps(dict(payload), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
        return text.encode()
    except ValueError as error:  # NaN, or half of a surrogate pair in a text
        message = f"the invoice cannot be written as JSON, nothing was sent: {error}"
        raise PayloadRefused(message) from error


def _json_object(content: bytes) -> dict[str, object]:
    """Read an answer; one that is too large or no JSON object is as good as an empty one."""
    if len(content) > _ANSWER_BYTES:
        return {}
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _usable_id(value: object) -> str | None:
    """An id that can be kept and shown: a whole number, or a text that is neither blank nor absurd."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return text if text.strip() and text.isprintable() and len(text) <= _ID_CHARACTERS else None
