"""Deliveries with a manifest: held while they are not whole, pushed once they are, whichever of their files comes last."""

import gzip
import hashlib
import json
from datetime import UTC, datetime

import pytest

from arcadia_dagster.decisions.decision import decide
from arcadia_dagster_tests.kit.aws import as_csv, item
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv as focus_csv
from arcadia_dagster_tests.kit.focus import charge
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import Project

LACKING = "that the manifest of its delivery lists are not there, or cannot be read"
PERIOD = "cur/report/20260401-20260501"
LISTED = "BILLING_PERIOD=2026-04"


def part(number: int, *invoices: str, cost: str = "1.00") -> bytes:
    """A file of a report: a line of this cost on each of the invoices."""
    words = {"LineItemDescription": f"line {number}", "UnblendedCost": cost}
    return gzip.compress(as_csv(*(item(InvoiceId=invoice, **words) for invoice in invoices)), mtime=0)


def legacy(*files: str, folder: str = PERIOD) -> bytes:
    keys = [f"{folder}/{file}" for file in files]
    return json.dumps(
        {"assemblyId": "a-1", "columns": [{"category": "bill", "name": "InvoiceId"}], "reportKeys": keys}
    ).encode()


def exported(*files: str) -> bytes:
    keys = [f"s3://bucket/exports/focus/data/{LISTED}/{file}" for file in files]
    return json.dumps({"executionId": "e-1", "dataFiles": keys}).encode()


def pushed(project: Project) -> dict[str, int]:
    project.build()
    assert project.sandbox is not None
    return {row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()}


def reasons(project: Project, external_id: str) -> list[str]:
    return list(project.invoice(external_id)["hold_reasons"])


def test_a_delivery_that_lacks_a_file_of_its_manifest_is_held_with_all_its_invoices(
    project: Project,
) -> None:
    project.drop(f"{PERIOD}/report-Manifest.json", legacy("report-1.csv.gz", "report-2.csv.gz", "report-3.csv.gz"))
    project.drop(f"{PERIOD}/report-1.csv.gz", part(1, "one", "other"))
    assert pushed(project) == {}
    lacking = f"2 of the 3 files {LACKING} (report-2.csv and others)"
    assert [reason.partition(":")[0] for reason in reasons(project, "other")] == [lacking]
    project.drop(f"{PERIOD}/report-2.csv.gz", part(2, "one"))
    assert pushed(project) == {}
    # The last file states nothing of the other invoice, which was held for its lack all the same.
    project.drop(f"{PERIOD}/report-3.csv.gz", part(3, "one"))
    assert pushed(project) == {"one": 300, "other": 100}


def test_a_manifest_that_comes_last_holds_what_is_not_whole_and_leaves_alone_what_is(project: Project) -> None:
    project.drop("whole/report-1.csv.gz", part(1, "whole"))
    project.drop("not whole/report-1.csv.gz", part(1, "not whole", cost="2.00"))
    assert pushed(project) == {"whole": 100, "not whole": 200}
    project.drop("whole/report-Manifest.json", legacy("report-1.csv.gz"))
    project.drop("not whole/report-Manifest.json", legacy("report-1.csv.gz", "report-2.csv.gz"))
    pushed(project)
    assert reasons(project, "whole") == []
    [reason] = reasons(project, "not whole")
    assert reason.startswith(f"1 of the 2 files {LACKING} (report-2.csv)")


def test_a_damaged_file_holds_its_delivery_until_a_person_dismisses_it(project: Project) -> None:
    project.drop(f"{PERIOD}/report-Manifest.json", legacy("report-1.csv.gz", "report-2.csv.gz"))
    project.drop(f"{PERIOD}/report-1.csv.gz", part(1, "one"))
    project.drop(f"{PERIOD}/report-2.csv.gz", part(2, "one"))
    assert pushed(project) == {"one": 200}
    damaged = project.drop(f"{PERIOD}/report-1.csv.gz", part(3, "one", "one")[:-9])
    assert pushed(project) == {"one": 200}
    assert "cannot be read (report-1.csv)" in reasons(project, "one")[0]
    rejected = hashlib.sha256(damaged.read_bytes()).hexdigest()
    decide(
        project.warehouse,
        archive_of(project.warehouse),
        decision="dismiss",
        document_sha256=rejected,
        invoice=None,
        reason="cut off on its way",
        by="somebody",
        now=datetime.now(UTC),
    )
    project.build()
    assert reasons(project, "one") == []


