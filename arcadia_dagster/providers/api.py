"""A provider's API over HTTP: requests, retries, pauses, and answers as JSON. The provider's module knows what they mean.

Lists come in pages, and a list that changes while it is read is no list: it is read again from its beginning (`complete`).
"""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import httpx

from arcadia_dagster.how_many import how_many
from arcadia_dagster.loopback import is_loopback
from arcadia_dagster.providers.errors import ConfigurationFailure, GivenUp, TransientFailure, UnusableAnswer
from arcadia_dagster.transport.service import Failures, Limits, Retries, Service
from arcadia_dagster.transport.urls import exposure, parsed_url
from arcadia_dagster.transport.words import quoted, retry_after_seconds

RETRY_DELAYS: Final = (1.0, 2.0, 5.0)
"""Seconds before the second request, before the third, and so on, where nothing else is said."""

_RETRIED: Final = frozenset({408, 429, *range(500, 600)})
_ANSWER_BYTES: Final = 32 * 1024 * 1024  # a page of droplets, the largest, has about one
_PAPER_BYTES: Final = 64 * 1024 * 1024
_END_OF_PDF: Final = 1024  # bytes in which the mark of its end is (ISO 32000-1, annex H)
_READINGS: Final = 3
_MOST_ENTRIES: Final = 1_000_000
_ACCEPTED: Final = 202
_LOOKS: Final = 10
_LOOK_AGAIN_SECONDS: Final = 5.0

Sign = Callable[[str, httpx.URL, Mapping[str, str], bytes], Mapping[str, str]]
"""The headers that show who asks, for a request's method, address, other headers and body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long requests may take and how often they are tried again. Times are in seconds.

    Attributes:
        connect_timeout: For a connection, TLS included.
        read_timeout: Without a byte of an answer.
        deadline: For one whole request, from connecting to the last byte of the answer.
        retry_delays: Before the second request, before the third, and so on.
        jitter: By how much a pause may be longer, at random, as a share of it.
        longest_pause: The longest pause to take when the provider asks for one. Limits by the minute never ask for more than
            a minute.
        patience: How long failed requests and pauses may take in all, in one fetch.
        sleep: Waits for so many seconds.
        clock: The time, in seconds since 1970-01-01 UTC, for pauses that end at a time.
    """

    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    deadline: float = 120.0
    retry_delays: tuple[float, ...] = RETRY_DELAYS
    jitter: float = 0.1
    longest_pause: float = 90.0
    patience: float = 600.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time


