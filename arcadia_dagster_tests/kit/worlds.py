"""Small worlds for property tests: a few files each, of which something is known whatever their lines are.

Many worlds share a home, for a landing of one file takes as long as one of twenty. Whatever a world states has its key in it: in
the accounts, in the ids and in the texts of its lines. So worlds have nothing in common, and each is looked at by itself.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from hypothesis import strategies as st

from arcadia_dagster.formats.registry import Formats
from arcadia_dagster_tests.kit import aws, focus
from arcadia_dagster_tests.kit.plain import land_only
from arcadia_dagster_tests.kit.project import HEADER, Project, invoice_name
from arcadia_dagster_tests.kit.sandboxes import empty_sandbox

EXAMPLEPARTS = """
name = "exampleparts"
source = "exampleparts"
currency = "USD"
parts = true

[columns]
invoice = "Invoice No"
account = "Customer"
description = "Text"
start = "From"
amount = "Amount"

[tax]
column = "Text"
pattern = "^VAT"
"""

File = tuple[str, bytes]
"""A path in the inbox and what is put there."""


class Line(NamedTuple):
    """A charge of April 2026, in minor units."""

    day: int
    word: str
    minor: int

    @property
    def amount(self) -> str:
        return f"{Decimal(self.minor) / 100:.2f}"


class Outcome(NamedTuple):
    """What came of an invoice."""

    month: str
    currency: str | None
    gross: int | None
    tax: int | None
    is_ready: bool


lines = st.lists(
    st.builds(
        Line, st.integers(1, 28), st.sampled_from(["web", "db", "ip"]), st.sampled_from([1, 100, 250, 1000, -50])
    ),
    min_size=2,
    max_size=8,
)
"""The lines of an invoice before tax: few days, words and amounts, so that equal lines are frequent."""


def taxed(charges: Sequence[Line]) -> list[Line]:
    """The lines with one of a tenth as tax, whose word begins with VAT."""
    return [*charges, Line(1, "VAT", round(sum(line.minor for line in charges) / 10))]


def gross(charges: Iterable[Line]) -> int:
    return sum(line.minor for line in charges)


def as_focus(
    key: str,
    charges: Iterable[Line],
    invoice: str | None = None,
    *,
    issuer: str = "Alphacloud",
    provider: str = "Alphacloud",
    text: str | None = None,
) -> bytes:
    """FOCUS rows of an account that is called like the key, whose lines say so too, unless a text is given for them."""

    def row(line: Line) -> dict[str, str | None]:
        values = {
            "BilledCost": line.amount,
            "BillingAccountId": key,
            "ChargeDescription": f"{line.word} {text or key}",
            "ChargePeriodEnd": f"2026-04-{line.day + 1:02}T00:00:00Z",
            "ChargePeriodStart": f"2026-04-{line.day:02}T00:00:00Z",
            "InvoiceId": invoice or f"INV-{key}",
            "InvoiceIssuerName": issuer,
            "ProviderName": provider,
            "ResourceId": None,
        }
        return focus.tax(**values) if line.word == "VAT" else focus.charge(**values)

    return focus.as_csv(*map(row, charges))


def as_cur(key: str, charges: Iterable[Line], invoice: str | None = None) -> bytes:
    """The same lines as a Cost and Usage Report of AWS."""

    def item(line: Line) -> dict[str, str]:
        values = {
            "InvoiceId": invoice or f"INV-{key}",
            "LineItemDescription": f"{line.word} {key}",
            "PayerAccountId": key,
            "ResourceId": "",
            "UnblendedCost": line.amount,
            "UsageEndDate": f"2026-04-{line.day + 1:02}T00:00:00Z",
            "UsageStartDate": f"2026-04-{line.day:02}T00:00:00Z",
        }
        return aws.tax(**values) if line.word == "VAT" else aws.item(**values)

    return aws.as_csv(*map(item, charges))


def as_described(key: str, charges: Iterable[Line]) -> bytes:
    """The same lines as a table that `EXAMPLEPARTS` describes."""
    rows = [(f"INV-{key}", key, f"{line.word} {key}", f"2026-04-{line.day:02}", line.amount) for line in charges]
    return _csv([("Invoice No", "Customer", "Text", "From", "Amount"), *rows])


def as_digitalocean(key: str, charges: Iterable[Line]) -> bytes:
    """The same lines as DigitalOcean's CSV, which has neither account nor number."""

    def record(line: Line) -> tuple[str, ...]:
        product, text = ("Taxes", "VAT (10%)") if line.word == "VAT" else ("Droplets", f"{line.word} {key}")
        times = (f"2026-04-{line.day:02} 00:00:00 +0000", f"2026-04-{line.day:02} 23:59:59 +0000")
        return (product, "", text, "", *times, line.amount, "", "")

    return _csv([tuple(HEADER.split(",")), *map(record, charges)])


def digitalocean_name(key: str) -> str:
    return invoice_name("2026 Apr", f"{int(key)}1", key.lstrip("0"))


@dataclass(frozen=True)
class Played:
    """What came of worlds: their invoices, and what finance has."""

    invoices: dict[tuple[str, str, str], Outcome]
    finance: dict[tuple[str, str], int]

    def of(self, key: str) -> dict[tuple[str, str, str], Outcome]:
        """The invoices of one world, by source, account and id."""
        return {name: outcome for name, outcome in self.invoices.items() if _is_of(key, *name)}

    def in_finance(self, key: str) -> dict[tuple[str, str], int]:
        """What finance has of one world, by source and id: gross in minor units."""
        return {name: minor for name, minor in self.finance.items() if _is_of(key, *name)}


def play(landings: Iterable[Sequence[File]], *, pushes: bool = False) -> Played:
    """Put the files into the inbox of a new home, a landing after the other, and build everything at the end.

    Args:
        landings: The files of each landing, in the order in which they appear.
        pushes: Whether everything is built and pushed after each landing.
    """
    with TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "home" / "formats").mkdir(parents=True)
        (home / "home" / "formats" / "exampleparts.toml").write_text(EXAMPLEPARTS, encoding="utf-8")
        if not pushes:
            return _played(Project(home / "home"), landings)
        with empty_sandbox() as sandbox:
            return _played(Project(home / "home", sandbox=sandbox), landings)


def _played(project: Project, landings: Iterable[Sequence[File]]) -> Played:
    formats = Formats.of(project.home / "formats")
    for files in landings:
        for path, content in files:
            project.drop(path, content)
        if project.sandbox is None:
            land_only(project.warehouse, formats=formats)
        else:
            project.build()
    if project.sandbox is None:
        project.build()
    rows = project.query("SELECT * FROM tax_split_totals")
    finance = [] if project.sandbox is None else project.sandbox.invoices()
    return Played(
        {(row["source"], row["account_id"], row["external_id"]): _outcome(row) for row in rows},
        {(row["source"], row["external_id"]): row["amount_gross_minor"] for row in finance},
    )


def _outcome(row: dict[str, Any]) -> Outcome:
    return Outcome(
        f"{row['invoice_month']:%Y-%m}",
        row["currency"],
        row["amount_gross_minor"],
        row["amount_tax_minor"],
        row["status"] == "ready",
    )


def in_turns(worlds: Iterable[Sequence[File]]) -> Iterator[list[File]]:
    """Landings of one file of each world."""
    waiting = [list(files) for files in worlds]
    while any(waiting):
        yield [files.pop(0) for files in waiting if files]


def _is_of(key: str, *names: str) -> bool:
    return any(key.lstrip("0") in name for name in names)


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode()
