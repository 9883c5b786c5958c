"""What waits for a person is one thing: checks, alerts and commands say the same of it."""

import json
from datetime import date

import dagster as dg
import pytest

from arcadia_dagster.defs import checks
from arcadia_dagster.reports import findings
from arcadia_dagster.reports.explain import explain
from arcadia_dagster.reports.findings import Finding
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster_tests.kit.plain import archive_of, build
from arcadia_dagster_tests.kit.project import Project, digitalocean, instance_in_memory, invoice_name, line, tax

HELD = InvoiceKey("digitalocean", "77", "1001")
BAD = "login.csv"
APRIL = date(2026, 4, 1)


@pytest.fixture
def project(project: Project) -> Project:
    """A month with a held invoice, one that is ready and has a doubtful line, and a file that cannot be read."""
    project.drop(invoice_name(), digitalocean(line(amount="$1.00"), tax(amount="$7.00")))
    project.drop(invoice_name(number="1002"), digitalocean(line(description="taxi-api (s-1vcpu-1gb)"), tax()))
    project.drop(BAD, b"<html>")
    build(project.warehouse)
    return project


def waiting(project: Project) -> list[Finding]:
    with project.warehouse.read() as connection:
        return findings.waiting(connection, None)


def test_what_waits_names_what_it_is_about_what_is_wrong_and_what_to_type(project: Project) -> None:
    rejected, held = waiting(project)
    assert (rejected.kind, rejected.subject) == ("nothing_rejected", BAD)
    assert rejected.command == f"arcadia dismiss {BAD} --reason '...'"
    assert (held.kind, held.subject) == ("nothing_held", f"2026-04 {HELD.name}")
    assert held.what.startswith("8.00 USD; its tax of 7.00 USD is more than its net")
    assert held.command == f"arcadia explain {HELD.name}"
    assert held.facts["amount_gross"] == "8.00 USD"
    assert len({rejected.identity, held.identity}) == 2


def test_a_finding_comes_back_from_json(project: Project) -> None:
    for finding in waiting(project):
        assert Finding.of_json(json.loads(json.dumps(finding.as_json()))) == finding


def test_a_cause_keeps_its_identity_over_a_rebuild_and_gets_another_with_another_reason(project: Project) -> None:
    before = {finding.kind: finding.identity for finding in waiting(project)}
    with project.warehouse.write() as connection:
        connection.execute("UPDATE stage_versions SET version = version + 1 WHERE stage = 'cost_lines'")
    build(project.warehouse)
    assert {finding.kind: finding.identity for finding in waiting(project)} == before
    with project.warehouse.write() as connection:
        connection.execute("UPDATE tax_split_totals SET hold_reasons = ['another'] WHERE external_id = '1001'")
    after = {finding.kind: finding.identity for finding in waiting(project)}
    assert {kind for kind in after if after[kind] != before[kind]} == {"nothing_held"}


def test_a_check_has_the_findings_that_a_query_gives(project: Project) -> None:
    with instance_in_memory() as instance:
        project.report_checks(instance, close_day=28)
        shown = {}
        for asset, name in (("documents", "nothing_rejected"), ("tax_split_totals", "nothing_held")):
            key = dg.AssetCheckKey(dg.AssetKey(asset), name)
            [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
            assert record.evaluation is not None
            listed = record.evaluation.metadata[checks.FINDINGS]
            assert isinstance(listed, dg.JsonMetadataValue)
            assert isinstance(listed.data, list)
            shown[name] = [Finding.of_json(one) for one in listed.data]
    assert [one for found in shown.values() for one in found] == waiting(project)


def test_an_explanation_has_the_findings_about_its_invoice_and_no_others(project: Project) -> None:
    archive = archive_of(project.warehouse)
    held, by_rate = explain(project.warehouse, archive, HELD)["findings"]
    assert [held] == [finding.as_json() for finding in waiting(project) if finding.kind == "nothing_held"]
    assert (by_rate["kind"], by_rate["what"]) == ("tax_rate_is_plausible", "tax 7.00 USD, by its rates 0.10 USD")
    [doubtful] = explain(project.warehouse, archive, HELD._replace(external_id="1002"))["findings"]
    assert (doubtful["kind"], doubtful["what"]) == ("doubtful_tax_lines", "taxi-api (s-1vcpu-1gb)")


def test_what_only_finance_can_tell_is_not_told_without_one(project: Project) -> None:
    with project.warehouse.read() as connection, pytest.raises(ValueError, match="expected a finance service"):
        findings.find(connection, findings.MISSING, None)
