"""`arcadia ingest` and `arcadia status`: bring months up to date, and show how they stand."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from arcadia_dagster import text_table
from arcadia_dagster.commands.common import (
    FAILED,
    MISUSED,
    OK,
    CommandError,
    complaints,
    harmless,
    new_console,
    parse_months,
    print_json,
    progress,
)
from arcadia_dagster.commands.home import Home, not_running
from arcadia_dagster.how_many import how_many

_HEADER = ("month", "docs", "invoices", "pushed", "held", "rejected", "gross", "net", "tax", "")
_PARTING_SHOWN = 20
_NAMED = 3

if TYPE_CHECKING:
    from rich.console import Console

    from arcadia_dagster.billing.agreement import Agreement
    from arcadia_dagster.landing.landing import Landed
    from arcadia_dagster.reports.close import Close
    from arcadia_dagster.reports.findings import Finding
    from arcadia_dagster.reports.status import MonthStatus
    from arcadia_dagster.warehouse import Warehouse
    from arcadia_dagster.warehouse.keys import InvoiceKey


def ingest(options: argparse.Namespace) -> int:
    """Take new files from the inbox, then run the job for the months that have something new, or for the given ones."""
    home = Home.open()
    if not home.settings.inbox.exists():
        with complaints():
            home.settings.inbox.mkdir(parents=True)
        print(f"made the inbox {home.settings.inbox}", file=sys.stderr)
    console = new_console(stderr=True)
    range_ = parse_months(options.months, home.settings) if options.months else None
    with console.status("looking at the inbox"):
        months, landed, notes = _land(home)
    wanted = range_ or months
    undelivered: list[str] = []
    if wanted:
        held_before = _held(home)
        home.place_dagster_files()
        try:
            _run_months(home, wanted, console, came=landed.in_words())
        except CommandError:
            _assert_finance_is_usable(home)
            raise
        notes += [f"{invoice}: held: {why}" for invoice, why in _held(home).items() if invoice not in held_before]
        if home.settings.finance_secret:
            undelivered, others = _undelivered(home, wanted)
            notes += [*undelivered, *others, *_kept_samples(home, wanted)]
            if undelivered and (sandbox := home.sandbox) is not None and not sandbox.is_running():
                notes.append(f"{not_running(sandbox)}; then run `arcadia ingest` again")
    elif not notes:
        console.print("nothing new")
    for note in notes:
        console.print(harmless(note), style="yellow", highlight=False, markup=False, soft_wrap=True)
    if wanted or options.json:
        _print_status(home, as_json=options.json, only=set(wanted))
    return FAILED if undelivered else OK


def status(options: argparse.Namespace) -> int:
    """Print how each month stands."""
    return _print_status(Home.open(), as_json=options.json, is_whole=True)


def _land(home: Home) -> "tuple[list[date], Landed, list[str]]":
    """Land the inbox; the months that have something to do, what came, and what a person should know."""
    from arcadia_dagster.finance.errors import ConfigurationFailure
    from arcadia_dagster.landing.rule_use import of_nothing

    resources = home.resources
    warehouse, landing = home.warehouse, resources.landing
    with complaints(ConfigurationFailure):
        landed = landing.land(warehouse)
        idle = of_nothing(warehouse, home.archive, landing.get_rules(), home.formats())
        months = resources.months_to_run(home.months)
    notes = [*landed.notes(), *(f"{home.settings.sources}: {rule}" for rule in idle)]
    return months, landed, notes


def _assert_finance_is_usable(home: Home) -> None:
    """Check, where a run failed, what one can know of finance without asking it.

    Raises:
        CommandError: Another program is in the place of the home's sandbox; or a setting is wrong, with the exit code of that.
    """
    if (sandbox := home.sandbox) is not None:
        if sandbox.is_running():
            home.assert_answers(sandbox)
    elif home.settings.finance_secret:
        with home.finance_complaints(), home.resources.finance.client():
            pass


def _held(home: Home) -> dict[str, str]:
    """Why each held invoice is held, whatever its month."""
    from arcadia_dagster.reports.findings import HELD, UNAPPROVED, find

    with complaints(), home.warehouse.read() as connection:
        held = [finding for kind in (HELD, UNAPPROVED) for finding in find(connection, kind, None)]
    return {finding.invoice: finding.facts["held_because"] for finding in _by_month(held)}


def _undelivered(home: Home, months: Sequence[date]) -> tuple[list[str], list[str]]:
    """The months' invoices that finance does not have, each with the tenant of a part, and why; then those of another process."""
    from arcadia_dagster.reports.findings import why_missing
    from arcadia_dagster.reports.undelivered import undelivered

    with complaints():
        found = undelivered(home.warehouse, home.resources.finance.recipient, months)

    def of_tenant(finding: "Finding") -> str:
        tenant = finding.facts["tenant_id"]
        return "" if tenant == home.settings.finance_tenant_id else f" for tenant {tenant}"

    return (
        [f"{one.invoice}: not in finance{of_tenant(one)}: {why_missing(one)}" for one in found.failed],
        [
            f"{one.invoice}: another process is just delivering it{of_tenant(one)}: `arcadia status` says what comes of it"
            for one in found.others
        ],
    )


