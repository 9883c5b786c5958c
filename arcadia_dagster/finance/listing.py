"""One page of finance's list of invoices: its rows, where the next page is, and whether anything is missing.

An incomplete list must not be compared: each invoice on a missing page would seem to be gone.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

import httpx

COMPARED: Final = ("amount_gross_minor", "amount_net_minor", "amount_tax_minor")
"""The amounts of a row, each an integer in minor units."""

FIELDS: Final = ("source", "external_id", "invoice_id", "currency", *COMPARED)
"""The fields of a row that a comparison needs."""

PAGE_BYTES: Final = 64 * 1024 * 1024  # more than a hundred thousand invoices
MOST_PAGES: Final = 1000
MOST_ROWS: Final = 500_000
MOST_SECONDS: Final = 300.0  # a delivery waits meanwhile

# Where services say how a list goes on: beside its rows, or in one of these.
_ENVELOPES: Final = ("links", "_links", "meta", "pagination", "paging", "page_info", "pageInfo")
_COUNTS: Final = ("total", "count", "total_count", "totalCount", "total_entries")


class NotAListError(ValueError):
    """An answer is no list of invoices; the message says why."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer.

    Attributes:
        rows: Rows with the fields that a comparison needs and the tenant, where the row names one.
        goes_on: Whether the answer says that there are more pages.
        link: The address of the next page; None where there is none, or only a cursor that nobody here knows how to use.
        count: How many rows the whole list has, as the answer says; 0 where it does not.
    """

    rows: list[dict[str, Any]]
    goes_on: bool
    link: str | None
    count: int


def page_of(response: httpx.Response, content: bytes) -> Page:
    """Read an answer: a JSON list, or an object with one under `data`.

    Raises:
        NotAListError: It is neither, is too large, or a row lacks what a comparison needs.
    """
    if len(content) > PAGE_BYTES:
        raise NotAListError(f"the answer is larger than {PAGE_BYTES // 1024**2} MiB")
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NotAListError("the answer is no JSON") from error
    rows = answer.get("data") if isinstance(answer, dict) else answer
    if not isinstance(rows, list):
        raise NotAListError("the answer is no list and has none under `data`")
    parts = _parts(answer) if isinstance(answer, dict) else []
    following = [value for part in parts for name, value in part.items() if _says_more(name, value)]
    following += [response.links["next"].get("url")] if "next" in response.links else []
    counts = [part[name] for part in parts for name in _COUNTS if type(part.get(name)) is int]
    return Page(
        [_row(row) for row in rows],
        goes_on=bool(following),
        link=next(filter(None, map(_link, following)), None),
        count=max(counts, default=0),
    )


def _parts(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [answer, *(part for name in _ENVELOPES if isinstance(part := answer.get(name), dict))]


def _says_more(name: str, value: object) -> bool:
    """Whether a field says that there is more: `next`, `next_url`, `nextCursor`, `has_more`, `hasNextPage` ..."""
    return bool(value) and name.lower().startswith(("next", "has_more", "hasmore", "has_next", "hasnext"))


def _link(value: object) -> str | None:
    link = value.get("href") if isinstance(value, dict) else value
    return link if isinstance(link, str) and link.startswith(("/", "?", "http://", "https://")) else None


def _row(row: object) -> dict[str, Any]:
    """The needed fields of a row: the others of a long list would only take memory."""
    missing = [name for name in FIELDS if name not in row] if isinstance(row, dict) else []
    if missing or not isinstance(row, dict):
        without = f", without {', '.join(missing)}" if missing else ""
        raise NotAListError(f"it lists something that is no invoice{without}: {json.dumps(row, ensure_ascii=False)}")
    return {name: row[name] for name in (*FIELDS, "tenant_id") if name in row}
