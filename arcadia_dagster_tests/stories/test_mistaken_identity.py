"""Files that could be taken for one another: no invoice is lost in another, and none overwrites another's row in finance."""

from datetime import UTC, date, datetime

from arcadia_dagster.decisions.decision import decide
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster_tests.kit import digitalocean_api as api
from arcadia_dagster_tests.kit.digitalocean_json import document, written
from arcadia_dagster_tests.kit.project import Project, checks_of, digitalocean, invoice_name, line, tax

APRIL = date(2026, 4, 1)


def invoice(amount: int) -> bytes:
    return digitalocean(line(amount=f"${amount}0.00"), tax(amount=f"${amount}.00"))


def archive_of(project: Project) -> Archive:
    return Archive(project.home / "archive", max_document_bytes=1 << 30)


def totals(project: Project) -> dict[tuple[str, str], tuple[str, int]]:
    rows = project.query("SELECT * FROM tax_split_totals")
    return {(row["account_id"], row["external_id"]): (row["status"], row["amount_gross_minor"]) for row in rows}


def rows_of_finance(project: Project) -> dict[str, int]:
    assert project.sandbox is not None
    return {row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()}


def test_a_file_of_the_same_plain_name_with_other_lines_is_held_and_one_with_mostly_the_same_is_a_new_version(
    project_with_finance: Project,
) -> None:
    project = project_with_finance
    lines = [line(description=f"web-{number}", amount="$1.00") for number in range(9)]
    project.drop("bill.csv", digitalocean(*lines, tax(amount="$0.90")))
    project.drop("invoice.csv", invoice(1))
    project.build()
    project.drop(
        "bill (1).csv", digitalocean(*lines[:8], line(description="web-8", amount="$2.00"), tax(amount="$1.00"))
    )
    project.drop("elsewhere/invoice (1).csv", invoice(2))
    project.build()

    assert totals(project)["unknown", "unknown-2026-04-bill"] == ("ready", 1100)
    [held] = project.query("SELECT * FROM tax_split_totals WHERE status = 'held'")
    assert (held["external_id"], held["amount_gross_minor"]) == ("unknown-2026-04-invoice", 2200)
    assert "a new version, or another invoice?" in held["hold_reasons"][0]
    assert rows_of_finance(project) == {"unknown-2026-04-bill": 1100, "unknown-2026-04-invoice": 1100}


