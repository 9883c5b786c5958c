"""Each hold gives the commands that settle it, ready to paste: pasted into a shell, they do.

Here are those of the holds that say which invoice it is: one id under two accounts, one that nobody can overrule.
"""

import re
import shutil
from pathlib import Path

import pytest

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.kit.api_documents import linode, written
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import HEADER, as_csv, as_json, as_parquet, charge
from arcadia_dagster_tests.kit.pasted import commands_in, paste, type_in
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.sandboxes import copy_rows
from arcadia_dagster_tests.kit.shell import Shell


def in_finance(project: Project) -> dict[str, int]:
    assert project.sandbox is not None
    return {row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()}


def linode_of(account: str | None) -> bytes:
    document = linode()
    return written({key: value for key, value in {**document, "account": account}.items() if value is not None})


TWO_ACCOUNTS: dict[str, tuple[tuple[str, bytes], tuple[str, bytes]]] = {
    "a file with its account and one without": (
        ("a.json", linode_of(None)),
        ("b.json", linode_of("E1F3B2A0")),
    ),
    "one without its account after one with it": (("a.json", linode_of("E1F3B2A0")), ("b.json", linode_of(None))),
    "CSV of two accounts": (
        ("a.csv", as_csv(charge(InvoiceId="12345"))),
        ("b.csv", as_csv(charge(InvoiceId="12345", BillingAccountId="222", ChargeDescription="another"))),
    ),
    "Parquet of an account and CSV of another": (
        ("a.parquet", as_parquet(charge(InvoiceId="12345"))),
        ("b.csv", as_csv(charge(InvoiceId="12345", BillingAccountId="2 2'2", ChargeDescription="another"))),
    ),
}


@case("38")
@pytest.mark.parametrize("name", TWO_ACCOUNTS)
def test_each_command_for_one_id_under_two_accounts_settles_it(
    tmp_path: Path, sandbox: RunningSandbox, arcadia: Shell, name: str
) -> None:
    project = Project(tmp_path / "kept", sandbox=sandbox)
    for file_name, content in TWO_ACCOUNTS[name]:
        project.drop(file_name, content)
        project.build()
    copy_rows(sandbox.database, tmp_path / "kept.sqlite")
    for way in ("void this", "void that", "release"):
        copy_rows(tmp_path / "kept.sqlite", sandbox.database)
        assert_settled(Project(shutil.copytree(project.home, tmp_path / way), sandbox=sandbox), arcadia, way)


def assert_settled(project: Project, arcadia: Shell, way: str) -> None:
    """One of the ways on of the invoice that is held leads where it says."""
    [held] = project.query("SELECT * FROM tax_split_totals WHERE status = 'held'")
    [ready] = project.query("SELECT * FROM tax_split_totals WHERE status = 'ready'")
    [before] = in_finance(project).items()
    [reason] = held["hold_reasons"]
    commands = dict(zip(("void this", "void that", "release"), commands_in(reason), strict=True))

    paste(arcadia, project, commands[way])
    status = {
        (row["account_id"]): row["status"] for row in project.query("SELECT account_id, status FROM tax_split_totals")
    }
    gross = {row["account_id"]: row["amount_gross_minor"] for row in (held, ready)}
    external_id = held["external_id"]
    if way == "release":
        assert status == {held["account_id"]: "ready", ready["account_id"]: "ready"}
        assert in_finance(project) == dict(
            [before, (f"{external_id}-{held['account_id']}", held["amount_gross_minor"])]
        )
    else:
        void, kept = (held, ready) if way == "void this" else (ready, held)
        assert status == {void["account_id"]: "held", kept["account_id"]: "ready"}
        assert in_finance(project) == {external_id: gross[kept["account_id"]]}
    assert project.finance.reconcile(project.warehouse) == []
    # A rebuild does not bring the question again.
    project.forget_warehouse()
    after = in_finance(project)
    project.build()
    assert in_finance(project) == after
    assert len(project.query("SELECT * FROM tax_split_totals WHERE status = 'ready'")) == (2 if way == "release" else 1)


