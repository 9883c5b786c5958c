"""Descriptions that are broken, gone or changed after documents were read by them: no invoice is lost, and none is told away."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from arcadia_dagster import cli
from arcadia_dagster.decisions.decision import decide
from arcadia_dagster.decisions.retiring import retire
from arcadia_dagster.defs.ingest import IngestError
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.descriptions import DESCRIBED, FormatsError
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.reports.explain import explain, find
from arcadia_dagster.resources import Resources
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.settings import load
from arcadia_dagster.stages.cost_lines import build_cost_lines
from arcadia_dagster.statement.pages import make_pages
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.locations import sensor_context
from arcadia_dagster_tests.kit.plain import RANGE, archive_of, build, reader_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, instance_in_memory, invoice_name, line, tax

APRIL = date(2026, 4, 1)
FILE = "April R-1 2026-04.csv"
NOTHING_ELSE = dg.AssetCheckKey(dg.AssetKey("finance_records"), "finance_has_nothing_else")
HETZNER = Path(__file__).parents[2] / "arcadia_dagster" / "formats" / "descriptions" / "hetzner.toml"

TEXT = """
name = "examplehost"
source = "examplehost"
currency = "EUR"
thousands_mark = ","
file_name = '.*(?P<invoice>R-\\d+) (?P<month>\\d{4}-\\d{2})'

[columns]
service = "Product"
start = "From"
amount = "Net"

[tax]
column = "Product"
values = ["VAT"]
"""
CONTENT = (
    b'Product,Server,From,Net,Bill\nServer,web-01,2026-04-01,"1,000.00",B-1\nServer,web-02,2026-04-01,20.00,B-2\n'
    b"VAT,,,193.80,B-1\n"
)
OTHER = b"Product,Server,From,Net,Bill\nServer,web-03,2026-04-01,5.00,B-3\n"
AMOUNTS = (121_380, 102_000, 19_380)


@dataclass
class Host:
    """A project with a description and one document that it reads, in finance; and a folder for more."""

    project: Project

    @property
    def folder(self) -> Path:
        return self.project.home / "formats"

    def describe(self, text: str = TEXT, name: str = "examplehost.toml") -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_text(text, encoding="utf-8")

    def change(self, *pairs: tuple[str, str]) -> None:
        text = TEXT
        for before, after in pairs:
            assert before in text
            text = text.replace(before, after)
        self.describe(text)
        self.project.build()

    @property
    def landing(self) -> LandingResource:
        found = Resources.of(load(self.project.environ)).landing
        assert isinstance(found, LandingResource)
        return found

    def stopped(self, *, run: bool = False) -> str:
        """Why nothing is taken: neither by a landing, nor by a tick, nor by a delivery, nor by a run; and nothing has changed."""
        before, archived = contents(self.project), sorted(self.project.home.joinpath("archive").rglob("*"))
        self.project.drop("new.csv", OTHER)
        self.project.drop(invoice_name(number="2002"), digitalocean(line(), tax()))
        with pytest.raises(FormatsError) as failure:
            self.project.new_months()
        told = str(failure.value)
        if run:
            with pytest.raises(IngestError, match=r"documents: .*nothing is taken"):
                self.project.run([APRIL])
        assert str(self.tick().skip_message) == told
        assert self.scheduled() == told
        assert contents(self.project) == before
        assert sorted(self.project.home.joinpath("archive").rglob("*")) == archived
        assert self.project.finance.reconcile(self.project.warehouse) == []
        for path in self.project.inbox.glob("*"):
            if path.name != FILE:
                path.unlink()
        return told

    def tick(self) -> Any:
        definitions = self.project.definitions()
        resources = {"warehouse": WarehouseResource(path=str(self.project.warehouse.path)), "landing": self.landing}
        sensor = definitions.resolve_sensor_def("new_invoice_files")
        with instance_in_memory() as instance, sensor_context(definitions, instance, None, resources) as context:
            return sensor.evaluate_tick(context)

    def scheduled(self) -> str:
        """Why the schedule delivers nothing."""
        resources = {
            "warehouse": WarehouseResource(path=str(self.project.warehouse.path)),
            "landing": self.landing,
            "finance": self.project.finance,
        }
        schedule = self.project.definitions().resolve_schedule_def("deliver_outstanding")
        with (
            instance_in_memory() as instance,
            dg.build_schedule_context(instance, resources=resources) as context,
        ):
            return str(schedule.evaluate_tick(context).skip_message)

    def assert_kept(self, *ids: str, months: int = 1) -> str:
        """The one reason for which these invoices are held; finance, the month and the statement have them as before."""
        project = self.project
        rows = project.query(
            "SELECT external_id, status, hold_reasons, can_release FROM tax_split_totals ORDER BY external_id"
        )
        assert [row["external_id"] for row in rows] == list(ids)
        assert {(row["status"], row["can_release"]) for row in rows} == {("held", True)}
        assert len({row["invoice_month"] for row in project.query("SELECT invoice_month FROM raw_invoices")}) == months
        self.assert_nobody_is_told_to_remove()
        [document] = project.query("SELECT status, is_kept FROM documents")
        assert (document["status"], document["is_kept"]) == ("accepted", True)
        [reason] = rows[0]["hold_reasons"]
        return str(reason)

    def assert_nobody_is_told_to_remove(self) -> None:
        project = self.project
        assert project.finance.reconcile(project.warehouse) == []
        with instance_in_memory() as instance:
            project.report_checks(instance, close_day=5)
            [shown] = instance.event_log_storage.get_latest_asset_check_execution_by_key([NOTHING_ELSE]).values()
        assert shown is not None
        assert shown.evaluation is not None
        assert shown.evaluation.passed
        make_pages(project.warehouse, archive_of(project.warehouse), project.home / "statements", [APRIL], RANGE)
        page = (project.home / "statements" / "2026-04.html").read_text(encoding="utf-8")
        assert "should not be" not in page
        assert "remove it in finance" not in page


def contents(project: Project, *, volatile: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table; without those of the inbox and of finance, and without when and how often it was built."""
    left_out = set() if volatile else {"inbox_files", "finance_records", "finance_attempts", "stage_versions", "seals"}
    return {
        table.name: project.query(f"FROM {table.name} ORDER BY ALL")
        for table in schema.TABLES
        if table.name not in left_out
    }


