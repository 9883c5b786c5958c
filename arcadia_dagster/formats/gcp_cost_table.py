"""Google Cloud's cost table, as the console's report of that name downloads it: the invoice's totals above its charges.

    Invoice number,5000000030,
    Invoice date,2026-09-30,
    Due date,2026-10-30,
    Billing ID,0000-0000-0000,
    Billing account ID,0A0A0A-0B0B0B-0C0C0C,
    Currency,USD,
    Currency exchange rate,1,
    Total amount due,$99.00,
    Billing account name,Billing account ID,Project name,...,Credit type,Cost type,...,Unrounded Cost ($),Cost ($)

The lines above the header state the invoice: its number, its days of issue and payment, and its total. The sum of the
rows must equal this total. The invoice's month is the month of its date. Each row is a line with its unrounded cost, or
with its cost if it has no unrounded cost. The cost type gives the category: `Usage` (a credit, if the row has a credit
type), `Tax`, `Adjustment`, `Rounding error` (an adjustment). A row `Total` or `Subtotal` is not a line. If the sum of
the other rows differs from the `Total`, the invoice is held. If rows and total agree, the rows of tax are all of its
tax, even if there are none. Filters may leave rows or savings out of a download: then the rows do not sum to the total,
and the invoice is held. The end of a row's usage is inclusive. A table without an invoice number is of a month that is
not invoiced yet.
Source: Google Cloud, View and download the cost details of your invoice or statement, which has the report's columns and says
that its totals match the invoice's. Not confirmed by a table of our own: the lines above the header and the rows `Rounding error`
and `Total`, which are as public programs that read such tables expect them.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from arcadia_dagster.billing.currency import AMOUNT_TYPE, EXPONENTS, to_minor_sql
from arcadia_dagster.reading import amounts
from arcadia_dagster.reading.bad_values import bad_sql, first_bad_sql
from arcadia_dagster.reading.csv_reader import read_csv_sql, repeated
from arcadia_dagster.reading.format import Csv, Head, NameFacts, Refusal
from arcadia_dagster.reading.json_values import amount_of
from arcadia_dagster.reading.problems import DOWNLOAD_AGAIN, expected_time
from arcadia_dagster.reading.statements import InvoiceStatement, Statements
from arcadia_dagster.store.query import text_literal

_SOURCE = "gcp"
_LINES = 30
"""The header must be within so many lines from the beginning."""

_NUMBER, _ISSUED, _DUE = "invoice number", "invoice date", "due date"
_ACCOUNT, _CURRENCY, _TOTAL = "billing account id", "currency", "total amount due"
_ABOVE = frozenset({_NUMBER, _ISSUED, _ACCOUNT})
"""Of these at least one stands above the header."""

_HEADER = frozenset({"cost type", "service description", "sku description"})
_COST = re.compile(r"(?P<unrounded>unrounded )?cost \([^)]{1,5}\)")
_TEXTS = {
    "kind": "cost type",
    "credit": "credit type",
    "service": "service description",
    "sku": "sku description",
    "project_name": "project name",
    "project_id": "project id",
    "start": "usage start date",
    "end": "usage end date",
    "quantity": "usage amount",
    "unit": "usage unit",
}
_NO_LINES = ("total", "subtotal")
_CATEGORIES = {
    "Usage": ("usage", "regular"),
    "Tax": ("tax",),
    "Adjustment": ("adjustment", "rounding error", "rounding_error"),
}
_MONEY = re.compile(r"(-?)[^\d\s.,()-]{0,4}\s?(-?)((?:\d{1,3}(?:,\d{2,3})+|\d+)(?:\.\d+)?)", re.ASCII)
_DAY = "a day such as 2026-09-30"


class GcpCostTable:
    """The format itself."""

    name = "gcp_cost_table"
    reading = 4

    def recognise(self, head: Head) -> "GcpCostTableLayout | Refusal | None":
        """Known by its columns, and by what stands above them."""
        if head.columns is not None or _NUMBER.split(maxsplit=1)[0] not in head.text[:2000].lower():
            return None
        above: dict[str, tuple[int, str]] = {}
        for line, fields in enumerate(_fields(head), start=1):
            names = [name.lower() for name in fields]
            if set(names) >= _HEADER and any(map(_COST.fullmatch, names)):
                # Without a billing account it may be any provider's table with such columns: that takes a description.
                is_google = not _ABOVE.isdisjoint(above) and (_ACCOUNT in above or _ACCOUNT in names)
                if is_google and head.delimiter != ",":
                    # What it shows is rounded, and its days are written as people write them.
                    return Refusal(f"it is Google Cloud's cost table, and a spreadsheet has saved it: {DOWNLOAD_AGAIN}")
                return _layout(names, line, above) if is_google else None
            if len(fields) > 1 and fields[0]:
                above.setdefault(fields[0].lower(), (line, fields[1]))
        return None

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """Everything is in the document."""
        return None


def _fields(head: Head) -> Iterator[list[str]]:
    """The values of its first lines."""
    for line in head.text.split(head.newline)[:_LINES]:
        try:
            yield [value.strip() for value in next(csv.reader([line], delimiter=head.delimiter), [])]
        except csv.Error:
            yield []


def _layout(names: Sequence[str], line: int, above: dict[str, tuple[int, str]]) -> "GcpCostTableLayout | Refusal":
    """How the table is read; why it is not, where what stands above it cannot be read."""
    costs = [name for name in names if _COST.fullmatch(name)]
    if twice := repeated([name for name in names if name in {*_TEXTS.values(), *costs}]):
        return Refusal(f"line {line}: column {', '.join(twice)} occurs more than once; expected each once")
    values = {name: value for name, (_, value) in above.items() if value}
    if values.get(_CURRENCY) not in EXPONENTS:
        return _wrong(above, _CURRENCY, "an ISO 4217 code")
    days: dict[str, date | None] = {}
    for name in (_ISSUED, _DUE):
        try:
            days[name] = date.fromisoformat(values[name]) if name in values else None
        except ValueError:
            return _wrong(above, name, expected_time(values[name], _DAY))
    issued = days[_ISSUED]
    if issued is None:
        return _wrong(above, _ISSUED, _DAY)
    total = _money(values[_TOTAL]) if _TOTAL in values else None
    if total is None and _TOTAL in values:
        return _wrong(above, _TOTAL, f"an amount such as $1,234.56: set the console to English, and {DOWNLOAD_AGAIN}")
    number, account = values.get(_NUMBER), values.get(_ACCOUNT)
    return GcpCostTableLayout(tuple(names), line, number, account, values[_CURRENCY], issued, days[_DUE], total)


def _wrong(above: dict[str, tuple[int, str]], name: str, expected: str) -> Refusal:
    if name not in above:
        return Refusal(f"no line above its header begins with {name.capitalize()!r}; expected {expected}")
    line, value = above[name]
    return Refusal(f"line {line}, {name.capitalize()}: {value[:60]!r}; expected {expected}")


def _money(text: str) -> Decimal | None:
    """An amount with its currency's symbol; None where it is none."""
    match = _MONEY.fullmatch(text)
    if match is None or (match[1] and match[2]):
        return None
    return amount_of(f"{match[1]}{match[2]}{match[3].replace(',', '')}")


