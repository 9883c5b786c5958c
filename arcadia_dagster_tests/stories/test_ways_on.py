"""What a hold tells a person to do is a way on, to the last step: it ends with the invoices in finance."""

import re
from pathlib import Path

import pytest

from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import HEADER, as_csv, charge
from arcadia_dagster_tests.kit.pasted import commands_in, paste
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.shell import Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    folder = tmp_path / "shell"
    folder.mkdir()
    return Shell(folder, monkeypatch, capsys)


def in_finance(project: Project) -> list[tuple[str, str, str, int]]:
    assert project.sandbox is not None
    rows = project.sandbox.invoices()
    return sorted((row["source"], row["external_id"], row["currency"], row["amount_gross_minor"]) for row in rows)


@case("34")
@pytest.mark.parametrize("column", ["InvoiceId", "x_Own"])
def test_an_invoice_in_two_currencies_is_one_of_each_once_they_have_ids_of_their_own(
    project_with_finance: Project, shell: Shell, column: str
) -> None:
    project = project_with_finance
    rows = {"EUR": charge(BillingCurrency="EUR", ChargeDescription="in Europe"), "USD": charge()}
    project.drop("a.csv", as_csv(*rows.values()))
    project.build()
    assert in_finance(project) == []
    [reason] = project.invoice("INV-1")["hold_reasons"]
    [void] = commands_in(reason)
    assert "give the lines of each currency an id of their own" in reason
    header = HEADER if column in HEADER else (*HEADER, column)
    own = [row | {column: f"INV-1-{currency}"} for currency, row in rows.items()]
    project.drop("a.csv", as_csv(*own, header=header))
    if column == "x_Own":
        [line] = re.findall(r'sources\.toml: ("[^"]+" = \{.*?\})', reason)
        (project.home / "sources.toml").write_text(f"{line.replace('...', 'an id each')}\n", encoding="utf-8")
    project.build()
    paste(shell, project, void)
    assert in_finance(project) == [("aws", "INV-1-EUR", "EUR", 600), ("aws", "INV-1-USD", "USD", 600)]


@case("140")
def test_a_seller_of_a_marketplace_is_an_issuer_of_its_own_whose_tax_one_line_settles(
    project_with_finance: Project,
) -> None:
    project = project_with_finance
    seller = {"InvoiceIssuerName": "Snowflake Inc.", "ProviderName": "AWS"}
    own_shop = {
        "InvoiceIssuerName": "Amazon Web Services Marketplace",
        "ProviderName": "AWS",
        "BillingAccountId": "222",
    }
    project.drop("a.csv", as_csv(charge(), charge(InvoiceId="MP-1", ChargeDescription="warehouse", **seller)))
    project.drop("b.csv", as_csv(charge(InvoiceId="MP-2", ChargeDescription="of the shop", **own_shop)))
    project.build()
    others = [("aws", "INV-1", "USD", 600), ("aws", "MP-2", "USD", 600)]
    assert in_finance(project) == others
    [reason] = project.invoice("MP-1")["hold_reasons"]
    [line] = re.findall(r'sources\.toml: ("[^"]+" = \{.*?\})', reason)
    (project.home / "sources.toml").write_text(f"{line.replace('...', 'no tax is due')}\n", encoding="utf-8")
    project.build()
    assert in_finance(project) == [*others, ("snowflake", "MP-1", "USD", 600)]
