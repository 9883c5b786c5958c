"""Downloading new invoices into the inbox, a file for each, its PDF beside it, and once a day an inventory of the account.

What belongs here: which invoices are new, what a file is called and how it gets into the inbox whole. What does not: requests
(the providers' modules), and what becomes of the files (`landing`): they take the same door as any other.

The files' names are the only state. A name has the invoice's id, and the time of its last change. If a provider does not say
when it changed an invoice, the name has the time of the fetch, and a number that is another one once what the list says of the
invoice is different. If a document of the name is registered, or lies in the inbox, the invoice is not new. The time in the
name also says which of two versions is newer. The same content is the same bytes, so that a file that is downloaded again, for
a warehouse that was rebuilt or an inbox that was emptied, is no new document.

    digitalocean-invoice-2026-04-22737513-...-20260501T063150Z.json
    linode-invoice-2026-05-123456-20260502T053700Z-rev-48213377.json
    linode-invoice-2026-05-123456-20260502T053700Z-rev-48213377.pdf     where the provider has one
    digitalocean-inventory-2026-05-02.json
      {"resources": [...], "taken_on": "2026-05-02"}
"""

import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from arcadia_dagster.landing.inbox import InboxError
from arcadia_dagster.providers.errors import ConfigurationFailure, GivenUp, ProviderError, UnusableAnswer
from arcadia_dagster.providers.provider import Account, Listed, Wanted, number_of
from arcadia_dagster.warehouse import Warehouse

INVENTORY: Final = "the inventory"

_UNSUITED: Final = re.compile(r"[^0-9A-Za-z.-]+")
_REVISION_CHARACTERS: Final = 40
_NUMBERED: Final = re.compile(r"\d{8}T\d{6}Z-rev-\d+\.json\Z", re.ASCII)
_PAPER_DAYS: Final = 14


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

    def add(self, other: "Fetched") -> None:
        """Count what was done at another provider too."""
        self.files += other.files
        self.known += other.known
        self.older += other.older
        self.left |= other.left


@dataclass(frozen=True, slots=True)
class _Known:
    """The provider's files that have arrived: those that were registered, whatever became of them, and those in the inbox."""

    prefix: str
    names: Mapping[str, datetime]
    """When each arrived (UTC): when it was first registered, or else when it was put into the inbox."""
    by_invoice: dict[str, list[str]]
    """The names of an invoice's files, by their beginning."""

    @classmethod
    def of(cls, prefix: str, names: Mapping[str, datetime]) -> "_Known":
        by_invoice: dict[str, list[str]] = {}
        for name in names:
            start, numbered = _split(name)
            if numbered:
                by_invoice.setdefault(start, []).append(numbered)
        return cls(prefix, names, by_invoice)

    def start(self, kind: str, label: str) -> str:
        return f"{self.prefix}{kind}-{label}-"

    def has(self, kind: str, label: str) -> bool:
        """Whether any version of an invoice has arrived."""
        return self.start(kind, label) in self.by_invoice

    def name_of(self, invoice: Listed, now: datetime) -> str:
        """The name of the file that the invoice, as it is listed, has or is to get."""
        start = self.start(invoice.kind, invoice.label)
        if invoice.changed_at is not None:
            return f"{start}{_UNSUITED.sub('_', invoice.changed_at)[:_REVISION_CHARACTERS]}.json"
        # The last version that came counts: an invoice may be changed back.
        last = max(self.by_invoice.get(start, []), default=None)
        number = number_of(invoice.state)
        if last is not None and (invoice.state is None or last.endswith(f"-rev-{number}.json")):
            return start + last
        return f"{start}{now:%Y%m%dT%H%M%SZ}-rev-{number}.json"

    def is_changed(self, invoice: Listed) -> bool:
        """Whether an earlier version of it has arrived, and its provider does not say when it was changed."""
        return invoice.changed_at is None and self.has(invoice.kind, invoice.label)


def _split(name: str) -> tuple[str, str]:
    """What comes before the time in a file's name that has one and a number, and the rest."""
    numbered = _NUMBERED.search(name)
    return (name[: numbered.start()], name[numbered.start() :]) if numbered else (name, "")