@dataclass(frozen=True)
class GcpCostTableLayout(Statements):
    """One table, with what stands above it.

    Attributes:
        columns: Its header, in small letters.
        first_line: The line, from 1, in which that is.
        number: The invoice's number.
        account: The billing account's id.
        currency: ISO 4217 code.
        issued_on: The invoice's date.
        due_on: The day of payment.
        total: What is due, in major units.
    """

    columns: tuple[str, ...]
    first_line: int
    number: str | None
    account: str | None
    currency: str
    issued_on: date
    due_on: date | None
    total: Decimal | None
    source: str = _SOURCE

    def lines_sql(self, paths: Sequence[Path], *, compression: str, options: str) -> str:
        """See `format.Layout`."""
        records = read_csv_sql(
            paths,
            [f"c{position}" for position in range(len(self.columns))],
            compression=compression,
            options=options,
            first_line=self.first_line,
        )
        texts = ", ".join(f"{self._text(column)} AS {name}_text" for name, column in _TEXTS.items())
        category = " ".join(
            f"WHEN kind IN ({', '.join(map(text_literal, kinds))}) THEN '{name}'" for name, kinds in _CATEGORIES.items()
        )
        known = ", ".join(kind.capitalize() for kinds in _CATEGORIES.values() for kind in kinds[:1])
        return f"""
        SELECT
          path,
          '1' AS invoice_key,
          CASE WHEN NOT is_control THEN typed_category END AS typed_category,
          CASE WHEN kind = 'tax' THEN 'Taxes' ELSE service_text END AS service_name,
          coalesce(sku_text, kind_text, '') AS description,
          coalesce(project_id_text, project_name_text) AS project,
          CAST(NULL AS VARCHAR) AS resource_id,
          CAST(NULL AS VARCHAR) AS resource_name,
          CAST(NULL AS VARCHAR) AS resource_type,
          charge_period_start,
          last_day + INTERVAL 1 DAY AS charge_period_end,
          quantity,
          CASE WHEN quantity IS NOT NULL THEN unit_text END AS unit,
          amount,
          is_rounded,
          {text_literal(self.currency)} AS currency,
          is_control,
          bad.bad_column,
          bad.bad_value,
          bad.expected,
          CASE WHEN typed_category IS NULL AND NOT is_control THEN 'column Cost type: ' || coalesce('''' || left(kind_text, 80)
            || '''', 'blank') || '; expected one of {known}' END AS doubt,
          kind
        FROM (
          SELECT *, {self._bad_sql()} AS bad
          FROM (
            SELECT *,
              CASE WHEN kind IN ('usage', 'regular') AND credit_text IS NOT NULL THEN 'Credit' {category} END AS typed_category,
              coalesce(kind IN ({", ".join(map(text_literal, _NO_LINES))}), false) AS is_control,
              TRY_CAST(start_text AS TIMESTAMP) AS charge_period_start, TRY_CAST(end_text AS TIMESTAMP) AS last_day,
              {amounts.quantity_sql("replace(quantity_text, ',', '')")} AS quantity,
              {amounts.amount_sql("amount_text", self.currency)} AS amount,
              {amounts.is_rounded_sql("amount_text", self.currency)} AS is_rounded
            FROM (
              SELECT filename AS path, {texts}, lower({self._text("cost type")}) AS kind, {self._cost()} AS amount_text
              FROM {records}
            )
          )
        )
        """

    def invoices_sql(self, lines: str) -> str | None:
        """What stands above the table, and whether its rows come to its own total."""
        total = f"CAST({'NULL' if self.total is None else self.total} AS {AMOUNT_TYPE})"
        number, account = (
            "CAST(NULL AS VARCHAR)" if text is None else text_literal(text) for text in (self.number, self.account)
        )
        exponent = str(EXPONENTS[self.currency])
        unit = f"CAST({Decimal(1).scaleb(-EXPONENTS[self.currency])} AS {AMOUNT_TYPE})"
        return f"""
        SELECT document_sha256, invoice_key, {number} AS external_id, {number} AS invoice_number, {account} AS account_id,
          DATE '{self.issued_on.replace(day=1)}' AS month, DATE '{self.issued_on}' AS issued_on, {total} AS stated_total,
          CASE WHEN {to_minor_sql("gross", exponent)} = {to_minor_sql(total, exponent)}
            THEN round(tax, {exponent}) END AS stated_tax,
          {number} IS NOT NULL AS is_final,
          -- The row of the rounding may be in the total or beside it.
          CASE WHEN abs(gross - own_total) > {unit} AND abs(gross - rounding - own_total) > {unit}
            THEN ['its row Total is ' || own_total::DECIMAL(38,2) || ', and the others come to ' || gross::DECIMAL(38,2) ||
              ': download the table again, with all rows'] ELSE CAST([] AS VARCHAR[]) END AS doubts
        FROM (
          SELECT document_sha256, invoice_key, coalesce(sum(amount) FILTER (NOT is_control), 0) AS gross,
            coalesce(sum(amount) FILTER (kind = 'tax'), 0) AS tax, max(amount) FILTER (kind = 'total') AS own_total,
            coalesce(sum(amount) FILTER (kind IN ('rounding error', 'rounding_error')), 0) AS rounding
          FROM {lines} GROUP BY ALL
        )
        """

    def lines_in(self, path: Path) -> Csv:  # noqa: ARG002 - the interface's
        """It is CSV below its first lines."""
        costs = (position for position, name in enumerate(self.columns) if _COST.fullmatch(name))
        return Csv(len(self.columns), first_line=self.first_line, numbers=tuple(costs))

    def statements(self, path: Path) -> list[InvoiceStatement]:  # noqa: ARG002 - they were read when it was known
        """What stands above the table; none of a month that is not invoiced yet."""
        if self.number is None:
            return []
        return [
            InvoiceStatement(
                source=self.source,
                account_id=self.account,
                external_id=self.number,
                currency=self.currency,
                kind="credit_note" if self.total is not None and self.total < 0 else "invoice",
                gross=self.total,
                issued_on=self.issued_on,
                due_on=self.due_on,
            )
        ]

    def _text(self, column: str) -> str:
        """SQL: the text of a column without the space around it, NULL where it is blank or the table has no such column."""
        if column not in self.columns:
            return "CAST(NULL AS VARCHAR)"
        return f"nullif(trim(c{self.columns.index(column)}), '')"

    def _cost(self) -> str:
        """SQL: the text of the unrounded cost, else of the cost."""
        costs = sorted(
            (name for name in self.columns if _COST.fullmatch(name)), key=lambda name: "unrounded" not in name
        )
        return f"coalesce({', '.join(self._text(name) for name in costs)}, '')"

    def _bad_sql(self) -> str:
        """The first value of the record that cannot be read."""
        return first_bad_sql(
            [
                bad_sql("amount IS NULL", "Cost", "amount_text", amounts.EXPECTED),
                bad_sql(
                    "charge_period_start IS NULL AND start_text IS NOT NULL", "Usage start date", "start_text", _DAY
                ),
                bad_sql("last_day IS NULL AND end_text IS NOT NULL", "Usage end date", "end_text", _DAY),
                bad_sql("last_day < charge_period_start", "Usage end date", "end_text", "a day not before the start"),
                bad_sql("quantity IS NULL AND quantity_text IS NOT NULL", "Usage amount", "quantity_text", "a number"),
            ]
        )
