"""ZIP archives of one file are read as what it is; no other archive is, and each says why."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reading import zip_content
from arcadia_dagster_tests.kit import aws
from arcadia_dagster_tests.kit.api_documents import linode, written
from arcadia_dagster_tests.kit.documents import Desk, Stated, csv_text, line
from arcadia_dagster_tests.kit.focus import as_csv, as_parquet, charge, tax
from arcadia_dagster_tests.kit.packed import zipped
from arcadia_dagster_tests.kit.properties import quickly

GOOD = as_csv(charge(), tax())


class OneWay(io.BytesIO):
    """What cannot be gone back in, as a pipe: sizes are told behind the content then."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def streamed(name: str, content: bytes) -> bytes:
    packed = OneWay()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        file.write(content)
    return packed.getvalue()


def test_any_format_is_read_from_an_archive_that_has_only_it(desk: Desk) -> None:
    contents = [
        GOOD,
        b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n"),
        aws.as_csv(aws.item(), aws.tax()),
        csv_text([line()]).encode(),
        written(linode()),
    ]
    columns = "line_number, description, amount, charge_category"
    plain = desk.read(*contents, columns=columns)
    for pack in (
        lambda content: zipped(("report-00001.csv", content)),
        lambda content: zipped(("folder/", b""), ("folder/a b.csv", content), method=zipfile.ZIP_STORED),
        lambda content: zipped(
            ("r\N{LATIN SMALL LETTER E WITH ACUTE}.csv", content), ("__MACOSX/._r.csv", b"\0\5\x16\7")
        ),
        lambda content: streamed("report.csv", content),
    ):
        packed = desk.read(*map(pack, contents), columns=columns)
        assert [(one.format, one.reason, one.lines) for one in packed] == [
            (one.format, None, one.lines) for one in plain
        ]


@pytest.fixture(scope="module")
def refused(large_desk: Desk) -> dict[str, Stated]:
    encrypted = bytearray(zipped(("a.csv", GOOD)))
    # The flag of both headers, the file's own and the directory's (APPNOTE.TXT 4.3.7, 4.3.12, 4.4.4).
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.rindex(mark) + at] |= 1
    hidden = zipped(("first.csv", GOOD)) + zipped(("a.csv", GOOD))
    return large_desk.read_cases(
        {
            "no file": zipped(),
            "a folder": zipped(("folder/", b"")),
            "two files": zipped(("a.csv", GOOD), ("b.csv", b"")),
            "many files": zipped(*((f"{number}.csv", b"") for number in range(30_000))),
            "password": bytes(encrypted),
            "bzip2 within": zipped(("a.csv", GOOD), method=zipfile.ZIP_BZIP2),
            "up": zipped(("../a.csv", GOOD)),
            "up and down": zipped(("a/../../b.csv", GOOD)),
            "root": zipped(("/etc/a.csv", GOOD)),
            "drive": zipped(("C:\\a.csv", GOOD)),
            "nested": zipped(("a.zip", zipped(("a.csv", GOOD)))),
            "Parquet": zipped(("a.parquet", as_parquet(charge()))),
            "something before": hidden,
            "cut off": zipped(("a.csv", GOOD))[:-30],
            "bad sum": zipped(("a.csv", GOOD), method=zipfile.ZIP_STORED).replace(b"6.00", b"9.00"),
            "only its mark": b"PK\x03\x04",
            "bad values": zipped(("a.csv", as_csv(charge(BilledCost="1.2.3")))),
            "empty": zipped(("a.csv", b"")),
        }
    )


REFUSED = {
    "no file": "it is a ZIP archive with no file in it; expected one",
    "a folder": "it is a ZIP archive with no file in it; expected one",
    "two files": "it is a ZIP archive of 2 files ('a.csv', 'b.csv'): unpack it, and drop its files",
    "many files": "it is a ZIP archive of many files: unpack it",
    "password": "it is a ZIP archive with a password: unpack it",
    "bzip2 within": "it is a ZIP archive that is packed in an unusual way: unpack it",
    "up": "it is a ZIP archive whose file would be written outside of its folder ('../a.csv')",
    "up and down": "it is a ZIP archive whose file would be written outside of its folder",
    "root": "it is a ZIP archive whose file would be written outside of its folder ('/etc/a.csv')",
    "drive": "it is a ZIP archive whose file would be written outside of its folder",
    "nested": "it is packed twice (a ZIP archive, or a spreadsheet, within): unpack it",
    "Parquet": "it is Parquet that is packed once more: unpack it",
    "something before": "it is a ZIP archive with something before it that it does not list",
    "cut off": "it cannot be unpacked: its ZIP archive is damaged or not whole",
    "bad sum": "it cannot be unpacked: its zip content is damaged or not whole (Bad CRC-32",
    "only its mark": "it cannot be unpacked: its ZIP archive is damaged or not whole",
    "bad values": "line 2, column BilledCost: '1.2.3'; expected an amount",
    "empty": "the file is empty; expected an invoice",
}


@pytest.mark.parametrize("case", REFUSED)
def test_any_other_archive_is_refused_with_words(refused: dict[str, Stated], case: str) -> None:
    assert str(refused[case].reason).startswith(REFUSED[case])
    assert refused[case].invoices == ()


@quickly(200)
@given(st.data())
def test_whatever_becomes_of_an_archives_bytes_it_is_read_alike_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    name = f"a{data.draw(st.text(st.characters(exclude_categories=['Cs']), max_size=8))}.csv"
    packed = bytearray(data.draw(st.sampled_from([zipped((name, GOOD)), streamed(name, GOOD)])))
    for _ in range(data.draw(st.integers(0, 4))):
        packed[data.draw(st.integers(4, len(packed) - 1))] = data.draw(st.integers(0, 255))
    packed = packed[: data.draw(st.sampled_from([len(packed), data.draw(st.integers(4, len(packed)))]))]
    path = tmp_path_factory.getbasetemp() / "archive"
    path.write_bytes(packed)
    try:
        with zip_content.open_only_member(path) as content:
            assert content.read() == GOOD
    except (zip_content.ZipError, *zip_content.DAMAGED):
        pass
