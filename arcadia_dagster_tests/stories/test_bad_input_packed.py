"""Odd and bad files that are packed: what they hold counts, and what they would unpack into is limited."""

import gzip
import io
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pytest
import zstandard

from arcadia_dagster.decisions.decision import decide
from arcadia_dagster.reading.content import Examiner
from arcadia_dagster.reports.explain import explain, find
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import renew
from arcadia_dagster_tests.kit.bad_input import World, case, world_in
from arcadia_dagster_tests.kit.packed import zipped
from arcadia_dagster_tests.kit.plain import archive_of, build
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax

APRIL = date(2026, 4, 1)
GOOD = digitalocean(line(), tax())
HALVES = GOOD[:100], GOOD[100:]
LIMIT = 2_000_000
BOMB_BYTES = 300_000_000


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


@cache
def bomb(kind: str) -> bytes:
    """A hundred thousand bytes that unpack into hundreds of millions."""
    zeros = b"0" * 1_000_000
    if kind == "zip":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb.csv", "w") as file:
            for _ in range(BOMB_BYTES // len(zeros)):
                file.write(zeros)
        return packed.getvalue()
    packer = zstandard.ZstdCompressor().compressobj() if kind == "zstd" else zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(zeros) for _ in range(BOMB_BYTES // len(zeros))) + packer.flush()


PACKED = {
    "gzip": gzip.compress(GOOD),
    "gzip, several members": b"".join(map(gzip.compress, HALVES)),
    "gzip, several members, one empty": b"".join(map(gzip.compress, (HALVES[0], b"", HALVES[1]))),
    "Zstandard": zstd(GOOD),
    "Zstandard, several frames": b"".join(map(zstd, HALVES)),
    "gzip of CR LF": gzip.compress(GOOD.replace(b"\n", b"\r\n")),
    "gzip of a byte order mark": gzip.compress(b"\xef\xbb\xbf" + GOOD),
    "ZIP": zipped(("invoice.csv", GOOD)),
    "ZIP of macOS": zipped(("my invoice.csv", GOOD), ("__MACOSX/._my invoice.csv", b"\0\5\x16\7")),
}

LONG = digitalocean(*[line(description=f"web-{number}") for number in range(2_000)])


@cache
def damaged() -> dict[str, tuple[bytes, str]]:
    """Contents and the start of the reason; made where they are needed, for the bombs take a second."""
    return {
        "gzip cut off": (gzip.compress(LONG)[:-40], "it cannot be unpacked: its gzip content is damaged or not whole"),
        "gzip, not its sum": (
            gzip.compress(GOOD)[:-8] + bytes(8),
            "it cannot be unpacked: its gzip content is damaged",
        ),
        "gzip, then something else": (
            gzip.compress(GOOD) + b"...",
            "it cannot be unpacked: its gzip content is damaged",
        ),
        "only the start of gzip": (b"\x1f\x8b", "it cannot be unpacked: its gzip content is damaged or not whole"),
        "Zstandard damaged": (zstd(LONG)[:-30] + b"\xff" * 30, "it cannot be unpacked: its zstd content is damaged"),
        "gzip bomb": (bomb("gzip"), f"it unpacks into more than ARCADIA_MAX_DOCUMENT_BYTES={LIMIT} bytes"),
        "Zstandard bomb": (bomb("zstd"), f"it unpacks into more than ARCADIA_MAX_DOCUMENT_BYTES={LIMIT} bytes"),
        "ZIP bomb": (bomb("zip"), f"it unpacks into more than ARCADIA_MAX_DOCUMENT_BYTES={LIMIT} bytes"),
        "ZIP cut off": (
            zipped(("a.csv", GOOD))[:-40],
            "it cannot be unpacked: its ZIP archive is damaged or not whole",
        ),
        "ZIP of several files": (
            zipped(("a.csv", GOOD), ("b.csv", GOOD)),
            "it is a ZIP archive of 2 files ('a.csv', 'b.csv'): unpack it, and drop its files",
        ),
        "ZIP of a bad amount": (
            zipped(("a.csv", digitalocean(line(), line(amount="1.2.3")))),
            "line 3, column USD: '1.2.3'; expected an amount",
        ),
        "gzip of nothing": (gzip.compress(b""), "the file is empty; expected an invoice"),
        "gzip of UTF-16": (gzip.compress(GOOD.decode().encode("utf-16")), "byte 0: UTF-16 text; save it as UTF-8"),
        "gzip of a bad amount": (
            gzip.compress(digitalocean(line(), line(amount="1.2.3"))),
            "line 3, column USD: '1.2.3'; expected an amount",
        ),
        "gzip of a short row": (gzip.compress(GOOD + b"a,b\n"), "line 4, expected 9 columns, found 2"),
        "gzip of gzip": (gzip.compress(gzip.compress(GOOD)), "it is packed twice (gzip within): unpack it"),
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_in(tmp_path_factory.mktemp("packed"), ARCADIA_MAX_DOCUMENT_BYTES=str(LIMIT)) as world:
        for label, content in PACKED.items():
            world.put(label, content)
        for label, (content, _) in damaged().items():
            world.put(label, content)
        world.run()
        yield world


@case("32")
def test_a_packed_invoice_is_read_as_what_it_holds(world: World) -> None:
    assert {label: world.pushed(label) for label in PACKED} == dict.fromkeys(PACKED, (660, 600, 60))
    assert {len(world.lines(label)) for label in PACKED} == {2}


@case("32")
def test_a_packed_file_that_is_damaged_or_unpacks_into_too_much_is_rejected(world: World) -> None:
    found = {label: world.rejected_because(label) for label in damaged()}
    assert {label: reason for label, reason in found.items() if not reason.startswith(damaged()[label][1])} == {}


@case("32")
def test_a_bomb_costs_neither_memory_nor_disk(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    for kind in ("gzip", "zstd", "zip"):
        path.write_bytes(bomb(kind))
        tracemalloc.start()
        examiner = Examiner(max_bytes=LIMIT)
        examiner.update(path.read_bytes())

        _, facts = examiner.finish(path)

        most_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert str(LIMIT) in str(facts.problem)
        assert most_bytes < BOMB_BYTES // 10
        assert list(tmp_path.iterdir()) == [path]


@case("32")
def test_the_line_of_a_packed_file_is_told_by_its_content(world: World) -> None:
    for kind in ("gzip", "ZIP"):
        invoice = find(world.project.warehouse, world.numbers[kind])
        found = explain(world.project.warehouse, archive_of(world.project.warehouse), invoice)
        assert [line["file_line"] for line in found["lines"]] == [2, 3]


UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize(
    ("inside", "external_id", "basis"),
    [
        (invoice_name(number="4711"), "4711", "file_name"),
        (f"2026/{invoice_name(number='4711')}", "4711", "file_name"),
        (f"{UUID}.csv", UUID, "derived"),
        ("data.csv", "unknown-2026-04-april", "derived"),
    ],
)
def test_the_name_of_a_file_in_a_zip_archive_tells_what_that_of_a_file_does(
    tmp_path: Path, inside: str, external_id: str, basis: str
) -> None:
    project = Project(tmp_path / "home")
    project.drop("april.zip", zipped((inside, digitalocean(line()))))
    project.build()
    query = "SELECT external_id, id_basis, strftime(invoice_month, '%Y-%m') AS month, file_name FROM raw_invoices"
    expected = [{"external_id": external_id, "id_basis": basis, "month": "2026-04", "file_name": "april.zip"}]
    assert project.query(query) == expected
    # As the file itself it is the same invoice.
    if basis == "file_name" or inside.startswith(UUID):
        project.drop(inside, digitalocean(line()))
        project.build()
        assert {row["external_id"] for row in project.query("SELECT external_id FROM tax_split_totals")} == {
            external_id
        }


def test_a_zip_archive_and_the_file_in_it_with_numbers_of_two_invoices_are_held(tmp_path: Path) -> None:
    project = Project(tmp_path / "home")
    project.drop(invoice_name(number="4712"), zipped((invoice_name(number="4711"), digitalocean(line()))))
    project.build()
    [row] = project.query("SELECT external_id, hold_reasons FROM tax_split_totals")
    assert any("came under the names of different invoices" in reason for reason in row["hold_reasons"])


@pytest.mark.parametrize("files", [("a.csv.total",), ("a.csv", "a.csv.total"), ("b/a.csv.TOTAL", "b/a.csv")])
def test_a_control_total_in_a_zip_archive_is_rejected_and_says_where_it_belongs(
    tmp_path: Path, files: tuple[str, ...]
) -> None:
    project = Project(tmp_path / "home")
    project.drop(
        "a.zip", zipped(*((name, b"USD 6.00" if "otal" in name.lower() else digitalocean(line())) for name in files))
    )
    project.build()
    [row] = project.query("SELECT status, reason FROM documents")
    assert row["status"] == "rejected"
    assert "unpack it, and drop the document and its .total side by side" in row["reason"]


def test_a_limit_that_is_lowered_stops_no_document_that_was_accepted_before(
    project_without_finance: Project,
) -> None:
    project = project_without_finance
    lines = [line(description=f"web-{number}", amount="$1.00") for number in range(50)]
    project.drop(f"{invoice_name()}.gz", gzip.compress(digitalocean(*lines, tax(amount="$0.00"))))
    build(project.warehouse)
    # Its month is built again, and a person decides about it.
    with project.warehouse.write() as connection:
        renew(connection, schema.RAW_INVOICES.name, [APRIL])
    build(project.warehouse, max_document_bytes=3000)
    assert (project.invoice()["status"], project.invoice()["amount_gross_minor"]) == ("ready", 5000)
    accepted = project.document(f"{invoice_name()}.gz")
    decide(
        project.warehouse,
        archive_of(project.warehouse, max_document_bytes=3000),
        decision="void",
        document_sha256=accepted["document_sha256"],
        invoice=InvoiceKey("digitalocean", "77", "1001"),
        reason="paid twice",
        by="ann",
        now=datetime.now(UTC),
    )
    # What is new is not taken, and says which setting is too low.
    project.drop(f"{invoice_name(number='2')}.gz", gzip.compress(digitalocean(*lines, tax(amount="$0.10"))))
    build(project.warehouse, max_document_bytes=3000)
    assert project.document(f"{invoice_name()}.gz")["status"] == "accepted"
    assert project.invoice()["status"] == "held"
    assert "ARCADIA_MAX_DOCUMENT_BYTES=3000" in project.document(f"{invoice_name(number='2')}.gz")["reason"]
