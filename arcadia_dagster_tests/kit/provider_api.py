"""A provider's API on this machine, and what the tests that all providers share need to know of it.

    with case.api() as api:
        api.entries.append(case.entry(1, date(2026, 4, 1), "12.00"))
        ...  # fetch from api.url with case.settings(api.url)

Each provider's module in this kit has a server that answers as the provider's public documentation says, and a `Case`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

from arcadia_dagster.providers.provider import Provider, ProviderSettings
from arcadia_dagster.providers.resource import ProvidersResource
from arcadia_dagster_tests.kit.scripted_server import Request, ScriptedServer, Step, _Handler

PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"


class ProviderApi(ScriptedServer):
    """The API of one account, which a test may change between two requests.

    Attributes:
        entries: The invoices as the provider lists them.
        before: Called with each request before it is answered; a step that it returns is the answer.
        most: The most entries that a page has, whatever is asked for.
        papers: What each invoice's PDF is, by its id; else a small one.
    """

    def __init__(
        self, entries: list[dict[str, Any]] | None = None, *, before: Callable[[Request], Step | None] | None = None
    ) -> None:
        super().__init__(self._answer)
        self.entries = entries or []
        self.before = before or (lambda _: None)
        self.most = 10**9
        self.papers: dict[str, bytes] = {}

    @property
    def paths(self) -> list[str]:
        """The addresses that were asked for, without their parameters."""
        return [urlsplit(request.path).path for request in self.requests]

    def count(self, address: str) -> int:
        return self.paths.count(address)

    def _answer(self, handler: _Handler, request: Request) -> bool:
        return (self.before(request) or self.step(request))(handler, request)

    def step(self, request: Request) -> Step:
        """The answer to a request, as the documentation says."""
        raise NotImplementedError


def address_of(request: Request) -> tuple[str, dict[str, str]]:
    """Where a request leads, and the last of each of its parameters."""
    parts = urlsplit(request.path)
    return parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One provider, as the tests that all share see it.

    Attributes:
        provider: The provider.
        api: Makes its server, without invoices.
        environ: Its credentials, by their variables, all of which are secrets or must be set.
        url: The variable of its address.
        other_urls: The variables of other addresses, which this server has too.
        secrets: What must be seen nowhere.
        entry: An invoice that is listed, by its number, the month that it is of, and its total.
        changed: The same invoice with another total.
        whole: What the address of a request for this invoice alone has in it, by number and month; None where the list has all.
        lists: What the address of the list has in it.
        wrong: Members of an entry that cannot be right, each beside a good rest.
        format: The name of the format that reads the documents.
        paper: What the address of a request for an invoice's PDF has in it; blank where there is none.
        besides: Settings that need not be set, and are.
    """

    provider: Provider[Any]
    api: Callable[[], ProviderApi]
    environ: Mapping[str, str]
    url: str
    secrets: tuple[str, ...]
    entry: Callable[[int, date, str], dict[str, Any]]
    changed: Callable[[dict[str, Any], str], dict[str, Any]]
    whole: Callable[[int, date], str] | None = None
    lists: str
    wrong: tuple[dict[str, Any], ...]
    format: str
    paper: str = ""
    other_urls: tuple[str, ...] = ()
    besides: Mapping[str, str] = field(default_factory=dict)

    def one(self, number: int, month: date) -> str:
        """What the address of a request for this invoice alone has in it."""
        assert self.whole is not None
        return self.whole(number, month)

    def settings(self, url: str, **environ: str) -> ProviderSettings:
        """The provider's settings for a server at a URL."""
        urls = dict.fromkeys((self.url, *self.other_urls), url)
        given = {**self.environ, **self.besides, **urls, **environ}
        # A variable that is blank is not set.
        found: ProviderSettings = self.provider.settings.model_validate(
            {name: value for name, value in given.items() if value}
        )
        return found


def providers(*configured: tuple[Case, str], **options: Any) -> ProvidersResource:
    """The resource with these providers configured, each with the URL of its server."""
    settings = {case.provider.name: case.settings(url) for case, url in configured}
    return ProvidersResource(settings=settings, retry_delays=[0.01], **options)