@pytest.fixture
def host(project_with_finance: Project) -> Host:
    found = Host(project_with_finance)
    found.describe()
    found.project.drop(FILE, CONTENT)
    found.project.build()
    assert found.project.sandbox is not None
    assert [row["external_id"] for row in found.project.sandbox.invoices()] == ["R-1"]
    return found


@pytest.fixture
def arcadia(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """A command with the project's settings: its exit code, and what it printed."""
    finance = host.project.finance
    monkeypatch.setattr(os, "environ", os.environ | host.project.environ)
    os.environ.update(
        SKYAI_FINANCE_URL=finance.base_url,
        ARCADIA_SANDBOX_URL=finance.base_url,
        SKYAI_FINANCE_SECRET=finance.secret,
        COLUMNS="400",
    )
    monkeypatch.setattr(dg.DagsterInstance, "get", instance_in_memory)

    def run(*words: str) -> tuple[int, str]:
        code = cli.main(words)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


BROKEN = {
    "a misspelt key": (
        TEXT.replace("thousands_mark", "thousand_mark"),
        "thousand_mark: there is no such key; did you mean",
    ),
    "a misspelt key of a table": (
        TEXT.replace("values", "value"),
        "tax.value: there is no such key; did you mean values?",
    ),
    "a misspelt field": (
        TEXT.replace("amount =", "amuont ="),
        "columns.amuont: there is no such field; did you mean amount?",
    ),
    "a misspelt value": (TEXT.replace('"EUR"', '"EUX"'), "currency: 'EUX' is not in ISO 4217"),
    "no TOML": (TEXT + "[[", "is not TOML: "),
    "a name of the program's": (TEXT.replace('"examplehost"', '"focus"', 1), "the program has a format of that name"),
    "a pattern that is not read": (TEXT.replace(".*(?P", "(?=a)(?P"), "look-ahead, look-behind and back-references"),
    "too deep": (TEXT + ".".join("a" * 1000) + " = 1", "is not TOML as people write it here"),
    "empty": ("", "name: missing"),
}


@case("72")
def test_a_description_that_cannot_be_used_stops_everything_before_it_takes_anything(host: Host) -> None:
    told = {}
    for label, (text, _) in BROKEN.items():
        host.describe(text)
        told[label] = host.stopped()
    assert {label: told[label] for label, (_, words) in BROKEN.items() if words not in told[label]} == {}
    assert all(text.startswith(f"{host.folder / 'examplehost.toml'}") for text in told.values())
    assert all(text.endswith("nothing is taken until it is right: see `arcadia formats`") for text in told.values())
    host.describe()
    host.project.drop("New R-2 2026-04.csv", OTHER)
    host.project.build()
    ready = host.project.query("FROM tax_split_totals WHERE status = 'ready'")
    assert {row["external_id"] for row in ready} == {"R-1", "R-2"}


def test_a_new_description_that_is_wrong_stops_everything_too(host: Host) -> None:
    host.describe("nme = 1", "second.toml")
    assert host.stopped(run=True).startswith(f"{host.folder / 'second.toml'}: name: missing")
    host.describe(TEXT.replace('"Net"', '"Gross"'), "second.toml")
    assert "second.toml: name = 'examplehost': examplehost.toml has that name too" in host.stopped()


def test_a_run_of_the_push_alone_sends_nothing_while_a_description_is_wrong(
    tmp_path: Path, sandbox: RunningSandbox
) -> None:
    project = Project(tmp_path / "home", sandbox=sandbox)
    project.drop(invoice_name(), digitalocean(line(), tax()))
    build(project.warehouse)
    Host(project).describe("nme = 1")
    graph = project.definitions().resolve_implicit_global_asset_job_def()
    with instance_in_memory() as instance:
        result = graph.get_subset(asset_selection={dg.AssetKey("finance_records")}).execute_in_process(
            instance=instance, partition_key="2026-04", raise_on_error=False
        )
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert "examplehost.toml: name: missing" in str(failure.user_failure_data.description)
    assert sandbox.invoices() == []


def remove_file(host: Host) -> None:
    (host.folder / "examplehost.toml").unlink()


def remove_folder(host: Host) -> None:
    shutil.rmtree(host.folder)


def rename(host: Host) -> None:
    host.describe(TEXT.replace('name = "examplehost"', 'name = "another"'))


def hide(host: Host) -> None:
    (host.folder / "examplehost.toml").rename(host.folder / "examplehost.toml.off")


@case("73")
def test_a_description_that_is_gone_while_documents_were_read_by_it_stops_everything(host: Host) -> None:
    for lose in (remove_file, remove_folder, rename, hide):
        lose(host)
        assert host.stopped() == (
            f"{host.folder / 'examplehost.toml'} is gone, but {FILE} was read by it as examplehost. No file is taken until you "
            "put it back. If its documents should no longer count: "
            '`arcadia formats retire examplehost --reason "..."`'
        ), lose.__name__
        host.describe()
    host.project.build()
    assert host.project.invoice("R-1")["status"] == "ready"


def test_a_folder_that_a_setting_names_and_that_is_none_stops_everything(host: Host) -> None:
    shutil.rmtree(host.folder)
    host.project.environ["ARCADIA_FORMATS"] = str(host.folder)
    assert f"{host.folder} does not exist; ARCADIA_FORMATS names it" in host.stopped()
    host.folder.write_text("no folder")
    assert f"{host.folder} cannot be read: Not a directory" in host.stopped(run=True)


def test_the_programs_description_does_not_stand_in_for_ones_own_that_is_gone(project_without_finance: Project) -> None:
    project = project_without_finance
    folder = project.home / "formats"
    folder.mkdir()
    own = HETZNER.read_text(encoding="utf-8")
    (folder / "mine.toml").write_text(own.replace("not stated", "not due"), encoding="utf-8")
    project.drop("Hetzner_2026-05-03_080000869173.csv", b"CX22,web,2026-04-01,2026-04-30,1,3.29,3.29,\n")
    project.build()
    assert project.invoice("080000869173")["status"] == "ready"
    (folder / "mine.toml").unlink()
    with pytest.raises(FormatsError, match=r"mine\.toml is gone, but Hetzner_2026-05-03_080000869173.csv was read"):
        project.build()
    assert project.invoice("080000869173")["status"] == "ready"


def test_what_nothing_was_read_by_may_go(host: Host) -> None:
    host.describe(TEXT.replace('name = "examplehost"', 'name = "unused"').replace('"Net"', '"Gross"'), "unused.toml")
    host.project.build()
    (host.folder / "unused.toml").unlink()
    host.project.drop("New R-2 2026-04.csv", OTHER)
    host.project.build()
    assert host.project.invoice("R-2")["status"] == "ready"


def test_every_command_that_takes_something_says_why_it_does_not_and_the_others_show_it(
    host: Host, arcadia: Callable[..., tuple[int, str]]
) -> None:
    key = "thousand_mark: there is no such key"
    host.describe(TEXT.replace("thousands_mark", "thousand_mark"))
    for words in (
        ("ingest",),
        ("ingest", "2026-04"),
        ("push", "2026-04"),
        ("push", "R-1", "--again"),
        ("release", "R-1", "--reason", "x"),
        ("void", "R-1", "--reason", "x"),
        ("end", "unknown", "--reason", "x"),
        ("formats",),
        ("doctor",),
    ):
        code, told = arcadia(*words)
        assert (words, code, key in told) == (words, 1, True)
    assert host.project.query("FROM decisions") == []
    for words in (("status",), ("explain", "R-1"), ("reconcile",)):
        code, told = arcadia(*words)
        assert (words, code, key in told) == (words, 0, words == ("status",))
        assert "remove" not in told
    assert key in json.loads(arcadia("status", "--json")[1])["problems"][0]
    host.describe()
    assert json.loads(arcadia("status", "--json")[1])["problems"] == []
    assert arcadia("formats")[0] == 0


def test_a_description_is_given_up_by_a_decision_about_its_documents_before_or_after_it_is_gone(
    host: Host, arcadia: Callable[..., tuple[int, str]]
) -> None:
    host.project.drop("New R-2 2026-04.csv", OTHER)
    host.project.build()
    remove_file(host)
    code, told = arcadia("formats")
    assert (
        code,
        "examplehost.toml is gone, but 2 documents (April R-1 2026-04.csv, ...) were read by it as examplehost" in told,
    ) == (
        1,
        True,
    )
    code, told = arcadia("dismiss", "New R-2 2026-04.csv", "--reason", "never ours")
    assert (code, "finance has R-2: unless an older version takes its place, remove it there by hand" in told) == (
        0,
        True,
    )
    assert arcadia("ingest")[0] == 1
    code, told = arcadia("formats", "retire", "examplehost", "--reason", "the contract has ended")
    assert (code, "examplehost: 1 document dismissed; finance has R-1: remove it there by hand" in told) == (0, True)
    assert arcadia("ingest")[0] == 0
    assert host.project.query("FROM tax_split_totals") == []
    decided = host.project.query("SELECT decision, reason FROM decisions ORDER BY reason")
    assert [(row["decision"], row["reason"]) for row in decided] == [
        ("dismiss", "never ours"),
        ("dismiss", "the contract has ended"),
    ]
    code, told = arcadia("reconcile")
    assert (code, told.count("though its document was dismissed"), told.count("remove it in finance by hand")) == (
        1,
        2,
        2,
    )
    code, told = arcadia("explain", "examplehost/unknown/R-1")
    assert (code, "no document states it any more: its document was dismissed" in told) == (0, True)
    host.project.forget_warehouse()
    build(host.project.warehouse)
    assert {row["status"] for row in host.project.query("FROM documents")} == {"dismissed"}


def test_only_a_description_can_be_retired(arcadia: Callable[..., tuple[int, str]]) -> None:
    assert arcadia("formats", "retire", "focus", "--reason", "x")[0] == 1
    code, told = arcadia("formats", "retire", "nobody", "--reason", "x")
    assert (code, "nobody: 0 documents dismissed" in told) == (0, True)


UNREAD = {
    "another column": [('"Net"', '"Gross"')],
    "another delimiter": [("[columns]", 'delimiter = ";"\n[columns]')],
    "another mark": [('thousands_mark = ","', 'thousands_mark = "."\ndecimal_mark = ","')],
    "another way to write days": [("[columns]", 'date_format = "%d.%m.%Y"\n[columns]')],
    "no header": [
        *(("[columns]", "header = false\nwidth = 5\n[columns]"), ('service = "Product"', "service = 1")),
        *(('"From"', "3"), ('"Net"', "4"), ('column = "Product"', "column = 1")),
    ],
}


@case("74")
def test_a_document_that_a_changed_description_does_not_read_keeps_its_invoice_held(host: Host) -> None:
    assert host.project.sandbox is not None
    received = [row["times_received"] for row in host.project.sandbox.invoices()]
    for label, pairs in UNREAD.items():
        host.change(*pairs)
        reason = host.assert_kept("R-1")
        assert reason.startswith(f"{FILE}: examplehost.toml, as it is now, does not read it (line "), label
        assert f"`arcadia formats try {host.folder / 'examplehost.toml'} FILE`" in reason
        assert "`arcadia dismiss " in reason
        assert reason.endswith(
            'until then it counts as it was read before; if that is right: arcadia release examplehost/unknown/R-1 --reason "..."'
        )
        total = host.project.invoice("R-1")
        assert tuple(total[f"amount_{name}_minor"] for name in ("gross", "net", "tax")) == AMOUNTS
    host.describe()
    host.project.build()
    assert (host.project.invoice("R-1")["status"], host.project.document(FILE)["is_kept"]) == ("ready", False)
    assert [row["times_received"] for row in host.project.sandbox.invoices()] == received


def test_a_kept_invoice_may_be_released_as_it_was_read_before(host: Host) -> None:
    host.change(('"Net"', '"Gross"'))
    host.assert_kept("R-1")
    host.project.decide("release", file_name=FILE, invoice=("examplehost", "unknown", "R-1"))
    host.project.build()
    total = host.project.invoice("R-1")
    assert (total["status"], len(total["released_reasons"])) == ("ready", 1)
    host.assert_nobody_is_told_to_remove()


def test_a_kept_document_stays_so_whatever_comes_of_it_later(host: Host) -> None:
    host.change(('"Net"', '"Gross"'))
    reason = host.assert_kept("R-1")
    host.project.drop(f"sub/{FILE}", CONTENT)
    host.project.drop(f"{FILE}.total", b"1213.80")
    host.project.build()
    assert host.assert_kept("R-1") == reason
    # The stage alone, as a run that was killed after its first step goes on.
    store = host.project.warehouse
    with store.write() as connection:
        connection.execute("UPDATE stage_versions SET version = version + 1 WHERE stage = 'raw_invoices'")
    with reader_of(store, Formats.of(host.folder)) as reader:
        assert build_cost_lines(store, archive_of(store), reader, [APRIL], RANGE) == {APRIL}
    found = explain(store, archive_of(store), find(store, "R-1"), formats=Formats.of(host.folder))
    assert [line["file_line"] for line in found["lines"]] == [2, 3, 4]
    assert host.assert_kept("R-1") == reason


STATES_OTHERS = {
    "several instead": (
        [("[columns]", '[columns]\ninvoice = "Bill"')],
        "examplehost/unknown/B-1, examplehost/unknown/B-2",
    ),
}


@case("74")
def test_a_document_in_which_a_changed_description_reads_other_invoices_keeps_its_own_until_a_person_decides(
    tmp_path: Path, sandbox: RunningSandbox
) -> None:
    for label, (pairs, states) in STATES_OTHERS.items():
        host = Host(Project(tmp_path / label))
        host.describe()
        host.project.drop(FILE, CONTENT)
        host.project.build()
        host.change(*pairs)
        assert_decided(host, states)
    # And where finance has it.
    host = Host(Project(tmp_path / "pushed", sandbox=sandbox))
    host.describe()
    host.project.drop(FILE, CONTENT)
    host.project.build()
    pairs, states = STATES_OTHERS["several instead"]
    host.change(*pairs)
    host.assert_kept("R-1")
    assert [row["external_id"] for row in sandbox.invoices()] == ["R-1"]
    assert_decided(host, states)
    assert sorted(row["external_id"] for row in sandbox.invoices()) == ["B-1", "B-2", "R-1"]
    [told] = host.project.finance.reconcile(host.project.warehouse)
    assert (told.external_id, "though it is void" in told.what) == ("R-1", True)
    assert told.advice == "remove it in finance by hand, then run `arcadia reconcile` again"


@pytest.mark.parametrize("newer", [False, True], ids=["on the older", "on the newer"])
def test_a_void_on_the_record_of_another_version_sets_a_kept_document_free(tmp_path: Path, newer: bool) -> None:
    host = Host(Project(tmp_path))
    host.describe()
    host.project.drop(FILE, CONTENT)
    host.project.build()
    host.project.drop(f"2/{FILE}", CONTENT.replace(b"20.00", b"30.00"))
    host.project.build()
    pairs, states = STATES_OTHERS["several instead"]
    host.change(*pairs)
    kept = host.project.query("SELECT document_sha256 FROM documents WHERE is_kept ORDER BY received_at")
    assert len(kept) == 2
    decide(
        host.project.warehouse,
        archive_of(host.project.warehouse),
        decision="void",
        document_sha256=kept[-1 if newer else 0]["document_sha256"],
        invoice=InvoiceKey("examplehost", "unknown", "R-1"),
        reason="it was never one",
        by="ann",
        now=datetime.now(UTC),
        formats=host.project.formats,
    )
    host.project.build()
    before = contents(host.project, volatile=False)
    assert [document["is_kept"] for document in before["documents"]] == [False, False]
    ids = {f"{row['source']}/{row['account_id']}/{row['external_id']}" for row in before["tax_split_totals"]}
    assert ids == set(states.split(", "))
    host.project.forget_warehouse()
    host.project.build()
    assert contents(host.project, volatile=False) == before


@pytest.mark.parametrize("is_pushed", [False, True], ids=["not pushed", "pushed"])
def test_a_description_that_calls_the_source_otherwise_renames_an_invoice_until_it_is_pushed(
    tmp_path: Path, sandbox: RunningSandbox, is_pushed: bool
) -> None:
    host = Host(Project(tmp_path / "home", sandbox=sandbox if is_pushed else None))
    host.describe()
    host.project.drop(FILE, CONTENT)
    host.project.build()
    host.change(('source = "examplehost"', 'source = "another"'))
    [total] = host.project.query("SELECT source, external_id, status FROM tax_split_totals")
    assert (total["source"], total["external_id"]) == ("examplehost" if is_pushed else "another", "R-1")
    assert total["status"] == "ready"
    assert [row["source"] for row in sandbox.invoices()] == (["examplehost"] if is_pushed else [])


def assert_decided(host: Host, states: str) -> None:
    """The invoice is held, and a person who voids it has what its document states now taken."""
    [reason] = host.project.invoice("R-1")["hold_reasons"]
    assert f"as it is now, reads {states} in it, but no longer examplehost/unknown/R-1" in reason
    assert 'if what it states now is right: `arcadia void examplehost/unknown/R-1 --reason "..."`' in reason
    assert len(host.project.query("FROM tax_split_totals")) == 1
    host.project.decide("void", file_name=FILE, invoice=("examplehost", "unknown", "R-1"), reason="it was never one")
    host.project.build()
    rows = host.project.query(
        "SELECT source || '/' || account_id || '/' || external_id AS id, status FROM tax_split_totals ORDER BY ALL"
    )
    assert [(row["id"], row["status"]) for row in rows] == [(id_, "ready") for id_ in states.split(", ")]


def test_an_invoice_that_is_one_of_several_is_not_lost_with_a_column(host: Host) -> None:
    bills = """name = "bills"\nsource = "bills"\ncurrency = "EUR"\ntax = {none = "not due"}
    columns = {invoice = "Bill", start = "Begin", amount = "Sum"}"""
    host.describe(bills, "bills.toml")
    host.project.drop(
        "b.csv", b"Bill,Old,Begin,Sum\nC-1,C-1,2026-04-01,1.00\nC-2,C-1,2026-04-01,2.00\nC-3,C-1,2026-04-01,4.00\n"
    )
    host.project.build()
    host.describe(bills.replace('"Bill"', '"Old"'), "bills.toml")
    host.project.build()
    rows = host.project.query(
        "SELECT external_id, status, amount_gross_minor FROM tax_split_totals WHERE source = 'bills' ORDER BY ALL"
    )
    assert [tuple(row.values()) for row in rows] == [("C-1", "held", 100), ("C-2", "held", 200), ("C-3", "held", 400)]
    host.assert_nobody_is_told_to_remove()


def test_an_id_is_corrected_before_the_first_push_and_stays_after_it(host: Host, tmp_path: Path) -> None:
    # Pushed: the first id stays.
    host.change(("(?P<invoice>R-\\d+)", "R-(?P<invoice>\\d+)"))
    assert host.project.invoice("R-1")["status"] == "ready"
    assert [(row["alias_external_id"], row["external_id"]) for row in host.project.query("FROM invoice_aliases")] == [
        ("1", "R-1")
    ]
    host.assert_nobody_is_told_to_remove()
    # Not pushed: it is corrected.
    other = Host(Project(tmp_path / "other"))
    other.describe()
    other.project.drop(FILE, CONTENT)
    other.project.build()
    other.change(("(?P<invoice>R-\\d+)", "R-(?P<invoice>\\d+)"))
    rows = other.project.query("FROM tax_split_totals")
    assert [(row["external_id"], row["status"]) for row in rows] == [("1", "ready")]


def test_amounts_that_come_out_otherwise_are_pushed_as_updated_as_before(host: Host) -> None:
    host.change(('values = ["VAT"]', 'values = ["GST"]'))
    assert host.project.sandbox is not None
    [reason] = host.project.invoice("R-1")["hold_reasons"]
    assert "'VAT' reads like a tax and is counted as none" in reason
    [row] = host.project.sandbox.invoices()
    assert (row["amount_gross_minor"], row["amount_tax_minor"]) == (121_380, 19_380)
    host.project.settle("release", "R-1")
    host.project.build()
    [row] = host.project.sandbox.invoices()
    assert (row["amount_gross_minor"], row["amount_tax_minor"]) == (121_380, 0)
    assert host.project.invoice("R-1")["status"] == "ready"


def test_a_rebuilt_warehouse_keeps_what_was_kept_and_says_what_is_gone(host: Host) -> None:
    host.project.drop("New R-2 2026-04.csv", OTHER)
    host.project.build()
    host.change(('"Net"', '"Gross"'))
    before = contents(host.project, volatile=False)
    assert {row["status"] for row in before["tax_split_totals"]} == {"held"}
    inbox = host.project.inbox.rename(host.project.home / "elsewhere")
    host.project.inbox.mkdir()
    host.project.forget_warehouse()
    build(host.project.warehouse, formats=Formats.of(host.folder))
    assert contents(host.project, volatile=False) == before
    host.project.forget_warehouse()
    shutil.rmtree(host.folder)
    with pytest.raises(FormatsError, match=r"examplehost\.toml is gone, but 2 documents .* were read"):
        host.project.build()
    assert host.project.query("FROM documents") == []
    host.describe()
    shutil.rmtree(host.project.inbox)
    inbox.rename(host.project.inbox)
    host.project.build()
    assert {row["status"] for row in host.project.query("FROM tax_split_totals")} == {"ready"}
    host.assert_nobody_is_told_to_remove()


def test_a_description_that_is_gone_can_be_retired_before_the_rebuilt_warehouse_knows_its_documents(host: Host) -> None:
    warehouse, archive = host.project.warehouse, archive_of(host.project.warehouse)
    host.project.forget_warehouse()
    shutil.rmtree(host.folder)
    with pytest.raises(FormatsError, match="formats retire examplehost"):
        host.project.build()
    retired = retire(
        warehouse, archive, name="examplehost", reason="given up", by="ada", now=datetime.now(UTC), formats=Formats()
    )
    assert (retired.read_otherwise, len(retired.dismissed)) == ([], 1)
    host.project.build()
    assert [row["status"] for row in host.project.query("FROM documents")] == ["dismissed"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('"Net"', '"Gross"'), "but the program can no longer read it ("),
        (('"Net"\n', '"Net"\ninvoice = "Bill"\n'), "but the program now reads examplehost/unknown/B-1, "),
    ],
    ids=["not read", "read otherwise"],
)
def test_a_document_without_a_description_on_its_record_stays_as_it_is_and_is_told(
    host: Host, change: tuple[str, str], told: str
) -> None:
    """Its month goes on: the next document of it is built, beside the lines that this one has."""
    # As the first version left it: without a chain, and without the index of heads.
    [heads] = (host.project.home / "archive").rglob("heads.jsonl")
    heads.unlink()
    [record] = (host.project.home / "archive").glob("??/*.jsonl")
    events = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    kept = [
        {name: value for name, value in event.items() if name != "previous"}
        for event in events
        if event["event"] != DESCRIBED
    ]
    record.write_text("".join(f"{json.dumps(event)}\n" for event in kept), encoding="utf-8")
    with host.project.warehouse.write() as connection:
        connection.execute(
            "UPDATE documents SET record = NULL, record_changed_ns = NULL, record_bytes = ?", [record.stat().st_size]
        )
    lines = (
        "SELECT line_number, description, amount, external_id FROM cost_lines WHERE external_id <> '1001' ORDER BY ALL"
    )
    before = host.project.query(lines)
    host.change(change)
    host.project.drop(invoice_name(), digitalocean(line(), tax()))
    host.project.build()
    [problem] = host.project.query("SELECT problem FROM inbox_files WHERE problem IS NOT NULL")
    assert problem["problem"].startswith(f"{FILE} was accepted with examplehost/unknown/R-1, {told}")
    assert "it stays as it was accepted" in problem["problem"]
    assert host.project.query(lines) == before != []
    assert host.project.invoice("R-1")["status"] == "ready"
    differing = host.project.finance.reconcile(host.project.warehouse)
    assert [difference.external_id for difference in differing] == ["1001"]  # Nobody has pushed it yet.


