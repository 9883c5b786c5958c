"""Every rejection says what to do next, and it works: done as it says, it ends with the invoice in finance."""

import re
from collections.abc import Iterator

import pytest

from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.rejected import CASES, OUT_OF_REACH, provider_again
from arcadia_dagster_tests.kit.rejections import rejections
from arcadia_dagster_tests.kit.sandboxes import empty_sandbox

NUMBERS = {label: number for number, label in enumerate(CASES, 1)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project in which every document is rejected."""
    with empty_sandbox() as sandbox:
        project = Project(tmp_path_factory.mktemp("rejected") / "home", sandbox=sandbox)
        for label, case in CASES.items():
            project.drop(path(label), case.spoils(provider_again(NUMBERS[label])))
        project.build()
        yield project


@pytest.fixture(scope="module")
def reasons(project: Project) -> dict[str, str]:
    """Why each is rejected, by label."""
    rows = project.query("SELECT file_name, status, reason FROM documents")
    assert {row["file_name"] for row in rows if row["status"] != "rejected"} == set()
    of_name = {row["file_name"]: row["reason"] for row in rows}
    return {label: of_name[path(label)] for label in CASES}


def path(label: str) -> str:
    return f"{NUMBERS[label]}.csv"


def test_every_rejection_says_what_to_do() -> None:
    verbs = (
        "drop|save|download|unpack|export|put|take|get|ask|sign in|decrypt|run|open|fetch|raise|pack|describe|`arcadia"
    )
    tells = re.compile(rf"\bexpected\b|[:;,.] (?:or )?(?:{verbs})\b", re.IGNORECASE)
    assert [rejection for rejection in rejections() if not tells.search(rejection.words)] == []


def test_no_rejection_that_tells_a_person_to_do_something_is_without_a_document_that_it_was_done_for(
    reasons: dict[str, str],
) -> None:
    said = "\n".join([*reasons.values(), *OUT_OF_REACH])
    told = [rejection for rejection in rejections() if "expected" not in rejection.words]
    assert OUT_OF_REACH - {rejection.longest for rejection in told} == set()
    assert [rejection for rejection in told if rejection.longest not in said] == []


def test_what_a_rejection_tells_ends_with_the_invoice_in_finance(project: Project, reasons: dict[str, str]) -> None:
    assert {label: reason for label, reason in reasons.items() if CASES[label].tells not in reason} == {}
    assert project.sandbox is not None
    assert project.sandbox.invoices() == []
    for label, case in CASES.items():
        rejected, good = (project.inbox / path(label)).read_bytes(), provider_again(NUMBERS[label])
        project.drop(path(label), good if case.mends is None else case.mends(rejected))
    project.build()
    in_finance = {row["external_id"]: row["amount_gross_minor"] for row in project.sandbox.invoices()}
    assert in_finance == {f"INV-{number}": 660 for number in NUMBERS.values()}
    assert project.query("SELECT file_name, reason FROM unreplaced_documents") == []
