"""The guide to describing a format: its example is read as it says, and what changes in it is read anew."""

import gzip
import json
import os
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from arcadia_dagster import cli
from arcadia_dagster.formats.description import FIELDS, Category, Description, Tax, Total
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.descriptions import FormatsError
from arcadia_dagster.reports.explain import explain, find
from arcadia_dagster.resources import Resources
from arcadia_dagster.settings import load
from arcadia_dagster.stages.cost_lines import build_cost_lines
from arcadia_dagster.warehouse import WarehouseError
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.plain import RANGE, archive_of, reader_of
from arcadia_dagster_tests.kit.project import Project, instance_in_memory

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "describing-a-format.md").read_text(encoding="utf-8")
NAME = "Rechnung R-1041 2026-04.csv"


def block(language: str, number: int = 0) -> str:
    """One of the guide's blocks: the first is of the first example, the second of the table of a console."""
    found = re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)
    assert len(found) == 2
    return str(found[number])


@pytest.fixture
def described(project_with_finance: Project) -> Project:
    """A project with the guide's description and file."""
    project = project_with_finance
    project.describe(examplehost=block("toml"))
    project.drop(NAME, block("csv").encode())
    return project


@pytest.fixture
def arcadia(
    described: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("COLUMNS", "120")
    # A copy: what a command sets itself must not outlive it.
    monkeypatch.setattr(os, "environ", os.environ | described.environ)

    def run(*words: object) -> tuple[int, str, str]:
        code = cli.main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


def test_the_guides_document_goes_all_the_way_to_finance(described: Project) -> None:
    described.run()
    assert described.sandbox is not None
    [row] = described.sandbox.invoices()
    assert (row["external_id"], row["source"], row["vendor_name"]) == ("R-1041", "examplehost", "Examplehost GmbH")
    assert (row["amount_gross_minor"], row["amount_tax_minor"]) == (119_000, 19_000)
    assert "comes to 1190.00 EUR, 190.00 of it tax" in " ".join(GUIDE.split())
    assert [line["amount"] for line in described.lines("R-1041")] == [
        *(Decimal("1012.40"), Decimal("12.0125"), Decimal("-24.4125"), Decimal(190))
    ]


def test_the_guides_table_of_a_console_goes_to_finance_without_its_total_and_never_without_its_lines(
    described: Project,
) -> None:
    (described.home / "formats" / "examplecost.toml").write_text(block("toml", 1), encoding="utf-8")
    table = block("csv", 1)
    described.drop("5000000032_cost_table_202604.csv", table.encode())
    described.drop("5000000033_cost_table_202604.csv", table.replace("30.00", "29.00").encode())
    described.drop("5000000034_cost_table_202604.csv", table.replace("Promotion", "Gift").encode())
    described.build()
    assert described.sandbox is not None
    rows = {row["external_id"]: row for row in described.sandbox.invoices()}
    assert sorted(rows) == ["5000000032", "R-1041"]
    found = rows["5000000032"]
    assert (found["amount_gross_minor"], found["amount_tax_minor"], found["line_count"]) == (108_901, 9_900, 5)
    assert "five lines, 1089.01 USD, 99.00 of it tax" in GUIDE
    [reason] = described.invoice("5000000033")["hold_reasons"]
    assert "the total that it states, 1089.01 USD, differs from the sum of its lines, 1088.01 USD" in reason
    [reason] = described.invoice("5000000034")["hold_reasons"]
    assert "line 7, column Cost type: 'Gift'; expected a value that [category] has; it counts as Credit" in reason
    categories = [line["charge_category"] for line in described.lines("5000000032")]
    assert categories == ["Usage", "Usage", "Credit", "Tax", "Adjustment"]


def test_a_description_of_a_header_of_the_program_is_told_and_its_files_are_read_anew(
    described: Project, arcadia: Callable[..., tuple[int, str, str]]
) -> None:
    may = {"BillingPeriodStart": "2026-05-01T00:00:00Z"}
    described.drop("focus.csv", as_csv(charge(**may), tax(**may)))
    described.build()
    read = "SELECT format, read_by FROM documents WHERE file_name = 'focus.csv'"
    built = "SELECT * FROM stage_versions WHERE invoice_month = '2026-05-01' ORDER BY ALL"
    [before], stages = described.query(read), described.query(built)
    own = """name = "own"\nsource = "own"\ncurrency = "USD"\ndate_format = "%Y-%m-%dT%H:%M:%SZ"
    columns = {amount = "BilledCost", invoice = "InvoiceId", month = "BillingPeriodStart", service = "x_Mine"}
    tax = {column = "ChargeCategory", values = ["Tax"]}"""
    path = described.home / "formats" / "own.toml"
    path.write_text(own, encoding="utf-8")
    described.build()
    [found] = described.query(read)
    assert (found["format"], found["read_by"] != before["read_by"]) == ("focus", True), (
        "looked at: it has no such column"
    )
    assert described.query(built) == stages, "and nothing was built for it"

    path.write_text(own.replace("x_Mine", "ServiceName"), encoding="utf-8")
    code, out, _ = arcadia("formats")
    told = " ".join(out.replace("\n", " ").split())
    assert (code, "it comes before focus, whose columns it names" in told) == (0, True), told
    code, _, told = arcadia("ingest")
    assert (code, described.query(read)[0]["format"]) == (0, "own")
    assert "focus.csv: read by the description own, instead of the program's own format focus" in told
    path.unlink()
    with pytest.raises(FormatsError, match="arcadia formats retire own"):
        described.build()
    code, told, _ = arcadia("formats", "retire", "own", "--reason", "the program reads it")
    assert "own: 0 documents dismissed, 1 read by another format from now on" in told
    described.build()
    assert described.query(read)[0]["format"] == "focus"
    described.forget_warehouse()
    described.build()
    assert described.query(read)[0]["format"] == "focus"


def test_trying_it_shows_the_lines_and_writes_nothing(
    described: Project, arcadia: Callable[..., tuple[int, str, str]]
) -> None:
    description, file = described.home / "formats" / "examplehost.toml", described.inbox / NAME
    before = sorted(described.home.rglob("*"))
    code, out, _ = arcadia("formats", "try", description, file)
    assert (
        code,
        "Invoice R-1041 of examplehost" in out,
        "gross 1,190.00 EUR, net 1,000.00 EUR, tax 190.00 EUR" in out,
    ) == (
        0,
        True,
        True,
    )
    assert re.search(r"^ *4 +2026-04-01 +2026-05-01 .*-24\.4125 EUR +Credit +Gutschein", out, re.MULTILINE)
    assert sorted(described.home.rglob("*")) == before
    file.write_text(file.read_text(encoding="utf-8").replace("Netto EUR", "Brutto EUR"), encoding="utf-8")
    code, _, told = arcadia("formats", "try", description, file)
    assert (code, "line 1: column Netto EUR is missing; found 'Produkt;Server;Von;Bis;Brutto EUR'" in told) == (1, True)
    code, _, told = arcadia("formats", "try", file, file)
    assert (code, "is not TOML" in told) == (2, True)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('tax = "not stated"', 'by sources.toml, examplehost: tax = "not stated" (agreed)'),
        ("rows_are_not_invoices_to_us = true", "its rows are no invoice to us: it would never be pushed"),
        ('issuer = "Example AG"', 'by sources.toml, examplehost: issuer = "Example AG" (agreed)'),
    ],
)
def test_trying_it_goes_by_the_rules_for_its_source(
    described: Project, arcadia: Callable[..., tuple[int, str, str]], rule: str, expected: str
) -> None:
    described.home.joinpath("sources.toml").write_text(f'[examplehost]\n{rule}\nreason = "agreed"\n')
    description, file = described.home / "formats" / "examplehost.toml", described.inbox / NAME
    code, out, _ = arcadia("formats", "try", description, file)
    assert (code, expected in out) == (0, True)
    described.home.joinpath("sources.toml").write_text('[examplehost]\ntax = "no"\nreason = "agreed"\n')
    code, _, told = arcadia("formats", "try", description, file)
    assert (code, 'expected "not stated" or "expected"' in told) == (1, True)


