"""Odd and bad documents of described formats: what the cases of the list mean where a person says what the columns are."""

import gzip
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from arcadia_dagster.formats.description import DescriptionError, read_description
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.routes import RoutesError, read_routes
from arcadia_dagster.reading.format import NameFacts
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster_tests.kit import plain
from arcadia_dagster_tests.kit.bad_input import World, case, world_in
from arcadia_dagster_tests.kit.described import GOOD, HEADER, HETZNER, SERVER, VAT, as_csv
from arcadia_dagster_tests.kit.outcomes import in_finance
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, invoice_name, line, tax

AMOUNTS = (146_913, 123_456, 23_457)
NET = SERVER[:6]

ACCEPTED = {
    "byte order mark": b"\xef\xbb\xbf" + as_csv(SERVER, VAT),
    "CR LF": as_csv(SERVER, VAT).replace(b"\n", b"\r\n"),
    "padded, upper case": as_csv(SERVER, VAT, header=[f" {name.upper()} " for name in HEADER]),
    "gzip": gzip.compress(as_csv(SERVER, VAT)),
    "two equal lines": as_csv((*NET, "617,28"), (*NET, "617,28"), VAT),
    "minus as a sign of its own": as_csv(SERVER, (*NET, "-10,00"), (*NET, "10,00"), VAT),
}

HELD = {
    "tax larger": (as_csv((*NET, "1,00"), VAT), "its tax of 234.57 EUR is more than its net of 1.00 EUR"),
    "tax without net": (
        as_csv(VAT, ("Server", "x", "01.04.2026", "", "", "", "0,00")),
        "it has tax of 234.57 EUR without",
    ),
}

