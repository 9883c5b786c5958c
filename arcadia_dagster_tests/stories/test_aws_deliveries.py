"""AWS reports from file to finance: deliveries in many files with a manifest, and months that are not invoiced yet."""

import gzip
from datetime import date

from arcadia_dagster_tests.kit.aws import as_csv, as_parquet, item, manifest, manifest_of_export, tax
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.outcomes import hold_reasons, in_finance
from arcadia_dagster_tests.kit.packed import zipped
from arcadia_dagster_tests.kit.plain import build
from arcadia_dagster_tests.kit.project import Project

APRIL = date(2026, 4, 1)
FOLDER = "cur/20260401-20260501"


def usage(*numbers: int, **values: str) -> list[dict[str, str]]:
    """Different lines of one dollar each."""
    return [item(LineItemDescription=f"line {number}", **{"UnblendedCost": "1.00", **values}) for number in numbers]


def keys(*files: str, assembly: str = "a1") -> list[str]:
    return [f"billing/{FOLDER}/{assembly}/{file}" for file in files]


def test_a_delivery_is_held_until_every_file_that_its_manifest_names_can_be_read(project: Project) -> None:
    # Both manifests of a report that keeps its versions: beside the files, and above them.
    stated = manifest(*keys("cur-1.csv.gz", "cur-2.csv.gz", "cur-3.csv.gz"))
    project.drop(f"{FOLDER}/cur-Manifest.json", stated)
    project.drop(f"{FOLDER}/a1/cur-Manifest.json", stated)
    project.drop(f"{FOLDER}/a1/cur-1.csv.gz", gzip.compress(as_csv(*usage(*range(10)), tax(UnblendedCost="1.00"))))
    build(project.warehouse)
    assert in_finance(project) == {}
    [reason] = hold_reasons(project, "2001")
    assert reason.startswith(
        "2 of the 3 files that the manifest of its delivery lists are not there, or cannot be read (cur-2.csv and others)"
    )
    assert project.invoice("2001")["can_release"]

    # One is unpacked, and the other is damaged at first: it has lines of another invoice only.
    project.drop(f"{FOLDER}/a1/cur-2.csv", as_csv(*usage(*range(10, 14))))
    whole = gzip.compress(as_csv(*usage(20, InvoiceId="2002")))
    project.drop(f"{FOLDER}/a1/cur-3.csv.gz", whole[:-9])
    build(project.warehouse)
    assert in_finance(project) == {}
    assert "cannot be read (cur-3.csv)" in hold_reasons(project, "2001")[0]

    project.drop(f"{FOLDER}/a1/cur-3.csv.gz", whole)
    build(project.warehouse)
    assert in_finance(project) == {"2001": (1500, 1400, 100, 15), "2002": (100, 100, 0, 1)}
    rows = project.query("SELECT format, status FROM documents WHERE format IS DISTINCT FROM 'aws_cur'")
    assert rows == [{"format": "aws_manifest", "status": "accepted"}, {"format": None, "status": "rejected"}]


@case("80")
def test_parts_in_zip_archives_are_a_delivery_with_their_manifest(project: Project) -> None:
    stated = manifest(*keys("cur-1.csv.zip", "cur-2.csv.zip"), compression="ZIP")
    project.drop(f"{FOLDER}/a1/cur-Manifest.json", stated)
    project.drop(f"{FOLDER}/a1/cur-1.csv.zip", zipped(("cur-1.csv", as_csv(*usage(*range(10))))))
    build(project.warehouse)
    assert in_finance(project) == {}
    assert "cannot be read (cur-2.csv)" in hold_reasons(project, "2001")[0]
    project.drop(f"{FOLDER}/a1/cur-2.csv.zip", zipped(("cur-2.csv", as_csv(*usage(*range(10, 14)), tax()))))
    build(project.warehouse)
    assert in_finance(project) == {"2001": (1460, 1400, 60, 15)}


