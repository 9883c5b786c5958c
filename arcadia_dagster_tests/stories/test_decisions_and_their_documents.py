"""A decision is registered without reading its document again: that changes nothing that reading it would have changed."""

from datetime import UTC, datetime
from itertools import cycle
from typing import Any, Final

import pytest

from arcadia_dagster.decisions.decision import Decision, decide
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.landing import Landing
from arcadia_dagster.landing.reading import reader_as_landed
from arcadia_dagster.verification.building_anew import REGISTERED
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster_tests.kit.past import have_a_past
from arcadia_dagster_tests.kit.plain import archive_of
from arcadia_dagster_tests.kit.project import Project

NOW: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
DECISIONS: Final[tuple[Decision, ...]] = ("void", "end")


def registered(project: Project) -> dict[str, list[dict[str, Any]]]:
    return {table.name: project.query(f"FROM {table.name} ORDER BY ALL") for table in REGISTERED}


@pytest.mark.timeout(300)
def test_a_decision_registers_what_reading_its_document_again_would(project_with_finance: Project) -> None:
    project = project_with_finance
    have_a_past(project)
    invoices = project.query(
        "SELECT DISTINCT ON (document_invoices.invoice_month, format, id_basis, stated_by) "
        "document_sha256, source, account_id, external_id "
        "FROM document_invoices JOIN accepted_documents USING (document_sha256) ORDER BY ALL"
    )
    assert len(invoices) > 5, invoices
    for decision, invoice in zip(cycle(DECISIONS), invoices, strict=False):
        before = registered(project)
        months = decide(
            project.warehouse,
            archive_of(project.warehouse),
            decision=decision,
            document_sha256=invoice["document_sha256"],
            invoice=InvoiceKey.of(invoice),
            reason="looked at",
            by="ann",
            now=NOW,
        )
        decided = registered(project)
        with reader_as_landed(project.warehouse, Formats()) as reader:
            landing = Landing(project.warehouse, archive_of(project.warehouse), reader)
            record = archive_of(project.warehouse).record(invoice["document_sha256"])
            assert landing.is_registered_as_read(record)
            arrivals = landing.read_again(record)
            assert arrivals
            assert landing.register_again(record, arrivals) == months
        assert registered(project) == decided != before
