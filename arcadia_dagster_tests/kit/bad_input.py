"""What the tests of odd and bad input share: a case's id, and a home in which many documents are landed by few runs."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from arcadia_dagster_tests.kit.project import Project, checks_of, invoice_name
from arcadia_dagster_tests.kit.sandboxes import empty_sandbox

APRIL = date(2026, 4, 1)


def case(number: str) -> pytest.MarkDecorator:
    """The test is of this case of the list of odd and bad input; its id says so."""
    return pytest.mark.parametrize((), [pytest.param(id=f"case_{number}")])


class World:
    """A project with a finance service, documents by label, and what came of the latest run."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.names: dict[str, str] = {}
        self.numbers: dict[str, str] = {}
        self.accounts: dict[str, str] = {}
        self.result: dg.ExecuteInProcessResult
        self.checks: dict[str, dg.AssetCheckEvaluation] = {}
        self._documents: dict[str, dict[str, Any]] = {}
        self._invoices: dict[tuple[str, str], dict[str, Any]] = {}
        self._lines: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._finance: dict[tuple[str, str], Any] = {}
        self.problems: dict[str, str] = {}
        self.received = 0

    def put(self, label: str, content: bytes, *, month: str = "2026 Apr", account: str | None = None) -> Path:
        """Drop a document under a provider's name of its own, or another one under the label's name.

        Each label has an account of its own: equal small documents of one account would be one invoice under two numbers.
        """
        if label not in self.names:
            self.numbers[label] = str(1000 + len(self.names))
            self.accounts[label] = account or f"7{self.numbers[label]}"
            self.names[label] = invoice_name(month, self.numbers[label], self.accounts[label])
        return self.project.drop(self.names[label], content)

    def put_as(
        self, label: str, name: str, content: bytes, *, external_id: str | None = None, account: str = "unknown"
    ) -> Path:
        """Drop a document under a name that the test gives."""
        self.names[label] = name
        self.accounts[label] = account
        self.numbers[label] = f"unknown-2026-04-{name.removesuffix('.csv')}" if external_id is None else external_id
        return self.project.drop(name, content)

    def total(self, label: str, content: bytes) -> None:
        """Drop a control total beside the document."""
        self.project.drop(f"{self.names[label]}.total", content)

    def run(self, months: Iterable[date] = (APRIL,)) -> None:
        """Run the job and look at everything that it left."""
        self.result = self.project.run(months)
        self.checks = checks_of(self.result)
        self.look()

    def build(self) -> None:
        """The same without Dagster, where its checks do not matter: a third of the time."""
        self.project.build()
        self.look()

    def look(self) -> None:
        self._documents = {row["file_name"]: row for row in self.project.query("SELECT * FROM documents")}
        totals = self.project.query("SELECT * FROM tax_split_totals")
        self._invoices = {(row["account_id"], row["external_id"]): row for row in totals}
        self._lines = {}
        for line in self.project.query("SELECT * FROM cost_lines ORDER BY document_sha256, line_number"):
            self._lines.setdefault((line["account_id"], line["external_id"]), []).append(line)
        problems = self.project.query("SELECT inbox_path, problem FROM inbox_files WHERE problem IS NOT NULL")
        self.problems = {row["inbox_path"]: row["problem"] for row in problems}
        assert self.project.sandbox is not None
        rows = self.project.sandbox.invoices()
        self._finance = {(row["tenant_id"], row["external_id"]): row for row in rows}
        assert len(self._finance) == len(rows), "finance has an invoice twice"
        self.received = sum(row["times_received"] for row in rows)

    def document(self, label: str) -> dict[str, Any]:
        return self._documents[self.names[label]]

    def invoice(self, label: str, *, account: str | None = None) -> dict[str, Any]:
        return self._invoices[account or self.accounts[label], self.numbers[label]]

    def has_invoice(self, label: str) -> bool:
        return any(external_id == self.numbers[label] for _, external_id in self._invoices)

    def lines(self, label: str, *, account: str | None = None) -> list[dict[str, Any]]:
        return self._lines.get((account or self.accounts[label], self.numbers[label]), [])

    def totals(self, label: str, *, account: str | None = None) -> tuple[int | None, int | None, int | None]:
        """Gross, net and tax in minor units, as computed."""
        invoice = self.invoice(label, account=account)
        return invoice["amount_gross_minor"], invoice["amount_net_minor"], invoice["amount_tax_minor"]

    def pushed(self, label: str, *, tenant: str = "platform-admin") -> tuple[int, int, int] | None:
        """Gross, net and tax in minor units, as finance has them; None where it does not have the invoice."""
        row = self._finance.get((tenant, self.numbers[label]))
        return None if row is None else (row["amount_gross_minor"], row["amount_net_minor"], row["amount_tax_minor"])

    def finance(self, label: str, *, tenant: str = "platform-admin") -> Any:
        return self._finance[tenant, self.numbers[label]]

    def held_because(self, label: str, *, account: str | None = None) -> str:
        """The one reason for which the invoice is held; nothing of it is in finance."""
        invoice = self.invoice(label, account=account)
        assert invoice["status"] == "held", label
        assert self.pushed(label) is None, label
        [reason] = invoice["hold_reasons"]
        return str(reason)

    def rejected_otherwise(self, expected: Mapping[str, tuple[Any, str]]) -> dict[str, str]:
        """Of the documents that should be rejected, each for a reason that begins so: those that are not, and what they are."""
        found = {label: self.document(label) for label in expected}
        return {
            label: f"{row['status']}: {row['reason']}"
            for label, row in found.items()
            if row["status"] != "rejected" or not row["reason"].startswith(expected[label][1])
        }

    def rejected_because(self, label: str) -> str:
        """The reason for which the document is rejected; nothing of it is loaded, and its bytes are kept."""
        document = self.document(label)
        assert document["status"] == "rejected", label
        assert document["invoice_month"] is None, label
        assert not self.has_invoice(label), label
        assert self.lines(label) == [], label
        assert self.pushed(label) is None, label
        sha256 = document["document_sha256"]
        archived = self.project.home / "archive" / sha256[:2] / sha256
        assert archived.stat().st_size == document["byte_size"], label
        return str(document["reason"])

    def listed_by(self, check: str, column: str) -> list[str]:
        """A column of what a check of the latest run lists."""
        found = self.checks[check].metadata.get("list")
        assert found is None or isinstance(found, dg.TableMetadataValue)
        return [] if found is None else [str(record.data[column]) for record in found.records]


@contextmanager
def world_in(folder: Path, **environ: str) -> Iterator[World]:
    """A world in a folder of its own."""
    with empty_sandbox() as sandbox:
        yield World(Project(folder / "home", sandbox=sandbox, **environ))
