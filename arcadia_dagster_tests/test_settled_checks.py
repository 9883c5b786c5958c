"""The checks reflect what a person did: what is settled does not keep failing."""

from datetime import UTC, date, datetime

from arcadia_dagster.landing.decisions import Decision, decide
from arcadia_dagster_tests.plain import archive_of
from arcadia_dagster_tests.project import Project, checks_of, digitalocean, invoice_name, line, tax

APRIL = date(2026, 4, 1)


def decided(project: Project, decision: Decision, number: str = "1001") -> None:
    decide(
        project.warehouse,
        archive_of(project.warehouse),
        decision=decision,
        document_sha256=project.document(invoice_name(number=number))["document_sha256"],
        invoice=None if decision == "dismiss" else ("digitalocean", "77", number),
        reason="paid twice",
        by="somebody",
        now=datetime.now(UTC),
    )


def test_a_void_invoice_does_not_keep_the_check_of_held_ones_failing(project: Project) -> None:
    project.drop(invoice_name(), digitalocean(line(amount="$1.00"), tax(amount="$7.00")))
    project.drop(invoice_name(number="1002"), digitalocean(line(amount="$2.00"), tax(amount="$9.00")))
    assert checks_of(project.run([APRIL]))["nothing_held"].metadata["found"].value == 2
    decided(project, "void")
    assert checks_of(project.run([APRIL]))["nothing_held"].metadata["found"].value == 1
    decided(project, "void", "1002")
    assert checks_of(project.run([APRIL]))["nothing_held"].passed
