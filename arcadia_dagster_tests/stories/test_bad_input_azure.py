"""Azure's exports: parts with their manifest in any order, and the invoice's id where FOCUS 1.0 has none."""

import gzip
import itertools
import json

from arcadia_dagster_tests.kit.api_documents import linode, written
from arcadia_dagster_tests.kit.azure import manifest
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import HEADER, as_csv, as_parquet, charge, usage
from arcadia_dagster_tests.kit.outcomes import hold_reasons, in_finance
from arcadia_dagster_tests.kit.plain import build
from arcadia_dagster_tests.kit.project import Project

FOLDER = "exports/focus/20260401-20260430/202605051200/run-1"
PATHS = [f"{FOLDER}/part_{number}_0001.csv" for number in (0, 1)]
PARTS = {path: as_csv(usage(2 * number), usage(2 * number + 1)) for number, path in enumerate(PATHS)}
WHOLE = {"INV-1": (400, 400, 0, 4)}


@case("45")
def test_nothing_of_an_export_is_pushed_before_its_last_part_once_its_manifest_is_there(project: Project) -> None:
    # Where both parts are there before the manifest, nobody could know that they are parts.
    orders = [order for order in itertools.permutations(["manifest.json", *PATHS]) if order[2] != "manifest.json"]
    numbers = [f"INV-{number}" for number in range(len(orders))]
    for step in range(3):
        for number, order in zip(numbers, orders, strict=True):
            content = PARTS.get(order[step], manifest(*PATHS)).replace(b"INV-1", number.encode())
            content = content.replace(b"line ", f"{number} line ".encode())
            project.drop(f"{number}/{order[step].removeprefix(FOLDER + '/')}", content)
        if step:
            build(project.warehouse)
            assert in_finance(project) == (dict.fromkeys(numbers, WHOLE["INV-1"]) if step == 2 else {})
    assert project.query("SELECT * FROM documents WHERE status = 'rejected'") == []


@case("45")
def test_a_part_with_another_number_of_rows_than_the_manifest_says_holds_the_invoices(project: Project) -> None:
    project.drop(f"{FOLDER}/manifest.json", manifest(*PATHS, rows=2))
    project.drop(PATHS[0], PARTS[PATHS[0]])
    project.drop(PATHS[1], as_csv(usage(2)))
    build(project.warehouse)
    assert in_finance(project) == {}
    [reason] = hold_reasons(project)
    assert "the manifest of its delivery counts otherwise (part_1_0001.csv has 1 records instead of 2)" in reason
    project.drop(PATHS[1], PARTS[PATHS[1]])
    build(project.warehouse)
    assert in_finance(project) == WHOLE


@case("45")
def test_packed_and_parquet_parts_are_those_of_the_manifest(project: Project) -> None:
    names = [f"{FOLDER}/part_0_0001.csv.gz", f"{FOLDER}/part_1_0001.snappy.parquet"]
    project.drop(f"{FOLDER}/manifest.json", manifest(*names))
    project.drop(names[0], gzip.compress(PARTS[PATHS[0]]))
    build(project.warehouse)
    assert in_finance(project) == {}
    project.drop(names[1], as_parquet(usage(2), usage(3)))
    build(project.warehouse)
    assert in_finance(project) == WHOLE


@case("45")
def test_an_export_that_is_dropped_into_the_inbox_itself_waits_for_its_parts_too(project: Project) -> None:
    project.drop("other.csv", as_csv(charge(InvoiceId="other", BilledCost="7.00")))
    project.drop("manifest.json", manifest(*PATHS))
    project.drop("part_0_0001.csv", PARTS[PATHS[0]])
    build(project.warehouse)
    assert in_finance(project) == {"other": (700, 700, 0, 1)}
    assert "(part_1_0001.csv): put them beside the rest" in hold_reasons(project)[0]
    project.drop("part_1_0001.csv", PARTS[PATHS[1]])
    build(project.warehouse)
    assert in_finance(project) == {"other": (700, 700, 0, 1)}, "in the inbox itself nobody can tell parts from versions"
    for name in ("manifest.json", "part_0_0001.csv", "part_1_0001.csv"):
        project.drop(f"run/{name}", (project.inbox / name).read_bytes())
    build(project.warehouse)
    assert in_finance(project) == {"other": (700, 700, 0, 1)} | WHOLE


@case("45")
def test_a_manifest_that_lists_no_file_holds_nothing(project: Project) -> None:
    project.drop(f"{FOLDER}/manifest.json", manifest())
    project.drop("elsewhere/part_0_0001.csv", PARTS[PATHS[0]])
    build(project.warehouse)
    assert in_finance(project) == {"INV-1": (200, 200, 0, 2)}


@case("46")
def test_azures_focus_1_0_has_its_invoices_by_an_extension(project: Project) -> None:
    header = [*(name for name in HEADER if name != "InvoiceId"), "x_InvoiceId"]
    rows = [usage(n) | {"x_InvoiceId": number} for n, number in enumerate(("G1", "G1", "G2", ""))]
    project.drop("1.0.csv", as_csv(*rows, header=header))
    both = [usage(n) | {"InvoiceId": "G3", "x_InvoiceId": "other"} for n in (5, 6)]
    project.drop("1.2.csv", as_csv(*both, header=[*header, "InvoiceId"]))
    build(project.warehouse)
    assert in_finance(project) == {"G1": (200, 200, 0, 2), "G2": (100, 100, 0, 1), "G3": (200, 200, 0, 2)}


@case("57")
def test_focus_without_a_column_for_the_invoices_id_says_what_to_export_instead(project: Project) -> None:
    header = [name for name in HEADER if name != "InvoiceId"]
    issuers = ("Amazon Web Services, Inc.", "Oracle", "Microsoft")
    rows = [usage(n, InvoiceIssuerName=issuer, BillingAccountId=str(n)) for n, issuer in enumerate(issuers)]
    project.drop("1.0.csv", as_csv(*rows, header=header))
    project.drop("blank.csv", as_csv(usage(7, BillingAccountId="7", InvoiceId="")))
    build(project.warehouse)
    assert in_finance(project) == {}
    told = [project.invoice(f"{account}-2026-04-uninvoiced")["hold_reasons"][0] for account in (0, 1, 2, 7)]
    assert str(told[3]).startswith("it is a preview or has no id: shown, never pushed; or, if its issuer states no ids")
    start = "it is a preview or has no id: shown, never pushed; its document has no column InvoiceId (FOCUS 1.0 has none), so "
    assert [reason.startswith(start) for reason in told[:3]] == [True] * 3
    assert (
        "export FOCUS 1.2 or newer, or a Cost and Usage Report, which has bill/InvoiceId; or, if its issuer" in told[0]
    )


@case("47")
def test_json_is_read_in_whatever_order_its_members_are(project: Project) -> None:
    content = linode()
    project.drop("a.json", b"\xef\xbb\xbf" + json.dumps(dict(reversed(content.items())), indent=2).encode())
    project.drop("b.json", written(linode(id=124))[:-1])
    project.drop("c.json", written(linode(id=125)) * 2)
    build(project.warehouse)
    assert in_finance(project) == {"123": (2772, 2520, 252, 4)}
    found = {
        row["file_name"]: row["reason"] for row in project.query("SELECT * FROM documents WHERE reason IS NOT NULL")
    }
    assert {name: reason.partition(":")[0] for name, reason in found.items()} == dict.fromkeys(
        ["b.json", "c.json"], "it is not JSON"
    )
