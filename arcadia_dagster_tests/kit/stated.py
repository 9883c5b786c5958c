"""What providers state of their invoices, as their documents have it."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

INVOICE_DETAIL = (
    *("BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory"),
    *("InvoiceDetailId", "InvoiceDetailDescription", "InvoiceDetailGrain", "InvoiceId", "InvoiceIssueDate"),
    *("InvoiceIssueStatus", "InvoiceIssuerName", "PaymentCurrency", "PaymentCurrencyBilledCost", "PaymentDueDate"),
    *("PaymentTerms", "PurchaseOrderNumber", "ReferenceInvoiceId"),
)


def detail(**values: str | None) -> dict[str, str | None]:
    """A row of FOCUS 1.4 Invoice Detail: six dollars of usage of April 2026, on the invoice INV-1 of account 111."""
    usual = {
        "BilledCost": "6.00",
        "BillingAccountId": "111",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": "2026-05-01T00:00:00Z",
        "BillingPeriodStart": "2026-04-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "InvoiceDetailId": "1",
        "InvoiceId": "INV-1",
        "InvoiceIssueDate": "2026-05-02T00:00:00Z",
        "InvoiceIssueStatus": "Issued",
        "InvoiceIssuerName": "Amazon Web Services, Inc.",
        "PaymentDueDate": "2026-06-01T00:00:00Z",
        "PaymentTerms": "Net 30",
        "ReferenceInvoiceId": values.get("InvoiceId", "INV-1"),
    }
    unknown = set(values) - set(INVOICE_DETAIL)
    assert not unknown, unknown
    return {**dict.fromkeys(INVOICE_DETAIL), **usual, **values}


def detail_of_tax(**values: str | None) -> dict[str, str | None]:
    """Its row of tax: sixty cents."""
    return detail(**{"BilledCost": "0.60", "ChargeCategory": "Tax", "InvoiceDetailId": "2", **values})


def period(**values: str | None) -> dict[str, str | None]:
    """A row of FOCUS 1.4 Billing Period: April 2026 of AWS, open."""
    return {
        "BillingPeriodCreated": "2026-04-01T00:00:00Z",
        "BillingPeriodEnd": "2026-05-01T00:00:00Z",
        "BillingPeriodLastUpdated": "2026-05-02T00:00:00Z",
        "BillingPeriodStart": "2026-04-01T00:00:00Z",
        "BillingPeriodStatus": "Open",
        "InvoiceIssuerName": "Amazon Web Services, Inc.",
        **values,
    }


def closed(**values: str | None) -> dict[str, str | None]:
    """The same row four days later: closed."""
    return period(**{"BillingPeriodStatus": "Closed", "BillingPeriodLastUpdated": "2026-05-06T00:00:00Z", **values})


def details_csv(*rows: Mapping[str, str | None], delimiter: str = ",", null: str = "") -> bytes:
    """The rows as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([null if value is None else value for value in row.values()] for row in rows)
    return file.getvalue().encode()


def details_parquet(*rows: Mapping[str, str | None], cost: pa.DataType | None = None) -> bytes:
    """The rows as Parquet, with decimals, or other numbers, and timestamps."""
    columns = {name: _column([row[name] for row in rows], name, cost or pa.decimal128(38, 18)) for name in rows[0]}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, store_schema=False)
    return file.getvalue()


def _column(values: Sequence[str | None], name: str, cost: pa.DataType) -> pa.Array:
    if name.endswith("BilledCost"):
        return pa.array([None if value is None else Decimal(value) for value in values]).cast(cost)
    if name.endswith(("Date", "PeriodEnd", "PeriodStart")):
        times = pa.array([None if value is None else value.rstrip("Z") for value in values], pa.string())
        return times.cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
    return pa.array(list(values), pa.string())


def azure_invoice(name: str = "G000000001", gross: float = 11.9, tax: float = 1.9, **more: Any) -> dict[str, Any]:
    """An invoice of Azure as `az billing invoice show` prints it; its subtotal is what the tax leaves of gross."""
    profile = "/providers/Microsoft.Billing/billingAccounts/1:2_2019-05-31/billingProfiles/AAAA-BBBB"
    return {
        "amountDue": _money(0),
        "azurePrepaymentApplied": _money(0),
        "billedAmount": _money(round(gross - tax, 2)),
        "billingProfileDisplayName": "Contoso",
        "billingProfileId": profile,
        "creditAmount": _money(0),
        "documentType": "Invoice",
        "dueDate": "2026-05-31T00:00:00Z",
        "freeAzureCreditApplied": _money(0),
        "id": f"/providers/Microsoft.Billing/billingAccounts/1:2_2019-05-31/invoices/{name}",
        "invoiceDate": "2026-05-05T00:00:00Z",
        "invoicePeriodEndDate": "2026-04-30T00:00:00Z",
        "invoicePeriodStartDate": "2026-04-01T00:00:00Z",
        "invoiceType": "AzureService",
        "isMonthlyInvoice": True,
        "name": name,
        "payments": [],
        "purchaseOrderNumber": None,
        "rebillDetails": None,
        "status": "Due",
        "subTotal": _money(round(gross - tax, 2)),
        "taxAmount": _money(tax),
        "totalAmount": _money(gross),
        "type": "Microsoft.Billing/billingAccounts/invoices",
        **more,
    }


def azure_answer(*invoices: Mapping[str, Any], **more: Any) -> bytes:
    """The same as the billing invoices API answers."""
    outer = ("id", "name", "type")
    value = [
        {
            **{name: one[name] for name in outer},
            "properties": {name: value for name, value in one.items() if name not in outer},
        }
        for one in invoices
    ]
    return json.dumps({"value": value, **more}).encode()


def _money(value: float) -> dict[str, Any]:
    return {"currency": "USD", "value": value}


COST_TABLE = (
    *("Billing account name", "Billing account ID", "Project name", "Project ID", "Project hierarchy"),
    *("Service description", "Service ID", "SKU description", "SKU ID", "Consumption model description", "Credit type"),
    *(
        "Cost type",
        "Usage start date",
        "Usage end date",
        "Usage amount",
        "Usage unit",
        "Unrounded Cost ($)",
        "Cost ($)",
    ),
)


def cost_row(
    kind: str,
    unrounded: str,
    cost: str,
    *,
    service: str = "Compute Engine",
    sku: str = "N2 Instance Core",
    credit: str = "",
    quantity: str = "10",
    unit: str = "hour",
    start: str = "2026-04-01",
    end: str = "2026-04-30",
) -> tuple[str, ...]:
    """A row of Google Cloud's cost table, of April 2026."""
    project = ("Shop", "0A0A0A-0B0B0B-0C0C0C", "shop", "shop-1", "example.org") if service else ("",) * 5
    return (*project, service, "S1", sku, "K1", "Default", credit, kind, start, end, quantity, unit, unrounded, cost)


def cost_table(
    *rows: Sequence[str],
    total: str,
    number: str = "5000000030",
    currency: str = "USD",
    issued: str = "2026-04-30",
) -> bytes:
    """The table below the lines that state its invoice."""
    above = {
        "Invoice number": number,
        "Invoice date": issued,
        "Due date": "2026-05-30",
        "Billing ID": "0000-0000-0000",
        "Billing account ID": "0A0A0A-0B0B0B-0C0C0C",
        "Currency": currency,
        "Currency exchange rate": "1",
        "Total amount due": total,
    }
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows((name, value, "") for name, value in above.items())
    writer.writerow(COST_TABLE)
    writer.writerows(rows)
    return file.getvalue().encode()
