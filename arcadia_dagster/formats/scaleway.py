"""Invoices of Scaleway as its billing API lists them, and as its command line prints them.

    {"total_count": 1, "invoices": [{"id": "...", "organization_id": "...", "state": "paid", "total_untaxed": {...}, ...}]}
    [{"id": "...", "organization_id": "...", "state": "paid", "total_untaxed": {...}, ...}]

The first is the answer of `GET /billing/v2beta1/invoices`, the second what `scw billing invoice list -o json` prints;
one invoice by itself, as `scw billing invoice get` prints it, is read too. One document may state many invoices. Money is
`{"currency_code": "EUR", "units": 12, "nanos": 340000000}`, exactly units + nanos / 10^9, both of one sign. The month is
`billing_period`, the id `id`.

Beside a single invoice there may be the consumption of its month, as `arcadia fetch scaleway` puts it:

    {"invoices": [{...}], "total_count": 1, "consumption": {"consumptions": [{"product_name": "...", "category_name": "Compute",
     "project_id": "...", "resource_name": "...", "sku": "...", "unit": "...", "billed_quantity": "720", "value": {...}}],
     "total_discount_untaxed_value": 0.5, "updated_at": "..."}}

This is what `GET /billing/v2beta1/consumptions?organization_id=...&billing_period=2026-04` answers, of all its pages. An
invoice of the type `periodic` has its consumption as its lines, with the discount as a line below 0 and `total_tax` as a
line, where they come to its `total_untaxed` and its `total_taxed` to the cent. Any other invoice has two lines,
`total_untaxed` and `total_tax`, and where its consumption does not come to it the first says so. The sum of all lines must
equal `total_taxed`.

| `state` | what becomes of it |
|---|---|
| `draft`, `stopped` | not issued yet, as any invoice without `issued_date`: it is shown and never pushed |
| `issued`, `paid`, `incomplete`, `no_due` | it is an invoice |
| `outdated` | another invoice replaces it: it is shown and never pushed; if finance has it, a check says so |
| `voided` | there is nothing to pay: the same |

An invoice in another state is held. One of the type `credit_note` counts negative, whatever the sign of its amounts.
Source: Scaleway's billing API v2beta1, as its Go and Python clients have it; Scaleway's billing FAQ for the states; Scaleway's
page about FinOps data, which says that consumption is the data of the invoice and that charges (`/billing/v2beta1/charges`) may
differ from it, so that they are not read. Nothing there says which invoice a consumption is of where a month has several: its sum
decides. Not confirmed by an invoice of our own: that values of consumption are before the discount, and the sign of a credit
note's amounts.
"""

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path
from typing import Any

from arcadia_dagster.billing.currency import EXPONENTS, to_minor
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
_QUANTITY = "[0-9]{1,15}([.][0-9]{1,15})?"
_DISCOUNT = re.compile(r"-?[0-9]{1,12}([.][0-9]{1,20})?([eE]-[0-9]{1,2})?")
_NANO = Decimal("1e-9")


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
    columns = {"invoices": "JSON[]", "lines": "JSON[][]"}  # noqa: RUF012 - a constant
    records = (
        "flatten([[{'invoice': x[1], 'line': y, 'money': y->'$.value', 'kind': y->>'$.kind'} FOR y IN x[2]] "
        "FOR x IN list_zip(invoices, lines)])"
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
        "category": "CASE WHEN kind = 'tax' THEN 'Tax' WHEN starts_with(money->>'$.units', '-') "
        f"OR starts_with(money->>'$.nanos', '-') OR {_is_one_of('type', (_CREDIT,))} THEN 'Credit' ELSE 'Usage' END",
        "service": "CASE kind WHEN 'tax' THEN 'Taxes' WHEN 'consumption' THEN coalesce(line->>'$.category_name', 'Scaleway') "
        "ELSE 'Scaleway' END",
        "description": "CASE kind WHEN 'tax' THEN 'Total tax' WHEN 'discount' THEN 'Discount' WHEN 'consumption' THEN "
        "concat_ws(', ', nullif(line->>'$.product_name', ''), nullif(line->>'$.sku', '')) "
        "ELSE concat_ws('; ', 'Total before tax', line->>'$.remark') END",
        "project": "CASE kind WHEN 'consumption' THEN line->>'$.project_id' END",
        "resource_name": "CASE kind WHEN 'consumption' THEN line->>'$.resource_name' END",
        "start": "CASE WHEN kind <> 'tax' THEN invoice->>'$.start_date' END",
        "end": "CASE WHEN kind <> 'tax' THEN invoice->>'$.stop_date' END",
        # A text at Scaleway; one that is no number tells nothing of an amount.
        "quantity": f"CASE WHEN kind = 'consumption' AND regexp_full_match(line->>'$.billed_quantity', '{_QUANTITY}') "
        "THEN line->>'$.billed_quantity' END",
        "unit": "line->>'$.unit'",
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
        "amount": "total_untaxed, total_tax or value",
        "start": "start_date",
        "end": "stop_date",
        "currency": "currency_code",
    }

    def document(self, path: Path) -> dict[str, Any]:
        """The invoices, whichever of the shapes they come in, and the lines of each.

        Raises:
            UnreadableError: There is no list of invoices.
        """
        content = exact_json(path)
        if not isinstance(content, dict):
            content = {"invoices": content}
        elif _is_invoice(content):
            content = {"invoices": [content]}
        invoices = list_in(content, "invoices")
        consumption = content.get("consumption") if len(invoices) == 1 else None
        return {"invoices": invoices, "lines": [_lines(invoice, consumption) for invoice in invoices]}

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
        return sum(map(len, document["lines"]))


