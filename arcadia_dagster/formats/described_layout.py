"""How the documents of a described format are read: each record becomes a line, or a line and its tax, or a total.

In the SQL, `<field>_text` is the record's text for a field.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from arcadia_dagster.billing.tax import names_a_tax_sql
from arcadia_dagster.formats.described_invoices import invoices_sql
from arcadia_dagster.formats.described_values import (
    MONTHS,
    MOST,
    lowered_sql,
    marks_of,
    number_pattern,
    strptime_sql,
    symbols_of,
    written_amount,
)
from arcadia_dagster.formats.description import FIELDS, Description, Marked, Total
from arcadia_dagster.reading import amounts, ids, timestamps
from arcadia_dagster.reading.bad_values import bad_sql, first_bad_sql
from arcadia_dagster.reading.columns_without_header import split_amount_sql
from arcadia_dagster.reading.csv_reader import read_csv_sql
from arcadia_dagster.reading.format import Csv
from arcadia_dagster.store.query import text_literal

_SEPARATOR = "chr(31)"
_OF_TABLES = {
    "tax_amount": "tax.amount",
    "tax_stated": "tax.stated",
    "tax_kind": "tax.column",
    "total_kind": "total.column",
    "category_kind": "category.column",
}
"""The keys by which a description's other tables name columns."""

_NUMBERS = frozenset(
    {*(f"columns.{field}" for field in ("amount", "quantity", "total", "total_tax")), "tax.amount", "tax.stated"}
)

_AND_BEHIND = text_literal("' and '")
_ONE_AMOUNT = text_literal(
    "' behind it seem to be one amount: put it in quotes and drop the file again under its name. If the second is a number of "
    "its own, name its column in [columns], as quantity"
)

_ID_EXPECTED = (
    "the invoice's id. If such lines are not invoiced yet, write into the description, at its top: "
    'blank_invoice = "not invoiced"'
)

_TEXTS = (*FIELDS, *_OF_TABLES)


