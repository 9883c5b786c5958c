"""The checks reflect what a person did: what is settled does not keep failing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from arcadia_dagster import cli
from arcadia_dagster.decisions.decision import Decision
from arcadia_dagster.defs.checks import _CHECKS, _missing, _result
from arcadia_dagster.finance.reconcile import Difference
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.reports.decision_page import Form
from arcadia_dagster.reports.good import LookedAt
from arcadia_dagster.settings import UI_URL
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster_tests.kit.plain import build
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, instance_in_memory, invoice_name, line, tax
from arcadia_dagster_tests.kit.sandboxes import empty_sandbox, execute
from arcadia_dagster_tests.kit.scripted_server import ScriptedServer, answer, imported

ROOT = Path(__file__).resolve().parents[2]
APRIL = date(2026, 4, 1)
DELIVERED, NOTHING_ELSE, NOTHING_REJECTED = SHOWN = (
    dg.AssetCheckKey(dg.AssetKey("finance_records"), "every_ready_invoice_is_in_finance"),
    dg.AssetCheckKey(dg.AssetKey("finance_records"), "finance_has_nothing_else"),
    dg.AssetCheckKey(dg.AssetKey("documents"), "nothing_rejected"),
)


def checks_after_a_run(project: Project) -> dict[str, dg.AssetCheckResult]:
    """The checks by name, after everything is built and delivered. Without Dagster around it, which takes thrice as long."""
    project.build()
    with project.warehouse.read() as connection:
        looked_at = LookedAt.of(connection)
        found = {
            check.kind.name: _result(check, connection, project.finance, Form(UI_URL), looked_at) for check in _CHECKS
        }
    warehouse = WarehouseResource(path=str(project.warehouse.path))
    return {**found, "every_ready_invoice_is_in_finance": _missing(warehouse, project.finance)}


def test_a_void_invoice_does_not_keep_the_check_of_held_ones_failing(project_without_finance: Project) -> None:
    project = project_without_finance
    project.drop(invoice_name(), digitalocean(line(amount="$1.00"), tax(amount="$7.00")))
    project.drop(invoice_name(number="1002"), digitalocean(line(amount="$2.00"), tax(amount="$9.00")))
    assert checks_after_a_run(project)["nothing_held"].metadata["found"].value == 2
    project.decide("void")
    assert checks_after_a_run(project)["nothing_held"].metadata["found"].value == 1
    project.decide("void", "1002")
    assert checks_after_a_run(project)["nothing_held"].passed


def removed_by_hand(project: Project) -> None:
    assert project.sandbox is not None
    execute(project.sandbox, "DELETE FROM invoices")


def reconciled(project: Project) -> list[Difference]:
    return project.finance.reconcile(project.warehouse)


@pytest.mark.parametrize("decision", ["dismiss", "void"])
def test_what_a_person_removed_from_finance_is_settled_by_a_comparison(
    project_with_finance: Project, decision: Decision
) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line(), tax()))
    assert checks_after_a_run(project)["finance_has_nothing_else"].passed
    project.decide(decision)
    assert [one.advice for one in reconciled(project)] == [
        "remove it in finance by hand, then run `arcadia reconcile` again"
    ]
    check = checks_after_a_run(project)["finance_has_nothing_else"]
    assert (check.passed, "arcadia reconcile" in str(check.description)) == (False, True)

    removed_by_hand(project)
    assert reconciled(project) == []
    assert checks_after_a_run(project)["finance_has_nothing_else"].passed
    [record] = project.query("FROM finance_records")
    assert (record["finance_invoice_id"], record["state"]) == (None, "delivered")
    assert "does not list it any more" in record["last_error"]
    assert [attempt["outcome"] for attempt in project.query("FROM finance_attempts")] == ["created"]


def test_what_was_settled_is_pushed_again_should_it_be_wanted_again(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line(), tax()))
    checks_after_a_run(project)
    project.decide("void")
    removed_by_hand(project)
    assert reconciled(project) == []
    with project.warehouse.write_register() as connection:
        connection.execute("DELETE FROM decisions")
    checks = checks_after_a_run(project)
    assert checks["every_ready_invoice_is_in_finance"].passed
    assert project.sandbox is not None
    assert [row["external_id"] for row in project.sandbox.invoices()] == ["1001"]
    assert reconciled(project) == []


def test_a_row_that_comes_back_after_it_was_settled_is_told(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line(), tax()))
    checks_after_a_run(project)
    assert project.sandbox is not None
    execute(project.sandbox, "UPDATE invoices SET tenant_id = 'north'")
    project.decide("dismiss")
    assert reconciled(project) == []
    execute(project.sandbox, "UPDATE invoices SET tenant_id = 'platform-admin'")
    assert [one.advice for one in reconciled(project)] == [
        "remove it in finance by hand, then run `arcadia reconcile` again"
    ]


def test_what_went_to_another_finance_service_is_not_held_against_this_one(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line(), tax()))
    checks_after_a_run(project)
    project.decide("dismiss")
    assert not checks_after_a_run(project)["finance_has_nothing_else"].passed
    there = "http://127.0.0.1:1"
    project.finance = FinanceResource(base_url=there, sandbox_url=there, secret=SECRET)
    assert checks_after_a_run(project)["finance_has_nothing_else"].passed


class Desk:
    """Runs `arcadia` in this process, with one storage of Dagster's for all commands; on disk where none is given."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance | None = None
    ) -> None:
        self.folder = folder
        self.instance = instance
        self.inbox = folder / "var" / "inbox"
        self.inbox.mkdir(parents=True)
        (folder / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, url: str, code: int = 0) -> None:
        with self._settings(url):
            assert cli.main(arguments) == code

    def failing(self, url: str) -> set[dg.AssetCheckKey]:
        """The checks that the UI shows as failed, by their latest evaluation."""
        with self._settings(url), dg.DagsterInstance.get() as instance:
            latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(SHOWN)
        assert len(latest) == len(SHOWN)
        return {key for key, execution in latest.items() if not (execution.evaluation and execution.evaluation.passed)}

    @contextmanager
    def _settings(self, url: str) -> Iterator[None]:
        settings = {
            "ARCADIA_SETTLE_SECONDS": "0",
            "ARCADIA_HOME": str(self.folder / "var"),
            "DAGSTER_HOME": str(self.folder),
            "SKYAI_FINANCE_URL": url,
            "SKYAI_FINANCE_SECRET": SECRET,
            "SKYAI_FINANCE_LIST_PATH": "/api/v1/invoices",
        }
        with self._monkeypatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr(os, "environ", {**os.environ, **settings})
            if self.instance is not None:
                (self.folder / "var" / "dagster").mkdir(exist_ok=True)
                patch.setattr(dg.DagsterInstance, "get", partial(nullcontext, self.instance))
            yield


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with instance_in_memory() as instance:
        yield Desk(tmp_path, monkeypatch, instance)