def _lines(invoice: object, consumption: object) -> list[dict[str, Any]]:
    """The invoice's lines: its consumption where that comes to what it states, else its own totals."""
    members = invoice if isinstance(invoice, dict) else {}
    tax = {"kind": "tax", "value": members.get("total_tax")}
    own: dict[str, Any] = {"kind": "net", "value": members.get("total_untaxed")}
    if not isinstance(consumption, dict) or not consumption.get("consumptions") or members.get("type") != "periodic":
        return [own, tax]
    net = _exact(members.get("total_untaxed"))
    currency = "" if net is None else str(members["total_untaxed"]["currency_code"])
    gross = _exact(members.get("total_taxed"), currency)
    if net is None or gross is None:  # what is bad in it is told of its own totals
        return [own, tax]
    consumed = _consumed(consumption, currency)
    if consumed is None:
        return [{**own, "remark": "the month's consumption cannot be read"}, tax]
    lines, total = consumed
    with_tax = total + (_exact(members.get("total_tax"), currency) or 0)
    if any(to_minor(one, currency) != to_minor(other, currency) for one, other in ((total, net), (with_tax, gross))):
        return [{**own, "remark": f"the month's consumption comes to {total.normalize():f} {currency}"}, tax]
    return [*lines, tax]


def _consumed(consumption: dict[str, Any], currency: str) -> tuple[list[dict[str, Any]], Decimal] | None:
    """The lines of a consumption with its discount, and their sum; None where it is not of the currency, or no consumption."""
    rows, stated = consumption["consumptions"], consumption.get("total_discount_untaxed_value")
    if not isinstance(rows, list) or not isinstance(stated, str | None):
        return None
    discount = Decimal(0)
    if stated is not None:
        if re.fullmatch(_DISCOUNT, stated) is None:
            return None
        # A binary fraction of the API's may have digits of no meaning.
        with localcontext(rounding=ROUND_HALF_UP):
            discount = abs(Decimal(stated)).quantize(_NANO)
    lines: list[dict[str, Any]] = []
    total = -discount
    for row in rows:
        amount = _exact(row.get("value"), currency) if isinstance(row, dict) else None
        if amount is None:
            return None
        lines.append({**row, "kind": "consumption"})
        total += amount
    if discount:
        units, nanos = divmod(discount, 1)
        money = {"currency_code": currency, "units": f"-{units:f}", "nanos": f"-{nanos.scaleb(9):.0f}"}
        lines.append({"kind": "discount", "value": money})
    return lines, total


def _exact(money: object, currency: str | None = None) -> Decimal | None:
    """Money of a document whose numbers are text, as `_money` reads it; None where it is none, or of another currency."""
    if not isinstance(money, dict):
        return None
    code, units, nanos = money.get("currency_code"), money.get("units"), money.get("nanos")
    if not isinstance(code, str) or code not in EXPONENTS or code != (currency or code):
        return None
    if not isinstance(units, str) or re.fullmatch(r"-?[0-9]{1,15}", units) is None:
        return None
    if not isinstance(nanos, str) or re.fullmatch(r"-?[0-9]{1,9}", nanos) is None:
        return None
    if units.startswith("-") != nanos.startswith("-") and int(units) and int(nanos):
        return None
    return Decimal(units) + Decimal(nanos).scaleb(-9)


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
    reading = 5
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
