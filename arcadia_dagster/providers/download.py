"""Downloading new invoices into the inbox, a file for each, and once a day an inventory of the account.

What belongs here: which invoices are new, what a file holds and how it gets into the inbox whole. What does not: requests
(`digitalocean.py`), and what becomes of the files (`landing`): they take the same door as any other.

The files' names are the only state. A name has the invoice's id and the time of its last change: if a document of that name is
registered, or lies in the inbox, the invoice is not new. The same content is the same bytes, so that a file that is downloaded
again, for a warehouse that was rebuilt or an inbox that was emptied, is no new document.

    digitalocean-invoice-2026-04-22737513-...-20260501T063150Z.json
      {"invoice": {...}, "items": [...], "kind": "digitalocean_invoice", "summary": {...}}
    digitalocean-inventory-2026-05-02.json
      {"resources": [...], "taken_on": "2026-05-02"}
"""

import json
import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from arcadia_dagster.landing.inbox import InboxError
from arcadia_dagster.providers.digitalocean import ID, DigitalOceanClient
from arcadia_dagster.providers.errors import ConfigurationFailure, GivenUp, ProviderError, UnusableAnswer
from arcadia_dagster.warehouse import Warehouse

INVOICE_KIND = "digitalocean_invoice"
INVENTORY = "the inventory"

_PREFIX = "digitalocean-"
_MONTH = re.compile(r"(19|20)\d\d-(0[1-9]|1[0-2])", re.ASCII)
_UNSUITED = re.compile(r"[^0-9A-Za-z.-]+")
_REVISION_CHARACTERS = 40


@dataclass(slots=True)
class Fetched:
    """What a fetch did.

    Attributes:
        files: The names of the files that it put into the inbox, in that order.
        known: How many invoices were there already.
        older: How many invoices were left out, for their months have no partition.
        left: What was not fetched and why; the next fetch tries it again.
    """

    files: list[str] = field(default_factory=list)
    known: int = 0
    older: int = 0
    left: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Invoice:
    """An invoice as the list states it."""

    entry: dict[str, Any]
    uuid: str
    month: date
    file_name: str

    @property
    def name(self) -> str:
        return f"invoice {self.uuid} of {self.month:%Y-%m}"


