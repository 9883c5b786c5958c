"""DigitalOcean's invoice CSV, as its control panel and its API's `/csv` give it.

    product,group_description,description,hours,start,end,USD,project_name,category

Older files end before `category`. The name of the amount's column is the currency. Times are UTC with their offset; the
end is inclusive (`23:59:59`) or the next midnight. Hours are blank on taxes, backups and bandwidth. One file is one
invoice. A person or a spreadsheet may have added a row with nothing but an amount and the word for a total, a subtotal,
a net or gross amount or the amount to pay: such a row is no line, and the invoice must come to it. A file called by a
UUID is the invoice that the API knows by it.
Source: the public API description of DigitalOcean, `GET /v2/customers/my/invoices/{invoice_uuid}/csv`, and its example.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.formats.digitalocean import (
    CATEGORIES,
    RESOURCE_NAME,
    RESOURCE_TYPES,
    SOURCE,
    of_product_sql,
    saved_by_id,
)
from arcadia_dagster.reading import amounts, timestamps, totals
from arcadia_dagster.reading.bad_values import bad_sql, first_bad_sql
from arcadia_dagster.reading.columns_without_header import split_amount_sql
from arcadia_dagster.reading.csv_reader import identifier, read_csv_sql, repeated
from arcadia_dagster.reading.format import Csv, Head, NameFacts, Refusal
from arcadia_dagster.reading.problems import DOWNLOAD_AGAIN

REQUIRED = ("product", "description", "hours", "start", "end")
OPTIONAL = ("group_description", "project_name", "category")

# English whatever the machine's language.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_FILE_NAME = re.compile(
    rf"DigitalOcean Invoice (?P<year>(19|20)\d{{2}}) (?P<month>{'|'.join(_MONTHS)}) "
    r"\((?P<account>\d+)-(?P<number>\d+)\)( \(\d+\))?\.csv(\.gz|\.zip|\.zst)?",
    re.IGNORECASE | re.ASCII,
)


class DigitalOceanCsv:
    """The format itself."""

    name = "digitalocean_csv"
    reading = 5

    @property
    def usual_columns(self) -> list[str]:
        """The columns of today's files."""
        return _EXPECTED_HEADER.split(",")

    def recognise(self, head: Head) -> "DigitalOceanCsvLayout | Refusal | None":
        """Known by its header: any order, any case, padded, with further columns."""
        columns = tuple(column.lower() for column in head.header)
        if not {"product", "description", "start", "end"} <= set(columns):
            return None
        if twice := repeated([column for column in columns if column]):
            return Refusal(f"line 1: column {', '.join(twice)} occurs more than once; expected each once")
        if missing := [column for column in REQUIRED if column not in columns]:
            return Refusal(f"line 1: column {', '.join(missing)} is missing; expected {_EXPECTED_HEADER}")
        currencies = _currency_columns(head.header)
        if not currencies:
            return Refusal(
                "line 1: the amount's column is missing: no column is named by an ISO 4217 currency such as USD "
                f"(found {','.join(head.header)}); {DOWNLOAD_AGAIN}"
            )
        return DigitalOceanCsvLayout(columns=columns, currencies=currencies)

    def facts_from_name(self, file_name: str) -> NameFacts | None:
        """`DigitalOcean Invoice 2020 Jul (6173678-418071234).csv`: month, account and number; `<uuid>.csv`: the API's id."""
        if (saved := saved_by_id(file_name, "csv")) is not None:
            return saved
        match = _FILE_NAME.fullmatch(file_name)
        if match is None:
            return None
        month = date(int(match["year"]), 1 + _MONTHS.index(match["month"].lower()), 1)
        return NameFacts(account_id=match["account"], invoice_number=match["number"], month=month)


_TWO_TIMES = 2 * len("2020-07-01 00:00:00")
_EXPECTED_HEADER = "product,group_description,description,hours,start,end,USD,project_name,category"


def _currency_columns(header: Sequence[str]) -> tuple[str, ...]:
    """The amount's columns, by the currency that each is named by.

    A further column may happen to be called like a currency in lower case (`all`, `top`, `try`): where some are in
    capitals, only those count.
    """
    known = {*REQUIRED, *OPTIONAL}
    codes = [
        column for column in header if column.isascii() and column.lower() not in known and column.upper() in EXPONENTS
    ]
    capitals = [column for column in codes if column.isupper()]
    return tuple(column.upper() for column in capitals or codes)