def test_in_a_copy_of_the_bucket_the_manifest_lies_beside_the_data(project: Project) -> None:
    project.drop(f"aws/exports/focus/metadata/{LISTED}/focus-Manifest.json", exported("focus-1.csv", "focus-2.csv"))
    project.drop(f"aws/exports/focus/data/{LISTED}/focus-1.csv", focus_csv(charge(InvoiceId="copy")))
    # Of another export with the same end of a path, of which nothing is known.
    project.drop(
        f"aws/exports/other/data/{LISTED}/other-1.csv", focus_csv(charge(InvoiceId="unlisted", ResourceId="i-2"))
    )
    assert pushed(project) == {"unlisted": 600}
    project.drop(
        f"aws/exports/focus/data/{LISTED}/focus-2.csv", focus_csv(charge(InvoiceId="copy", ChargeDescription="b"))
    )
    assert pushed(project) == {"unlisted": 600, "copy": 1200}


def test_the_end_of_the_path_is_enough(project: Project) -> None:
    project.drop(f"metadata/{LISTED}/focus-Manifest.json", exported("focus-1.csv", "focus-2.csv"))
    project.drop(f"{LISTED}/focus-1.csv", focus_csv(charge(InvoiceId="end")))
    assert pushed(project) == {}


def test_a_file_that_no_manifest_has_listed_is_never_added_up(project: Project) -> None:
    project.drop(f"{PERIOD}/report-Manifest.json", legacy("report-1.csv.gz"))
    project.drop(f"{PERIOD}/report-1.csv.gz", part(1, "one", "other"))
    assert pushed(project) == {"one": 100, "other": 100}
    project.drop(f"{PERIOD}/report-2.csv.gz", part(2, "one"))
    assert pushed(project) == {"one": 100, "other": 100}
    for invoice in ("one", "other"):
        [reason] = reasons(project, invoice)
        assert reason.startswith("its folder has files that the manifest of its delivery does not list (report-2.csv)")
    project.decide("dismiss", file_name="report-2.csv.gz", reason="of another report")
    pushed(project)
    assert [reasons(project, invoice) for invoice in ("one", "other")] == [[], []]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"assemblyId": "a", "reportKeys": []}', "reportKeys or dataFiles: []; expected a list of at least one file"),
        (b'{"executionId": "a", "dataFiles": [1]}', "reportKeys or dataFiles: [1]; expected"),
        (b'{"executionId": "a", "dataFiles": ["\\ud800"]}', "reportKeys or dataFiles: half a character"),
        (b'{"assemblyId": "a", "reportKeys": ["a"', "it is not JSON"),
    ],
)
def test_a_manifest_that_lists_nothing_is_rejected(project: Project, content: bytes, reason: str) -> None:
    project.drop("report-Manifest.json", content)
    project.build()
    assert project.document("report-Manifest.json")["reason"].startswith(reason)


BROKEN: dict[str, bytes] = {
    "a value that cannot be read": focus_csv(charge(BilledCost="12,50 EUR")),
    "no header": b"1,2,3\n4,5,6\n",
    "nothing": b"",
}


@case("120")
@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("order", [("broken", "whole"), ("whole", "broken")], ids=" first, then ".join)
def test_a_rejected_file_beside_the_parts_of_an_invoice_holds_it_until_a_good_one_takes_its_place(
    project: Project, broken: str, order: tuple[str, ...]
) -> None:
    files = {"broken": ("2026-04/b.csv", BROKEN[broken]), "whole": ("2026-04/a.csv", focus_csv(charge()))}
    for name in order:
        project.drop(*files[name])
        project.build()
        if name == "broken":
            assert project.document("b.csv")["status"] == "rejected"
    [reason] = reasons(project, "INV-1")
    assert reason.startswith("b.csv beside it in the folder is rejected, and may have lines of it")
    project.drop("2026-04/b.csv", focus_csv(charge(BilledCost="30.00", ChargeDescription="support")))
    assert pushed(project)["INV-1"] == 3600


@case("120")
def test_a_rejected_file_that_a_person_dismisses_holds_nothing_and_one_of_another_kind_never_does(
    project: Project,
) -> None:
    project.drop("2026-04/a.csv", focus_csv(charge()))
    project.drop("2026-04/read me.txt", b"the export of April")
    project.drop("2026-05/b.csv", b"1,2,3\n4,5,6\n")
    project.drop("root.csv", b"1,2,3\n4,5,6\n7,8,9\n")
    assert pushed(project) == {"INV-1": 600}
    project.drop("2026-04/b.csv", BROKEN["no header"])
    project.build()
    # Finance keeps what it has.
    assert len(reasons(project, "INV-1")) == 1
    sha256 = hashlib.sha256(BROKEN["no header"]).hexdigest()
    decide(
        project.warehouse,
        archive_of(project.warehouse),
        decision="dismiss",
        document_sha256=sha256,
        invoice=None,
        reason="it is no part of it",
        by="ann",
        now=datetime.now(UTC),
    )
    project.build()
    assert project.invoice("INV-1")["status"] == "ready"
