"""Nothing but settings: a month of three providers, from their APIs to finance, each invoice once and stated twice."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest

from arcadia_dagster.definitions import build_defs
from arcadia_dagster.defs.fetch import FETCH
from arcadia_dagster.resources import Resources
from arcadia_dagster.settings import load
from arcadia_dagster_tests.kit import aws
from arcadia_dagster_tests.kit.aws_invoicing_api import AWS
from arcadia_dagster_tests.kit.bad_input import APRIL, World, world_in
from arcadia_dagster_tests.kit.linode_api import LINODE
from arcadia_dagster_tests.kit.ovhcloud_api import OVHCLOUD, refund
from arcadia_dagster_tests.kit.provider_api import Case, ProviderApi
from arcadia_dagster_tests.kit.scaleway_api import SCALEWAY, ScalewayApi, consumed

CASES = (LINODE, SCALEWAY, OVHCLOUD)


@pytest.fixture
def apis() -> Iterator[dict[str, ProviderApi]]:
    with ExitStack() as stack:
        yield {case.provider.name: stack.enter_context(case.api()) for case in CASES}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_in(tmp_path) as found:
        yield found


def environ_of(world: World, apis: dict[str, ProviderApi]) -> dict[str, str]:
    """The settings of the three providers, and nothing else."""
    environ = dict(world.project.environ)
    for case in CASES:
        environ |= {**case.environ, case.url: apis[case.provider.name].url}
    return environ


def fetch(world: World, apis: dict[str, ProviderApi]) -> None:
    """The job of the daily schedule."""
    definitions = build_defs(environ=environ_of(world, apis))
    assert definitions.resolve_job_def(FETCH).execute_in_process().success


def fetch_month(world: World, environ: dict[str, str]) -> None:
    """`arcadia fetch 2026-04`, which also reads OVHcloud's bills again that are older than two months."""
    providers = Resources.of(load(environ)).providers
    for provider in providers.configured:
        fetched = providers.fetch(provider, world.project.warehouse, world.project.inbox, months=[APRIL])
        assert fetched.left == {}


def rows_of_finance(world: World) -> dict[tuple[str, str], int]:
    assert world.project.sandbox is not None
    rows = world.project.sandbox.invoices()
    found = {(row["source"], row["external_id"]): row["amount_gross_minor"] for row in rows}
    assert len(found) == len(rows)
    return found


def entry(case: Case, total: str = "119.00", number: int = 1) -> dict[str, object]:
    return case.entry(number, APRIL, total)


def test_a_month_of_three_providers_is_in_finance_once_with_its_second_witness(
    world: World, apis: dict[str, ProviderApi]
) -> None:
    for case in CASES:
        apis[case.provider.name].entries.append(entry(case))
    fetch(world, apis)
    world.run([APRIL])
    totals = world.project.query(
        "SELECT source, invoice_month, status, hold_reasons, amount_gross_minor, lines_gross_minor, stated_gross_minor "
        "FROM tax_split_totals ORDER BY source"
    )
    assert [tuple(total.values()) for total in totals] == [
        (source, APRIL, "ready", [], 11900, 11900, 11900) for source in ("linode", "ovhcloud", "scaleway")
    ]
    ids = {"linode": "123001", "scaleway": "3f4f8da2-e4c6-4998-8c70-000000000001", "ovhcloud": "FR12345601"}
    assert rows_of_finance(world) == dict.fromkeys(ids.items(), 11900)
    evidence = world.project.query("SELECT source FROM invoice_evidence ORDER BY source")
    assert [row["source"] for row in evidence] == ["ovhcloud", "scaleway"]
    before = world.received
    fetch(world, apis)
    world.run([APRIL])
    assert world.received == before
    assert len(rows_of_finance(world)) == 3


def test_what_each_project_at_scaleway_consumed_is_borne_by_its_tenant(
    world: World, apis: dict[str, ProviderApi]
) -> None:
    (world.project.home / "tenants.toml").write_text(
        '[[route]]\nsource = "scaleway"\nproject = "p-shop"\ntenant = "shop"\n'
    )
    api = apis["scaleway"]
    assert isinstance(api, ScalewayApi)
    api.entries.append(entry(SCALEWAY))
    api.consumption["2026-04"] = ([consumed("60.00", project_id="p-shop"), consumed("41.00")], 1)
    fetch(world, apis)
    world.run([APRIL])
    [total] = world.project.query(
        "SELECT status, hold_reasons, amount_gross_minor, lines_gross_minor, stated_gross_minor FROM tax_split_totals"
    )
    assert tuple(total.values()) == ("ready", [], 11900, 11900, 11900)
    allocated = world.project.query("FROM allocations ORDER BY tenant_id")
    assert [row["tenant_id"] for row in allocated] == ["platform-admin", "shop"]
    assert sum(row["amount_gross_minor"] for row in allocated) == 11900


def test_a_total_that_a_provider_changes_updates_the_row_and_is_no_doubt(
    world: World, apis: dict[str, ProviderApi]
) -> None:
    for case in CASES:
        apis[case.provider.name].entries.append(entry(case))
    fetch(world, apis)
    world.build()
    for case in CASES:
        api = apis[case.provider.name]
        api.entries[0] = case.changed(api.entries[0], "238.00")
    fetch_month(world, environ_of(world, apis))
    world.build()
    assert set(rows_of_finance(world).values()) == {23800}
    assert len(rows_of_finance(world)) == 3
    assert world.project.query("SELECT * FROM tax_split_totals WHERE status <> 'ready'") == []


def test_what_aws_states_by_its_api_is_the_second_witness_of_its_report(world: World) -> None:
    own = {"InvoiceId": "EUINGB26-1001", "PayerAccountId": "111122223333"}
    world.project.drop("cur.csv", aws.as_csv(aws.item(UnblendedCost="100", **own), aws.tax(UnblendedCost="19", **own)))
    with AWS.api() as api:
        api.entries.append(AWS.entry(1, APRIL, "119.00"))
        fetch_month(world, {**world.project.environ, **AWS.environ, AWS.url: api.url})
    world.build()
    [total] = world.project.query(
        "SELECT source, status, hold_reasons, lines_gross_minor, stated_gross_minor FROM tax_split_totals"
    )
    assert tuple(total.values()) == ("aws", "ready", [], 11900, 11900)
    assert rows_of_finance(world) == {("aws", "EUINGB26-1001"): 11900}
    assert [row["basis"] for row in world.project.query("SELECT basis FROM invoice_evidence")] == ["file name"]


def test_a_refund_and_a_withdrawn_invoice_are_told_apart_from_invoices(
    world: World, apis: dict[str, ProviderApi]
) -> None:
    bill = entry(OVHCLOUD)
    apis["ovhcloud"].entries += [bill, refund(2, APRIL, "-119.00", of=str(bill["billId"]))]
    apis["scaleway"].entries += [
        SCALEWAY.entry(1, APRIL, "119.00") | {"state": "voided"},
        SCALEWAY.entry(2, date(2026, 4, 1), "59.00") | {"state": "draft", "issued_date": None},
    ]
    fetch(world, apis)
    world.build()
    assert rows_of_finance(world) == {("ovhcloud", "FR12345601"): 11900, ("ovhcloud", "AV12345602"): -11900}
