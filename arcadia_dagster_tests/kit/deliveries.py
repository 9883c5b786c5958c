"""How providers deliver what they charge: which files appear in an inbox, under which names, while a month is open and after it.

Each delivers a year as it does by itself, without a fault: what is awaited of it is known, and nothing of it gives rise to doubt.
"""

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from arcadia_dagster_tests.kit import aws, papers
from arcadia_dagster_tests.kit.charges import Account, Invoice, metered, month_after, monthly
from arcadia_dagster_tests.kit.generate import file_name as digitalocean_name

Files = Mapping[str, bytes]
"""What is put into the inbox, by its path there, in the order in which it appears."""

QUIET, CORRECTED = 6, 4
"""The months of the year in which next to nothing is charged, and whose invoices are issued once more with corrections."""


class Provider(Protocol):
    """One that delivers to an inbox."""

    @property
    def source(self) -> str:
        """Who it is, as finance knows it."""

    def month_so_far(self, month: date, through: int) -> Files:
        """What it delivers while the month is open: the days until this one."""

    def closed(self, month: date) -> Files:
        """What it delivers once the month is invoiced."""

    def corrected(self, month: date) -> Files:
        """What it delivers when it issues the month's invoices once more."""

    def invoices(self, month: date, *, is_corrected: bool) -> Sequence[Invoice]:
        """The month's invoices as they are then to be in finance."""

    def previews(self, month: date) -> Sequence[str]:
        """The ids of what is shown, and not pushed, while the month is open."""


@dataclass(frozen=True)
class ByTheMonth:
    """One that invoices once a month, in a document for each account.

    Attributes:
        source: Who it is, as finance knows it.
        accounts: Whom it invoices.
        write: Makes the documents of an invoice.
        numbers: What its numbers look like: no two providers have the same ones.
    """

    source: str
    accounts: Sequence[Account]
    write: Callable[[Invoice], Files]
    numbers: str

    def month_so_far(self, month: date, through: int) -> Files:  # noqa: ARG002 - the protocol's
        return {}

    def closed(self, month: date) -> Files:
        return self._written(self.invoices(month, is_corrected=False))

    def corrected(self, month: date) -> Files:
        return self._written(self.invoices(month, is_corrected=True))

    def invoices(self, month: date, *, is_corrected: bool) -> Sequence[Invoice]:
        return [
            monthly(
                account,
                month,
                self.numbers.format(f"{month:%y%m}{ordinal:02}"),
                is_quiet=month.month == QUIET,
                is_corrected=is_corrected,
            )
            for ordinal, account in enumerate(self.accounts)
        ]

    def previews(self, month: date) -> Sequence[str]:  # noqa: ARG002 - the protocol's
        return []

    def _written(self, invoices: Sequence[Invoice]) -> Files:
        return {name: content for invoice in invoices for name, content in self.write(invoice).items()}


@dataclass(frozen=True)
class OneList:
    """One that gives the list of all its invoices of the year again each time; corrections are invoices of their own there.

    Attributes:
        source: Who it is, as finance knows it.
        accounts: Whom it invoices.
        write: Makes the list of these invoices, and of those that are drafts yet.
        name: The list's name, which is always the same.
        numbers: What its numbers look like.
    """

    source: str
    accounts: Sequence[Account]
    write: Callable[[Sequence[Invoice], Sequence[Invoice]], bytes]
    name: str
    numbers: str

    def month_so_far(self, month: date, through: int) -> Files:  # noqa: ARG002 - the protocol's
        return {self.name: self.write(self._before(month), self.invoices(month))}

    def closed(self, month: date) -> Files:
        return {self.name: self.write([*self._before(month), *self.invoices(month)], [])}

    def corrected(self, month: date) -> Files:  # noqa: ARG002 - the protocol's
        return {}

    def invoices(self, month: date, *, is_corrected: bool = False) -> Sequence[Invoice]:  # noqa: ARG002 - the protocol's
        return [
            monthly(account, month, self.numbers.format(f"{month:%y%m}{ordinal:02}"), is_quiet=month.month == QUIET)
            for ordinal, account in enumerate(self.accounts)
        ]

    def previews(self, month: date) -> Sequence[str]:
        return [str(invoice.number) for invoice in self.invoices(month)]

    def _before(self, month: date) -> list[Invoice]:
        return [invoice for number in range(1, month.month) for invoice in self.invoices(month.replace(month=number))]


class Layout(Protocol):
    """Where the files of an export lie."""

    def __call__(self, month: date, run: str, parts: Sequence[bytes]) -> Files:
        """The files of one run of the export, whose content is these parts."""


