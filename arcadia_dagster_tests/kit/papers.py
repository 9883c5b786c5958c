"""Documents that state invoices, as each provider writes them.

Providers that charge once a month write an invoice a document; those that meter write rows, which any number of files may hold.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from arcadia_dagster_tests.kit import aws, einvoices, focus
from arcadia_dagster_tests.kit.api_documents import linode_item, money, ovh_detail, price, scaleway_invoice
from arcadia_dagster_tests.kit.api_documents import ovhcloud as ovhcloud_bill
from arcadia_dagster_tests.kit.charges import Charge, Invoice
from arcadia_dagster_tests.kit.project import HEADER

FOCUS_HEADER = (*focus.HEADER, "BillingPeriodEnd")
_DIGITALOCEAN_PRODUCTS = {"Licenses": "Support"}


def digitalocean_csv(invoice: Invoice) -> bytes:
    """As the control panel gives it; its account, number and month are in its name."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([invoice.account.currency if name == "USD" else name for name in HEADER.split(",")])
    for charge in invoice.charges:
        product = _DIGITALOCEAN_PRODUCTS.get(charge.service, charge.service)
        hours = "720" if charge.resource else ""
        times = (f"{charge.first} 00:00:00 +0000", f"{charge.last} 23:59:59 +0000")
        writer.writerow([product, "", charge.description, hours, *times, f"{charge.amount:.2f}", "shop", "iaas"])
    return file.getvalue().encode()


def digitalocean_json(invoice: Invoice) -> bytes:
    """As `arcadia fetch` puts it together; DigitalOcean's API is in US dollars."""
    entry = {
        "invoice_uuid": invoice.number,
        "invoice_id": str(invoice.number)[-10:],
        "amount": f"{invoice.gross:.2f}",
        "invoice_period": f"{invoice.month:%Y-%m}",
        "updated_at": f"{invoice.end}T06:31:50Z",
    }
    items = [
        {
            "product": _DIGITALOCEAN_PRODUCTS.get(charge.service, charge.service),
            "resource_uuid": "",
            "resource_id": charge.resource,
            "group_description": "",
            "description": charge.description,
            "amount": f"{charge.amount:.2f}",
            "duration": "720" if charge.resource else "",
            "duration_unit": "Hours" if charge.resource else "",
            "start_time": _time(charge.first),
            "end_time": _time(charge.end),
            "project_name": "shop",
            "category": "iaas",
        }
        for charge in invoice.charges
    ]
    summary = {
        "invoice_uuid": invoice.number,
        "amount": f"{invoice.gross:.2f}",
        "taxes": {"amount": f"{invoice.tax:.2f}"},
    }
    return _json({"kind": "digitalocean_invoice", "invoice": entry, "items": items, "summary": summary})


def linode(invoice: Invoice) -> bytes:
    """As Linode's API has it, which is in US dollars."""
    items = [
        linode_item(
            float(charge.amount),
            label=f"{charge.description} ({charge.resource})" if charge.resource else charge.description,
        )
        | {"from": f"{charge.first}T00:00:00", "to": f"{charge.last}T23:59:59"}
        for charge in invoice.untaxed
    ]
    stated = {
        "id": int(str(invoice.number)),
        "label": f"Invoice #{invoice.number}",
        "date": f"{invoice.end}T05:00:00",
        "subtotal": float(invoice.net),
        "tax": float(invoice.tax),
        "tax_summary": [{"name": "VAT", "tax": float(invoice.tax)}],
        "total": float(invoice.gross),
        "billing_source": "linode",
    }
    account = invoice.account.account_id
    return _json({"kind": "linode_invoice", "account": account, "invoice": stated, "items": items})


def ovhcloud(invoice: Invoice) -> bytes:
    currency = invoice.account.currency
    details = [
        ovh_detail(
            billDetailId=str(ordinal),
            description=charge.description,
            domain=charge.resource or None,
            periodStart=f"{charge.first}",
            periodEnd=f"{charge.end}",
            totalPrice=price(float(charge.amount), currency),
            unitPrice=price(float(charge.amount), currency),
        )
        for ordinal, charge in enumerate(invoice.untaxed)
    ]
    bill = ovhcloud_bill(
        *details,
        billId=invoice.number,
        date=f"{invoice.end}T15:49:06+02:00",
        priceWithTax=price(float(invoice.gross), currency),
        priceWithoutTax=price(float(invoice.net), currency),
        tax=price(float(invoice.tax), currency),
    )
    return _json(bill | {"account": invoice.account.account_id})


def einvoice(invoice: Invoice, seller: str, *, buyer_number: str | None) -> bytes:
    """As it is sent to the buyer, with the number that is printed on it."""
    rate = invoice.account.tax_rate * 100
    lines = [
        einvoices.Line(
            f"{charge.amount:.2f}", charge.service, charge.description, "1", "C62", f"{charge.first}", f"{charge.last}"
        )
        for charge in invoice.untaxed
    ]
    stated = einvoices.Facts(
        number=str(invoice.number),
        issued=f"{invoice.end}",
        due=None,
        currency=invoice.account.currency,
        seller=seller,
        buyer_number=buyer_number,
        start=f"{invoice.month}",
        end=f"{invoice.charges[0].last}",
        lines=tuple(lines),
        taxes=(einvoices.Tax(f"{invoice.tax:.2f}", f"{invoice.net:.2f}", f"{rate.normalize():f}"),),
    )
    return einvoices.ubl(stated)