def _kept_samples(home: Home, months: Sequence[date]) -> list[str]:
    """A line where finance gets no sample; a person may have given the file another name, and wait for its invoice."""
    from arcadia_dagster.reports.undelivered import kept_samples

    with complaints():
        kept = kept_samples(home.warehouse, home.resources.finance.recipient, months)
    if not kept:
        return []
    names = ", ".join(invoice.name for invoice in kept[:_NAMED]) + (", ..." if len(kept) > _NAMED else "")
    line = (
        f"{how_many(len(kept), 'sample invoice')} not sent ({names}): its bytes are those of a sample, whatever the file is "
        "called; set ARCADIA_SANDBOX_URL if finance is a sandbox"
    )
    return [line]


def _by_month(findings: "Iterable[Finding]") -> "list[Finding]":
    return sorted(findings, key=lambda finding: (finding.facts["month"], finding.invoice))


def _run_months(home: Home, months: Sequence[date], console: "Console", *, came: str) -> None:
    # Late: Dagster takes a second to import, and most often there is nothing to run.
    from arcadia_dagster.definitions import build_defs
    from arcadia_dagster.defs.ingest import IngestError, SettingsRefusedError, ingest_here

    what = f"{months[0]:%Y-%m}..{months[-1]:%Y-%m} ({len(months)} months)" if len(months) > 1 else f"{months[0]:%Y-%m}"
    with progress(what, console) as advance, complaints(IngestError):
        try:
            definitions = build_defs(resource_overrides=home.resources.by_name())
            ingest_here(definitions, months, advance, prefix=home.settings.prefix, came=came)
        except SettingsRefusedError as error:
            raise CommandError(str(error), MISUSED) from error


