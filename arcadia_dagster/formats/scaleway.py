"""Invoices of Scaleway as its billing API lists them.

    {"total_count": 1, "invoices": [{"id": "...", "organization_id": "...", "total_untaxed": {...}, ...}]}

That is the answer of `GET /billing/v2beta1/invoices`; one document states many invoices. Each has two lines, `total_untaxed`
and `total_tax`, which must come to `total_taxed`. Money is `{"currency_code": "EUR", "units": 12, "nanos": 340000000}`,
exactly units + nanos / 10^9, both of one sign. The month is `billing_period`, the id `id`. An invoice without `issued_date`
is not issued yet: it is shown and never pushed.
Source: Scaleway's billing API v2beta1, as its Go and Python clients have it. Which resources an invoice is for is said by
other lists (`consumptions`, `charges`), of which nothing says that they come to the invoice's total: they are not read. Not
confirmed by an invoice of our own: how a credit note is stated.
"""

from typing import Any

from arcadia_dagster.formats.api_json import ApiFormat, ApiLayout, list_in


def _money(money: str) -> str:
    """SQL: Scaleway's money as exact text; as it stands, which is no number, where it is none or its parts differ in sign."""
    units, nanos = f"({money}->>'$.units')", f"({money}->>'$.nanos')"
    return (
        f"CASE WHEN regexp_full_match({units}, '-?\\d{{1,15}}') AND regexp_full_match({nanos}, '-?\\d{{1,9}}') "
        f"AND (starts_with({units}, '-') = starts_with({nanos}, '-') OR ltrim({units}, '-0') = '' OR ltrim({nanos}, '-0') = '') "
        f"THEN CAST(CAST({units} AS DECIMAL(18,0)) + CAST({nanos} AS DECIMAL(10,0)) * CAST('1e-9' AS DECIMAL(10,9)) AS VARCHAR) "
        f"ELSE CAST({money} AS VARCHAR) END"
    )


class _Layout(ApiLayout):
    """See the module."""

    source = "scaleway"
    columns = {"invoices": "JSON[]"}  # noqa: RUF012 - a constant
    records = (
        "flatten([[{'invoice': x, 'money': x->'$.total_untaxed', 'is_tax': false}, "
        "{'invoice': x, 'money': x->'$.total_tax', 'is_tax': true}] FOR x IN invoices])"
    )
    fields = {  # noqa: RUF012
        "account": "invoice->>'$.organization_id'",
        "external_id": "invoice->>'$.id'",
        "invoice_number": "invoice->>'$.number'",
        "month": "CASE WHEN regexp_full_match(invoice->>'$.billing_period', '\\d{4}-\\d{2}') "
        "THEN (invoice->>'$.billing_period') || '-01' ELSE invoice->>'$.billing_period' END",
        "issued": "invoice->>'$.issued_date'",
        "total": _money("(invoice->'$.total_taxed')"),
        "tax": _money("(invoice->'$.total_tax')"),
        "category": "CASE WHEN is_tax THEN 'Tax' WHEN starts_with(money->>'$.units', '-') THEN 'Credit' ELSE 'Usage' END",
        "service": "CASE WHEN is_tax THEN 'Taxes' ELSE 'Scaleway' END",
        "description": "CASE WHEN is_tax THEN 'Total tax' ELSE 'Total before tax' END",
        "start": "CASE WHEN NOT is_tax THEN invoice->>'$.start_date' END",
        "end": "CASE WHEN NOT is_tax THEN invoice->>'$.stop_date' END",
        "amount": _money("money"),
        "currency": "money->>'$.currency_code'",
    }
    named = {  # noqa: RUF012
        "external_id": "id",
        "month": "billing_period",
        "issued": "issued_date",
        "total": "total_taxed",
        "tax": "total_tax",
        "amount": "total_untaxed or total_tax",
        "start": "start_date",
        "end": "stop_date",
        "currency": "currency_code",
    }

    def count(self, document: dict[str, Any]) -> int:
        """See `ApiLayout`."""
        return 2 * len(list_in(document, "invoices"))


class Scaleway(ApiFormat):
    """The format itself."""

    name = "scaleway_json"
    layout = _Layout()

    def is_mine(self, document: dict[str, Any]) -> bool:
        """Known by a list of invoices of organizations."""
        invoices = document.get("invoices")
        return isinstance(invoices, list) and any(
            isinstance(invoice, dict) and "organization_id" in invoice for invoice in invoices
        )
