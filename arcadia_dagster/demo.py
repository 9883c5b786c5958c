"""`make demo`: the sample months from file to finance, in a temporary home, with a finance service of its own.

Everything it prints comes from the sample files and from what the sandbox answered; it succeeds only if what it claims
held: each invoice once in finance with the sums of its lines, and a second push that makes no second row.
"""

import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from rich.console import Console

from arcadia_dagster import sample as sample_documents
from arcadia_dagster import settings, text_table
from arcadia_dagster.billing.currency import from_minor
from arcadia_dagster.definitions import build_defs
from arcadia_dagster.defs.ingest import ingest
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.months import stale

_ID_DIGITS = 8
SAMPLE = sample_documents.FOLDER


class DemoError(Exception):
    """Something that the demo claims did not hold."""


class _Demo:
    """A home of its own, and the program in it."""

    def __init__(self, home: Path, sandbox: RunningSandbox, secret: str, console: Console) -> None:
        self._console = console
        self._sandbox = sandbox
        environ = {
            "ARCADIA_HOME": str(home),
            "ARCADIA_SETTLE_SECONDS": "0",
            "SKYAI_FINANCE_URL": sandbox.url,
            "ARCADIA_SANDBOX_URL": sandbox.url,
        }
        self._inbox = home / "inbox"
        self._inbox.mkdir()
        values = settings.load(environ)
        self.warehouse = Warehouse(values.warehouse)
        self._finance = FinanceResource(base_url=sandbox.url, secret=secret, sandbox_url=sandbox.url)
        self._landing = LandingResource(inbox=str(self._inbox), archive=str(values.archive), settle_seconds=0)
        self._definitions = build_defs(environ=environ, resource_overrides={"finance": self._finance})

    def drop(self, folder: Path) -> list[Path]:
        """Put a folder's files into the inbox, as a person would."""
        files = sorted(path for path in folder.iterdir() if path.is_file())
        for file in files:
            shutil.copyfile(file, self._inbox / file.name)
        return files

    def ingest(self, instance: dg.DagsterInstance) -> None:
        """What `arcadia ingest` does."""
        self._landing.land(self.warehouse)
        with self.warehouse.read() as connection:
            months = [month for month in stale(connection) if month <= datetime.now(UTC).date()]
        ingest(self._definitions, instance, months)

    def push_again(self) -> None:
        """What a forced second push does."""
        delivered = self._finance.deliver(self.warehouse, again=True)
        if delivered.created or delivered.deferred or delivered.refused or delivered.failure:
            raise DemoError(f"finance did not answer every second push with `updated`: {delivered}")

    def invoices(self) -> list[dict[str, Any]]:
        """The invoices as the warehouse has them."""
        with self.warehouse.read() as connection:
            return fetch(connection, "SELECT * FROM invoices ORDER BY invoice_month, external_id")

    def rejected(self) -> list[tuple[str, str]]:
        """The documents that were rejected, and why."""
        with self.warehouse.read() as connection:
            return connection.execute(
                "SELECT file_name, reason FROM documents WHERE status = 'rejected' ORDER BY file_name"
            ).fetchall()

    def show(self, title: str) -> None:
        """Print the invoices with what finance answered, and check that finance has just these."""
        invoices = self.invoices()
        self._console.print(f"\n{title}", style="bold")
        for line in _table(invoices):
            self._console.print(line, markup=False, soft_wrap=True)
        self._assert_in_finance(invoices)

    def _assert_in_finance(self, invoices: Sequence[dict[str, Any]]) -> None:
        held = [invoice["external_id"] for invoice in invoices if invoice["status"] != "ready"]
        if not invoices or held:
            raise DemoError(f"expected invoices, all ready; held: {held}")
        expected = {_figures(invoice, invoice["finance_invoice_id"]) for invoice in invoices}
        in_finance = [_figures(row, row["invoice_id"]) for row in self._sandbox.invoices()]
        if sorted(in_finance) != sorted(expected):
            raise DemoError(f"finance has {sorted(in_finance)}; expected {sorted(expected)}")


def run(sample: Path = SAMPLE, *, console: Console | None = None) -> None:
    """Run the demo.

    Args:
        sample: A folder with `inbox`, `reissued` and `rejected`.
        console: Where it prints.

    Raises:
        DemoError: Something that it claims did not hold.
        IngestError: A run failed.
    """
    console = console or Console()
    with _demo(console) as demo, dg.DagsterInstance.ephemeral() as instance:
        files = demo.drop(sample / "inbox")
        demo.ingest(instance)
        console.print(f"\n{len(files)} sample files were dropped into the inbox and ingested.")
        demo.show("First push")
        rows = len(demo.invoices())

        demo.push_again()
        demo.show("The same pushed again: updated, and no second row")

        for file in demo.drop(sample / "reissued"):
            console.print(f"\nA provider issues an invoice again: [bold]{file.name}[/bold]", soft_wrap=True)
        demo.ingest(instance)
        demo.show("After the re-issue: the same row, with new figures")

        demo.drop(sample / "rejected")
        demo.ingest(instance)
        for name, reason in demo.rejected():
            console.print(f"\nA bad file is rejected, alone: [bold]{name}[/bold]\n  {reason}", soft_wrap=True)
        if not demo.rejected():
            raise DemoError("the bad file was not rejected")
        if len(demo.invoices()) != rows:
            raise DemoError(f"finance had {rows} invoices, and has {len(demo.invoices())} now")
        console.print(f"\nFinance has {rows} rows for {rows} invoices. All of this was checked.", style="bold green")


@contextmanager
def _demo(console: Console) -> Iterator[_Demo]:
    secret = secrets.token_urlsafe(64)
    with tempfile.TemporaryDirectory(prefix="arcadia-demo-") as folder:
        home = Path(folder)
        with RunningSandbox(database=home / "finance.sqlite", secret=secret) as sandbox:
            yield _Demo(home, sandbox, secret, console)


def _figures(row: Mapping[str, Any], finance_id: str) -> tuple[str, str, int, int, int, str]:
    return (
        str(row["external_id"]),
        str(row["currency"]),
        int(row["amount_gross_minor"]),
        int(row["amount_net_minor"]),
        int(row["amount_tax_minor"]),
        str(finance_id),
    )


def _table(invoices: Sequence[dict[str, Any]]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("month", "invoice", "lines", "gross", "net", "tax", "", "action", "finance id")]
    for invoice in invoices:
        minors = (invoice[f"amount_{name}_minor"] for name in ("gross", "net", "tax"))
        rows.append(
            (
                f"{invoice['invoice_month']:%Y-%m}",
                invoice["external_id"],
                str(invoice["line_count"]),
                *(f"{from_minor(minor, invoice['currency']):,}" for minor in minors),
                invoice["currency"],
                invoice["action"] or "",
                f"{(invoice['finance_invoice_id'] or '')[:_ID_DIGITS]}...",
            )
        )
    return text_table.lines(rows, right=range(2, 6), width=text_table.window_width())