@dataclass(frozen=True)
class ByUse:
    """One that meters: it exports the month so far again and again, and once more when the month is invoiced.

    What it exports of an open month has no invoice's id yet.

    Attributes:
        source: Who it is, as finance knows it.
        accounts: Whom it invoices: one export states all of them.
        rows: The rows of an invoice.
        encode: Rows as a file has them.
        layout: Where the files lie.
        numbers: What its numbers look like.
        parts: Over how many files a closed month is spread; the month so far is in half as many.
    """

    source: str
    accounts: Sequence[Account]
    rows: Callable[[Invoice], Sequence[Any]]
    encode: Callable[[Sequence[Any]], bytes]
    layout: Layout
    numbers: str
    parts: int = 1

    def month_so_far(self, month: date, through: int) -> Files:
        return self._files(
            month, f"{through:02}", self._metered(month, is_open=True, through=through), (self.parts + 1) // 2
        )

    def closed(self, month: date) -> Files:
        return self._files(month, "40", self.invoices(month), self.parts)

    def corrected(self, month: date) -> Files:
        return self._files(month, "70", self.invoices(month, is_corrected=True), self.parts)

    def invoices(self, month: date, *, is_corrected: bool = False) -> Sequence[Invoice]:
        return self._metered(month, is_corrected=is_corrected)

    def previews(self, month: date) -> Sequence[str]:
        return [f"{account.account_id}-{month:%Y-%m}-uninvoiced" for account in self.accounts]

    def _metered(
        self, month: date, *, is_open: bool = False, through: int | None = None, is_corrected: bool = False
    ) -> Sequence[Invoice]:
        return [
            metered(
                account,
                month,
                None if is_open else self.numbers.format(f"{month:%y%m}{ordinal:02}"),
                through=through,
                is_quiet=month.month == QUIET,
                is_corrected=is_corrected,
            )
            for ordinal, account in enumerate(self.accounts)
        ]

    def _files(self, month: date, run: str, invoices: Sequence[Invoice], parts: int) -> Files:
        rows = [row for invoice in invoices for row in self.rows(invoice)]
        size = -(-len(rows) // parts)
        return self.layout(month, run, [self.encode(rows[start : start + size]) for start in range(0, len(rows), size)])


def lone_file(pattern: str) -> Layout:
    """One file a month, overwritten with each run."""

    def layout(month: date, run: str, parts: Sequence[bytes]) -> Files:
        [content] = parts
        return {pattern.format(month=f"{month:%Y-%m}"): content}

    return layout


def folder_of_each_run(pattern: str) -> Layout:
    """A new folder with each run."""

    def layout(month: date, run: str, parts: Sequence[bytes]) -> Files:
        folder = pattern.format(month=f"{month:%Y-%m}", run=run)
        return {f"{folder}/part-{number}.csv": part for number, part in enumerate(parts)}

    return layout


def folder_refreshed(pattern: str) -> Layout:
    """One folder a month, whose files are overwritten with each run."""

    def layout(month: date, run: str, parts: Sequence[bytes]) -> Files:
        folder = pattern.format(month=f"{month:%Y-%m}")
        return {f"{folder}/{number:012}.csv": part for number, part in enumerate(parts)}

    return layout


def aws_versions(report: str) -> Layout:
    """A legacy report that keeps its versions: a folder with each run, and manifests beside the files and above them."""

    def layout(month: date, run: str, parts: Sequence[bytes]) -> Files:
        period = f"{month:%Y%m%d}-{month_after(month):%Y%m%d}"
        folder, assembly = f"{report}/{period}", f"{month:%Y%m}{run}"
        names = [f"{folder}/{assembly}/{report}-{number}.csv.gz" for number, _ in enumerate(parts, start=1)]
        manifest = aws.manifest(*(f"prefix/{name}" for name in names), assemblyId=assembly)
        files = {name: gzip.compress(part, mtime=0) for name, part in zip(names, parts, strict=True)}
        manifests = dict.fromkeys(
            (f"{folder}/{assembly}/{report}-Manifest.json", f"{folder}/{report}-Manifest.json"), manifest
        )
        return files | manifests

    return layout


def aws_overwritten(export: str) -> Layout:
    """A data export that overwrites itself: a folder of files a month, and one of metadata with the manifest."""

    def layout(month: date, run: str, parts: Sequence[bytes]) -> Files:
        period = f"BILLING_PERIOD={month:%Y-%m}"
        names = [
            f"{export}/data/{period}/{export}-{number:05}.snappy.parquet" for number, _ in enumerate(parts, start=1)
        ]
        manifest = aws.manifest_of_export(*names, executionId=f"{month:%Y%m}{run}")
        return dict(zip(names, parts, strict=True)) | {f"{export}/metadata/{period}/{export}-Manifest.json": manifest}

    return layout


def ordinary_providers() -> list[Provider]:
    """Providers of every format, each with a way of delivering that people have."""
    two = (Account("77"), Account("78", "EUR"))
    uuids = "00000000-0000-4000-8000-12{:0>10}"

    def of_aws(first: int) -> tuple[Account, ...]:
        numbers = range(first, first + 3)
        return tuple(Account(f"{number:012}", "EUR" if number == first + 2 else "USD") for number in numbers)

    def focus_of(name: str) -> Callable[[Invoice], Sequence[Any]]:
        return lambda invoice: papers.focus_rows(invoice, name, name)

    def aws_focus(invoice: Invoice) -> Sequence[Any]:
        return papers.focus_rows(invoice, "Amazon Web Services, Inc.", "AWS")

    def in_json(provider: str, write: Callable[[Invoice], bytes]) -> Callable[[Invoice], Files]:
        return lambda invoice: {f"{provider}/{invoice.number}.json": write(invoice)}

    many = (Account("acct-1"), Account("acct-2"), Account("acct-3", "EUR"))
    untaxed = Account("unknown", "EUR", Decimal(0))
    orgs = (Account("org-1", "EUR"), Account("org-2", "EUR"))
    dollars = (Account("L-1"), Account("L-2"))
    return [
        ByTheMonth("digitalocean", two, _digitalocean_csv, "11{}"),
        ByTheMonth("digitalocean", [Account("unknown")], in_json("fetched", papers.digitalocean_json), uuids),
        ByTheMonth("linode", dollars, in_json("linode", papers.linode), "13{}"),
        ByTheMonth("ovhcloud", two, _ovhcloud, "FR14{}"),
        ByTheMonth("examplesky", two, _examplesky, "R-25{}"),
        ByTheMonth("hetzner", [untaxed], _hetzner, "15{}"),
        OneList("scaleway", orgs, papers.scaleway, "scaleway/invoices.json", "scw-16{}"),
        ByUse(
            "examplehost",
            many,
            lambda one: [one],
            papers.examplehost,
            lone_file("examplehost {month}.csv"),
            "E-17{}",
        ),
        ByUse("alphacloud", many, focus_of("Alphacloud"), papers.focus_csv, lone_file("alpha-{month}.csv"), "A-18{}"),
        ByUse(
            "betacloud",
            many,
            focus_of("Betacloud"),
            papers.focus_csv,
            folder_of_each_run("beta/{month}/{run}"),
            "B-19{}",
            4,
        ),
        ByUse(
            "gammacloud", many, focus_of("Gammacloud"), papers.focus_csv, folder_refreshed("gamma/{month}"), "C-20{}", 4
        ),
        ByUse("aws", of_aws(100), aws_focus, papers.focus_parquet, aws_overwritten("focus"), "21{}", 2),
        ByUse("aws", of_aws(200), papers.cur_items, papers.cur_csv, aws_versions("report"), "22{}", 2),
        ByUse("aws", of_aws(300), papers.cur_items, papers.cur_parquet, aws_overwritten("cur2"), "23{}", 2),
        ByUse("aws", of_aws(400), papers.cur_items, papers.cur_csv, lone_file("cur/{month}/cur.csv"), "24{}"),
    ]


def _digitalocean_csv(invoice: Invoice) -> Files:
    name = digitalocean_name(invoice.month, invoice.account.account_id, str(invoice.number))
    return {name: papers.digitalocean_csv(invoice)}


def _ovhcloud(invoice: Invoice) -> Files:
    """With what is sent to the buyer, which does not say the account."""
    sent = papers.einvoice(invoice, "OVH SAS", buyer_number=None)
    return {f"sent/{invoice.number}.xml": sent, f"ovhcloud/{invoice.number}.json": papers.ovhcloud(invoice)}


def _examplesky(invoice: Invoice) -> Files:
    """Nothing but what is sent to the buyer."""
    number = invoice.account.account_id
    return {f"sent/{invoice.number}.xml": papers.einvoice(invoice, "Examplesky GmbH", buyer_number=number)}


def _hetzner(invoice: Invoice) -> Files:
    """With the total that is on the invoice beside it."""
    name = f"Hetzner_{invoice.end}_{invoice.number}.csv"
    return {name: papers.hetzner(invoice), f"{name}.total": f"EUR {invoice.gross}".encode()}
