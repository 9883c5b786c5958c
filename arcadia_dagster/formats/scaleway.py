"""Invoices of Scaleway as its billing API lists them, and as its command line prints them.

    {"total_count": 1, "invoices": [{"id": "...", "organization_id": "...", "state": "paid", "total_untaxed": {...}, ...}]}
    [{"id": "...", "organization_id": "...", "state": "paid", "total_untaxed": {...}, ...}]

The first is the answer of `GET /billing/v2beta1/invoices`, the second what `scw billing invoice list -o json` prints;
one invoice by itself, as `scw billing invoice get` prints it, is read too. One document may state many invoices. Each
has two lines, `total_untaxed` and `total_tax`. Their sum must equal `total_taxed`. Money is `{"currency_code": "EUR",
"units": 12, "nanos": 340000000}`, exactly units + nanos / 10^9, both of one sign. The month is `billing_period`, the id
`id`.

| `state` | what becomes of it |
|---|---|
| `draft`, `stopped` | not issued yet, as any invoice without `issued_date`: it is shown and never pushed |
| `issued`, `paid`, `incomplete`, `no_due` | it is an invoice |
| `outdated` | another invoice replaces it: it is shown and never pushed; if finance has it, a check says so |
| `voided` | there is nothing to pay: the same |

An invoice in another state is held. One of the type `credit_note` counts negative, whatever the sign of its amounts.
Source: Scaleway's billing API v2beta1, as its Go and Python clients have it; Scaleway's billing FAQ for the states. Other lists
(`consumptions`, `charges`) name the resources of an invoice. No source says that they sum to the invoice's total, so they are
not read. Not confirmed by an invoice of our own: the sign of a credit note's amounts.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from arcadia_dagster.formats.api_json import ApiFormat, ApiLayout, StatingLayout, credited_sql, list_in
from arcadia_dagster.reading.format import Head
from arcadia_dagster.reading.json_document import exact_json
from arcadia_dagster.reading.json_values import Node
from arcadia_dagster.reading.statements import InvoiceStatement, Status

_DRAFTS = ("draft", "stopped")
_WITHDRAWN = ("outdated", "voided")
_ISSUED = ("issued", "paid", "incomplete", "no_due")
_TYPES = ("periodic", "purchase", "unknown_type")
_CREDIT = "credit_note"


def _money(money: str) -> str:
    """SQL: Scaleway's money as exact text; unchanged, which is no number, where it is no money or its parts differ in sign."""
    units, nanos = f"({money}->>'$.units')", f"({money}->>'$.nanos')"
    return (
        f"CASE WHEN regexp_full_match({units}, '-?\\d{{1,15}}') AND regexp_full_match({nanos}, '-?\\d{{1,9}}') "
        f"AND (starts_with({units}, '-') = starts_with({nanos}, '-') OR ltrim({units}, '-0') = '' OR ltrim({nanos}, '-0') = '') "
        f"THEN CAST(CAST({units} AS DECIMAL(18,0)) + CAST({nanos} AS DECIMAL(10,0)) * CAST('1e-9' AS DECIMAL(10,9)) AS VARCHAR) "
        f"ELSE CAST({money} AS VARCHAR) END"
    )


def _member(name: str) -> str:
    """SQL: a word of the invoice in small letters, with `_` for a blank; NULL where there is none."""
    return f"nullif(replace(lower(trim(invoice->>'$.{name}')), ' ', '_'), '')"


def _is_one_of(name: str, words: tuple[str, ...]) -> str:
    return f"coalesce({_member(name)} IN ({', '.join(repr(word) for word in words)}), false)"


def _doubt(name: str, known: tuple[str, ...]) -> str:
    """SQL: what is doubtful about a word that is none of those that are known."""
    text = f"'invoice ' || (invoice->>'$.id') || ', {name}: ' || (invoice->>'$.{name}') || '; expected one of {', '.join(known)}'"
    return f"CASE WHEN {_member(name)} IS NOT NULL AND NOT {_is_one_of(name, known)} THEN {text} END"


_TOTAL = _money("(invoice->'$.total_taxed')")


def _signed(money: str) -> str:
    return credited_sql(money, is_credit=_is_one_of("type", (_CREDIT,)), total=_TOTAL)