def fetch(
    client: DigitalOceanClient,
    warehouse: Warehouse,
    inbox: Path,
    *,
    first_month: date,
    months: Collection[date] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> Fetched:
    """Put every invoice that is new or changed into the inbox, the oldest first, and then what the account runs.

    Args:
        client: Reads the account.
        warehouse: Knows which files have arrived.
        inbox: The folder that files are put in.
        first_month: Invoices of earlier months are left out.
        months: Only the invoices of these months, and no inventory; everything where None.
        now: The present time.
        progress: Called with how many files are dealt with, and of how many.

    Returns:
        What was done. An invoice that cannot be had completely is left for the next fetch, and the others go on; where
        nothing more can be had, what is left says so.

    Raises:
        ProviderError: There is no list of invoices; nothing was fetched.
        InboxError: The inbox is missing or cannot be written; what was put into it stays.
        LockTimeoutError: Another fetch took longer than the warehouse's lock may.
        WarehouseError: See `Warehouse.read`.
    """
    if not inbox.is_dir():
        raise InboxError(f"the inbox {inbox} is no folder; make it or set ARCADIA_INBOX")
    fetched = Fetched()
    with warehouse.hold("fetch"):
        arrived = _arrived(warehouse)
        wanted = _new_invoices(client, inbox, arrived, first_month, months, fetched)
        snapshot = None if months is not None else f"{_PREFIX}inventory-{now():%Y-%m-%d}.json"
        if snapshot is not None and _is_known(snapshot, inbox, arrived):
            snapshot = None
        total = len(wanted) + (snapshot is not None)
        progress(0, total)
        for done, invoice in enumerate(wanted, start=1):
            if not _take(fetched, invoice.name, inbox, invoice.file_name, lambda: _document(client, invoice)):  # noqa: B023
                return fetched
            progress(done, total)
        if snapshot is not None:
            _take(fetched, INVENTORY, inbox, snapshot, lambda: _inventory(client, now()))
            progress(total, total)
    return fetched


def _take(fetched: Fetched, what: str, inbox: Path, file_name: str, read: Callable[[], dict[str, Any] | None]) -> bool:
    """Put one file into the inbox, or note why not; whether others can be had."""
    try:
        document = read()
        if document is not None:
            _put(inbox, file_name, _canonical(document))
            fetched.files.append(file_name)
    except (ConfigurationFailure, GivenUp) as error:
        fetched.left[what] = str(error)
        return False
    except ProviderError as error:
        fetched.left[what] = str(error)
    return True


def _new_invoices(
    client: DigitalOceanClient,
    inbox: Path,
    arrived: Collection[str],
    first_month: date,
    months: Collection[date] | None,
    fetched: Fetched,
) -> list[_Invoice]:
    """The invoices that are to be fetched, the oldest first."""
    wanted = []
    for entry in client.invoices():
        try:
            invoice = _invoice(entry)
        except UnusableAnswer as error:
            fetched.left[f"invoice {entry.get('invoice_uuid')!r:.80}"] = str(error)
            continue
        if months is not None and invoice.month not in months:
            continue
        if invoice.month < first_month:
            fetched.older += 1
        elif _is_known(invoice.file_name, inbox, arrived):
            fetched.known += 1
        else:
            wanted.append(invoice)
    return sorted(wanted, key=lambda invoice: (invoice.month, invoice.file_name))


def _invoice(entry: dict[str, Any]) -> _Invoice:
    uuid, period = entry.get("invoice_uuid"), entry.get("invoice_period")
    if not isinstance(uuid, str) or ID.fullmatch(uuid) is None:
        raise UnusableAnswer(f"invoice_uuid: {uuid!r:.80}; expected a UUID")
    if not isinstance(period, str) or _MONTH.fullmatch(period) is None:
        raise UnusableAnswer(f"invoice_period: {period!r:.80}; expected a month such as 2026-04")
    # Lists of old did not tell when an invoice was changed; another amount is a change too.
    stated = re.sub(r"[:-]", "", str(entry.get("updated_at") or "")) or str(entry.get("amount"))
    revision = _UNSUITED.sub("_", stated)[:_REVISION_CHARACTERS]
    month = datetime.strptime(period, "%Y-%m").replace(tzinfo=UTC).date()
    return _Invoice(entry, uuid, month, f"{_PREFIX}invoice-{period}-{uuid}-{revision}.json")


def _document(client: DigitalOceanClient, invoice: _Invoice) -> dict[str, Any]:
    return {
        "kind": INVOICE_KIND,
        "invoice": invoice.entry,
        "items": client.invoice_items(invoice.uuid),
        "summary": client.invoice_summary(invoice.uuid),
    }


def _inventory(client: DigitalOceanClient, now: datetime) -> dict[str, Any] | None:
    """What the account runs; None where it runs nothing.

    It has the day: seeing a resource again is news, even if nothing else has changed.
    """
    resources = client.resources()
    return {"resources": resources, "taken_on": f"{now:%Y-%m-%d}"} if resources else None


def _arrived(warehouse: Warehouse) -> set[str]:
    """The names of the provider's files that were registered, whatever became of them."""
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT DISTINCT file_name FROM document_names WHERE starts_with(file_name, ?)", [_PREFIX]
        ).fetchall()
    return {name for (name,) in rows}


def _is_known(file_name: str, inbox: Path, arrived: Collection[str]) -> bool:
    return file_name in arrived or (inbox / file_name).exists()


def _canonical(document: dict[str, Any]) -> bytes:
    """The same content is the same bytes, whatever the order in which the provider writes its fields."""
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
        return f"{text}\n".encode()
    except UnicodeEncodeError as error:
        raise UnusableAnswer("it holds half a character, which no file can") from error


def _put(inbox: Path, file_name: str, content: bytes) -> None:
    """Rename a file into the inbox once it is complete; nobody takes a file that is called `.part`."""
    part = inbox / f"{file_name}.part"
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.rename(inbox / file_name)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise InboxError(
            f"{file_name} cannot be written to the inbox {inbox} ({error.strerror}); make room or set ARCADIA_INBOX, "
            "then fetch again"
        ) from error