def test_the_same_bytes_under_the_names_of_two_invoices_are_held(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop(invoice_name(account="111", number="600"), invoice(1))
    project.drop(invoice_name(account="222", number="601"), invoice(1))
    project.build()

    [held] = project.query("SELECT * FROM tax_split_totals")
    assert held["status"] == "held"
    assert "111/600 of 2026-04, 222/601 of 2026-04" in held["hold_reasons"][0]
    assert rows_of_finance(project) == {}


def test_an_invoice_with_another_account_s_id_is_released_under_one_of_its_own_and_overwrites_nothing(
    project_with_finance: Project,
) -> None:
    project = project_with_finance
    project.drop(invoice_name(account="111", number="500"), invoice(1))
    project.build()
    project.drop(invoice_name(account="222", number="500"), invoice(2))
    project.build()
    assert totals(project)["222", "500"] == ("held", 2200)
    project.decide(
        "release",
        file_name=invoice_name(account="222", number="500"),
        invoice=InvoiceKey("digitalocean", "222", "500"),
        reason="both are real",
    )
    project.build()
    assert rows_of_finance(project) == {"500": 1100, "500-222": 2200}

    # Its next version is known by that id already, and that of the other changes nothing of it.
    project.drop(invoice_name(account="222", number="500"), invoice(3))
    project.drop(invoice_name(account="111", number="500"), invoice(4))
    project.build()
    assert rows_of_finance(project) == {"500": 4400, "500-222": 3300}
    [first] = project.query("SELECT document_sha256 FROM tax_split_totals WHERE account_id = '111'")
    decide(
        project.warehouse,
        archive_of(project),
        decision="void",
        document_sha256=first["document_sha256"],
        invoice=InvoiceKey("digitalocean", "111", "500"),
        reason="not ours",
        by="ann",
        now=datetime.now(UTC),
    )
    project.build()
    assert totals(project)["222", "500"] == ("ready", 3300)
    assert rows_of_finance(project) == {"500": 4400, "500-222": 3300}


def test_a_folder_moved_into_the_inbox_does_not_bring_its_files_before_what_finance_has(
    project_with_finance: Project,
) -> None:
    project = project_with_finance
    outside = project.home / "outside"
    outside.mkdir()
    (outside / invoice_name(account="222", number="700")).write_bytes(invoice(5))
    (outside / invoice_name(account="111", number="701")).write_bytes(invoice(5) + line(amount="$1.00").encode())
    project.drop(invoice_name(account="111", number="700"), invoice(6))
    project.drop(invoice_name(account="111", number="701"), invoice(7))
    project.build()
    outside.rename(project.inbox / "moved")
    project.build()

    assert totals(project)["111", "700"] == ("ready", 6600)
    assert totals(project)["222", "700"] == ("held", 5500)
    # It states less than what finance has, and nothing but its arrival says that it is newer.
    assert totals(project)["111", "701"] == ("held", 5600)
    assert rows_of_finance(project) == {"700": 6600, "701": 7700}


def test_archived_bytes_that_were_changed_are_shown_and_never_read_under_the_old_hash(
    project_without_finance: Project,
) -> None:
    project = project_without_finance
    project.drop(invoice_name(), invoice(1))
    project.drop(invoice_name(number="1002"), invoice(2))
    project.build()
    path = archive_of(project).path_of(project.document(invoice_name())["document_sha256"])
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"$10.00", b"$90.00"))
    for file in project.inbox.iterdir():
        file.unlink()
    project.forget_warehouse()
    result = project.run([APRIL])

    assert totals(project) == {("77", "1002"): ("ready", 2200)}
    [shown] = project.query("SELECT * FROM inbox_files WHERE problem IS NOT NULL")
    assert "its SHA-256 is not its name any more" in shown["problem"]
    assert not checks_of(result)["nothing_rejected"].passed


def test_a_dismissed_document_that_finance_has_is_left_for_a_person_to_see(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop(invoice_name(), invoice(1))
    assert checks_of(project.run([APRIL]))["finance_has_nothing_else"].passed
    project.decide("dismiss", reason="not ours")
    check = checks_of(project.run([APRIL]))["finance_has_nothing_else"]
    assert (check.passed, check.metadata["found"].value) == (False, 1)


UUID = "b0a9bd23-0e2b-4c1a-9f5c-0c6a6a3d7d11"


def test_a_csv_that_is_saved_under_the_apis_id_is_the_invoice_that_the_api_gives(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop(f"{UUID}.csv", digitalocean(line(), tax()))
    project.build()
    fetched = document(
        api.item(description="web-01 (s-1vcpu-1gb)", amount="6.00"),
        api.item(product="Taxes", description="GST", amount="0.60", duration=""),
        entry=api.invoice(invoice_uuid=UUID),
        amount="6.60",
        taxes={"amount": "0.60"},
    )
    project.drop("fetched.json", written(fetched))
    project.build()
    assert project.sandbox is not None
    [row] = project.sandbox.invoices()
    assert (row["external_id"], row["amount_gross_minor"], row["times_received"]) == (UUID, 660, 2)


def test_a_csv_by_the_apis_id_and_one_by_its_number_are_not_both_pushed_unseen(project_with_finance: Project) -> None:
    project = project_with_finance
    project.drop(f"{UUID}.csv", digitalocean(line(), tax()))
    project.build()
    project.drop(invoice_name(), digitalocean(line(), tax(), newline="\r\n"))
    project.build()
    assert project.sandbox is not None
    assert [row["external_id"] for row in project.sandbox.invoices()] == [UUID]
    assert f"it has mostly the same lines as {UUID}" in project.invoice()["hold_reasons"][0]