def scaleway(invoices: Iterable[Invoice], drafts: Iterable[Invoice] = ()) -> bytes:
    """The list of these invoices, and of those that are drafts yet."""
    found = [_of_scaleway(invoice) for invoice in invoices]
    is_draft = {"state": "draft", "issued_date": None, "due_date": None, "number": None}
    found += [_of_scaleway(draft) | is_draft for draft in drafts]
    return _json({"total_count": len(found), "invoices": found})


def _of_scaleway(invoice: Invoice) -> dict[str, Any]:
    def of(amount: Decimal) -> dict[str, Any]:
        units, nanos = divmod(int(amount.scaleb(9)), 10**9)
        return money(units, nanos, invoice.account.currency)

    return scaleway_invoice(
        id=invoice.number,
        organization_id=invoice.account.account_id,
        start_date=_time(invoice.month),
        stop_date=_time(invoice.end),
        billing_period=f"{invoice.month:%Y-%m}",
        issued_date=f"{invoice.end}T09:00:00Z",
        due_date=f"{invoice.end.replace(day=28)}T09:00:00Z",
        total_untaxed=of(invoice.net),
        total_undiscount=of(invoice.net),
        total_tax=of(invoice.tax),
        total_taxed=of(invoice.gross),
        number=int(str(invoice.number)[-6:]),
    )


def hetzner(invoice: Invoice) -> bytes:
    """Without a header, before tax."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for charge in invoice.untaxed:
        amount = f"{charge.amount:.2f}"
        days = (charge.first, charge.last)
        writer.writerow([charge.service, charge.description, *days, "1.00", amount, amount, charge.resource])
    return file.getvalue().encode()


EXAMPLEHOST = r"""
name = "examplehost"
source = "examplehost"
vendor = "Examplehost GmbH"
delimiter = ";"
decimal_mark = ","
date_format = "%d.%m.%Y"
end = "inclusive"
blank_invoice = "not invoiced"

[columns]
invoice = "Rechnung"
account = "Kunde"
currency = "Währung"
service = "Produkt"
description = "Text"
resource_id = "Server"
start = "Von"
end = "Bis"
amount = "Betrag"

[tax]
column = "Produkt"
values = ["Taxes"]
"""
"""A description of the tables that `examplehost` writes."""


def examplehost(invoices: Iterable[Invoice]) -> bytes:
    """A table of many invoices, as a person described it."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=";", lineterminator="\n")
    writer.writerow(["Rechnung", "Kunde", "Währung", "Produkt", "Text", "Server", "Von", "Bis", "Betrag"])
    for invoice in invoices:
        for charge in invoice.charges:
            days = [f"{day:%d.%m.%Y}" for day in (charge.first, charge.last)]
            amount = f"{charge.amount:f}".replace(".", ",")
            of_invoice = [invoice.number, invoice.account.account_id, invoice.account.currency]
            writer.writerow([*of_invoice, charge.service, charge.description, charge.resource, *days, amount])
    return file.getvalue().encode()


def focus_rows(invoice: Invoice, issuer: str, provider: str) -> list[dict[str, str | None]]:
    """The invoice's lines as FOCUS has them."""

    def row(charge: Charge) -> dict[str, str | None]:
        stated = {
            "BilledCost": f"{charge.amount:f}",
            "BillingAccountId": invoice.account.account_id,
            "BillingCurrency": invoice.account.currency,
            "BillingPeriodStart": _time(invoice.month),
            "ChargeCategory": charge.category,
            "ChargeDescription": charge.description,
            "ChargePeriodStart": _time(charge.first),
            "ChargePeriodEnd": _time(charge.end),
            "InvoiceId": invoice.number,
            "InvoiceIssuerName": issuer,
            "ProviderName": provider,
            "ResourceId": charge.resource or None,
            "ResourceName": charge.resource or None,
            "ResourceType": "Instance" if charge.resource else None,
            "ServiceName": charge.service,
        }
        if not charge.resource:
            stated |= {"ConsumedQuantity": None, "ConsumedUnit": None}
        return {**focus.charge(**stated), "BillingPeriodEnd": _time(invoice.end)}

    return [row(charge) for charge in invoice.charges]


def focus_csv(rows: Sequence[dict[str, str | None]]) -> bytes:
    return focus.as_csv(*rows, header=FOCUS_HEADER)


def focus_parquet(rows: Sequence[dict[str, str | None]]) -> bytes:
    return focus.as_parquet(*rows, header=FOCUS_HEADER)


_CUR_TYPES = {"Usage": "Usage", "Purchase": "Fee", "Credit": "Credit", "Tax": "Tax"}


def cur_items(invoice: Invoice) -> list[dict[str, str]]:
    """The invoice's lines as AWS's Cost and Usage Reports have them."""
    return [
        aws.item(
            BillingPeriodEndDate=_time(invoice.end),
            BillingPeriodStartDate=_time(invoice.month),
            CurrencyCode=invoice.account.currency,
            InvoiceId=invoice.number or "",
            LineItemDescription=charge.description,
            LineItemType=_CUR_TYPES[charge.category],
            PayerAccountId=invoice.account.account_id,
            ProductCode=charge.service,
            ProductName=charge.service,
            ResourceId=charge.resource,
            UnblendedCost=f"{charge.amount:f}",
            UsageAccountId=invoice.account.account_id,
            UsageEndDate=_time(charge.end),
            UsageStartDate=_time(charge.first),
        )
        for charge in invoice.charges
    ]


def cur_csv(items: Sequence[dict[str, str]]) -> bytes:
    return aws.as_csv(*items)


def cur_parquet(items: Sequence[dict[str, str]]) -> bytes:
    return aws.as_parquet(*items)


def _time(day: date) -> str:
    return f"{day}T00:00:00Z"


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()
