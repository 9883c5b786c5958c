"""An invoice as a provider's API gives it, beside the same invoice in another format: one record, never silently a wrong one."""

import itertools
from collections.abc import Iterator

import pytest

from arcadia_dagster_tests.kit import api_documents as api
from arcadia_dagster_tests.kit import focus
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.einvoices import Facts, Line, Tax, ubl
from arcadia_dagster_tests.kit.pasted import commands_in, paste
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.shell import Shell

DESCRIBED = """
name = "{source}_table"
source = "{source}"
currency = "{currency}"
[columns]
invoice = "no"
account = "customer"
description = "what"
start = "from"
end = "to"
amount = "{source} price"
[tax]
column = "what"
values = ["VAT"]
"""
ISSUERS = {"linode": ("USD", "Linode LLC"), "ovhcloud": ("EUR", "OVH SAS"), "scaleway": ("EUR", "Scaleway SAS")}
OTHERS = {"described": "csv", "FOCUS": "csv", "electronic": "xml"}
NET = 60


def of_api(source: str, key: int, account: str | None) -> bytes:
    """An invoice of 60 with 12 of tax."""
    tax, gross = NET / 5, NET * 1.2
    if source == "linode":
        item = api.linode_item(NET, tax=tax, total=gross)
        found = api.linode(item, id=key, subtotal=NET, tax=tax, total=gross, tax_summary=[{"name": "VAT", "tax": tax}])
    elif source == "ovhcloud":
        prices = {"priceWithTax": gross, "priceWithoutTax": NET, "tax": tax}
        bill = {name: api.price(value) for name, value in prices.items()}
        found = api.ovhcloud(api.ovh_detail(NET), billId=str(key), **bill)
    else:
        totals = {"total_untaxed": 60, "total_undiscount": 60, "total_tax": 12, "total_taxed": 72}
        sums = {name: api.money(units) for name, units in totals.items()}
        return api.written(
            api.scaleway(api.scaleway_invoice(id=str(key), number=key, organization_id=account or f"acc-{key}", **sums))
        )
    found["account"] = account
    return api.written({name: value for name, value in found.items() if value is not None})


def of_other(kind: str, source: str, key: int, net: int) -> bytes:
    """The same invoice with this sum before tax."""
    currency, issuer = ISSUERS[source]
    tax = net / 5
    if kind == "described":
        rows = "".join(
            f"{key},acc-{key},{what},2026-04-01,2026-05-01,{text:.2f}\n" for what, text in (("vm", net), ("VAT", tax))
        )
        return f"no,customer,what,from,to,{source} price\n{rows}".encode()
    if kind == "electronic":
        return ubl(
            Facts(
                number=str(key),
                seller=issuer,
                buyer_number=f"acc-{key}",
                currency=currency,
                issued="2026-05-02",
                due="2026-06-01",
                start="2026-04-01",
                end="2026-04-30",
                lines=(Line(f"{net:.2f}", "vm", None, "1", "MON"),),
                taxes=(Tax(f"{tax:.2f}", f"{net:.2f}", rate="20"),),
            )
        )
    values = {
        "BillingAccountId": f"acc-{key}",
        "InvoiceId": str(key),
        "BillingCurrency": currency,
        "InvoiceIssuerName": issuer,
    }
    values |= {"ProviderName": issuer, "ChargePeriodEnd": "2026-05-01T00:00:00Z"}
    return focus.as_csv(
        focus.charge(**values, BilledCost=f"{net:.2f}", ChargeDescription=f"vm {key}", ResourceId=f"vm-{key}"),
        focus.tax(**values, BilledCost=f"{tax:.2f}"),
    )


ORDERS = {"API first": (0, 1), "API last": (1, 0), "together": None}


@pytest.fixture(scope="module")
def worlds() -> dict[int, tuple[str, str, str, int, bool]]:
    kinds = itertools.product(ISSUERS, OTHERS, ORDERS, (NET, 50, 75), (True, False))
    # Scaleway's documents always have their account.
    return dict(enumerate((kind for kind in kinds if kind[-1] or kind[0] != "scaleway"), start=9001))


def drops(world: tuple[str, str, str, int, bool], key: int, step: int) -> Iterator[tuple[str, bytes]]:
    source, kind, order, net, has_account = world
    files = (
        (f"{key}-api.json", of_api(source, key, f"acc-{key}" if has_account else None)),
        (f"{key}-other.{OTHERS[kind]}", of_other(kind, source, key, net)),
    )
    places = ORDERS[order]
    return iter(files if step else ()) if places is None else iter([files[places[step]]])


@case("163")
def test_another_sum_is_one_held_invoice_or_two_held_ones_that_name_each_other(
    project: Project, worlds: dict[int, tuple[str, str, str, int, bool]], arcadia: Shell
) -> None:
    project.describe(
        **{source: DESCRIBED.format(source=source, currency=currency) for source, (currency, _) in ISSUERS.items()}
    )
    for step in range(2):
        for key, world in worlds.items():
            for name, content in drops(world, key, step):
                project.drop(name, content)
        project.build()
    assert project.query("SELECT file_name, reason FROM documents WHERE reason IS NOT NULL") == []
    rows = project.query("SELECT external_id, account_id, status, hold_reasons FROM tax_split_totals")
    assert project.sandbox is not None
    records = [row["external_id"] for row in project.sandbox.invoices()]
    assert len(records) == len(set(records)), "finance has an invoice twice"
    two = []
    for key, (_, kind, _, net, has_account) in worlds.items():
        found = [row for row in rows if row["external_id"] == str(key)]
        if has_account or kind == "electronic":
            assert [row["status"] for row in found] == ["ready" if net == NET else "held"], worlds[key]
            continue
        assert [row["status"] for row in found] == ["held", "held"], worlds[key]
        two.append(found)
    [own] = [row for row in two[0] if row["account_id"] == "unknown"]
    [reason] = [reason for reason in own["hold_reasons"] if "does not say its account" in reason]
    paste(arcadia, project, commands_in(reason)[0])
    [left] = project.query(
        f"SELECT * FROM tax_split_totals WHERE external_id = '{own['external_id']}' AND status = 'ready'"
    )
    assert left["account_id"] != "unknown"