@dataclass(frozen=True)
class DigitalOceanCsvLayout:
    """One order of columns, with one amount column or (where an invoice mixes currencies) several.

    Attributes:
        columns: The header in lower case.
        currencies: The currencies that name an amount's column.
    """

    columns: tuple[str, ...]
    currencies: tuple[str, ...]
    source: str = SOURCE

    def lines_sql(self, paths: Sequence[Path], *, compression: str, options: str) -> str:
        """See `format.Layout`."""
        names = [f"c_{column}" if column else f"unnamed_{position}" for position, column in enumerate(self.columns)]
        records = read_csv_sql(paths, names, compression=compression, options=options)
        return f"""
        SELECT
          filename AS path,
          '' AS invoice_key,
          {of_product_sql(CATEGORIES)} AS typed_category,
          product AS service_name,
          description,
          project_name AS project,
          CAST(NULL AS VARCHAR) AS resource_id,
          CASE WHEN resource_type IS NOT NULL THEN {RESOURCE_NAME} END AS resource_name,
          resource_type,
          charge_period_start,
          {timestamps.exclusive_end_sql("stated_end")} AS charge_period_end,
          quantity,
          CASE WHEN quantity IS NOT NULL THEN 'Hours' END AS unit,
          amount,
          is_rounded,
          currency,
          total_kind IS NOT NULL AS is_control,
          bad.bad_column,
          bad.bad_value,
          bad.expected,
          CAST(NULL AS VARCHAR) AS doubt,
          total_kind
        FROM (
          SELECT *, {self._bad_sql()} AS bad
          FROM (
            SELECT
              *,
              {of_product_sql(RESOURCE_TYPES)} AS resource_type,
              {amounts.quantity_sql("hours")} AS quantity,
              {timestamps.utc_sql("start_text")} AS charge_period_start,
              {timestamps.utc_sql("end_text")} AS stated_end,
              {self._currency_sql()} AS currency,
              {self._of_amount_sql(amounts.amount_sql)} AS amount,
              {self._of_amount_sql(amounts.is_rounded_sql)} AS is_rounded
            FROM (
              SELECT
                filename,
                {self._total_kind_sql(names)} AS total_kind,
                {", ".join(self._column_sql(code.lower()) for code in self.currencies)},
                {self._is_split_sql(names)} AS is_split,
                c_product AS product,
                {self._or_null("group_description")},
                coalesce(c_description, '') AS description,
                {self._or_null("project_name")},
                c_hours AS hours,
                c_start AS start_text,
                c_end AS end_text
              FROM {records}
            )
          )
        )
        """

    def invoices_sql(self, lines: str) -> str | None:
        """The file says nothing about its invoice but its lines, and perhaps their total: all else is in its name."""
        return totals.controls_sql(lines)

    def lines_in(self, path: Path) -> Csv:  # noqa: ARG002 - the interface's
        """It is CSV, with the header that it was known by."""
        return Csv(len(self.columns), numbers=self.numbers)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The positions of the columns whose numbers are read."""
        wanted = {"hours", *(code.lower() for code in self.currencies)}
        return tuple(position for position, column in enumerate(self.columns) if column in wanted)

    def _total_kind_sql(self, names: Sequence[str]) -> str:
        """SQL: whether the record is a total that somebody added: in words, where it has nothing else but its amount."""
        amount = {f"c_{code.lower()}" for code in self.currencies}
        words = f"concat_ws(' ', {', '.join(identifier(name) for name in names if name not in amount)})"
        # Most records have both times, and are not looked at any further.
        return f"CASE WHEN length(concat(c_start, c_end)) < {_TWO_TIMES} THEN {totals.kind_sql(words)} END"

    def _column_sql(self, name: str) -> str:
        text = identifier(f"c_{name}")
        # Where there are several, the one that is filled tells the currency.
        stated = text if len(self.currencies) == 1 else f"nullif(trim({text}), '')"
        return f"{stated} AS {identifier(f'amount_{name}')}"

    def _is_split_sql(self, names: Sequence[str]) -> str:
        """SQL: whether an amount goes on in the next column, which has no numbers of its own."""
        pairs = [
            split_amount_sql(identifier(names[position]), identifier(names[position + 1]))
            for position in self.numbers
            if self.columns[position] != "hours" and position + 1 < len(names) and position + 1 not in self.numbers
        ]
        return " OR ".join(f"({pair})" for pair in pairs) or "false"

    def _or_null(self, name: str) -> str:
        return f"c_{name} AS {name}" if name in self.columns else f"CAST(NULL AS VARCHAR) AS {name}"

    def _currency_sql(self) -> str:
        """The currency whose column the record fills; the only one's where there is one."""
        if len(self.currencies) == 1:
            return f"'{self.currencies[0]}'"
        arms = " ".join(f"WHEN {_amount_of(code)} IS NOT NULL THEN '{code}'" for code in self.currencies)
        return f"CASE {arms} END"

    def _of_amount_sql(self, expression: Callable[[str, str], str]) -> str:
        """The expression of the text of the amount and of its currency."""
        arms = [expression(_amount_of(code), code) for code in self.currencies]
        if len(arms) == 1:
            return arms[0]
        cases = zip(self.currencies, arms, strict=True)
        return f"CASE {' '.join(f'WHEN {_amount_of(code)} IS NOT NULL THEN {arm}' for code, arm in cases)} END"

    def _bad_sql(self) -> str:
        """The first value of the record that cannot be read: its column, the value, and what was expected."""
        stated, is_line = "/".join(self.currencies), "total_kind IS NULL"
        texts = ", ".join(_amount_of(code) for code in self.currencies)
        value = f"coalesce({texts}, '')"
        # The second condition is looked at only where the first holds.
        arms = [
            bad_sql("amount IS NULL", stated, value, amounts.EXPECTED),
            bad_sql(
                "is_split", stated, value, f"an amount in quotes, for it goes on in the next column: {DOWNLOAD_AGAIN}"
            ),
            bad_sql(
                f"{is_line} AND quantity IS NULL AND trim(hours) <> ''",
                "hours",
                "hours",
                "a number of hours, or nothing",
            ),
            bad_sql(
                f"{is_line} AND charge_period_start IS NULL AND trim(start_text) <> ''",
                "start",
                "start_text",
                timestamps.EXPECTED,
            ),
            bad_sql(
                f"{is_line} AND stated_end IS NULL AND trim(end_text) <> ''", "end", "end_text", timestamps.EXPECTED
            ),
            bad_sql("stated_end < charge_period_start", "end", "end_text", "a time not before the start"),
        ]
        if len(self.currencies) > 1:
            filled = " + ".join(f"CAST({_amount_of(code)} IS NOT NULL AS INTEGER)" for code in self.currencies)
            arms.append(bad_sql(f"{filled} > 1", stated, f"concat_ws(' and ', {texts})", "an amount in one currency"))
        return first_bad_sql(arms)


def _amount_of(currency: str) -> str:
    return identifier(f"amount_{currency.lower()}")