@dataclass(frozen=True, slots=True)
class _Standing:
    """What `arcadia status` tells beside the months: the month's close, what waits for a person, what is wrong with the home."""

    close: "Close | None"
    damaged: Mapping[str, tuple[str, str]]
    problems: Sequence[str]
    findings: "Sequence[Finding]" = ()
    agreements: "Mapping[InvoiceKey, Agreement]" = field(default_factory=dict)

    @classmethod
    def of(cls, home: Home, warehouse: "Warehouse", *, exists: bool, lists_findings: bool) -> "_Standing":
        from arcadia_dagster.finance.target import target_of
        from arcadia_dagster.landing.records import unsound_records
        from arcadia_dagster.reports.close import accounts, close
        from arcadia_dagster.reports.witnesses import agreements

        findings: list[Finding] = []
        damaged: dict[str, tuple[str, str]] = {}
        closed = None
        agreed: Mapping[InvoiceKey, Agreement] = {}
        if exists:
            with complaints(ValueError):
                damaged = unsound_records(warehouse, home.archive, every=False)
                with warehouse.read() as connection:
                    closed = close(
                        accounts(connection), today=datetime.now(UTC).date(), close_day=home.settings.close_day
                    )
                    if lists_findings:
                        from arcadia_dagster.reports.findings import of_close, waiting

                        findings = waiting(connection, home.recipient)
                        findings += of_close(closed, closed.open if closed.is_due else ())
                    agreed = agreements(connection, target_of(home.settings.finance_url))
        return cls(closed, damaged, home.problems(), findings, agreed)

    def as_json(self) -> dict[str, Any]:
        damaged = [
            {"document_sha256": sha256, "file_name": name, "damage": damage}
            for sha256, (name, damage) in self.damaged.items()
        ]
        closed = {} if self.close is None else {"close": self.close.as_json()}
        findings = {} if self.close is None else {"findings": [finding.as_json() for finding in self.findings]}
        agreed = [
            {"invoice": invoice.name, "agreement": agreement.words} for invoice, agreement in self.agreements.items()
        ]
        return {**closed, **findings, "agreements": agreed, "damaged_records": damaged, "problems": list(self.problems)}

    def lines(self) -> Iterator[str]:
        from arcadia_dagster.landing.records import RESTORE

        if self.close is not None:
            yield self.close.summary
        yield from map(harmless, self._agreed())
        for name, damage in self.damaged.values():
            yield harmless(f"{name}: its record is damaged, so nothing of it is pushed: {damage}")
        if self.damaged:
            yield RESTORE
        yield from map(harmless, self.problems)

    def _agreed(self) -> Iterator[str]:
        """What lines, statements and finance come to: each invoice of which they part, and of the others how many there are."""
        parting = [
            f"{invoice.name}: {agreement.words}" for invoice, agreement in self.agreements.items() if agreement.parts
        ]
        # Invoices are looked at newest month first.
        yield from parting[: -_PARTING_SHOWN - 1 : -1]
        if len(parting) > _PARTING_SHOWN:
            yield f"and {len(parting) - _PARTING_SHOWN} more that part: `arcadia invoices` lists them"
        agreed = Counter(agreement.words for agreement in self.agreements.values() if not agreement.parts)
        for words, count in agreed.most_common():
            names = [invoice.name for invoice, agreement in self.agreements.items() if agreement.words == words]
            yield f"{', '.join(names) if count <= _NAMED else f'{count} invoices'}: {words}"


def _print_status(home: Home, *, as_json: bool, only: set[date] | None = None, is_whole: bool = False) -> int:
    """Print how months stand; `is_whole`: with all that `arcadia status` tells besides."""
    from arcadia_dagster.finance.target import target_of
    from arcadia_dagster.reports.status import status

    warehouse = home.warehouse
    with complaints(ValueError):
        exists = warehouse.exists()
        months: list[MonthStatus] = status(warehouse, target_of(home.settings.finance_url)) if exists else []
    standing = (
        _Standing.of(home, warehouse, exists=exists, lists_findings=as_json) if is_whole else _Standing(None, {}, [])
    )
    shown = [month for month in months if only is None or month.month in only or month.rejected]
    if as_json:
        print_json({"months": [month.as_json() for month in shown], **(standing.as_json() if is_whole else {})})
        return OK
    if shown:
        _print_months(shown)
    elif months and only is not None:
        print(f"no invoices of {', '.join(f'{month:%Y-%m}' for month in sorted(only))} are there now")
    elif not standing.damaged:
        print(
            f"nothing in {warehouse.name} yet: drop invoice files into {home.settings.inbox} and run `arcadia ingest`"
        )
    for line in standing.lines():
        print(line)
    return OK


def _print_months(months: "Sequence[MonthStatus]") -> None:
    rows = [_HEADER, *(row for month in months for row in _rows(month))]
    for line in text_table.lines(rows, right=range(1, len(_HEADER) - 1), width=text_table.window_width()):
        print(line)
    print()


def _rows(month: "MonthStatus") -> Iterator[tuple[str, ...]]:
    """A month as rows of the table: one for each currency, of which the first has its counts."""
    from arcadia_dagster.billing.currency import from_minor

    name = "no month" if month.month is None else f"{month.month:%Y-%m}"
    counts = tuple(map(str, (month.documents, month.invoices, month.pushed, month.held, month.rejected)))
    for place, sums in enumerate(month.sums or (None,)):
        amounts = (
            ("", "", "", "")
            if sums is None
            else (
                *(
                    f"{from_minor(minor, sums.currency):,}"
                    for minor in (sums.gross_minor, sums.net_minor, sums.tax_minor)
                ),
                sums.currency,
            )
        )
        yield ((name, *counts) if place == 0 else ("",) * (1 + len(counts))) + amounts
