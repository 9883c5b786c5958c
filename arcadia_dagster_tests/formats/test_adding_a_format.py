"""The guide to adding a format: its example is a format that the program reads, to the last digit."""

import re
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from arcadia_dagster.formats import registry
from arcadia_dagster_tests.kit.documents import Desk
from arcadia_dagster_tests.kit.project import Project

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "adding-a-format.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)
    return str(found)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The guide's file, once its format is registered as the guide says."""
    module = ModuleType("arcadia_dagster.formats.examplecloud")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
    exec(compile(block("python"), "examplecloud.py", "exec"), module.__dict__)  # noqa: S102 - our own guide
    formats = (*registry.FORMATS, module.Examplecloud())
    monkeypatch.setattr(registry, "FORMATS", formats)
    return block("csv").encode()


def test_the_examples_lines_and_invoice_are_read(tmp_path: Path, example: bytes) -> None:
    columns = "line_number, charge_category, resource_name, amount, currency"
    [found] = Desk(tmp_path).read(example, columns=columns)
    assert (found.reason, found.format) == (None, "examplecloud_csv")
    assert found.lines == [
        (1, "Usage", "web-01", Decimal("12.40"), "EUR"),
        (2, "Usage", "web-02", Decimal("0.0125"), "EUR"),
        (3, "Credit", None, Decimal("-2.00"), "EUR"),
        (4, "Tax", None, Decimal("1.98"), "EUR"),
    ]
    [invoice] = found.invoices
    assert (invoice.external_id, invoice.account_id, invoice.month) == ("R-1041", "8812", date(2026, 4, 1))
    assert f"comes to {invoice.lines_total:f}".rstrip("0") + " EUR" in GUIDE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("12.40", "twelve"), "line 2, column net EUR: 'twelve'; expected an amount"),
        (("web-02,shop,usage", "web-02,shop,gift"), "line 3, column kind: 'gift'; expected usage or credit or tax"),
        (("2026-05-01T00:00:00Z,Voucher", "soon,Voucher"), "line 4, column to: 'soon'; expected a time"),
        (("R-1041", ""), "line 2, column invoice: blank; expected the invoice's number"),
        (("kind", "sort"), "line 1: column kind is missing"),
        (("project", "kind"), "line 1: column kind occurs more than once"),
    ],
)  # fmt: skip
def test_what_the_example_cannot_read_rejects_it_with_line_and_column(
    tmp_path: Path, example: bytes, change: tuple[str, str], reason: str
) -> None:
    [found] = Desk(tmp_path).read(example.decode().replace(*change, 1).encode())
    assert reason in str(found.reason)
    assert found.lines == []


def test_the_examples_invoice_goes_all_the_way_to_totals(project: Project, example: bytes) -> None:
    project.drop("invoice.csv", example)
    project.build()
    found = project.invoice("R-1041")
    assert (found["source"], found["account_id"], found["status"]) == ("examplecloud", "8812", "ready")
    amounts = (found["amount_gross_minor"], found["amount_net_minor"], found["amount_tax_minor"], found["currency"])
    assert amounts == (1239, 1041, 198, "EUR")
