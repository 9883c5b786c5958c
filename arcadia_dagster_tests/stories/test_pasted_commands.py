"""Each hold gives the commands that settle it, ready to paste: pasted into a shell, they do.

Here are those of the holds that say which invoice it is: one id under two accounts, one that nobody can overrule.
"""

import re
import shlex
from pathlib import Path

import pytest

from arcadia_dagster_tests.formats.api_documents import linode, written
from arcadia_dagster_tests.formats.focus import as_csv, as_parquet, charge
from arcadia_dagster_tests.kit.shell import Shell
from arcadia_dagster_tests.project import Project
from arcadia_dagster_tests.stories.bad_input import case


@pytest.fixture
def arcadia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    folder = tmp_path / "shell"
    folder.mkdir()
    return Shell(folder, monkeypatch, capsys)


def paste(arcadia: Shell, project: Project, command: str) -> None:
    """Type the command as it is given, with a reason in place of the dots; and run what it makes necessary."""
    arcadia(*shlex.split(command.replace('"..."', '"looked at"'))[1:], ARCADIA_HOME=str(project.home))
    project.build()


def commands_in(reason: str) -> list[str]:
    return re.findall(r'arcadia \w+ .*? --reason "\.\.\."', reason)


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
@pytest.mark.parametrize("way", ["void this", "void that", "release"])
def test_each_command_for_one_id_under_two_accounts_settles_it(
    project_with_finance: Project, arcadia: Shell, name: str, way: str
) -> None:
    project = project_with_finance
    for file_name, content in TWO_ACCOUNTS[name]:
        project.drop(file_name, content)
        project.build()
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