def test_what_nobody_decided_is_nowhere_told_to_be_removed(host: Host) -> None:
    """Whatever becomes of the register: that no document states an invoice is nobody's decision."""
    with host.project.warehouse.write() as connection:
        for table in ("document_invoices", "raw_invoices", "cost_lines", "tax_split_totals", "allocations"):
            connection.execute(f"DELETE FROM {table}")
    assert host.project.finance.reconcile(host.project.warehouse) == []
    make_pages(
        host.project.warehouse, archive_of(host.project.warehouse), host.project.home / "statements", [APRIL], RANGE
    )
    page = (host.project.home / "statements" / "2026-04.html").read_text(encoding="utf-8")
    assert "no document here states it, and nobody has decided that it should not be there" in page
    assert "remove it in finance" not in page
    found = explain(host.project.warehouse, archive_of(host.project.warehouse), find(host.project.warehouse, "R-1"))
    assert (found["is_stated"], found["unwanted"]) == (False, None)


def test_a_held_invoice_that_finance_has_is_not_told_to_be_removed(project_with_finance: Project) -> None:
    host = Host(project_with_finance)
    host.project.drop(invoice_name(), digitalocean(line(), tax()))
    host.project.build()
    host.project.drop(invoice_name(), digitalocean(line(), tax(amount="$9.00")))
    host.project.build()
    assert host.project.invoice()["status"] == "held"
    host.assert_nobody_is_told_to_remove()
    page = (host.project.home / "statements" / "2026-04.html").read_text(encoding="utf-8")
    assert "in finance as it was pushed before" in page