@dataclass(frozen=True)
class DescribedLayout:
    """One order of the columns that a description names.

    Attributes:
        name: The format's name.
        digest: Which description it is.
        width: How many columns there are.
        positions: Where each key's column is, from 0.
        first_line: The line of the file, from 1, in which the table begins.
        description: What is said of them.
    """

    name: str
    digest: str
    width: int
    positions: tuple[tuple[str, int], ...]
    first_line: int
    description: Description = field(compare=False)

    @property
    def source(self) -> str:
        """Who issued the invoices."""
        return self.description.source

    def lines_sql(self, paths: Sequence[Path], *, compression: str, options: str) -> str:
        """See `format.Layout`."""
        description = self.description
        read = read_csv_sql(
            paths,
            [f"c{position}" for position in range(self.width)],
            compression=compression,
            options=options,
            delimiter=description.delimiter,
            has_header=description.header,
            first_line=self.first_line,
        )
        texts = ", ".join(f"{self._text(name)} AS {name}_text" for name in _TEXTS)
        currency = (
            "nullif(upper(trim(currency_text)), '')"
            if description.currency is None
            else f"CAST({text_literal(description.currency)} AS VARCHAR)"
        )
        records = f"""(
                SELECT *, {self._key()} AS invoice_key, {self._is_tax()} AS is_tax_by_kind
                FROM (
                  SELECT filename AS path, {texts}, {self._marked("total_kind_text", description.total)} AS is_total,
                    {self._is_subtotal()} AS is_subtotal, {self._category()} AS category, {currency} AS currency,
                    nullif(trim(account_text), '') AS account, {ids.of_invoice_sql("nullif(trim(invoice_text), '')")} AS invoice,
                    CAST(date_trunc('month', {self._month()}) AS DATE) AS stated_month,
                    {self._split_amount()} AS split_amount, {self._split_before_number()} AS split_before_number,
                    {self._writes_decimals()} AS writes_decimals
                  FROM {read}
                ))"""
        return f"""
        SELECT
          path,
          invoice_key,
          CASE WHEN is_tax THEN 'Tax' ELSE {self._typed_category()} END AS typed_category,
          CASE WHEN is_tax THEN 'Taxes' ELSE nullif(trim(service_text), '') END AS service_name,
          CASE WHEN is_tax_of_line THEN {self._words_of_tax()} ELSE coalesce(description_text, '') END AS description,
          nullif(trim(project_text), '') AS project,
          CASE WHEN NOT is_tax THEN nullif(trim(resource_id_text), '') END AS resource_id,
          CASE WHEN NOT is_tax THEN nullif(trim(resource_name_text), '') END AS resource_name,
          CAST(NULL AS VARCHAR) AS resource_type,
          charge_period_start,
          {self._exclusive_end()} AS charge_period_end,
          CASE WHEN NOT is_tax THEN quantity END AS quantity,
          CASE WHEN NOT is_tax AND quantity IS NOT NULL THEN nullif(trim(unit_text), '') END AS unit,
          amount,
          is_rounded,
          currency,
          is_control,
          bad.bad_column,
          bad.bad_value,
          bad.expected,
          {self._doubt()} AS doubt,
          account,
          invoice,
          stated_month,
          total_of,
          stated_total,
          stated_tax,
          split_before_number,
          writes_decimals
        FROM (
          SELECT *, {self._bad_sql()} AS bad
          FROM (
            SELECT
              *,
              {amounts.amount_sql("plain_amount")} AS amount,
              {amounts.is_rounded_sql("plain_amount")} AS is_rounded,
              {amounts.quantity_sql("plain_quantity")} AS quantity,
              {_total_sql("plain_total")} AS stated_total,
              {_total_sql("plain_total_tax")} AS stated_tax,
              {self._time("start_text")} AS charge_period_start,
              {self._time("end_text")} AS stated_end,
              CASE WHEN is_tax_of_line AND {self._repeats_tax()} THEN 'stated' WHEN is_total AND is_tax_of_line THEN 'tax'
                WHEN is_total THEN 'amount' END AS total_of,
              is_total OR is_subtotal OR (is_tax_of_line AND NOT is_first_of_invoice) AS is_control
            FROM (
              SELECT *, {self._plain("amount_text")} AS plain_amount, {self._plain("total_text")} AS plain_total,
                {self._plain("total_tax_text")} AS plain_total_tax,
                {self._plain("quantity_text", is_money=False)} AS plain_quantity
              FROM {self._with_tax_lines(records)}
            )
          )
        )
        """

    def invoices_sql(self, lines: str) -> str | None:
        """See `described_invoices`."""
        return invoices_sql(self.description, lines)

    def lines_in(self, path: Path) -> Csv:  # noqa: ARG002 - the interface's
        """As the description says."""
        description = self.description
        return Csv(
            self.width,
            description.delimiter,
            description.header,
            2 if self._has_tax_lines else 1,
            self.first_line,
            tuple(position for key, position in self.positions if key in _NUMBERS),
        )

    @cached_property
    def _positions(self) -> dict[str, int]:
        return dict(self.positions)

    @property
    def _has_tax_lines(self) -> bool:
        """Whether a record gives a line of tax besides its own."""
        return not {"tax.amount", "tax.stated"}.isdisjoint(self._positions)

    def _text(self, name: str) -> str:
        """SQL: what the record has for a field, as text."""
        position = self._positions.get(_OF_TABLES.get(name, f"columns.{name}"))
        return "CAST(NULL AS VARCHAR)" if position is None else f"c{position}"

    def _key(self) -> str:
        """SQL: the key of an invoice in its document: account, id, and the month where there is no id."""
        description = self.description
        parts = ["coalesce(account, '')", "coalesce(invoice, '')"]
        if description.blank_invoice or ("columns.month" in self._positions and description.file_name is None):
            parts.append("CASE WHEN invoice IS NULL THEN coalesce(strftime(stated_month, '%Y-%m'), '') ELSE '' END")
        return f"concat_ws({_SEPARATOR}, {', '.join(parts)})"

    def _month(self) -> str:
        return f"coalesce({strptime_sql('month_text', MONTHS)}, {self._time('month_text')})"

    def _with_tax_lines(self, records: str) -> str:
        """SQL: each record, and behind it the tax that it states, where there is a column for it.

        A tax that each record repeats for its invoice becomes one line, behind the first record that states it.
        """
        if not self._has_tax_lines:
            plain = "false AS is_tax_of_line, true AS is_first_of_invoice, is_tax_by_kind AS is_tax"
            return f"(SELECT *, {plain} FROM {records})"
        each = f"""(SELECT * REPLACE (CASE WHEN is_tax_of_line THEN {self._tax_text()} ELSE amount_text END AS amount_text),
          is_tax_of_line OR is_tax_by_kind AS is_tax
          FROM (SELECT *, unnest([false, true]) AS is_tax_of_line FROM {{}}))"""
        if not self._tax_is_repeated:
            return f"(SELECT *, true AS is_first_of_invoice FROM {each.format(records)})"
        states = "coalesce(trim(tax_stated_text), '') <> '' AND NOT is_total AND NOT is_subtotal"
        numbered = f"(SELECT *, row_number() OVER () AS record, {states} AS states_tax FROM {records})"
        first = (
            f"(SELECT *, states_tax AND row_number() OVER (PARTITION BY path, invoice_key, states_tax ORDER BY record) = 1 "
            f"AS is_first_of_invoice FROM {numbered})"
        )
        # The window function has changed the order.
        return f"(SELECT * EXCLUDE (record, states_tax) FROM {each.format(first)} ORDER BY record, is_tax_of_line)"

    @property
    def _tax_is_repeated(self) -> bool:
        return "tax.stated" in self._positions

    def _repeats_tax(self) -> str:
        """SQL: whether a line of tax is what its invoice's records repeat."""
        return "NOT is_total AND NOT is_subtotal AND trim(tax_stated_text) <> ''" if self._tax_is_repeated else "false"

    def _tax_text(self) -> str:
        return "tax_stated_text" if self._tax_is_repeated else "tax_amount_text"

    def _words_of_tax(self) -> str:
        """SQL: the description of a record's own line of tax."""
        return "'Tax'" if self._tax_is_repeated else "concat_ws(': ', 'Tax', description_text)"

    def _is_tax(self) -> str:
        """SQL: whether the record's kind or category says that it is tax."""
        return f"({self._marked('tax_kind_text', self.description.tax)} OR coalesce(category = 'Tax', false))"

    def _marked(self, text: str, marked: Marked | None) -> str:
        """SQL: whether a column has one of the values, or matches the pattern."""
        if marked is None or marked.column is None:
            return "false"
        # A blank value is NULL, and a total's row may be known by it alone.
        value = f"coalesce({text}, '')" if isinstance(marked, Total) else text
        arms = [f"lower(trim({value})) IN ({lowered_sql(marked.values)})"] if marked.values else []
        arms += [f"regexp_matches({value}, {text_literal(marked.pattern)})"] if marked.pattern is not None else []
        return f"coalesce({' OR '.join(arms) or 'false'}, false)"

    def _is_subtotal(self) -> str:
        total = self.description.total
        if total is None or not total.subtotals:
            return "false"
        return f"lower(trim(coalesce(total_kind_text, ''))) IN ({lowered_sql(total.subtotals)})"

    def _category(self) -> str:
        """SQL: the charge category by a column, NULL for a value that is not described."""
        category = self.description.category
        if category is None:
            return "CAST(NULL AS VARCHAR)"
        arms = " ".join(
            f"WHEN lower(trim(category_kind_text)) IN ({lowered_sql(values)}) THEN '{name}'"
            for name, values in category.by_category.items()
            if values
        )
        other = "CAST(NULL AS VARCHAR)" if category.other is None else f"'{category.other}'"
        return f"CASE {arms} ELSE {other} END"

    def _typed_category(self) -> str:
        """SQL: the category of what is no tax."""
        return "category" if self.description.category else "CASE WHEN amount < 0 THEN 'Credit' ELSE 'Usage' END"

    def _doubt(self) -> str:
        """SQL: an amount without its quotes; else a category that is not described; else a line of no tax that reads like one."""
        return f"coalesce(split_amount, {self._unknown_category()}, {self._unmarked_tax()})"

    def _split_amount(self) -> str:
        """SQL: that an amount seems to go on in the next column, which the description does not name as one of numbers."""
        description = self.description
        mark = description.decimal_mark
        if not (description.delimiter == "," if mark == "," else "," in marks_of(description)):
            return "CAST(NULL AS VARCHAR)"
        numbers = {position for key, position in self.positions if key in _NUMBERS}
        arms = [
            f"WHEN {split_amount_sql(f'c{position}', f'c{position + 1}', decimal_mark=mark)} THEN "
            f"concat({text_literal(f'column {description.all_columns[key]}: ')}, chr(39), trim(c{position}), {_AND_BEHIND}, "
            f"trim(c{position + 1}), {_ONE_AMOUNT})"
            for key, position in self.positions
            if key in _NUMBERS and position + 1 < self.width and position + 1 not in numbers
        ]
        return f"CASE {' '.join(arms)} ELSE CAST(NULL AS VARCHAR) END" if arms else "CAST(NULL AS VARCHAR)"

    def _split_before_number(self) -> str:
        """SQL: the two values that seem to be one amount, where the next column has numbers and nothing stands behind it."""
        position = self._positions["columns.amount"]
        numbers = {at for key, at in self.positions if key in _NUMBERS}
        if not self._has_thousands_at_delimiter or position + 1 not in numbers:
            return "CAST(NULL AS VARCHAR)"
        behind = [f"c{at}" for at in range(position + 2, self.width)]
        is_last = f"coalesce(trim(concat({', '.join(behind)})), '') = ''" if behind else "true"
        return (
            f"CASE WHEN {split_amount_sql(f'c{position}', f'c{position + 1}')} AND {is_last} "
            f"THEN concat(chr(39), trim(c{position}), {_AND_BEHIND}, trim(c{position + 1}), chr(39)) END"
        )

    def _writes_decimals(self) -> str:
        """SQL: whether the amount is written with decimals, and has a number in the next column."""
        position = self._positions["columns.amount"]
        if not self._has_thousands_at_delimiter or position + 1 >= self.width:
            return "false"
        return f"coalesce(regexp_matches(c{position}, '\\.\\d\\d\\D*$') AND trim(c{position + 1}) <> '', false)"

    @property
    def _has_thousands_at_delimiter(self) -> bool:
        description = self.description
        return description.delimiter == "," and description.decimal_mark == "." and "," in marks_of(description)

    def _unmarked_tax(self) -> str:
        """SQL: that a line has the name of a tax, and the description does not count it as tax."""
        arms = []
        for name in ("description", "service"):
            if name in self.description.columns:
                text = f"trim({name}_text)"
                arms.append(
                    f"WHEN {names_a_tax_sql(text)} THEN chr(39) || {text} || {text_literal(self._mark_tax(name))} || "
                    f"""replace(replace({text}, '\\', '\\\\'), '"', '\\"') || '"] }}'"""
                )
        if not arms:
            return "CAST(NULL AS VARCHAR)"
        return (
            "CASE WHEN is_tax OR is_control OR quantity IS NOT NULL OR coalesce(trim(resource_id_text), '') <> '' THEN NULL "
            f"{' '.join(arms)} END"
        )

    def _mark_tax(self, name: str) -> str:
        """What to write into the description, up to the text that marks the line."""
        found, tax = self.description, self.description.tax
        column = found.columns[name]
        kept = ""
        if tax is not None and tax.column == column:
            kept = f", pattern = {json.dumps(tax.pattern, ensure_ascii=False)}" if tax.pattern is not None else ""
        values = [json.dumps(value, ensure_ascii=False) for value in tax.values] if tax and tax.column == column else []
        before = "".join(f"{value}, " for value in values)
        return (
            f"' reads like a tax and is counted as none: if it is one, write into the description {found.name}, at its top and "
            f'in place of its [tax]: tax = {{ column = {json.dumps(column, ensure_ascii=False)}{kept}, values = [{before}"'
        )

    def _unknown_category(self) -> str:
        """SQL: a category that is not described."""
        category = self.description.category
        if category is None or category.other is not None:
            return "CAST(NULL AS VARCHAR)"
        shown = (
            "CASE WHEN trim(coalesce(category_kind_text, '')) = '' THEN 'blank' "
            "ELSE chr(39) || left(trim(category_kind_text), 80) || chr(39) END"
        )
        column, expected = (
            text_literal(f"column {category.column}: "),
            text_literal("; expected a value that [category] has"),
        )
        return (
            f"CASE WHEN category IS NULL AND NOT is_tax AND NOT is_control THEN {column} || {shown} || {expected} END"
        )

    def _plain(self, text: str, *, is_money: bool = True) -> str:
        """SQL: a number with a decimal point and no other mark; NULL where it is not written as described."""
        description = self.description
        bare, is_right = f"trim({text})", "true"
        if description.currency is not None:
            for symbol in symbols_of(description):
                escaped = text_literal(f"^([-+(]?) *{re.escape(symbol)} *")
                bare = f"regexp_replace(regexp_replace({bare}, {escaped}, '\\1'), {text_literal(f' *{re.escape(symbol)}$')}, '')"
        elif is_money:
            # The currency's own code or symbol, whichever currency the record is in.
            beside = f"regexp_extract({text}, '[A-Z]{{3}}|[{amounts.SYMBOLS}]')"
            is_right = f"{beside} IN ('', currency, {amounts.symbol_of_sql('currency')})"
            code = f"([A-Z]{{3}}|[{amounts.SYMBOLS}])"
            bare = f"regexp_replace(regexp_replace({bare}, '^([-+(]?) *{code} *', '\\1'), ' *{code}$', '')"
        unmarked = f"translate({bare}, {text_literal(marks_of(description))}, '')" if marks_of(description) else bare
        if description.decimal_mark != ".":
            unmarked = f"replace({unmarked}, {text_literal(description.decimal_mark)}, '.')"
        is_number = f"regexp_full_match({bare}, {text_literal(number_pattern(description))})"
        return f"CASE WHEN {is_number} AND {is_right} THEN {unmarked} END"

    def _time(self, text: str) -> str:
        formats = ", ".join(text_literal(format_) for format_ in self.description.date_format)
        if any("%f" in format_ for format_ in self.description.date_format):
            # Microseconds are all that is kept.
            text = f"regexp_replace({text}, '(\\.\\d{{6}})\\d+', '\\1')"
        return strptime_sql(text, f"[{formats}]")

    def _exclusive_end(self) -> str:
        if self.description.end == "exclusive":
            return "stated_end"
        # A day that is written without a time is a whole one.
        dated = [format_ for format_ in self.description.date_format if "%H" not in format_]
        if not dated:
            return timestamps.exclusive_end_sql("stated_end")
        if len(dated) == len(self.description.date_format):
            return "stated_end + INTERVAL 1 DAY"
        is_day = f"{strptime_sql('end_text', '[' + ', '.join(map(text_literal, dated)) + ']')} IS NOT NULL"
        return (
            f"CASE WHEN {is_day} THEN stated_end + INTERVAL 1 DAY ELSE {timestamps.exclusive_end_sql('stated_end')} END"
        )

    def _bad_sql(self) -> str:
        """The first value of the record that cannot be read."""
        amount = written_amount(self.description)
        when = f"a time written as {' or '.join(self.description.date_format)}"
        month = f"a month such as 2026-04, or {when}"
        is_blank = "coalesce(trim(tax_stated_text), '') = ''"
        arms = [
            self._bad("tax.amount", "is_tax_of_line AND NOT is_subtotal AND amount IS NULL", "amount_text", amount),
            self._bad(
                "tax.stated",
                f"is_tax_of_line AND NOT is_total AND NOT is_subtotal AND amount IS NULL AND NOT ({is_blank})",
                "amount_text",
                amount,
            ),
            self._bad(
                "columns.amount", "NOT is_tax_of_line AND NOT is_subtotal AND amount IS NULL", "amount_text", amount
            ),
            *(
                self._bad(key, f"NOT is_control AND ({condition})", value, expected)
                for key, condition, value, expected in (
                    ("columns.quantity", "quantity IS NULL AND trim(quantity_text) <> ''", "quantity_text", "a number"),
                    ("columns.start", "charge_period_start IS NULL AND trim(start_text) <> ''", "start_text", when),
                    ("columns.end", "stated_end IS NULL AND trim(end_text) <> ''", "end_text", when),
                    ("columns.end", "stated_end < charge_period_start", "end_text", "a time not before the start"),
                    ("columns.month", "stated_month IS NULL", "month_text", month),
                    ("columns.currency", "currency IS NULL", "currency_text", "an ISO 4217 code"),
                    ("columns.account", "account IS NULL", "account_text", "the account"),
                    ("columns.account", ids.is_mangled_sql("account"), "account_text", ids.EXPECTED),
                    ("columns.invoice", ids.is_mangled_sql("invoice"), "invoice_text", ids.EXPECTED),
                    ("columns.total", "stated_total IS NULL AND trim(total_text) <> ''", "total_text", amount),
                    (
                        "columns.total_tax",
                        "stated_tax IS NULL AND trim(total_tax_text) <> ''",
                        "total_tax_text",
                        amount,
                    ),
                )
            ),
        ]
        if self.description.blank_invoice is None:
            blank = "NOT is_control AND invoice IS NULL"
            arms.append(self._bad("columns.invoice", blank, "invoice_text", _ID_EXPECTED))
        return first_bad_sql([arm for arm in arms if arm])

    def _bad(self, key: str, condition: str, value: str, expected: str) -> str:
        """The arm for a key's column; none where the description names no such column."""
        if key not in self._positions:
            return ""
        column = self.description.all_columns[key]
        return bad_sql(condition, str(column), value, expected)


def _total_sql(plain: str) -> str:
    """SQL: a stated total, NULL where it is none."""
    amount = amounts.amount_sql(plain)
    return f"CASE WHEN abs({amount}) < {MOST} THEN {amount} END"
