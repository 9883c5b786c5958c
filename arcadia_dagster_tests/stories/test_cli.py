"""The command line as a person uses it: real processes in a home of their own."""

import json
import os
import re
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from arcadia_dagster import cli
from arcadia_dagster.demo import SAMPLE
from arcadia_dagster.formats.reader import Reader
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster_tests.kit.digitalocean_api import TOKEN, DigitalOceanApi
from arcadia_dagster_tests.kit.digitalocean_api import invoice as api_invoice
from arcadia_dagster_tests.kit.generate import write_months
from arcadia_dagster_tests.kit.linode_api import TOKEN as LINODE_TOKEN
from arcadia_dagster_tests.kit.linode_api import LinodeApi
from arcadia_dagster_tests.kit.linode_api import invoice as linode_invoice
from arcadia_dagster_tests.kit.plain import warehouse_of
from arcadia_dagster_tests.kit.project import SECRET, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.scripted_server import Request, Step, answer
from arcadia_dagster_tests.kit.shell import ROOT, SCHEMA, Shell


def test_the_command_itself_ingests_in_a_process_of_its_own_and_changes_nothing_but_its_home(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    write_months(tmp_path / "var" / "inbox", first=date(2024, 11, 1), months=1)
    result = subprocess.run(
        [sys.executable, "-m", "arcadia_dagster.cli", "ingest"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "ARCADIA_SETTLE_SECONDS": "0"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        umask=0,
    )
    assert (result.returncode, "2024-11" in result.stdout) == (0, True), result.stderr
    assert "Warning" not in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"dagster.yaml", "var"}
    assert {path.name for path in (tmp_path / "var").iterdir()} == {
        "arcadia.duckdb",
        "arcadia.duckdb.lock",
        "arcadia.duckdb.turn.lock",
        "archive",
        "dagster",
        "first-month",
        "focus",
        "inbox",
        "last-month",
        "statements",
    }
    # Whatever the umask: what others could read would be somebody's invoices.
    written = [
        path for path in (tmp_path / "var").rglob("*") if (tmp_path / "var" / "inbox") not in (path, *path.parents)
    ]
    assert len(written) > 10
    assert [path for path in written if path.stat().st_mode & 0o077] == []


def test_a_run_of_ingest_says_what_the_command_has_landed_before_it(
    arcadia: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    (arcadia.inbox / "bad.csv").write_bytes(b"no invoice")
    arcadia.uses_storage_of_dagster = True
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    arcadia("ingest")
    with dg.DagsterInstance.get() as instance:
        [run] = instance.get_runs()
    told = {name: run.tags[f"arcadia/{name}"] for name in ("came", "pushed")}
    assert told == {
        "came": "2 new documents, 1 of them rejected",
        "pushed": "nothing: finance not configured, 1 ready",
    }


@pytest.mark.parametrize(
    "instance", [None, "storage: {sqlite: 3", "storages: {}"], ids=["missing", "no YAML", "no key"]
)
def test_a_dagster_home_that_dagster_refuses_gets_one_line_that_names_it(
    arcadia: Shell, tmp_path: Path, instance: str | None
) -> None:
    folder = tmp_path / "dagster-home"
    if instance is not None:
        folder.mkdir()
        (folder / "dagster.yaml").write_text(instance, encoding="utf-8")
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    arcadia.uses_storage_of_dagster = True
    said = arcadia("ingest", code=1, DAGSTER_HOME=str(folder)).stderr
    assert f"arcadia: Dagster cannot begin with DAGSTER_HOME={folder} (" in said
    assert "Traceback" not in said
    (arcadia.folder / "dagster.yaml").unlink()
    arcadia("ingest")
    assert arcadia.status()["2026-04"]["invoices"] == 1


def test_before_anything_is_there_status_says_what_to_do(arcadia: Shell) -> None:
    told = arcadia("status").stdout
    assert "run `arcadia ingest`" in told
    assert "arcadia.duckdb" in told
    assert json.loads(arcadia("status", "--json").stdout) == {
        "months": [],
        "agreements": [],
        "damaged_records": [],
        "problems": [],
    }


def test_ingest_brings_new_months_up_to_date_and_then_has_nothing_to_do(arcadia: Shell) -> None:
    invoices = write_months(arcadia.inbox, first=date(2024, 11, 1), months=4)
    (arcadia.inbox / "broken.csv").write_text("<html>", encoding="utf-8")

    first = arcadia("ingest")

    assert "broken.csv: rejected: line 1: it is a web page" in " ".join(first.stderr.split())
    found = arcadia.status()
    assert list(found) == ["2024-11", "2024-12", "2025-01", "2025-02", None]
    for invoice, month in zip(invoices, found.values(), strict=False):
        [total] = month["totals"]
        assert (total["currency"], total["gross"], total["tax"]) == ("USD", str(invoice.gross), str(invoice.tax))
    assert found[None]["rejected"] == 1
    assert "nothing new" in arcadia("ingest").stderr

    (arcadia.inbox / "worse.csv").write_text("<html><body>", encoding="utf-8")
    told = arcadia("ingest").stderr
    assert "worse.csv: rejected: line 1: it is a web page" in " ".join(told.split())
    assert "nothing new" not in told


def test_an_ingest_starts_one_engine_and_its_steps_read_what_its_landing_has_read(
    arcadia: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_months(arcadia.inbox, first=date(2024, 11, 1), months=2)
    started, read = [], []
    connect, read_documents = duckdb.connect, Reader.read

    def counted(*arguments: Any, **options: Any) -> Any:
        started.append(arguments)
        return connect(*arguments, **options)

    def noted(reader: Reader, *arguments: Any) -> Any:
        read.append(reader)
        return read_documents(reader, *arguments)

    monkeypatch.setattr(duckdb, "connect", counted)
    monkeypatch.setattr(Reader, "read", noted)
    arcadia("ingest")
    # And one in which the patterns of described formats are compiled, where no test before has done that.
    assert len(started) <= 2
    assert len({id(reader) for reader in read}) == 1


def test_status_cuts_no_figure_on_a_narrow_window(arcadia: Shell) -> None:
    name = invoice_name("2024 Nov")
    (arcadia.inbox / name).write_bytes(digitalocean(line(amount="$199999999.98"), tax(amount="$12345.67")))
    arcadia.build()
    told = arcadia("status", COLUMNS="40").stdout
    assert {"USD", "200,012,345.65", "199,999,999.98", "12,345.67"} <= set(told.split())


@pytest.mark.parametrize("arguments", [["status"], ["invoices"], ["doctor"], ["--help"]], ids=" ".join)
def test_a_reader_that_ends_before_the_command_gets_no_complaint(arcadia: Shell, arguments: list[str]) -> None:
    arcadia("init")
    command = [sys.executable, "-m", "arcadia_dagster.cli", *arguments]
    with subprocess.Popen(command, cwd=arcadia.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == (b"", 0)


def test_output_that_a_full_disk_does_not_take_is_one_line_and_exit_code_1(arcadia: Shell) -> None:
    arcadia("init")
    command = [sys.executable, "-m", "arcadia_dagster.cli", "status"]
    with Path("/dev/full").open("wb") as full:
        told = subprocess.run(command, cwd=arcadia.folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (told.stderr, told.returncode) == ("arcadia: the output cannot be written (No space left on device)\n", 1)


@pytest.mark.parametrize("environ", [{"COLUMNS": "40"}, {"COLUMNS": "", "FORCE_COLOR": "1"}])
def test_what_is_no_terminal_gets_whole_ids_on_whole_lines_and_no_colour(
    arcadia: Shell, environ: dict[str, str]
) -> None:
    words = "a volume [red]that[/red] :bug: has a name of one hundred and one letters, " + "x" * 27
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(description=f'"{words}"'), tax()))
    arcadia.build()
    (arcadia.inbox / invoice_name(number="2")).write_bytes(b"<html>")
    printed = arcadia("explain", "1001", environ=environ).stdout
    assert words in printed
    assert (
        "\x1b" not in printed + arcadia("status", environ=environ).stdout + arcadia("formats", environ=environ).stdout
    )
    assert len([row for row in arcadia("status", environ=environ).stdout.splitlines() if "2026-04" in row]) == 1


def test_a_name_of_a_file_commands_no_terminal(arcadia: Shell) -> None:
    (arcadia.inbox / "\x1b[2Jempty.csv").write_text("<html>", encoding="utf-8")
    told = arcadia("ingest").stderr
    assert "\\x1b[2Jempty.csv: rejected" in told
    assert "\x1b" not in told


def test_once_finance_is_configured_what_waited_is_delivered(arcadia: Shell, tmp_path: Path) -> None:
    write_months(arcadia.inbox, first=date(2024, 11, 1), months=2)
    arcadia.build()
    assert [month["pushed"] for month in arcadia.status().values()] == [0, 0]

    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        finance = {"SKYAI_FINANCE_URL": sandbox.url, "SKYAI_FINANCE_SECRET": SECRET}
        arcadia("ingest", environ=finance)
        rows = sandbox.invoices()
        again = arcadia("ingest", environ=finance)

    assert len(rows) == 2
    assert "nothing new" in again.stderr
    assert SECRET not in again.stderr + again.stdout


def test_a_wrong_secret_stops_the_run_in_one_line_that_names_the_setting(arcadia: Shell, tmp_path: Path) -> None:
    write_months(arcadia.inbox, first=date(2024, 11, 1), months=1)
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        finance = {"SKYAI_FINANCE_URL": sandbox.url, "SKYAI_FINANCE_SECRET": "another-secret-" * 5}
        failed = arcadia("ingest", code=2, environ=finance)
    [message] = [line for line in failed.stderr.splitlines() if line.startswith("arcadia: ")]
    assert "SKYAI_FINANCE_SECRET" in message
    assert "another-secret" not in failed.stderr
    assert arcadia.status()["2024-11"]["invoices"] == 1


def test_settings_come_from_dot_env_too(arcadia: Shell) -> None:
    (arcadia.folder / ".env").write_text("ARCADIA_LOCK_TIMEOUT=soon\n", encoding="utf-8")
    assert "ARCADIA_LOCK_TIMEOUT='soon'" in arcadia("status", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("ingest", "2026-13"), "expected a month such as 2026-04"),
        (("ingest", "2026-04..2026-01"), "expected the earlier month first: 2026-01..2026-04"),
        (("ingest", "2026-01..2026-02..2026-03"), "expected a month such as 2026-04, or a range"),
        (("ingest", "2017-12"), "ARCADIA_FIRST_MONTH=2018-01"),
        (("ingest", "2999-01"), "to the present one"),
        (("finance-sandbox",), "SKYAI_FINANCE_SECRET is not set"),
        (("dance",), "there is no 'dance'; arcadia --help lists what there is"),
        (("stauts",), "there is no 'stauts'; did you mean status?"),
        (("export", "blls"), "there is no 'export blls'; did you mean export bills?"),
        (("warehouse", "cpoy"), "there is no 'cpoy'; did you mean copy?"),
        (("completion", "bsh"), "there is no 'bsh'; did you mean bash?"),
    ],
)
def test_a_wrong_command_line_gets_one_line_and_exit_code_2(
    arcadia: Shell, arguments: tuple[str, ...], expected: str
) -> None:
    assert expected in arcadia(*arguments, code=2).stderr


def test_an_inbox_that_cannot_be_read_gets_one_line_with_the_setting(arcadia: Shell) -> None:
    file = arcadia.folder / "no-folder"
    file.touch()
    message = arcadia("ingest", code=1, ARCADIA_INBOX=str(file)).stderr
    assert "ARCADIA_INBOX" in message


@pytest.mark.parametrize(
    "command",
    [("status",), ("explain", "1001"), ("release", "1001", "--reason", "x"), ("dismiss", "x.csv", "--reason", "x")],
)
def test_a_mistyped_warehouse_is_named_and_not_made(arcadia: Shell, command: tuple[str, ...]) -> None:
    mistyped = arcadia.folder / "mistyped" / "arcadia.duckdb"
    result = arcadia(*command, code=0 if command == ("status",) else 1, ARCADIA_WAREHOUSE=str(mistyped))
    assert str(mistyped) in result.stdout + result.stderr
    assert not mistyped.exists()


def test_an_ingest_tells_what_it_newly_holds_once(arcadia: Shell) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(amount="$1.00"), tax(amount="$7.00")))
    told = arcadia("ingest", "--json")
    assert "digitalocean/77/1001: held: its tax of 7.00 USD" in told.stderr
    [month] = json.loads(told.stdout)["months"]
    assert (month["month"], month["held"]) == ("2026-04", 1)
    again = arcadia("ingest", "--json")
    assert ("held" in again.stderr, json.loads(again.stdout)) == (False, {"months": []})