class _Layout(StatingLayout):
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
        "invoice_number": "nullif(invoice->>'$.number', '0')",
        "month": "CASE WHEN regexp_full_match(invoice->>'$.billing_period', '\\d{4}-\\d{2}') "
        "THEN (invoice->>'$.billing_period') || '-01' ELSE invoice->>'$.billing_period' END",
        "issued": "invoice->>'$.issued_date'",
        "total": _signed(_TOTAL),
        "tax": _signed(_money("(invoice->'$.total_tax')")),
        "category": f"CASE WHEN is_tax THEN 'Tax' WHEN starts_with(money->>'$.units', '-') OR {_is_one_of('type', (_CREDIT,))} "
        "THEN 'Credit' ELSE 'Usage' END",
        "service": "CASE WHEN is_tax THEN 'Taxes' ELSE 'Scaleway' END",
        "description": "CASE WHEN is_tax THEN 'Total tax' ELSE 'Total before tax' END",
        "start": "CASE WHEN NOT is_tax THEN invoice->>'$.start_date' END",
        "end": "CASE WHEN NOT is_tax THEN invoice->>'$.stop_date' END",
        "amount": _signed(_money("money")),
        "currency": "money->>'$.currency_code'",
        "draft": f"CASE WHEN {_is_one_of('state', _DRAFTS)} THEN invoice->>'$.state' END",
        "withdrawn": f"CASE WHEN {_is_one_of('state', _WITHDRAWN)} THEN {_member('state')} END",
        "doubt": f"coalesce({_doubt('state', (*_DRAFTS, *_ISSUED, *_WITHDRAWN))}, {_doubt('type', (*_TYPES, _CREDIT))})",
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

    def document(self, path: Path) -> dict[str, Any]:
        """The list as the API gives it, whichever of the three shapes it is in."""
        content = exact_json(path)
        if isinstance(content, dict) and not _is_invoice(content):
            return content
        return {"invoices": content if isinstance(content, list) else [content]}

    def stated(self, document: Node) -> Iterator[InvoiceStatement]:
        """Its totals, its days of issue and payment, and who sells; a credit note below 0."""
        for invoice in document.list("invoices"):
            is_credit = _word(invoice, "type") == _CREDIT
            state = _word(invoice, "state")
            gross, net, tax = (
                _money_of(invoice.object(name), is_credit=is_credit)
                for name in ("total_taxed", "total_untaxed", "total_tax")
            )
            yield InvoiceStatement(
                source=self.source,
                account_id=invoice.text("organization_id"),
                external_id=invoice.needed_text("id"),
                invoice_number=None if invoice.text("number") == "0" else invoice.text("number"),
                currency=invoice.object("total_taxed").needed_text("currency_code"),
                kind="credit_note" if is_credit else "invoice",
                status=_status(state, is_issued=invoice.text("issued_date") is not None),
                gross=gross,
                net=net,
                tax=tax,
                issued_on=invoice.local_day("issued_date"),
                due_on=invoice.local_day("due_date"),
                period_start=invoice.local_day("start_date"),
                seller_name=invoice.text("seller_name"),
                buyer_name=invoice.text("organization_name"),
            )

    def count(self, document: dict[str, Any]) -> int:
        """See `ApiLayout`."""
        return 2 * len(list_in(document, "invoices"))


def _word(invoice: Node, name: str) -> str:
    return (invoice.text(name) or "").lower().replace(" ", "_")


def _status(state: str, *, is_issued: bool) -> Status:
    if state in _WITHDRAWN:
        return "voided"
    if state in _DRAFTS or not is_issued:
        return "draft"
    return "paid" if state == "paid" else "issued"


def _money_of(money: Node, *, is_credit: bool) -> Decimal | None:
    """Units and nanos as one exact amount; None where it has none."""
    units, nanos = money.amount("units"), money.amount("nanos")
    if units is None or nanos is None:
        return None
    amount = units + nanos.scaleb(-9)
    return -abs(amount) if is_credit else amount


class Scaleway(ApiFormat):
    """The format itself."""

    name = "scaleway_json"
    reading = 3
    layout = _Layout()

    def recognise(self, head: Head) -> ApiLayout | None:
        """Known by an invoice of an organization, or by a list of such."""
        invoices = head.json.get("invoices", [head.json]) if isinstance(head.json, dict) else head.json
        return self.layout if isinstance(invoices, list) and any(_is_invoice(member) for member in invoices) else None


def _is_invoice(member: object) -> bool:
    return (
        isinstance(member, dict)
        and "organization_id" in member
        and not {"total_taxed", "total_untaxed"}.isdisjoint(member)
    )