@case("164")
@pytest.mark.parametrize("steps", [(None, "acc-1"), ("acc-1", None)])
def test_one_number_with_and_without_its_account_is_never_pushed_under_two_tenants(
    project_with_finance: Project, steps: tuple[str | None, ...]
) -> None:
    project = project_with_finance
    route = '[[route]]\nsource = "linode"\naccount = "acc-1"\ntenant = "acme"\n'
    (project.home / "tenants.toml").write_text(route, encoding="utf-8")
    for account in steps:
        project.drop(f"{account}.json", linode_of(account))
        project.build()
        if account == steps[0] is None:
            # A person lets it go before its account is known.
            project.settle("release", "123")
            project.build()
    assert project.sandbox is not None
    [pushed] = project.sandbox.invoices()
    assert pushed["tenant_id"] == ("acme" if steps[0] else "platform-admin")
    [held] = project.query("SELECT hold_reasons FROM tax_split_totals WHERE status = 'held'")
    first = steps[0] or "unknown"
    assert any(reason.startswith(f"account {first} has an invoice of this id") for reason in held["hold_reasons"])


def test_what_nobody_can_overrule_offers_no_command_that_would_be_refused(project_with_finance: Project) -> None:
    project = project_with_finance
    doubtful = {"ChargeCategory": "Fee"}
    azure = {"InvoiceIssuerName": "Microsoft", "ProviderName": "Microsoft"}
    future = {
        "BillingPeriodStart": "2098-04-01T00:00:00Z",
        "ChargePeriodStart": "2098-04-01T00:00:00Z",
        "ChargePeriodEnd": "2098-04-02T00:00:00Z",
    }
    project.drop("preview.csv", as_csv(charge(InvoiceId=None, BillingAccountId="333", **doubtful, **azure)))
    project.drop("two.csv", as_csv(charge(InvoiceId="two"), charge(InvoiceId="two", BillingCurrency="EUR", **doubtful)))
    project.drop("future.csv", as_csv(charge(InvoiceId="future", **future, **doubtful)))
    project.drop("void.csv", as_csv(charge(InvoiceId="void", ChargeDescription="void", **azure)))
    project.drop("first.csv", as_csv(charge(InvoiceId="same", ChargeDescription="first")))
    project.build()
    project.drop("late.csv", as_csv(charge(InvoiceId="same", BillingAccountId="222")))
    project.settle("void", "void")
    project.build()
    held = project.query("SELECT * FROM tax_split_totals WHERE status = 'held'")
    assert {row["external_id"] for row in held} == {"333-2026-04-uninvoiced", "two", "future", "void", "same"}
    for row in held:
        offers = any("arcadia release" in reason for reason in row["hold_reasons"])
        assert offers is row["can_release"], row["hold_reasons"]
    assert [row["external_id"] for row in held if row["can_release"]] == ["same"]


def test_the_id_of_an_invoice_may_be_in_either_column_of_azure_s(project_with_finance: Project) -> None:
    """FOCUS of Azure with both columns, of which one is blank; Microsoft renamed it with FOCUS 1.2."""
    project = project_with_finance
    header = tuple("x_InvoiceId" if name == "x_Extra" else name for name in HEADER)
    rows = [
        charge(InvoiceId=own, x_Extra=other, ChargeDescription=f"{own}/{other}")
        for own, other in ((None, "G1"), ("  ", "G1"), ("NULL", "G1"), ("G2", "G1"), ("G2", None))
    ]
    named = [{("x_InvoiceId" if name == "x_Extra" else name): value for name, value in row.items()} for row in rows]
    project.drop("both.csv", as_csv(*named, header=header))
    other = [{**row, "BillingAccountId": "222", "InvoiceId": f"J-{row['InvoiceId']}"} for row in named[3:]]
    project.drop("both.jsonl", as_json(*other))
    project.build()
    assert in_finance(project) == {"G1": 1800, "G2": 1200, "J-G2": 1200}


def test_a_column_that_may_have_the_ids_is_named_with_the_line_that_says_so(project_with_finance: Project) -> None:
    project = project_with_finance
    header = tuple("x_InvoiceNumber" if name == "InvoiceId" else name for name in HEADER)
    row = {("x_InvoiceNumber" if name == "InvoiceId" else name): value for name, value in charge().items()}
    project.drop("a.csv", as_csv(row, header=header))
    project.build()
    [held] = project.query("SELECT * FROM tax_split_totals")
    [line] = re.findall(r'sources.toml: ("aws/111" = { invoice_id = "x_InvoiceNumber".*? })', held["hold_reasons"][0])
    (project.home / "sources.toml").write_text(line.replace("...", "it has the ids") + "\n")
    project.build()
    assert in_finance(project) == {"INV-1": 600}