def test_given_months_are_built_even_if_nothing_is_new(arcadia: Shell) -> None:
    arcadia.inbox.joinpath(invoice_name()).write_bytes(
        (SAMPLE / "inbox" / "DigitalOcean Invoice 2026 Apr (0000000-900000004).csv").read_bytes()
    )
    arcadia.build()
    assert "86.92" in arcadia("ingest", "2026-04").stdout
    assert "2026-04" in arcadia("ingest", "2026-03..2026-04").stdout


@pytest.fixture
def finance(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of a finance service that runs."""
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        yield {"SKYAI_FINANCE_URL": sandbox.url, "SKYAI_FINANCE_SECRET": SECRET}


def test_a_held_invoice_is_explained_released_with_a_reason_and_then_pushed(
    arcadia: Shell, finance: dict[str, str]
) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(amount="$1.00"), tax(amount="$7.00")))
    arcadia.build(**finance)
    assert (arcadia.status()["2026-04"]["held"], arcadia("push", "2026-04", environ=finance).stdout[:9]) == (
        1,
        "0 created",
    )

    explained = arcadia("explain", "1001").stdout
    assert "held: its tax of 7.00 USD is more than its net of 1.00 USD" in explained
    assert "arcadia release digitalocean/77/1001 --reason" in explained
    assert "held" in arcadia("push", "1001", code=1, environ=finance).stderr
    assert "1001" in arcadia("release", "1001", "--reason", "checked with the provider", environ=finance).stdout
    arcadia.build(**finance)

    found = json.loads(arcadia("explain", "digitalocean/77/1001", "--json").stdout)
    assert (found["totals"]["status"], found["finance"][0]["state"]) == ("ready", "delivered")
    assert [decision["reason"] for decision in found["decisions"]] == ["checked with the provider"]
    assert [(one["line_number"], one["file_line"], one["amount"]) for one in found["lines"]] == [
        (1, 2, "1"),
        (2, 3, "7"),
    ]
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["created"]
    assert "nothing to release" in arcadia("release", "1001", "--reason", "again", code=1).stderr


def test_an_invoice_with_many_findings_is_explained_on_a_page_and_in_full_as_json(arcadia: Shell) -> None:
    lines = (line(description=f"gst-proxy-{number}", amount=f"${number}.00") for number in range(1, 31))
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(*lines, tax()))
    arcadia.build()
    told = arcadia("explain", "1001").stdout
    assert told.count("  doubtful_tax_lines: ") == 21
    assert "  doubtful_tax_lines: and 10 more: use --json\n" in told
    found = json.loads(arcadia("explain", "1001", "--json").stdout)["findings"]
    assert [finding["kind"] for finding in found].count("doubtful_tax_lines") == 30


@pytest.mark.parametrize("options", [(), ("--as-stated",)])
def test_a_release_for_one_reason_does_not_overrule_another_that_nobody_has_read(
    arcadia: Shell, options: tuple[str, ...]
) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(amount="$1.00"), tax(amount="$7.00")))
    (arcadia.inbox / f"{invoice_name()}.total").write_bytes(b"USD 9.00")
    arcadia.build()
    release = ("release", "1001", *options, "--reason", "agreed with the provider")
    refused = arcadia(*release, code=1).stderr
    assert refused.startswith("arcadia: 1001 is held for 2 reasons, and a release overrules all of them:\n  1. ")
    assert "its tax of 7.00 USD is more than its net of 1.00 USD" in refused
    assert "the total that it states, 9.00 USD, differs" in refused
    words = "--all --reason 'agreed with the provider'"
    assert refused.endswith(f"arcadia release digitalocean/77/1001 {' '.join((*options, words))}\n")
    assert arcadia.status()["2026-04"]["held"] == 1
    arcadia(*release, "--all")
    arcadia.build()
    # With its stated total it has another net, so that its tax is another doubt.
    assert arcadia.status()["2026-04"]["held"] == len(options)


def test_a_person_who_has_released_a_large_invoice_cannot_approve_it(arcadia: Shell) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(amount="$1.00"), tax(amount="$7.00")))
    limit = {"ARCADIA_APPROVE_OVER": "USD 5"}
    arcadia.build(**limit)
    released = arcadia("release", "1001", "--reason", "checked with the provider", environ=limit)
    assert "1001: it may go to finance, once another person has approved it" in released.stdout
    arcadia.build(**limit)
    refused = arcadia("approve", "1001", "--reason", "it is right", code=1).stderr
    assert "1001 was released by" in refused
    assert "another person must approve it" in refused


def test_a_forced_push_is_answered_updated_and_a_void_invoice_is_pushed_no_more(
    arcadia: Shell, finance: dict[str, str]
) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    arcadia.build(**finance)
    assert "0 created, 0 updated, 1 unchanged" in arcadia("push", "1001", environ=finance).stdout
    assert json.loads(arcadia("push", "--again", "--json", "2026-04", environ=finance).stdout)["updated"] == ["1001"]
    assert "remove it there by hand" in arcadia("void", "1001", "--reason", "paid twice").stdout
    arcadia.build(**finance)
    assert "paid twice" in arcadia("push", "--again", "1001", code=1, environ=finance).stderr


def test_reconcile_tells_what_finance_has_beside_what_was_pushed(arcadia: Shell, finance: dict[str, str]) -> None:
    assert "set SKYAI_FINANCE_SECRET" in arcadia("reconcile", code=2).stderr
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    arcadia.build(**finance)
    can_list = {**finance, "SKYAI_FINANCE_LIST_PATH": "/api/v1/invoices"}
    assert "to the minor unit" in arcadia("reconcile", environ=can_list).stdout
    assert json.loads(arcadia("reconcile", "--json", environ=can_list).stdout) == {"differences": []}
    arcadia("void", "1001", "--reason", "paid twice")
    assert "remove it in finance by hand" in arcadia("reconcile", code=1, environ=can_list).stdout
    unknown = {**can_list, "SKYAI_FINANCE_LIST_PATH": "/nowhere"}
    assert "SKYAI_FINANCE_LIST_PATH" in arcadia("reconcile", code=2, environ=unknown).stderr


def test_a_dismissed_document_makes_the_older_version_current_again(arcadia: Shell) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    arcadia.build()
    newer = invoice_name().replace(".csv", " (1).csv")
    (arcadia.inbox / newer).write_bytes(digitalocean(line(amount="$9.00"), tax(amount="$0.90")))
    arcadia.build()
    assert arcadia.status()["2026-04"]["totals"][0]["gross"] == "9.90"
    arcadia("dismiss", newer, "--reason", "a draft")
    arcadia.build()
    assert arcadia.status()["2026-04"]["totals"][0]["gross"] == "6.60"


def test_a_damaged_record_is_told_by_status_and_doctor_and_push_and_mended_by_a_command(
    arcadia: Shell, finance: dict[str, str]
) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    arcadia.build()
    [path] = (arcadia.folder / "var" / "archive").glob("??/[0-9a-f]*[0-9a-f].jsonl")
    path.write_bytes(path.read_bytes()[:-3])
    told = f"{path.relative_to(arcadia.folder)}: line 1: it is cut off"
    assert told in arcadia("status").stdout
    assert [one["file_name"] for one in json.loads(arcadia("status", "--json").stdout)["damaged_records"]] == [
        invoice_name()
    ]
    assert "1 damaged record, so nothing of their documents is pushed" in arcadia("doctor", code=1).stdout
    assert "1001: not pushed: its record is damaged" in arcadia("push", "2026-04", code=1, environ=finance).stdout
    assert "arcadia mend" in arcadia("push", "1001", code=1, environ=finance).stdout
    assert "kept on record" in arcadia("mend", invoice_name(), "--reason", " ", code=1).stderr
    assert f"the record of {invoice_name()} is mended" in arcadia("mend", invoice_name(), "--reason", "x").stdout
    assert "there is nothing to mend" in arcadia("mend", invoice_name(), "--reason", "x", code=1).stderr
    arcadia.build(**finance)
    assert json.loads(arcadia("push", "--again", "--json", "1001", environ=finance).stdout)["updated"] == ["1001"]
    assert "damaged" not in arcadia("status").stdout


def test_a_months_statement_is_written_and_its_path_printed_and_a_push_is_on_it(
    arcadia: Shell, finance: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "run `arcadia init`" in arcadia("statement", code=1).stderr
    arcadia("init")
    assert "there is no invoice yet" in arcadia("statement", code=1).stderr
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    (arcadia.inbox / invoice_name("2026 Mar", "1000")).write_bytes(
        digitalocean(line(start="2026-03-01 00:00:00 +0000"))
    )
    arcadia.build()
    folder = arcadia.folder / "var" / "statements"
    opened: list[str] = []

    def noted(uri: str) -> bool:
        opened.append(uri)
        return True

    monkeypatch.setattr(webbrowser, "open", noted)
    assert arcadia("statement", "--open").stdout == f"{folder / '2026-04.html'}\n"
    assert opened == [(folder / "2026-04.html").as_uri()]
    assert "6.60" in (folder / "2026-04.html").read_text(encoding="utf-8")
    two = arcadia("statement", "2026-03..2026-04").stdout
    assert two == f"{folder / '2026-03.html'}\n{folder / '2026-04.html'}\n"
    arcadia("push", "2026-04", environ=finance)
    assert finance["SKYAI_FINANCE_URL"] in (folder / "2026-04.html").read_text(encoding="utf-8")
    arcadia("void", "1001", "--reason", "paid twice")
    assert "2026-04: something new is not in it yet: run `arcadia ingest`" in arcadia("statement").stderr
    assert "a month such as 2026-04" in arcadia("statement", "April", code=2).stderr
    assert arcadia("statement", "2026").stdout == f"{folder / '2026.html'}\n"
    taxed = arcadia("tax", "2026-q2").stdout
    assert taxed.splitlines()[-1] == str(folder / "tax-2026-Q2.html")
    assert json.loads(arcadia("tax", "2026", "--json").stdout)["months"][0] == "2026-01"
    assert "expected a quarter such as 2026-Q3" in arcadia("tax", "2026-Q5", code=2).stderr


def test_a_statement_of_half_built_figures_is_refused(arcadia: Shell) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    arcadia.build()
    with warehouse_of(arcadia.folder / "var").write() as connection:
        connection.execute("UPDATE stage_versions SET version = version + 1 WHERE stage = 'cost_lines'")
    assert "2026-04: the figures are just being built" in arcadia("statement", code=1).stderr


@pytest.mark.parametrize("command", [("explain",), ("release", "--reason", "x"), ("void", "--reason", "x")])
def test_an_unknown_invoice_gets_one_line(arcadia: Shell, command: tuple[str, ...]) -> None:
    arcadia("init")
    assert "there is no invoice 4711" in arcadia(command[0], "4711", *command[1:], code=1).stderr


def test_an_unknown_document_gets_one_line(arcadia: Shell) -> None:
    arcadia("init")
    assert "there is no document x.csv" in arcadia("dismiss", "x.csv", "--reason", "x", code=1).stderr


def test_a_decision_needs_a_reason(arcadia: Shell) -> None:
    assert "--reason" in arcadia("release", "1001", code=2).stderr


def test_a_setting_that_cannot_be_right_has_an_exit_code_of_its_own(arcadia: Shell) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    clear = {"SKYAI_FINANCE_URL": "http://finance.example", "SKYAI_FINANCE_SECRET": SECRET}
    assert "use https://" in arcadia("ingest", code=2, environ=clear).stderr
    assert "use https://" in arcadia("push", "2026-04", code=2, environ=clear).stderr
    assert arcadia.status()["2026-04"]["invoices"] == 1


def test_each_command_that_prints_json_has_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    def commands(*names: str) -> Iterator[str]:
        with pytest.raises(SystemExit):
            cli.main([*names, "--help"])
        told = capsys.readouterr().out
        if "--json" in told:
            yield " ".join(["arcadia", *names])
        for name in (
            re.findall(r"^ {4}([a-z-]+(?: [a-z]+)?)(?:  |$)", told, re.MULTILINE)
            if "ACTION" in told or not names
            else ()
        ):
            yield from commands(*names, name)

    assert set(commands()) == {name for name in SCHEMA["$defs"] if name.startswith("arcadia ")}


def test_a_shell_completes_commands_and_options(arcadia: Shell) -> None:
    script = arcadia("completion", "bash").stdout
    script += 'COMP_WORDS=(arcadia invoices --h); COMP_CWORD=2; _shtab_arcadia; echo "${COMPREPLY[@]}"'
    told = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["--help", "--held"]


def test_push_without_finance_says_which_setting_is_missing(arcadia: Shell) -> None:
    assert "SKYAI_FINANCE_SECRET" in arcadia("push", "2026-04", code=2).stderr


def test_the_doctor_has_a_verdict_for_everything_and_never_shows_the_secret(
    arcadia: Shell, finance: dict[str, str]
) -> None:
    arcadia("init")
    verdicts = {one["what"]: one for one in json.loads(arcadia("doctor", "--json", environ=finance).stdout)}
    assert {name: one["verdict"] for name, one in verdicts.items()} == {
        **dict.fromkeys(
            (
                "versions",
                "docs",
                "settings",
                "inbox",
                "archive",
                "warehouse",
                "records",
                "tenants",
                "sources",
                "budgets",
                "formats",
                "dagster",
                "disk",
                "locks",
                "private",
                "finance",
            ),
            "ok",
        ),
        **dict.fromkeys(("verified", "provider", "alerts"), "note"),
    }
    wrong = {**finance, "SKYAI_FINANCE_SECRET": "not-the-right-secret"}
    failed = arcadia("doctor", code=1, environ=wrong)
    assert "failed  finance" in failed.stdout
    assert "not-the-right-secret" not in failed.stdout + failed.stderr
    assert "not configured" in arcadia("doctor").stdout


def test_the_doctor_finds_a_home_and_a_secret_that_others_can_read_and_its_commands_close_them(
    arcadia: Shell, open_folder: Path
) -> None:
    home, secret = open_folder / "var", open_folder / "var" / "finance-secret"
    environ = {"ARCADIA_HOME": str(home)}
    arcadia("init", environ=environ)
    for mode, verdict in ((0o755, "failed"), (0o750, "note")):
        home.chmod(mode)
        secret.write_text("x" * 64, encoding="ascii")
        secret.chmod(0o644)
        # No sandbox runs with that secret, so `finance` fails too.
        told = {one["what"]: one for one in json.loads(arcadia("doctor", "--json", code=1, environ=environ).stdout)}
        assert told["private"]["verdict"] == verdict
        for what, command in (("secret", f"chmod go-rwx {secret}"), ("private", f"chmod -R go-rwx {home}")):
            assert f"run `{command}`" in told[what]["text"]
            subprocess.run(command.split(), check=True)
        after = json.loads(arcadia("doctor", "--json", code=1, environ=environ).stdout)
        assert [one["verdict"] for one in after if one["what"] in {"private", "secret"}] == ["ok"]
    home.chmod(0o755)
    assert (
        f"run `chmod -R o-rwx {home}`" in arcadia("doctor", code=1, environ=environ, ARCADIA_GROUP_READS="true").stdout
    )


def test_an_empty_folder_that_becomes_a_home_is_private_and_a_folder_with_files_stays_as_it_is(
    arcadia: Shell, open_folder: Path
) -> None:
    empty, used = open_folder / "empty", open_folder / "used"
    for home in (empty, used):
        home.mkdir(mode=0o755)
    (used / "somebodys").touch()
    for home in (empty, used):
        arcadia("init", ARCADIA_HOME=str(home))
    assert [home.stat().st_mode & 0o777 for home in (empty, used)] == [0o700, 0o755]
    shared = open_folder / "shared"
    shared.mkdir(mode=0o755)
    arcadia("init", ARCADIA_HOME=str(shared), ARCADIA_GROUP_READS="true")
    assert shared.stat().st_mode & 0o777 == 0o750


def test_status_and_doctor_list_what_waits_for_a_person(arcadia: Shell) -> None:
    (arcadia.inbox / "login.csv").write_text("<html>", encoding="utf-8")
    arcadia.build()
    [finding] = json.loads(arcadia("status", "--json").stdout)["findings"]
    assert (finding["kind"], finding["subject"]) == ("nothing_rejected", "login.csv")
    assert finding["command"] == "arcadia dismiss login.csv --reason '...'"
    told = arcadia("doctor").stdout
    assert f"note    findings   nothing_rejected: 1 found: {finding['advice']}" in told


def test_the_doctor_misses_the_inbox(arcadia: Shell) -> None:
    arcadia.inbox.rmdir()
    assert "failed  inbox" in arcadia("doctor", code=1).stdout


def test_up_says_in_one_line_that_a_port_is_in_use(arcadia: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = str(used.getsockname()[1])
        assert f"port {port} is in use" in arcadia("up", "--port", port, code=1).stderr


def test_a_release_is_for_the_doubts_that_were_seen_and_a_new_one_holds_the_invoice_again(arcadia: Shell) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    total = arcadia.inbox / f"{invoice_name()}.total"
    total.write_text("USD 1.00", encoding="utf-8")
    arcadia.build()
    arcadia("release", "1001", "--reason", "agreed with the provider")
    arcadia.build()
    assert arcadia.status()["2026-04"]["held"] == 0
    total.write_text("USD 55555.00", encoding="utf-8")
    assert "1001: held: the total that it states, 55555.00 USD" in arcadia("ingest").stderr
    assert arcadia.status()["2026-04"]["held"] == 1


def test_what_nobody_can_overrule_cannot_be_released(arcadia: Shell) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    arcadia.build()
    arcadia("void", "1001", "--reason", "paid twice")
    arcadia.build()
    assert "1001 cannot be released: voided by" in arcadia("release", "1001", "--reason", "x", code=1).stderr
    assert "arcadia release" not in arcadia("explain", "1001").stdout


def test_an_ingest_tells_what_finance_did_not_take_and_what_it_does_not_get(arcadia: Shell) -> None:
    (arcadia.inbox / invoice_name()).write_bytes(digitalocean(line(), tax()))
    sample = SAMPLE / "inbox" / "DigitalOcean Invoice 2026 Apr (0000000-900000004).csv"
    (arcadia.inbox / invoice_name(number="5555")).write_bytes(sample.read_bytes())
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    told = arcadia("ingest", code=1, SKYAI_FINANCE_URL=url, SKYAI_FINANCE_SECRET=SECRET)
    assert "digitalocean/77/1001: not in finance: " in told.stderr
    assert "1 sample invoice not sent (digitalocean/77/5555): its bytes are those of a sample" in told.stderr
    explained = arcadia("explain", "5555", SKYAI_FINANCE_URL=url, SKYAI_FINANCE_SECRET=SECRET).stdout
    assert "nothing was pushed; it is a sample, which goes to a sandbox only: see ARCADIA_SANDBOX_URL" in explained
    assert arcadia.status()["2026-04"]["pushed"] == 0


def test_the_doctor_only_looks(arcadia: Shell) -> None:
    verdicts = {one["what"]: one["verdict"] for one in json.loads(arcadia("doctor", "--json", code=1).stdout)}
    assert (verdicts["archive"], verdicts["warehouse"]) == ("failed", "failed")
    assert {path.name for path in (arcadia.folder / "var").iterdir()} == {"inbox"}
    [disk] = [
        one
        for one in json.loads(arcadia("doctor", "--json", code=1, environ={"ARCADIA_HOME": "elsewhere"}).stdout)
        if one["what"] == "disk"
    ]
    assert disk["verdict"] == "failed"
    assert disk["text"].endswith("/elsewhere yet: run `arcadia init`, or set ARCADIA_HOME")


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("up", "--port", "99999"), 2, "expected a port from 1 to 65535"),
        (("up", "--port", "3979", "--finance-port", "3979"), 1, "they must differ"),
        (("demo", "--sample", "nowhere"), 2, "--sample nowhere has no folder inbox, reissued, rejected"),
    ],
)
def test_what_cannot_be_started_is_said_in_one_line(
    arcadia: Shell, arguments: tuple[str, ...], code: int, expected: str
) -> None:
    assert expected in arcadia(*arguments, code=code).stderr


def test_fetch_puts_new_invoices_into_the_inbox_and_says_what_to_do_next(arcadia: Shell) -> None:
    with DigitalOceanApi([api_invoice(1, "2026-03"), api_invoice(2)]) as api:
        environ = {"DIGITALOCEAN_TOKEN": TOKEN, "ARCADIA_DIGITALOCEAN_URL": api.url}
        fetched = arcadia("fetch", "digitalocean", "2026-03", environ=environ)
        assert "1 new in" in fetched.stdout
        assert "arcadia ingest" in fetched.stdout
        rest = json.loads(arcadia("fetch", "digitalocean", "--json", environ=environ).stdout)
        again = arcadia("fetch", "digitalocean", environ=environ)
    assert [name[21:28] for name in rest["files"]] == ["2026-04"]
    assert (rest["known"], rest["older"], rest["left"]) == (1, 0, {})
    assert "0 new in" in again.stdout
    assert len(list(arcadia.inbox.iterdir())) == 2


def test_fetch_names_what_it_left_and_exits_with_1(arcadia: Shell) -> None:
    def gone(request: Request) -> Step | None:
        return answer(404, {"message": "no longer here"}) if request.path.endswith("/summary") else None

    with DigitalOceanApi([api_invoice()], before=gone) as api:
        environ = {"DIGITALOCEAN_TOKEN": TOKEN, "ARCADIA_DIGITALOCEAN_URL": api.url}
        fetched = arcadia("fetch", "digitalocean", code=1, environ=environ)
    assert "of 2026-04: left: DigitalOcean answered 404" in fetched.stderr
    assert "no longer here" in fetched.stderr


def test_fetch_without_a_name_asks_every_provider_that_is_configured(arcadia: Shell) -> None:
    with DigitalOceanApi([api_invoice()]) as api, LinodeApi([linode_invoice(1, date(2026, 4, 1), "119.00")]) as linode:
        environ = {"DIGITALOCEAN_TOKEN": TOKEN, "ARCADIA_DIGITALOCEAN_URL": api.url}
        environ |= {"LINODE_TOKEN": LINODE_TOKEN, "ARCADIA_LINODE_URL": linode.url}
        months = arcadia("fetch", "2026-04", environ=environ)
        assert "2 new in" in months.stdout
        linode.before = lambda _: answer(401)
        refused = arcadia("fetch", code=1, environ=environ)
    assert "Linode: left: Linode answered 401" in refused.stderr
    assert "0 new in" in refused.stdout
    assert "expected one of digitalocean, linode" in arcadia("fetch", "lenode", code=2).stderr
    assert "no provider is configured" in arcadia("fetch", code=2).stderr
    wrong = arcadia("fetch", code=2, LINODE_TOKEN=LINODE_TOKEN, ARCADIA_LINODE_URL="linode")
    assert "ARCADIA_LINODE_URL='linode': expected a URL" in wrong.stderr


def test_fetch_without_a_token_or_with_a_wrong_one_says_which_setting(arcadia: Shell) -> None:
    assert "set DIGITALOCEAN_TOKEN" in arcadia("fetch", "digitalocean", code=2).stderr
    assert "expected a month" in arcadia("fetch", "digitalocean", "April", code=2, DIGITALOCEAN_TOKEN=TOKEN).stderr
    with DigitalOceanApi() as api:
        environ = {"DIGITALOCEAN_TOKEN": "another-token", "ARCADIA_DIGITALOCEAN_URL": api.url}
        refused = arcadia("fetch", "digitalocean", code=1, environ=environ)
    assert "check DIGITALOCEAN_TOKEN" in refused.stderr
    assert "another-token" not in refused.stderr + refused.stdout


def test_doctor_says_what_a_provider_lets_us_read(arcadia: Shell) -> None:
    arcadia("init")
    assert "no provider is configured: set DIGITALOCEAN_TOKEN" in arcadia("doctor").stdout
    with DigitalOceanApi([api_invoice()]) as api:
        environ = {"DIGITALOCEAN_TOKEN": TOKEN, "ARCADIA_DIGITALOCEAN_URL": api.url}
        told = arcadia("doctor", environ=environ).stdout
        assert f"invoices: {api.url} lists 1 invoice" in told
        assert f"inventory: {api.url} lists 0 resources" in told
        refused = arcadia("doctor", code=1, environ={**environ, "DIGITALOCEAN_TOKEN": "another"})
    assert "check DIGITALOCEAN_TOKEN" in refused.stdout


def test_invoices_and_lines_are_exported_into_a_folder_or_one_of_them_into_a_file(arcadia: Shell) -> None:
    write_months(arcadia.inbox, first=date(2024, 11, 1), months=2)
    arcadia.build()
    assert arcadia("export", "2024-11..2024-12", "--to", "out").stdout.splitlines()[0] == (
        "out/invoices-2024-11-to-2024-12.csv: 2 invoices"
    )
    arcadia("export", "2024-11", "--lines", "--to", "out/of/lines.parquet")
    arcadia("export", "--format", "parquet", "--invoices", "--to", "out")
    found = {str(path.relative_to(arcadia.folder / "out")) for path in (arcadia.folder / "out").rglob("*.*")}
    both = {f"{name}-2024-11-to-2024-12.csv" for name in ("invoices", "lines")}
    assert found == {*both, "of/lines.parquet", "invoices.parquet"}
    [file] = json.loads(arcadia("export", "2024-11", "--invoices", "--to", "x.csv", "--json").stdout)["files"]
    assert file == {"path": "x.csv", "rows": 1}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--to", "x.csv"), "say --invoices or --lines"),
        (("--lines", "--to", "x.csv", "--format", "parquet"), "leave one of them out"),
        (("--to", "dagster.yaml"), "it is a file"),
        (("2024-13",), "expected a month"),
    ],
)
def test_an_export_that_cannot_be_meant_is_told_in_one_line(
    arcadia: Shell, arguments: tuple[str, ...], told: str
) -> None:
    arcadia.build()
    assert told in arcadia("export", *arguments, code=2).stderr


def test_an_account_is_awaited_until_its_invoice_comes_or_a_person_says_that_it_has_ended(arcadia: Shell) -> None:
    present = datetime.now(UTC).date().replace(day=1)
    closed = (present - timedelta(days=1)).replace(day=1)
    before = (closed - timedelta(days=1)).replace(day=1)
    (arcadia.inbox / invoice_name(f"{before:%Y %b}")).write_bytes(
        digitalocean(line(start=f"{before} 00:00:00 +0000", end=f"{before} 23:00:00 +0000"), tax())
    )
    arcadia.build()
    told = f"{closed:%Y-%m} is not complete, it lacks: digitalocean/77 (last {before:%Y-%m})"
    assert told in arcadia("status", ARCADIA_CLOSE_DAY="1").stdout
    assert not json.loads(arcadia("status", "--json").stdout)["close"]["is_complete"]
    assert "there is no account" in arcadia("end", "78", "--reason", "left", code=1).stderr
    arcadia("end", "77", "--reason", "we left")
    arcadia.build()
    assert json.loads(arcadia("status", "--json").stdout)["close"]["is_complete"]