def test_a_newer_delivery_takes_over_once_it_is_whole_and_finance_keeps_what_it_had_until_then(
    project: Project,
) -> None:
    project.drop(f"{FOLDER}/cur-Manifest.json", manifest(*keys("cur-1.csv", "cur-2.csv")))
    same = as_csv(*usage(*range(10)))
    project.drop(f"{FOLDER}/a1/cur-1.csv", same)
    project.drop(f"{FOLDER}/a1/cur-2.csv", as_csv(*usage(*range(10, 20))))
    build(project.warehouse)
    assert in_finance(project) == {"2001": (2000, 2000, 0, 20)}

    project.drop(f"{FOLDER}/cur-Manifest.json", manifest(*keys("cur-1.csv", "cur-2.csv", assembly="a2")))
    build(project.warehouse)
    assert hold_reasons(project, "2001") == [], "nothing of the newer delivery is there"
    project.drop(f"{FOLDER}/a2/cur-1.csv", same)
    build(project.warehouse)
    assert "cannot be read (cur-2.csv)" in hold_reasons(project, "2001")[0]
    assert in_finance(project) == {"2001": (2000, 2000, 0, 20)}

    project.drop(f"{FOLDER}/a2/cur-2.csv", as_csv(*usage(*range(10, 15), UnblendedCost="3.00")))
    build(project.warehouse)
    assert in_finance(project) == {"2001": (2500, 2500, 0, 15)}


def test_a_delivery_that_overwrites_the_one_before_may_have_fewer_files(project: Project) -> None:
    data, metadata = "cur/data/BILLING_PERIOD=2026-04", "cur/metadata/BILLING_PERIOD=2026-04"

    def deliver(*parts: bytes) -> None:
        names = [f"{data}/cur-0000{number}.snappy.parquet" for number, _ in enumerate(parts, start=1)]
        project.drop(f"{metadata}/cur-Manifest.json", manifest_of_export(*names))
        for name, part in zip(names, parts, strict=True):
            project.drop(name, part)
        build(project.warehouse)

    deliver(*(as_parquet(*usage(*range(start, start + 10))) for start in (0, 10, 20)))
    assert in_finance(project) == {"2001": (3000, 3000, 0, 30)}
    deliver(as_parquet(*usage(*range(16))), as_parquet(*usage(*range(16, 31))))
    assert in_finance(project) == {"2001": (3100, 3100, 0, 31)}
    assert project.query("SELECT count(*) AS n FROM raw_invoices WHERE status = 'current'") == [{"n": 2}]


def test_files_that_a_manifest_names_are_parts_however_alike_their_lines_are(project: Project) -> None:
    alike = usage(*range(10))
    project.drop("aws/cur-1.csv", as_csv(*alike))
    project.drop("aws/cur-2.csv", as_csv(*alike, *usage(99)))
    build(project.warehouse)
    [reason] = hold_reasons(project, "2001")
    assert reason.startswith("most lines of cur-1.csv are also in the other files of its folder")
    project.drop("aws/cur-Manifest.json", manifest(*keys("cur-1.csv", "cur-2.csv")))
    build(project.warehouse)
    assert in_finance(project) == {"2001": (2100, 2100, 0, 21)}


def test_a_month_is_shown_until_it_is_invoiced_and_then_pushed_and_a_purchase_has_an_invoice_of_its_own(
    project: Project,
) -> None:
    upfront = item(InvoiceId="1999", BillType="Purchase", LineItemType="Fee", UnblendedCost="50.00")
    project.drop("week-1/cur-1.csv", as_csv(*usage(*range(5), InvoiceId="")))
    build(project.warehouse)
    project.drop("week-2/cur-1.csv", as_csv(*usage(*range(9), InvoiceId="")))
    build(project.warehouse)
    project.drop("week-2/cur-2.csv", as_csv(upfront))
    build(project.warehouse)
    columns = "SELECT external_id, line_count, status FROM tax_split_totals ORDER BY external_id"
    assert project.query(columns) == [
        {"external_id": "111-2026-04-uninvoiced", "line_count": 9, "status": "held"},
        {"external_id": "1999", "line_count": 1, "status": "ready"},
    ]
    assert in_finance(project) == {"1999": (5000, 5000, 0, 1)}

    project.drop("week-2/cur-2.csv", as_csv(upfront, *usage(*range(12)), tax(UnblendedCost="1.20")))
    build(project.warehouse)
    assert len(project.query(columns)) == 3, "what is not invoiced lies beside what is"

    project.drop("final/cur-1.csv", as_csv(*usage(*range(12)), tax(UnblendedCost="1.20"), upfront))
    build(project.warehouse)
    assert in_finance(project) == {"1999": (5000, 5000, 0, 1), "2001": (1320, 1200, 120, 13)}
    assert [row["external_id"] for row in project.query(columns)] == ["1999", "2001"]