REJECTED = {
    "UTF-16": (as_csv(SERVER).decode().encode("utf-16"), "byte 0: UTF-16 text"),
    "Latin-1": (as_csv(VAT).decode().replace("€", "ä").encode("latin-1"), "byte "),
    "header only": (as_csv(), "line 1: there is a header and nothing below it"),
    "last row short": (as_csv(SERVER) + b"1;2", "line 3, expected 7 columns, found 2"),
    "quote not closed": (as_csv(SERVER) + b'"6,00;1', "line 3: it cannot be read as CSV: a quote is not closed"),
    "delimiters too many": (as_csv(SERVER)[:-1] + b";\n", "line 2"),
    "amount twice": (as_csv(header=(*HEADER, "netto")) + b"1", "line 1: column netto occurs more than once"),
    "no amount": (as_csv(SERVER[:6], header=HEADER[:6]), "line 1: "),
    "ambiguous": (as_csv((*NET, "1,234.56")), "line 2, column Netto: '1,234.56'"),
    "NaN": (as_csv((*NET, "NaN")), "line 2, column Netto: 'NaN'"),
    "web page": (b"<html>", "line 1: it is a web page"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("described")) as world:
        (world.project.home / "formats").mkdir()
        (world.project.home / "formats" / "one.toml").write_text(GOOD, encoding="utf-8")
        for number, label in enumerate((*ACCEPTED, *HELD), start=1):
            content = ACCEPTED[label] if label in ACCEPTED else HELD[label][0]
            # Different lines, for else they would be taken for one invoice under several names.
            own = gzip.decompress(content) if label == "gzip" else content
            own = own.replace(b"web-01", f"web-{number}".encode())
            world.put_as(
                label, f"R-{number}.csv", gzip.compress(own) if label == "gzip" else own, external_id=f"R-{number}"
            )
        for label, (content, _) in REJECTED.items():
            world.put_as(label, f"{label}.csv", content)
        name = "Hetzner_2026-05-03_080000869173.csv"
        world.put_as("Hetzner", name, as_csv(*HETZNER, header=(), delimiter=","), external_id="080000869173")
        world.put_as(
            "Hetzner with its total",
            name.replace("73.csv", "74.csv"),
            as_csv(*HETZNER[:1], header=(), delimiter=","),
            external_id="080000869174",
        )
        world.total("Hetzner with its total", b"3.29")
        world.build()
        yield world


@case("1")
def test_however_a_described_document_is_written_its_invoice_reaches_finance(world: World) -> None:
    assert {label: world.pushed(label) for label in ACCEPTED} == dict.fromkeys(ACCEPTED, AMOUNTS)


@case("18")
def test_odd_tax_holds_the_invoice(world: World) -> None:
    found = {label: world.held_because(label, account="8812") for label in HELD}
    assert [label for label, (_, reason) in HELD.items() if not found[label].startswith(reason)] == [], found


@case("12")
def test_what_cannot_be_read_is_rejected_with_its_place(world: World) -> None:
    assert world.rejected_otherwise(REJECTED) == {}


@case("5")
def test_an_invoice_whose_document_tells_no_tax_waits_for_its_total(world: World) -> None:
    assert "states amounts before tax, and not the tax" in world.held_because("Hetzner", account="unknown")
    assert world.pushed("Hetzner with its total") == (329, 329, 0)


EXPLODING = (
    GOOD.replace("(?P<invoice>R-\\d+)", "([\\w ]+-?)+(?P<invoice>X-\\d+)")
    .replace('values = ["USt.", "MwSt."]', "pattern = '^(([A-Z]|[a-z])+.?)+!$|^USt'")
    .replace('"examplecloud"', '"exploding"', 1)
)


@case("70")
@pytest.mark.timeout(60)
def test_a_pattern_that_other_engines_would_try_for_ever_is_matched_at_once_and_not_under_the_lock(
    project_without_finance: Project,
) -> None:
    project = project_without_finance
    project.describe(one=EXPLODING)
    project.drop(f"{'a' * 200}.csv", as_csv((*SERVER[:1], "a" * 200, *SERVER[2:]), ("a" * 200, *SERVER[1:]), VAT))
    project.drop("Rechnung 7-X-1 of 2026-04.csv", as_csv((*SERVER[:1], "web-02", *SERVER[2:]), VAT))

    class Looking(Formats):
        def facts_from_names(self, format_name: str | None, file_names: Collection[str]) -> dict[str, NameFacts]:
            with Warehouse(project.warehouse.path, lock_timeout=1).write():
                return super().facts_from_names(format_name, file_names)

    plain.build(project.warehouse, formats=Looking.of(project.home / "formats"))
    assert [row["external_id"] for row in project.query("SELECT external_id FROM document_invoices ORDER BY ALL")] == [
        f"8812-2026-04-{'a' * 200}",
        "X-1",
    ]
    assert project.invoice("X-1")["amount_tax_minor"] == AMOUNTS[2]


@case("71")
@pytest.mark.timeout(60)
def test_a_file_of_settings_that_is_too_large_or_too_deep_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "any.toml"
    for text in (
        ".".join("a" * 100_000) + " = 1",
        ".".join("a" * 30_000) + " = 1",
        "a = " + "[" * 1000,
        "#" * (2 << 20),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(DescriptionError, match=REFUSED):
            read_description(path)
        with pytest.raises(RoutesError, match=REFUSED):
            read_routes(path, "own")


REFUSED = r"any\.toml (is not TOML as people write it here: line 1 has a key|has more than \d+ bytes)"


TABLE = """name = "table"
source = "table"
currency = "USD"
first_line = "header"
file_name = 'T-(?P<invoice>\\d+)'
columns = {amount = "Cost", service = "Service", start = "Day"}
tax = {column = "Kind", values = ["Tax"]}
total = {column = "Kind", values = ["Total"], subtotals = ["Subtotal"]}
"""
PREAMBLE, TOP = "Invoice,1\nDate,2026-05-01\n\n", "Service,Day,Kind,Cost\n"
LINES = "Compute,2026-04-01,Usage,60.00\nStorage,2026-04-02,Usage,30.00\n,,Tax,9.00\n"
PARTS = """name = "shards"
source = "shards"
currency = "USD"
parts = true
columns = {amount = "Cost", service = "Service", start = "Day", invoice = "Invoice", month = "Month"}
tax = {none = "not due"}
"""
MINE = """name = "mine"
source = "mine"
currency = "USD"
columns = {amount = "USD", service = "product", start = "start"}
date_format = "%Y-%m-%d %H:%M:%S +0000"
file_name = 'DigitalOcean Invoice .*-(?P<invoice>\\d+)\\)'
tax = {column = "product", values = ["Taxes"]}
"""


@pytest.fixture
def described(tmp_path: Path) -> Iterator[Project]:
    """A project with these descriptions and a finance service."""
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        project = Project(tmp_path / "home", sandbox=sandbox)
        folder = project.home / "formats"
        folder.mkdir()
        for name, text in (("table", TABLE), ("shards", PARTS)):
            (folder / f"{name}.toml").write_text(text, encoding="utf-8")
        yield project


def shard(*rows: str) -> bytes:
    return "\n".join(("Service,Day,Cost,Invoice,Month", *rows, "")).encode()


@case("52")
def test_what_is_above_and_below_a_table_is_neither_charged_nor_lost(described: Project) -> None:
    contents = (
        PREAMBLE + TOP + LINES,
        TOP + LINES + ",,Subtotal,90.00\n,,Total,99.00\n",
        PREAMBLE + TOP + LINES + ",,Rounding,0.01\n,,Total,99.01\n",
        TOP + LINES + ",,Total,98.00\n",
    )
    for number, content in enumerate(contents, start=1):
        own = content.replace("Compute", f"Compute {number}").replace("Storage", f"Storage {number}")
        described.drop(f"T-{number}.csv", own.encode())
    described.build()
    assert in_finance(described) == {
        "1": (9_900, 9_000, 900, 3),
        "2": (9_900, 9_000, 900, 3),
        "3": (9_901, 9_001, 900, 4),
    }
    [reason] = described.invoice("4")["hold_reasons"]
    assert "the total that it states, 98.00 USD, differs from the sum of its lines, 99.00 USD" in reason
    path = described.home / "formats" / "table.toml"
    path.write_text(TABLE.replace('first_line = "header"\n', ""), encoding="utf-8")
    described.drop("T-9.csv", contents[0].replace("Compute", "Compute 9").encode())
    described.build()
    told = "line 4 has the columns that table names: say first_line = 4 in table.toml"
    assert told in described.document("T-9.csv")["reason"]
    [reason] = described.invoice("1")["hold_reasons"]
    assert (told in reason, described.document("T-1.csv")["status"]) == (True, "accepted"), "it counts as it was read"


@case("53")
def test_described_parts_are_one_invoice_in_whatever_order_they_come_and_files_that_are_whole_are_not(
    described: Project,
) -> None:
    parts = [
        f"%s {number},2026-04-0{number + 1},{amount},%s,2026-04" for number, amount in enumerate(("35.00", "8.50", "1"))
    ]
    for folder, order in (("a", (0, 1, 2)), ("b", (2, 0, 1)), ("c", (1, 2, 0))):
        for number in order:
            described.drop(f"{folder}/part_{number}.csv", shard(parts[number] % (folder, f"G-{folder}")))
    described.build()
    assert in_finance(described) == {f"G-{folder}": (4_450, 4_450, 0, 3) for folder in "abc"}
    whole = PARTS.replace("parts = true\n", "")
    (described.home / "formats" / "shards.toml").write_text(whole, encoding="utf-8")
    described.build()
    for folder in "abc":
        [reason] = described.invoice(f"G-{folder}")["hold_reasons"]
        assert (
            "a part of it, or a replacement? If they are parts, say `parts = true` at the top of the description of "
            "shards and put copies" in reason
        )


@case("54")
def test_two_billing_months_in_one_described_file_are_never_one_invoice(described: Project) -> None:
    (described.home / "formats" / "shards.toml").write_text(
        PARTS.replace("parts = true\n", "").replace('invoice = "Invoice", ', ""), encoding="utf-8"
    )
    described.drop("months.csv", shard("A,2026-04-01,60.00,,2026-04", "B,2026-05-01,30.00,,202605"))
    april = [f"C,2026-04-0{n},Usage,1.00" for n in range(1, 5)]
    described.drop("T-5.csv", (TOP + "\n".join([*april, "D,2026-05-01,Usage,1.00", ""])).encode())
    (described.home / "formats" / "table.toml").write_text(
        "\n".join(key for key in TABLE.splitlines() if not key.startswith("file_name")),
    )
    described.build()
    assert in_finance(described) == {
        "unknown-2026-04-months": (6_000, 6_000, 0, 1),
        "unknown-2026-05-months": (3_000, 3_000, 0, 1),
    }
    [reason] = described.invoice("unknown-2026-04-T-5")["hold_reasons"]
    assert "its lines start in 2 months (2026-04, 2026-05), and no line says of which invoice it is" in reason


@case("55")
def test_a_description_of_a_header_of_the_program_reads_its_files_however_late_it_comes(described: Project) -> None:
    described.drop(invoice_name(), digitalocean(line(), tax()))
    described.build()
    assert described.document(invoice_name())["format"] == "digitalocean_csv"
    (described.home / "formats" / "mine.toml").write_text(MINE, encoding="utf-8")
    described.drop(invoice_name(number="1002"), digitalocean(line(amount="$7.00"), tax()))
    described.build()
    formats = {row["file_name"]: row["format"] for row in described.query("SELECT * FROM documents")}
    assert formats == {invoice_name(): "mine", invoice_name(number="1002"): "mine"}


@case("56")
def test_a_category_that_is_not_described_holds_its_invoice_and_a_blank_id_is_an_error(described: Project) -> None:
    categories = '[category]\ncolumn = "Kind"\nUsage = ["Usage"]\nTax = ["Tax"]\n'
    text = TABLE.replace('tax = {column = "Kind", values = ["Tax"]}\n', "") + categories
    (described.home / "formats" / "table.toml").write_text(text, encoding="utf-8")
    described.drop("T-6.csv", (TOP + LINES + "Gift,2026-04-03,Promotion,1.00\n").encode())
    described.drop("blank.csv", shard("A,2026-04-01,60.00, ,2026-04"))
    described.build()
    [reason] = described.invoice("6")["hold_reasons"]
    assert reason.startswith(
        "T-6.csv: line 5, column Kind: 'Promotion'; expected a value that [category] has; it counts as Usage"
    )
    assert described.document("blank.csv")["reason"].startswith(
        "line 2, column Invoice: blank; expected the invoice's id. "
    )


@case("150")
def test_a_line_with_the_name_of_a_tax_that_counts_as_none_is_held_until_its_description_says_tax(
    project: Project,
) -> None:
    without = GOOD[: GOOD.index("[tax]")]
    project.describe(one=f'{without}[tax]\ncolumn = "Produkt"\nvalues = ["GST of ours"]\n')
    project.drop("R-1.csv", as_csv(SERVER, ("USt 19 %", "", "", "", "", "", "234,57")))
    project.build()
    [reason] = project.invoice("R-1")["hold_reasons"]
    assert "'USt 19 %' reads like a tax and is counted as none" in reason
    [line] = re.findall(r"tax = \{.*?\] \}", reason)
    project.describe(one=f"{line}\n{without}")
    project.build()
    assert in_finance(project) == {"R-1": (146_913, 123_456, 23_457, 2)}
