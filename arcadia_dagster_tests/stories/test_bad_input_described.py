"""Odd and bad documents of described formats: what the cases of the list mean where a person says what the columns are."""

import gzip
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from arcadia_dagster.formats.description import DescriptionError, read_description
from arcadia_dagster.formats.format import NameFacts
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.routes import RoutesError, read_routes
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster_tests import plain
from arcadia_dagster_tests.formats.test_described import GOOD, HEADER, HETZNER, SERVER, VAT, as_csv
from arcadia_dagster_tests.project import Project
from arcadia_dagster_tests.stories.bad_input import World, case, world_in

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
    assert "states amounts before tax and not the tax" in world.held_because("Hetzner", account="unknown")
    assert world.pushed("Hetzner with its total") == (329, 329, 0)


EXPLODING = (
    GOOD.replace("(?P<invoice>R-\\d+)", "([\\w ]+-?)+(?P<invoice>X-\\d+)")
    .replace('values = ["USt.", "MwSt."]', "pattern = '^(([A-Z]|[a-z])+.?)+!$|^USt'")
    .replace('"examplecloud"', '"exploding"', 1)
)


@case("70")
@pytest.mark.timeout(60)
def test_a_pattern_that_other_engines_would_try_for_ever_is_matched_at_once_and_not_under_the_lock(
    project: Project,
) -> None:
    (project.home / "formats").mkdir()
    (project.home / "formats" / "one.toml").write_text(EXPLODING, encoding="utf-8")
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