def fetch(
    account: Account,
    provider: str,
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
        account: Reads the account.
        provider: The provider's name, with which the files' names begin.
        warehouse: Knows which files have arrived.
        inbox: The folder that files are put in.
        first_month: Invoices of earlier months are left out.
        months: Only the invoices of these months, and no inventory; everything where None. Where a list does not say which month
            an invoice is of, an invoice of a day counts to the day's month and to the one before.
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
    with warehouse.hold("fetch"):
        prefix = f"{provider}-"
        known = _Known.of(prefix, _arrived(warehouse, inbox, prefix))
        return _Fetch(account, inbox, known, now, first_month, months, progress).run()


@dataclass(slots=True)
class _Fetch:
    account: Account
    inbox: Path
    known: _Known
    now: Callable[[], datetime]
    first_month: date
    months: Collection[date] | None
    progress: Callable[[int, int], None]
    fetched: Fetched = field(default_factory=Fetched)
    papers_refused: bool = False

    def run(self) -> Fetched:
        new, without_paper = self._listed()
        snapshot = None if self.months is not None else f"{self.known.prefix}inventory-{self.now():%Y-%m-%d}.json"
        if snapshot in self.known.names:
            snapshot = None
        total = len(new) + len(without_paper) + (snapshot is not None)
        self.progress(0, total)
        done = 0
        for invoice in new:
            if not self._take(invoice.name, partial(self._document, invoice)):
                return self.fetched
            done += 1
            self.progress(done, total)
        for invoice, name in without_paper:
            self._take_paper(invoice, name)
            done += 1
            self.progress(done, total)
        if snapshot is not None:
            self._take(INVENTORY, partial(self._inventory, snapshot))
            self.progress(total, total)
        return self.fetched

    def _listed(self) -> tuple[list[Listed], list[tuple[Listed, str]]]:
        """The invoices that are to be fetched, the oldest first, and those that have arrived without their PDF."""
        new: list[Listed] = []
        without_paper: list[tuple[Listed, str]] = []
        wanted = Wanted(first_month=self.first_month, months=self.months, today=self.now().date(), has=self.known.has)
        for entry in self.account.entries(wanted):
            try:
                invoice = self.account.listed(entry)
            except UnusableAnswer as error:
                self.fetched.left[f"invoice {next(iter(entry.values()), None)!r:.80}"] = str(error)
                continue
            if invoice.months and self.months is not None and not set(invoice.months) & set(self.months):
                continue
            if invoice.months and max(invoice.months) < self.first_month:
                self.fetched.older += 1
                continue
            if invoice.is_id_alone and not self.known.has(invoice.kind, invoice.label):
                new.append(invoice)
                continue
            name = self.known.name_of(invoice, self.now())
            if name not in self.known.names:
                new.append(invoice)
                continue
            self.fetched.known += 1
            if _paper_name(name) not in self.known.names and self._is_paper_due(name):
                without_paper.append((invoice, name))
        new.sort(key=lambda invoice: (invoice.months, invoice.kind, invoice.label))
        without_paper.sort(key=lambda found: found[1])
        return new, without_paper

    def _is_paper_due(self, name: str) -> bool:
        """Whether to ask again for the PDF of a document that has arrived: for some days, or where its month is named.

        A provider that has no PDF of an invoice would else be asked for it every day, for as long as it lists the invoice.
        """
        if not self.account.has_papers or self.months is not None:
            return self.account.has_papers
        return self.now() - self.known.names[name] <= timedelta(days=_PAPER_DAYS)

    def _document(self, listed: Listed) -> None:
        """Put an invoice into the inbox, and its PDF beside it."""
        invoice = self.account.looked_up(listed)
        name = self.known.name_of(invoice, self.now())
        document = self.account.document(invoice)
        if self.known.is_changed(invoice):
            # An invoice that is changed back is a new document, though its content has been there before.
            document = {**document, "fetched_at": f"{self.now():%Y-%m-%dT%H:%M:%SZ}"}
        self._put(name, document)
        self._take_paper(invoice, name)

    def _inventory(self, name: str) -> None:
        """Put what the account runs into the inbox; nothing where it runs nothing.

        It has the day: seeing a resource again is news, even if nothing else has changed.
        """
        if resources := self.account.resources():
            self._put(name, {"resources": resources, "taken_on": f"{self.now():%Y-%m-%d}"})

    def _put(self, name: str, document: dict[str, Any]) -> None:
        _put(self.inbox, name, _canonical(document))
        self.fetched.files.append(name)

    def _take(self, what: str, put: Callable[[], None]) -> bool:
        """Put one document into the inbox, or note why not; whether others can be had."""
        try:
            put()
        except (ConfigurationFailure, GivenUp) as error:
            self.fetched.left[what] = str(error)
            return False
        except ProviderError as error:
            self.fetched.left[what] = str(error)
        return True

    def _take_paper(self, invoice: Listed, document_name: str) -> None:
        """Put an invoice's PDF beside it, under the same name: that makes it the invoice's evidence."""
        if not self.account.has_papers or self.papers_refused:
            return
        try:
            paper = self.account.paper(invoice)
        except (ConfigurationFailure, GivenUp) as error:
            # The next PDF would be refused too, and the documents need not wait for it.
            self.papers_refused = True
            self.fetched.left["PDFs of invoices"] = str(error)
        except ProviderError as error:
            self.fetched.left[f"the PDF of {invoice.name}"] = str(error)
        else:
            if paper is not None:
                _put(self.inbox, _paper_name(document_name), paper)
                self.fetched.files.append(_paper_name(document_name))


def _paper_name(document_name: str) -> str:
    return f"{document_name.removesuffix('.json')}.pdf"


def _arrived(warehouse: Warehouse, inbox: Path, prefix: str) -> dict[str, datetime]:
    """The provider's files that were registered, whatever became of them, and those in the inbox, and when each arrived."""
    with warehouse.read() as connection:
        rows = connection.execute(
            "SELECT file_name, min(received_at) FROM document_names WHERE starts_with(file_name, ?) GROUP BY file_name",
            [prefix],
        ).fetchall()
    lying = {
        entry.name: datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, UTC)
        for entry in os.scandir(inbox)
        if entry.name.startswith(prefix)
    }
    return lying | {name: received_at.replace(tzinfo=UTC) for name, received_at in rows}


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