def test_the_ui_shows_what_a_command_settled_without_another_run(desk: Desk) -> None:
    (desk.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    (desk.inbox / "broken.csv").write_bytes(b"nothing,that,anybody,knows\n1,2,3,4\n")
    with ScriptedServer(answer(422, b"no such vendor"), imported("inv-1")) as server:
        desk("ingest", url=server.url, code=1)
        assert desk.failing(server.url) == {DELIVERED, NOTHING_REJECTED}
        desk("push", "--again", "1001", url=server.url)
        assert desk.failing(server.url) == {NOTHING_REJECTED}
        desk("dismiss", "broken.csv", "--reason", "not an invoice", url=server.url)
        assert desk.failing(server.url) == set()


def test_a_comparison_that_settles_a_check_shows_it(desk: Desk) -> None:
    (desk.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    with empty_sandbox() as sandbox:
        desk("ingest", url=sandbox.url)
        desk("void", "1001", "--reason", "paid twice", url=sandbox.url)
        desk("ingest", url=sandbox.url)
        assert desk.failing(sandbox.url) == {NOTHING_ELSE}
        execute(sandbox, "DELETE FROM invoices")
        desk("reconcile", url=sandbox.url)
        assert desk.failing(sandbox.url) == set()


def test_a_push_stands_where_the_ui_cannot_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path, monkeypatch)
    build_one(tmp_path)
    (tmp_path / "var" / "dagster").write_text("no folder", encoding="utf-8")
    with ScriptedServer(imported("inv-1")) as server:
        desk("push", "1001", url=server.url)
    printed = capsys.readouterr()
    assert "1 created" in printed.out
    assert "the checks in the UI could not be brought up to date" in printed.err


def build_one(tmp_path: Path) -> None:
    """Land and build an invoice without Dagster's storage."""
    project = Project(tmp_path / "var")
    project.drop(invoice_name(), digitalocean(line(), tax()))
    build(project.warehouse)
