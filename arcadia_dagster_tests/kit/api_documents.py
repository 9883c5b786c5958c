"""Documents of providers' APIs for tests, in the shapes that the providers describe."""

import json
from typing import Any


def written(content: Any) -> bytes:
    """As JSON, with numbers as they are given: a float as its shortest decimal."""
    return json.dumps(content, ensure_ascii=False).encode()


def linode_item(amount: float = 5.0, number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "label": f"Nanode 1GB - web-{number} ({number})",
        "type": "hourly",
        "unit_price": "0.0075",
        "quantity": 730,
        "amount": amount,
        "tax": 0.5,
        "total": amount + 0.5,
        "region": "eu-west",
        "from": "2026-04-01T04:00:00",
        "to": "2026-05-01T03:59:59",
    } | fields


def linode(*items: dict[str, Any], **invoice: Any) -> dict[str, Any]:
    """Two items of 5.00 and 20.20 dollars with 2.52 tax, unless told otherwise."""
    stated = {
        "id": 123,
        "label": "Invoice #123",
        "date": "2026-05-01T05:00:00",
        "subtotal": 25.2,
        "tax": 2.52,
        "tax_summary": [{"name": "PA STATE TAX", "tax": 2.0}, {"name": "PHILADELPHIA TAX", "tax": 0.52}],
        "total": 27.72,
        "billing_source": "linode",
    }
    found = list(items) or [linode_item(), linode_item(20.20, 2)]
    return {"kind": "linode_invoice", "account": "acc-1", "invoice": stated | invoice, "items": found}


def price(value: float, currency: str = "EUR") -> dict[str, Any]:
    return {"currencyCode": currency, "text": f"{value:.2f} €", "value": value}


def ovh_detail(amount: float = 10.0, **fields: Any) -> dict[str, Any]:
    return {
        "billDetailId": "77",
        "description": "VPS vps-1, monthly",
        "domain": "vps112233.ovh.net",
        "periodStart": "2026-04-01",
        "periodEnd": "2026-05-01",
        "quantity": "1",
        "totalPrice": price(amount),
        "unitPrice": price(amount),
    } | fields


def ovhcloud(*details: dict[str, Any], **bill: Any) -> dict[str, Any]:
    """A server of 37.87 euros with 7.57 tax, unless told otherwise."""
    stated = {
        "billId": "FR123",
        "date": "2026-05-02T15:49:06+02:00",
        "orderId": 123456789,
        "password": "aBcD",
        "pdfUrl": "https://example.com/FR123.pdf",
        "url": "https://example.com/FR123",
        "priceWithTax": price(45.44),
        "priceWithoutTax": price(37.87),
        "tax": price(7.57),
    }
    found = list(details) or [ovh_detail(37.87)]
    return {"kind": "ovhcloud_bill", "account": "ab1234-ovh", "bill": stated | bill, "details": found}


def ovhcloud_refund(*details: dict[str, Any], **refund: Any) -> dict[str, Any]:
    """Ten euros back with two of tax, on the bill FR123, unless told otherwise."""
    stated = {
        "refundId": "AV123",
        "date": "2026-05-20T10:00:00+02:00",
        "orderId": 123456790,
        "originalBillId": "FR123",
        "priceWithTax": price(-12.0),
        "priceWithoutTax": price(-10.0),
        "tax": price(-2.0),
    }
    found = list(details) or [ovh_detail(-10.0, refundDetailId="78")]
    return {"kind": "ovhcloud_refund", "account": "ab1234-ovh", "refund": stated | refund, "details": found}


def money(units: int, nanos: int = 0, currency: str = "EUR") -> dict[str, Any]:
    return {"currency_code": currency, "units": units, "nanos": nanos}


def scaleway_invoice(**fields: Any) -> dict[str, Any]:
    """12.34 euros with 2.47 tax, unless told otherwise."""
    return {
        "id": "3f4f8da2-e4c6-4998-8c70-d11b2193d6c2",
        "organization_id": "org-1",
        "organization_name": "Shop",
        "start_date": "2026-04-01T00:00:00Z",
        "stop_date": "2026-05-01T00:00:00Z",
        "billing_period": "2026-04",
        "issued_date": "2026-05-03T00:00:00Z",
        "due_date": "2026-06-03T00:00:00Z",
        "total_untaxed": money(12, 340_000_000),
        "total_taxed": money(14, 810_000_000),
        "total_tax": money(2, 470_000_000),
        "total_discount": money(0),
        "total_undiscount": money(12, 340_000_000),
        "type": "periodic",
        "state": "paid",
        "number": 4711,
        "seller_name": "Scaleway",
    } | fields


def scaleway(*invoices: dict[str, Any]) -> dict[str, Any]:
    found = list(invoices) or [scaleway_invoice()]
    return {"total_count": len(found), "invoices": found}