def ways(reason: str, source: str) -> list[str]:
    """The commands in a reason, whatever the invoices' ids have in them; they name those of this source."""
    return re.findall(
        rf"arcadia \w+ (?:{source}/|'{source}/(?:[^']|'\"'\"')+'|[0-9a-f]{{12}}).*? --reason \"\.\.\.\"", reason
    )


AZURE = {
    "InvoiceIssuerName": "Microsoft",
    "ProviderName": "Microsoft",
    "BillingAccountId": "/providers/Microsoft.Billing/billingAccounts/1234:5678_2019-05-31/billingProfiles/AB-1",
}


@case("38")
def test_a_command_names_any_id_that_a_document_may_have(project_with_finance: Project, arcadia: Shell) -> None:
    project = project_with_finance
    ids = ("G1", "-G2", "--help", "G 1'$x", 'a"b', "h\u00e9 `!")
    for number, external_id in enumerate(ids):
        project.drop(f"{number}.csv", as_csv(charge(InvoiceId=external_id, ChargeDescription=external_id, **AZURE)))
    project.build()
    for external_id in ids:
        [reason] = project.invoice(external_id)["hold_reasons"]
        [release] = ways(reason, "azure")
        type_in(arcadia, project, release)
    project.build()
    assert in_finance(project) == dict.fromkeys(ids, 600)


@case("38")
@pytest.mark.parametrize("other", [{"BillingAccountId": "222"}, AZURE | {"BillingAccountId": "111"}])
def test_each_reason_of_one_of_two_invoices_with_one_id_settles_that_one(
    project_with_finance: Project, arcadia: Shell, other: dict[str, str]
) -> None:
    project = project_with_finance
    project.drop("a.csv", as_csv(charge(InvoiceId="12345")))
    project.drop("a.csv.total", b"USD 7.00")
    project.build()
    project.drop("b.csv", as_csv(charge(InvoiceId="12345", ChargeDescription="another", **other)))
    project.drop("b.csv.total", b"USD 9.00")
    project.build()
    keys = project.query("SELECT source, account_id, hold_reasons FROM tax_split_totals ORDER BY ALL")
    assert len(keys) == 2
    for key in keys:
        assert any("the total that it states" in reason for reason in key["hold_reasons"])
        for reason in key["hold_reasons"]:
            *_, release = [way for way in ways(reason, key["source"]) if way.startswith("arcadia release")]
            assert f"{key['source']}/{key['account_id']}/12345" in release
        paste(arcadia, project, release)
    assert [row["status"] for row in project.query("SELECT status FROM tax_split_totals")] == ["ready", "ready"]
    before = in_finance(project)
    project.forget_warehouse()
    project.build()
    assert in_finance(project) == before


def test_what_several_files_state_together_can_be_released(project_with_finance: Project, arcadia: Shell) -> None:
    """Whichever of the files the warehouse tells first."""
    project = project_with_finance
    ids = {more: f"INV-{more}" for more in "pqrst"}
    for more, external_id in ids.items():
        own = {"BillingAccountId": f"acc-{more}", "InvoiceId": external_id}
        rows = [charge(**own), charge(ChargeDescription="o", **own), charge(ChargeDescription=more, **own)]
        project.drop(f"{more}/a.csv", as_csv(*rows[:2]))
        project.drop(f"{more}/b.csv", as_csv(*rows))
    project.build()
    for external_id in ids.values():
        [reason] = project.invoice(external_id)["hold_reasons"]
        *_, release = ways(reason, "aws")
        type_in(arcadia, project, release)
    project.build()
    assert in_finance(project) == dict.fromkeys(ids.values(), 3000)
    project.forget_warehouse()
    project.build()
    assert {project.invoice(external_id)["status"] for external_id in ids.values()} == {"ready"}


@case("37")
@pytest.mark.parametrize(
    "row",
    [
        {"BillingCurrency": "XQQ"},
        {"BillingPeriodStart": "2016-04-01T00:00:00Z"},
        {"BillingPeriodStart": "2098-04-01T00:00:00Z"},
    ],
)
def test_what_nobody_can_overrule_can_be_left_out(
    project_with_finance: Project, arcadia: Shell, row: dict[str, str]
) -> None:
    project = project_with_finance
    project.drop("a.csv", as_csv(charge(**row)))
    project.build()
    [reason] = project.invoice("INV-1")["hold_reasons"]
    [void] = ways(reason, "aws")
    assert void.startswith("arcadia void ")
    paste(arcadia, project, void)
    assert in_finance(project) == {}
    assert "no invoice is held" in arcadia("invoices", "--held", ARCADIA_HOME=str(project.home)).stdout
