"""DigitalOcean's API: the account's invoices with all their items, and what the account runs.

What belongs here: requests, pages, retries, and whether an answer is what the API's public description says. What does not:
which invoices are new, and where they are put (`download.py`). The preview of the open month is left out: it is no invoice.

Lists come in pages. A list is complete once its last page names no next one and as many entries came as `meta.total`
states on every page; where that number changes on the way, the list is read again from its beginning.

Source: the public API description of DigitalOcean, `GET /v2/customers/my/invoices` and the lists of resources.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import httpx

from arcadia_dagster.providers.errors import ConfigurationFailure, GivenUp, TransientFailure, UnusableAnswer
from arcadia_dagster.transport import (
    Failures,
    Limits,
    Retries,
    Service,
    exposure,
    parsed_url,
    quoted,
    retry_after_seconds,
)

BASE_URL: Final = "https://api.digitalocean.com"
PAGE: Final = 200
"""Entries a page, the most that the API gives; without asking it gives 20."""

ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
"""What ids look like: nothing that would lead elsewhere in a path."""

_INVOICES: Final = "/v2/customers/my/invoices"
_TOKEN: Final = re.compile(r"[!-~]+")
_RETRIED: Final = frozenset({408, 429, *range(500, 600)})
_REFUSED: Final = {
    401: "it does not accept the token: check DIGITALOCEAN_TOKEN",
    403: "the token may not read this: give it the scope to read it, or check DIGITALOCEAN_TOKEN",
}
_ANSWER_BYTES: Final = 32 * 1024 * 1024  # a page of droplets, the largest, has about one
_MOST_ENTRIES: Final = 1_000_000
_READINGS: Final = 3


@dataclass(frozen=True, slots=True)
class _Kind:
    """A list of resources.

    Attributes:
        type: How inventories name what it lists.
        path: Where it is.
        key: What the list is called in the answer.
        is_paged: Whether the API describes pages of it.
    """

    type: str
    path: str
    key: str
    is_paged: bool = True


_KINDS: Final = (
    _Kind("droplet", "/v2/droplets", "droplets"),
    # Not among the droplets unless asked for.
    _Kind("droplet", "/v2/droplets?type=gpus", "droplets"),
    _Kind("volume", "/v2/volumes", "volumes"),
    _Kind("snapshot", "/v2/snapshots", "snapshots"),
    _Kind("database", "/v2/databases", "databases", is_paged=False),
    _Kind("kubernetes_cluster", "/v2/kubernetes/clusters", "kubernetes_clusters"),
    _Kind("load_balancer", "/v2/load_balancers", "load_balancers"),
    _Kind("reserved_ip", "/v2/reserved_ips", "reserved_ips"),
    _Kind("app", "/v2/apps", "apps"),
)


class DigitalOceanClient:
    """Reads one account, or team, of DigitalOcean: the one that the token belongs to.

    A context manager: it keeps a connection open between requests, and leaving it closes it. It follows no redirect and no
    link (the token goes to the base URL only), and uses no proxy or netrc of the environment.
    """

    def __init__(
        self,
        token: str,
        base_url: str = BASE_URL,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        deadline: float = 120.0,
        retry_delays: tuple[float, ...] = (1.0, 2.0, 5.0),
        jitter: float = 0.1,
        longest_pause: float = 90.0,
        patience: float = 600.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Check token and URL; no connection is made yet.

        Args:
            token: A token of the API, which may read billing and the resources.
            base_url: Where the API is.
            connect_timeout: Seconds for a connection, TLS included.
            read_timeout: Seconds without a byte of an answer.
            deadline: Seconds for one whole request, from connecting to the last byte of the answer.
            retry_delays: Seconds before the second request, before the third, and so on.
            jitter: By how much a pause may be longer, at random, as a share of it.
            longest_pause: The longest pause, in seconds, that it takes when DigitalOcean asks for one. DigitalOcean's limit by
                the minute never asks for more than a minute.
            patience: Seconds that failed requests and pauses may take in all, as long as this client lives.
            sleep: Waits for so many seconds.
            clock: The time, in seconds since 1970-01-01 UTC, for pauses that end at a time.

        Raises:
            ConfigurationFailure: The token or the URL cannot be used; the message repeats neither.
        """
        self._base_url = _usable(base_url)
        if _TOKEN.fullmatch(token) is None:
            raise ConfigurationFailure("DIGITALOCEAN_TOKEN is blank, or has characters that no token has")
        self._token = token
        self._longest_pause = longest_pause
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._lost = 0.0
        self._free_at: float | None = None
        self._service = Service(
            url=self._base_url,
            name=self._base_url,
            setting="ARCADIA_DIGITALOCEAN_URL",
            limits=Limits(connect=connect_timeout, read=read_timeout, deadline=deadline, answer_bytes=_ANSWER_BYTES),
            retries=Retries(delays=retry_delays, jitter=jitter),
            # A name that does not resolve counts as passing: without a network no name resolves.
            failures=Failures(passing=TransientFailure, setting=ConfigurationFailure, unresolved=TransientFailure),
            redact=lambda words: words.replace(token, "[token]"),
            sleep=sleep,
        )

    def __repr__(self) -> str:
        return f"DigitalOceanClient({self._base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; nothing can be read any more."""
        self._service.close()

    def invoices(self) -> list[dict[str, Any]]:
        """Every invoice as the list states it, newest first; not the preview.

        Raises:
            ProviderError: There is no complete list.
        """
        return self._complete(_INVOICES, "invoices", id_of=lambda entry: entry.get("invoice_uuid"))

    def invoice_items(self, invoice_uuid: str) -> list[dict[str, Any]]:
        """All items of an invoice, as the API states them and in its order.

        Raises:
            ProviderError: They are not all there.
        """
        return self._complete(f"{_INVOICES}/{_in_path(invoice_uuid)}", "invoice_items")

    def invoice_summary(self, invoice_uuid: str) -> dict[str, Any]:
        """An invoice's summary as the API states it.

        Raises:
            ProviderError: There is none, or it is another invoice's.
        """
        summary = self._get(f"{_INVOICES}/{_in_path(invoice_uuid)}/summary")
        if summary.get("invoice_uuid", invoice_uuid) != invoice_uuid:
            raise UnusableAnswer(f"the summary of invoice {invoice_uuid} is that of another invoice")
        return summary

    def resources(self) -> list[dict[str, str | None]]:
        """What the account runs: id, name, type and project of each resource, by type and id.

        The account is not told: the API knows it by another name than the invoices, and ids are unique without it.

        Raises:
            ProviderError: There is no complete list.
        """
        projects = dict(self._projects())
        found = [
            _resource(kind.type, entry, projects)
            for kind in _KINDS
            for entry in self._complete(kind.path, kind.key, id_of=_id_of, is_paged=kind.is_paged)
        ]
        return sorted(found, key=lambda resource: (str(resource["type"]), str(resource["id"])))

    def _projects(self) -> Iterator[tuple[str, str]]:
        """The project's name for each resource that is in one, by the resource's id."""
        for project in self._complete("/v2/projects", "projects", id_of=_id_of):
            name = project.get("name")
            for resource in self._complete(f"/v2/projects/{_in_path(_id_of(project))}/resources", "resources"):
                # `do:droplet:4126873`
                _, _, id_ = str(resource.get("urn")).rpartition(":")
                if isinstance(name, str):
                    yield id_, name

    def _complete(
        self,
        path: str,
        key: str,
        *,
        id_of: Callable[[dict[str, Any]], object] | None = None,
        is_paged: bool = True,
    ) -> list[dict[str, Any]]:
        """All entries of a list.

        Args:
            path: Where it is.
            key: What it is called in the answer.
            id_of: Tells entries apart, where they have ids: one that comes twice has moved from one page to the next.
            is_paged: Whether it comes in pages; else it may come without `meta` and `links`.
        """
        problem = ""
        for _ in range(_READINGS):
            entries, problem = self._read_pages(path, key, is_paged=is_paged)
            if not problem and id_of is not None and len({id_of(entry) for entry in entries}) != len(entries):
                problem = "an entry came twice"
            if not problem:
                return entries
        raise TransientFailure(f"{_named(path)} could not be read completely, {_READINGS} times: {problem}")

    def _read_pages(self, path: str, key: str, *, is_paged: bool) -> tuple[list[dict[str, Any]], str]:
        """The entries of all pages, and why they are not all; blank where they are."""
        entries: list[dict[str, Any]] = []
        total: int | None = None
        page = 0
        while True:
            page += 1
            answer = self._get(path, {"page": str(page), "per_page": str(PAGE)} if is_paged else {})
            found = _entries(answer, path, key)
            stated = _total(answer, path, default=None if is_paged else len(found))
            if total is not None and stated != total:
                return entries, f"its total changed from {total} to {stated} on page {page}"
            total = stated
            entries += found
            if not _has_next(answer, path):
                came = f"{len(entries)} entries came, and its total is {total}"
                return entries, "" if len(entries) == total else came
            if not found or len(entries) >= min(total, _MOST_ENTRIES):
                return entries, f"{len(entries)} entries came, its total is {total}, and there is a page {page + 1}"

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """An answer, after retries where it takes them."""
        return self._service.retrying(
            lambda _number: self._request(path, params or {}),
            before_pause=lambda seconds, failure: self._spend(seconds, str(failure)),
        )

    def _spend(self, seconds: float, why: str) -> None:
        """Count a pause against this client's patience."""
        if self._lost + seconds > self._patience:
            raise GivenUp(f"{why}; failures and pauses took {self._lost:.0f} s: fetch again later")
        self._lost += seconds

    def _leave_alone(self) -> None:
        """Wait until DigitalOcean takes a request again, where it said when."""
        if self._free_at is None:
            return
        left, self._free_at = self._free_at - self._clock(), None
        if left > self._longest_pause:
            raise GivenUp(f"DigitalOcean asks to be left alone for {left:.0f} s: fetch again later")
        if left > 0:
            self._spend(left, "DigitalOcean asks to be left alone")
            self._sleep(left)

    def _request(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        self._leave_alone()
        began = time.monotonic()
        try:
            response, content = self._exchange(path, params)
            self._note_quota(response)
            if not response.is_success:
                self._refuse(path, response, content)
        except TransientFailure:
            self._lost += time.monotonic() - began
            raise
        return _json_object(content, path)

    def _exchange(self, path: str, params: Mapping[str, str]) -> tuple[httpx.Response, bytes]:
        url = httpx.URL(self._base_url + path)
        url = url.copy_merge_params(dict(params)) if params else url
        headers = {"Authorization": f"Bearer {self._token}"}
        return self._service.request("GET", url, headers=headers, asked_for=_named(path))

    def _note_quota(self, response: httpx.Response) -> None:
        """Note when DigitalOcean allows the next request, if its quota is used up.

        What is left and when that changes are told by `ratelimit-remaining` and `ratelimit-reset`, seconds since 1970.
        """
        remaining, reset = (response.headers.get(f"ratelimit-{name}", "") for name in ("remaining", "reset"))
        is_used_up = remaining == "0" and reset.isdecimal()
        self._free_at = float(reset) if is_used_up else None

    def _refuse(self, path: str, response: httpx.Response, content: bytes) -> NoReturn:
        status, words = response.status_code, self._service.quoted(content)
        what = f"DigitalOcean answered {status} for {_named(path)}"
        if status in _RETRIED:
            asked = retry_after_seconds(response.headers.get("Retry-After"), self._clock())
            if asked is not None:
                self._free_at = self._clock() + asked
            raise TransientFailure(f"{what}: {words}")
        if remedy := _REFUSED.get(status):
            raise ConfigurationFailure(f"{what}: {remedy}. It says: {words}")
        if response.is_redirect:
            raise ConfigurationFailure(f"{what}; redirects are not followed: check ARCADIA_DIGITALOCEAN_URL")
        raise UnusableAnswer(f"{what}: {words}")


def _usable(base_url: str) -> str:
    """The base URL without a slash at its end.

    Raises:
        ConfigurationFailure: The token cannot be sent there.
    """
    url = parsed_url(base_url)
    problem = "is not an http:// or https:// URL with a host" if url is None else exposure(url)
    if problem is not None:
        raise ConfigurationFailure(f"ARCADIA_DIGITALOCEAN_URL {problem}")
    return str(url).rstrip("/")


def _named(path: str) -> str:
    return path.removeprefix("/v2/")


def _in_path(id_: object) -> str:
    """An id from an answer, as a part of a path.

    Raises:
        UnusableAnswer: It would lead elsewhere.
    """
    if not isinstance(id_, str) or ID.fullmatch(id_) is None:
        raise UnusableAnswer(f"{quoted(repr(id_))} is no id; expected a UUID")
    return id_


def _json_object(content: bytes, path: str) -> dict[str, Any]:
    """Read an answer. Numbers with a fraction stay text, so that no digit is lost."""
    if len(content) > _ANSWER_BYTES:
        raise UnusableAnswer(f"the answer for {_named(path)} has more than {_ANSWER_BYTES} bytes")
    try:
        answer = json.loads(content.decode(), parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnusableAnswer(f"the answer for {_named(path)} is not JSON") from error
    if not isinstance(answer, dict):
        raise UnusableAnswer(f"the answer for {_named(path)} is no JSON object")
    return answer


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _entries(answer: Mapping[str, Any], path: str, key: str) -> list[dict[str, Any]]:
    entries = answer.get(key, "missing")
    if entries is None:  # as programs in Go may write an empty list
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UnusableAnswer(f"the answer for {_named(path)} has no list of {key}")
    return entries


def _total(answer: Mapping[str, Any], path: str, *, default: int | None) -> int:
    total = _inner(answer, "meta").get("total", default)
    if isinstance(total, bool) or not isinstance(total, int):
        raise UnusableAnswer(f"the answer for {_named(path)} does not state its total: meta.total is missing")
    return total


def _has_next(answer: Mapping[str, Any], path: str) -> bool:
    next_ = _inner(answer, "links", "pages").get("next")
    if next_ is not None and not isinstance(next_, str):
        raise UnusableAnswer(f"the answer for {_named(path)} names its next page by no link")
    return bool(next_)


def _inner(answer: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """An object within objects; an empty one where it is not there."""
    found: Any = answer
    for name in names:
        found = found.get(name)
        if not isinstance(found, dict):
            return {}
    return dict(found)


def _id_of(entry: Mapping[str, Any]) -> str:
    """The resource's id; that of a reserved IP is its address.

    Raises:
        UnusableAnswer: It has none.
    """
    id_ = entry.get("id", entry.get("ip"))
    if isinstance(id_, bool) or not isinstance(id_, str | int) or not str(id_).strip():
        raise UnusableAnswer(f"a resource has no id: {quoted(repr(entry))}")
    return str(id_)


def _resource(type_: str, entry: Mapping[str, Any], projects: Mapping[str, str]) -> dict[str, str | None]:
    id_ = _id_of(entry)
    names: Sequence[object] = (entry.get("name"), _inner(entry, "spec").get("name"), entry.get("ip"))
    name = next((name for name in names if isinstance(name, str)), None)
    return {"id": id_, "name": name, "type": type_, "project": projects.get(id_)}