def test_trying_shows_some_of_many_invoices_and_adds_no_currencies_together(
    described: Project, arcadia: Callable[..., tuple[int, str, str]]
) -> None:
    description, file = described.home / "many.toml", described.home / "many.csv"
    description.write_text(
        'name = "many"\nsource = "many"\n[columns]\namount = "A"\nmonth = "M"\ninvoice = "I"\ncurrency = "C"\n'
        '[tax]\nnone = "not due"\n',
        encoding="utf-8",
    )
    rows = ["A,M,I,C", "1,2026-04,R-1,EUR", "1,2026-04,R-1,CHF", *(f"1,2026-04,R-{n},EUR" for n in range(2, 9))]
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    code, out, _ = arcadia("formats", "try", description, file)
    assert (code, out.count("Invoice R-"), "These are the first 5 of its 8 invoices" in out) == (0, 5, True)
    assert (
        "Invoice R-1 of many, account unknown, 2026-04 (by document): 2 lines, in several currencies (CHF, EUR)" in out
    )


def test_trying_what_is_no_readable_document_says_so_and_ends(
    described: Project, arcadia: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCADIA_MAX_DOCUMENT_BYTES", "100000")
    description = described.home / "formats" / "examplehost.toml"
    pipe = described.home / "pipe.csv"
    os.mkfifo(pipe)
    files = {
        "empty.csv": (b"", "the file is empty"),
        "binary.csv": (b"\x00\xff" * 99, "byte 0"),
        "large.csv": (b"x" * 100_001, "has 100001 bytes, more than ARCADIA_MAX_DOCUMENT_BYTES=100000"),
        "bomb.csv.gz": (gzip.compress(b"Produkt\n" * 20_000), "it unpacks into more than"),
        "table.parquet": (b"PAR1", "it is Parquet, but a description can only read CSV"),
    }
    told = {}
    for name, (content, _) in files.items():
        (described.home / name).write_bytes(content)
        told[name] = arcadia("formats", "try", description, described.home / name)
    assert {name: reason in told[name][2] for name, (_, reason) in files.items()} == dict.fromkeys(files, True), told
    for path in (pipe, described.home, described.home / "none.csv"):
        told[path.name] = arcadia("formats", "try", description, path)
        assert "is not a file that can be read" in told[path.name][2]
    assert {code for code, *_ in told.values()} == {1}


def test_the_list_has_the_described_formats_and_what_is_wrong_with_one(
    described: Project, arcadia: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = arcadia("formats", "list", "--json")
    assert {one["format"] for one in json.loads(out)["formats"]} >= {"digitalocean_csv", "hetzner", "examplehost"}
    code, out, _ = arcadia("formats")
    assert (code, "digitalocean_csv" in out, "hetzner" in out, "examplehost" in out) == (0, True, True, True)
    (described.home / "formats" / "broken.toml").write_text('nme = "broken"', encoding="utf-8")
    code, _, told = arcadia("formats")
    assert (code, "broken.toml: name: missing" in told, "nme: there is no such key" in told) == (1, True, True)
    assert "nothing is taken until it is right" in told
    code, out, _ = arcadia("doctor", "--json")
    [verdict] = [one for one in json.loads(out) if one["what"] == "formats"]
    assert (verdict["verdict"], "broken.toml" in verdict["text"]) == ("failed", True)


def test_a_changed_description_has_its_documents_read_anew(described: Project) -> None:
    description = described.home / "formats" / "examplehost.toml"

    def after(text: str) -> tuple[str, int | None]:
        description.write_text(text, encoding="utf-8")
        described.build()
        document = described.document(NAME)
        rows = described.query("SELECT amount_tax_minor FROM tax_split_totals")
        return document["status"], rows[0]["amount_tax_minor"] if rows else None

    assert after(block("toml").replace("Netto EUR", "Brutto EUR")) == ("rejected", None)
    assert after(block("toml")) == ("accepted", 19_000)
    assert after(block("toml").replace("^MwSt", "^Nothing")) == ("accepted", 0)


def test_a_line_is_traced_to_its_line_in_the_file_however_the_file_is_laid_out(
    project_without_finance: Project,
) -> None:
    project = project_without_finance
    (project.home / "formats").mkdir()
    (project.home / "formats" / "odd.toml").write_text(
        'name = "odd"\nsource = "odd"\ncurrency = "EUR"\ndelimiter = ";"\nheader = false\nwidth = 4\n'
        "columns = {start = 1, description = 2, amount = 3}\ntax = {amount = 4}\n",
        encoding="utf-8",
    )
    rows = ['2026-04-01;"two\nlines";1.00;0.19', "2026-04-01;one;2.00;0.38"]
    project.drop("odd.csv", "\n".join(rows).encode())
    project.drop("wrong.csv", "\n".join([*rows, "2026-04-01;one;2.00;much"]).encode())
    project.build()
    store, formats = project.warehouse, Formats.of(project.home / "formats")
    found = explain(store, archive_of(store), find(store, "unknown-2026-04-odd"), formats=formats)
    assert [(line["line_number"], line["file_line"]) for line in found["lines"]] == [(1, 1), (2, 1), (3, 3), (4, 3)]
    assert project.document("wrong.csv")["reason"].startswith("line 4, column 4: 'much'")


def test_lines_alone_are_not_built_by_another_description_than_their_invoices(described: Project) -> None:
    described.build()
    (described.home / "formats" / "examplehost.toml").write_text(
        block("toml").replace("^MwSt", "^Nothing"), encoding="utf-8"
    )
    store, months = described.warehouse, [date(2026, 4, 1)]
    with (
        reader_of(store, Formats.of(described.home / "formats")) as reader,
        pytest.raises(
            WarehouseError, match="a description of a format has changed since it was read: run `arcadia ingest`"
        ),
    ):
        build_cost_lines(store, archive_of(store), reader, months, RANGE)
    described.build()
    with reader_of(store, Formats.of(described.home / "formats")) as reader:
        assert build_cost_lines(store, archive_of(store), reader, months, RANGE) == set(months)


def test_a_description_is_taken_for_what_a_format_of_the_program_rejected_and_doubted_where_another_fits_too(
    project_without_finance: Project,
) -> None:
    project = project_without_finance
    (project.home / "formats").mkdir()
    project.drop("like.csv", b"Product,Description,Start,End,Net\nVM,a,2026-04-01,2026-05-01,1.5\n")
    text = """name = "like"\nsource = "like"\ncurrency = "EUR"\ntax = {none = "not due"}
    columns = {service = "Product", start = "Start", amount = "Net"}"""

    def after(name: str = "like.csv", **files: str) -> tuple[str | None, str]:
        for description, content in files.items():
            (project.home / "formats" / f"{description}.toml").write_text(content, encoding="utf-8")
        project.build()
        document = project.document(name)
        return document["format"], document["status"]

    assert after() == ("digitalocean_csv", "rejected")
    assert after(one=text) == ("like", "accepted")
    assert after(two=text.replace('"like"', '"other"', 1)) == ("like", "accepted")
    [reason] = project.invoice("unknown-2026-04-like")["hold_reasons"]
    assert "like and other both describe it; expected one description" in reason
    project.drop("new.csv", b"Product,Description,Start,End,Net\nVM,b,2026-04-01,2026-05-01,2.5\n")
    assert after("new.csv") == (None, "rejected")


def test_the_sensor_notices_a_changed_description_of_documents_that_are_taken_already(described: Project) -> None:
    described.build()
    definitions = described.definitions()
    sensor = definitions.resolve_sensor_def("new_invoice_files")
    resources = {
        "warehouse": WarehouseResource(path=str(described.warehouse.path)),
        "landing": Resources.of(load(described.environ)).landing,
    }

    def months() -> list[str]:
        with (
            instance_in_memory() as instance,
            dg.build_sensor_context(instance, definitions=definitions, resources=resources) as context,
        ):
            requests = sensor.evaluate_tick(context).run_requests or []
        return [str(request.run_key).partition(":")[0] for request in requests]

    assert months() == []
    description = described.home / "formats" / "examplehost.toml"
    description.write_text(block("toml").replace("^MwSt", "^Nothing"), encoding="utf-8")
    assert months() == ["2026-04"]
    described.build()
    assert months() == []


def test_the_guide_names_every_key() -> None:
    of_tables = [key for table in (Tax, Total, Category) for key in table.model_fields]
    keys = (*Description.model_fields, *FIELDS, *of_tables)
    assert [key for key in keys if not re.search(rf"`\[?{key}\b", GUIDE)] == []