class Api:
    """One provider's API. It follows no redirect and no link (the credentials go to the base URL only), and uses no proxy."""

    def __init__(
        self,
        *,
        title: str,
        url: str,
        variable: str,
        sign: Sign,
        secrets: Sequence[str],
        refused: Mapping[int, str],
        pace: Pace,
        quota: tuple[str, str] | None = None,
        status_of: Callable[[int, bytes], int] = lambda status, content: status,  # noqa: ARG005
        prefix: str = "/",
    ) -> None:
        """Check the URL; no connection is made yet.

        Args:
            title: The provider's name for people.
            url: Where the API is.
            variable: The setting that the URL is from.
            sign: Makes the headers that show who asks.
            secrets: What must be seen nowhere.
            refused: What to do where the credentials are refused, by status (401, 403).
            pace: How long it may take.
            quota: The headers that tell how many requests are left, and when there are more, in seconds since 1970; None
                where there are none.
            status_of: The status that an answer means, where the provider says it in the answer and not by its status.
            prefix: What messages leave out of paths.

        Raises:
            ConfigurationFailure: The URL cannot be used; the message does not repeat it.
        """
        self.title = title
        self.pace = pace
        self.url = _usable(url, variable)
        self._variable = variable
        self._sign = sign
        self._refused = refused
        self._quota = quota
        self._status_of = status_of
        self._prefix = prefix
        self._lost = 0.0
        self._free_at: float | None = None
        self._service = Service(
            url=self.url,
            name=self.url,
            setting=variable,
            limits=Limits(
                connect=pace.connect_timeout,
                read=pace.read_timeout,
                deadline=pace.deadline,
                answer_bytes=_ANSWER_BYTES,
            ),
            retries=Retries(delays=pace.retry_delays, jitter=pace.jitter),
            # A name that does not resolve counts as passing: without a network no name resolves.
            failures=Failures(passing=TransientFailure, setting=ConfigurationFailure, unresolved=TransientFailure),
            redact=lambda words: _without(words, secrets),
            sleep=pace.sleep,
        )

    def close(self) -> None:
        """Close the connection; nothing can be read any more."""
        self._service.close()

    def named(self, path: str) -> str:
        """How messages call what lies at a path."""
        return path.removeprefix(self._prefix)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        """What is at a path, after retries where it takes them. Numbers with a fraction stay text, so that no digit is lost.

        Raises:
            ProviderError: There is no answer, or it is no JSON.
        """
        return self.json_in(self.content("GET", self._address(path, params or {}), self.named(path)), path)

    def get_object(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object that is at a path.

        Raises:
            ProviderError: There is none.
        """
        answer = self.get(path, params)
        if not isinstance(answer, dict):
            raise UnusableAnswer(f"the answer for {self.named(path)} is no JSON object")
        return answer

    def post(self, path: str, body: object, named: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """What a question by POST, which changes nothing, is answered with.

        Args:
            path: Where it is asked.
            body: The question, as JSON.
            named: How messages call it.
            headers: Headers besides those of every request, with the content's type.

        Raises:
            ProviderError: There is no answer, or it is no JSON object.
        """
        content = self.content(
            "POST",
            self._address(path, {}),
            named,
            body=json.dumps(body, separators=(",", ":")).encode(),
            headers=headers,
        )
        answer = self.json_in(content, named)
        if not isinstance(answer, dict):
            raise UnusableAnswer(f"the answer for {named} is no JSON object")
        return answer

    def paper(self, path: str, params: Mapping[str, str] | None = None) -> bytes:
        """The PDF that is at a path.

        Raises:
            ProviderError: There is none.
        """
        named = f"the PDF {self.named(path)}"
        return pdf(
            self.content("GET", self._address(path, params or {}), named, headers={"Accept": "*/*"}, most=_PAPER_BYTES),
            named,
        )

    def paper_elsewhere(self, url: object, hosts: Collection[str], named: str) -> bytes:
        """A PDF at an address that the provider gives, asked for without our credentials.

        Args:
            url: The address.
            hosts: The domains in which it may be, besides the API's own host.
            named: How messages call it; the address may let everybody read it and is never shown.

        Raises:
            ProviderError: There is none, or the address leads elsewhere.
        """
        address = parsed_url(url) if isinstance(url, str) else None
        own = httpx.URL(self.url)
        if address is None or address.userinfo or not _leads_to(address, own, hosts):
            raise UnusableAnswer(f"{named}: its address leads to none of {', '.join(hosts)}")
        content = self.content(
            "GET", address, named, headers={"Accept": "*/*"}, most=_PAPER_BYTES, with_credentials=False
        )
        return pdf(content, named)

    def complete(
        self,
        path: str,
        read: Callable[[], tuple[list[dict[str, Any]], str]],
        *,
        id_of: Callable[[dict[str, Any]], object] | None = None,
    ) -> list[dict[str, Any]]:
        """All entries of a list that comes in pages.

        Args:
            path: Where it is.
            read: Reads all its pages: the entries, and why they are not all; blank where they are.
            id_of: Tells entries apart, where they have ids: one that comes twice has moved from one page to the next.

        Raises:
            ProviderError: There is no complete list.
        """
        problem = ""
        for _ in range(_READINGS):
            entries, problem = read()
            if not problem and id_of is not None and len({id_of(entry) for entry in entries}) != len(entries):
                problem = "an entry came twice"
            if not problem:
                return entries
        raise TransientFailure(f"{self.named(path)} could not be read completely, {_READINGS} times: {problem}")

    def counted(
        self,
        path: str,
        key: str,
        params: Mapping[str, str],
        *,
        total: str,
        id_of: Callable[[dict[str, Any]], object] | None = None,
    ) -> list[dict[str, Any]]:
        """All entries of a list whose pages have numbers and each state how many entries there are in all.

        Args:
            path: Where it is.
            key: What the list is called in the answer.
            params: What is asked for besides the page's number, `page`.
            total: What the number of all entries is called.
            id_of: See `complete`.

        Raises:
            ProviderError: There is no complete list.
        """
        return self.counted_beside(path, key, params, total=total, id_of=id_of)[0]

    def counted_beside(
        self,
        path: str,
        key: str,
        params: Mapping[str, str],
        *,
        total: str,
        beside: Sequence[str] = (),
        id_of: Callable[[dict[str, Any]], object] | None = None,
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The same, with what each page states beside the entries of all: they were read in one state if it is equal.

        Args:
            path: See `counted`.
            key: See `counted`.
            params: See `counted`.
            total: See `counted`.
            beside: The names of what each page states; it may lack any.
            id_of: See `complete`.

        Returns:
            The entries, and what the pages state by name.

        Raises:
            ProviderError: There is no complete list.
        """
        stated_beside: dict[str, Any] = {}

        def read() -> tuple[list[dict[str, Any]], str]:
            entries: list[dict[str, Any]] = []
            before: int | None = None
            page = 0
            while True:
                page += 1
                answer = self.get_object(path, {**params, "page": str(page)})
                on_page = self.entries_in(answer, path, key)
                stated = answer.get(total)
                if isinstance(stated, bool) or not isinstance(stated, int):
                    raise UnusableAnswer(
                        f"the answer for {self.named(path)} does not state its total: {total} is missing"
                    )
                if before is not None and stated != before:
                    return entries, f"its total changed from {before} to {stated} on page {page}"
                now = {name: answer.get(name) for name in beside}
                if before is not None and now != stated_beside:
                    changed = ", ".join(name for name in beside if now[name] != stated_beside[name])
                    return entries, f"{changed} changed on page {page}"
                before = stated
                stated_beside.update(now)
                entries += on_page
                if len(entries) >= min(stated, _MOST_ENTRIES) or not on_page:
                    came = f"{how_many(len(entries), 'entry', 'entries')} came, and its total is {stated}"
                    return entries, "" if len(entries) == stated else came

        return self.complete(path, read, id_of=id_of), stated_beside

    def entries_in(self, answer: Mapping[str, Any], path: str, key: str) -> list[dict[str, Any]]:
        """The list of objects that a member of an answer is.

        Raises:
            UnusableAnswer: It is none.
        """
        entries = answer.get(key, "missing")
        if entries is None:  # as programs in Go may write an empty list
            return []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise UnusableAnswer(f"the answer for {self.named(path)} has no list of {key}")
        return entries

    def json_in(self, content: bytes, path: str) -> Any:  # noqa: ANN401 - JSON
        """Read an answer."""
        try:
            return json.loads(content.decode(), parse_float=str, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise UnusableAnswer(f"the answer for {self.named(path)} is not JSON") from error

    def content(
        self,
        method: str,
        address: httpx.URL,
        named: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        most: int = _ANSWER_BYTES,
        with_credentials: bool = True,
    ) -> bytes:
        """The bytes of an answer; see `exchange`.

        Raises:
            ProviderError: There is no complete answer.
        """
        _, content = self.exchange(
            method, address, named, body=body, headers=headers, most=most, with_credentials=with_credentials
        )
        return content

    def done(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        """What the API answers once it has done what it is asked to do by POST: at once, or where and when it says (202).

        Raises:
            ProviderError: It is not done after some time, or the answer is elsewhere.
        """
        named = self.named(path)
        own = httpx.URL(self.url)
        method, address = "POST", self._address(path, params)
        for _ in range(_LOOKS):
            response, content = self.exchange(method, address, named)
            if response.status_code != _ACCEPTED:
                answer = self.json_in(content, named)
                if not isinstance(answer, dict):
                    raise UnusableAnswer(f"the answer for {named} is no JSON object")
                return answer
            elsewhere = parsed_url(response.headers.get("Location", ""))
            if elsewhere is None or elsewhere.host != own.host:
                raise UnusableAnswer(f"the answer sends us for {named} to another address than {self.url}")
            method, address = "GET", own.copy_with(raw_path=elsewhere.raw_path)
            pause = retry_after_seconds(response.headers.get("Retry-After"), self.pace.clock())
            self._free_at = self.pace.clock() + (_LOOK_AGAIN_SECONDS if pause is None else pause)
        raise TransientFailure(f"{self.title} has not finished {named} after {_LOOKS} looks")

    def exchange(
        self,
        method: str,
        address: httpx.URL,
        named: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        most: int = _ANSWER_BYTES,
        with_credentials: bool = True,
    ) -> tuple[httpx.Response, bytes]:
        """An answer that is no refusal and its bytes, after retries where it takes them.

        Args:
            method: `GET` or `POST`.
            address: Where.
            named: How messages call what is asked for.
            body: The request's body.
            headers: Headers besides those of every request.
            most: The most bytes that the answer may have.
            with_credentials: Whether to show who asks.

        Raises:
            ProviderError: There is no complete answer.
        """

        def ask(_number: int) -> tuple[httpx.Response, bytes]:
            self._leave_alone()
            signed = self._sign(method, address, headers or {}, body) if with_credentials else {}
            began = time.monotonic()
            try:
                response, content = self._service.request(
                    method,
                    address,
                    headers={**signed, **(headers or {})},
                    content=body or None,
                    asked_for=named,
                    # One byte more shows that it was cut off.
                    most=most,
                )
                if with_credentials:
                    self._note_quota(response)
                if not response.is_success:
                    self._refuse(named, response, content, with_credentials=with_credentials)
            except TransientFailure:
                self._lost += time.monotonic() - began
                raise
            if len(content) > most:
                raise UnusableAnswer(f"the answer for {named} has more than {most} bytes")
            return response, content

        return self._service.retrying(ask, before_pause=lambda seconds, failure: self._spend(seconds, str(failure)))

    def _address(self, path: str, params: Mapping[str, str]) -> httpx.URL:
        url = httpx.URL(self.url + path)
        return url.copy_merge_params(dict(params)) if params else url

    def _spend(self, seconds: float, why: str) -> None:
        """Count a pause against the fetch's patience."""
        if self._lost + seconds > self.pace.patience:
            raise GivenUp(f"{why}; failures and pauses took {self._lost:.0f} s: fetch again later")
        self._lost += seconds

    def _leave_alone(self) -> None:
        """Wait until the provider takes a request again, where it said when."""
        if self._free_at is None:
            return
        left, self._free_at = self._free_at - self.pace.clock(), None
        if left > self.pace.longest_pause:
            raise GivenUp(f"{self.title} asks us to wait {left:.0f} s: fetch again later")
        if left > 0:
            self._spend(left, f"{self.title} asks us to wait")
            self.pace.sleep(left)

    def _note_quota(self, response: httpx.Response) -> None:
        """Note when the provider allows the next request, if its quota is used up."""
        if self._quota is None:
            return
        remaining, reset = (response.headers.get(name, "") for name in self._quota)
        self._free_at = float(reset) if remaining == "0" and reset.isdecimal() else None

    def _refuse(self, named: str, response: httpx.Response, content: bytes, *, with_credentials: bool) -> NoReturn:
        status, words = self._status_of(response.status_code, content), self._service.quoted(content)
        what = f"{self.title} answered {status} for {named}"
        if status in _RETRIED:
            asked = retry_after_seconds(response.headers.get("Retry-After"), self.pace.clock())
            if asked is not None:
                self._free_at = self.pace.clock() + asked
            raise TransientFailure(f"{what}: {words}")
        if with_credentials and (remedy := self._refused.get(status)):
            raise ConfigurationFailure(f"{what}: {remedy}. It says: {words}")
        if response.is_redirect and with_credentials:
            raise ConfigurationFailure(f"{what}; redirects are not followed: check {self._variable}")
        raise UnusableAnswer(f"{what}: {words}", status=status)


def pdf(content: bytes, named: str) -> bytes:
    """The bytes of a PDF, whole: where an answer ends with its connection, nothing but the PDF's own end tells that.

    Raises:
        UnusableAnswer: They are something else, or only the beginning of one.
    """
    if not content.startswith(b"%PDF-"):
        raise UnusableAnswer(f"{named} is no PDF: {quoted(content[:80].decode(errors='replace'))}")
    if b"%%EOF" not in content[-_END_OF_PDF:]:
        raise UnusableAnswer(f"{named} is not whole: its end is missing")
    return content


def inner(answer: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """An object within objects; an empty one where it is not there."""
    within: Any = answer
    for name in names:
        within = within.get(name)
        if not isinstance(within, dict):
            return {}
    return dict(within)


def _usable(url: str, variable: str) -> str:
    """The base URL without a slash at its end."""
    parsed = parsed_url(url)
    problem = "is not an http:// or https:// URL with a host" if parsed is None else exposure(parsed)
    if problem is not None:
        raise ConfigurationFailure(f"{variable} {problem}")
    return str(parsed).rstrip("/")


def _leads_to(address: httpx.URL, own: httpx.URL, hosts: Collection[str]) -> bool:
    if address.scheme != "https" and not is_loopback(address.host):
        return False
    return address.host == own.host or any(address.host == host or address.host.endswith(f".{host}") for host in hosts)


def _without(words: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        words = words.replace(secret, "[secret]") if secret else words
    return words


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(text)
