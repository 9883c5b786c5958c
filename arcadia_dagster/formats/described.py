"""Formats that people describe in TOML files: CSV, read as the description says (docs/describing-a-format.md).

A document is known by having the columns that the description names; without a header, by its number of columns and by what the
first record has in those of the amount and of the times. The program's own formats come first, where they can read it. The lines
of a negative amount are credits. A description that is changed has its documents read anew.
"""

import csv
import hashlib
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from arcadia_dagster.formats import amounts, timestamps
from arcadia_dagster.formats.bad_values import bad_sql, first_bad_sql
from arcadia_dagster.formats.csv_reader import MAX_LINE_BYTES, read_csv_sql
from arcadia_dagster.formats.description import FIELDS, Description, DescriptionError, read_description
from arcadia_dagster.formats.format import Csv, Head, NameFacts, Refusal
from arcadia_dagster.formats.pattern import full_matches
from arcadia_dagster.warehouse.query import text_literal

SHIPPED = Path(__file__).parent / "descriptions"
"""Descriptions that come with the program. One of a person's own with the same name takes its place."""

_SEPARATOR = "chr(31)"
_EXTENSION = re.compile(r"\.[A-Za-z]{1,8}(\.(gz|zst))?$")
_COPY_NUMBER = re.compile(r" \(\d{1,2}\)$")
_TEXTS = (*FIELDS, "tax_amount", "tax_kind")
_LONGEST_NUMBER = 100
"""No amount or time is longer. Python's regular expressions take quadratic time for some that are."""


class DescribedFormat:
    """A format as a person described it."""

    def __init__(self, description: Description, path: Path) -> None:
        """The description is right in itself; whether it fits documents shows when one comes."""
        self.description = description
        self.path = path
        self.name = description.name
        self.digest = description.digest

    def recognise(self, head: Head) -> "DescribedLayout | Refusal | None":
        """Known by its columns."""
        return self._by_header(head) if self.description.header else self._by_first_record(head)

    def why_not(self, head: Head) -> str:
        """Why a document that is not recognised is not, for whoever writes the description."""
        found, first = self.description, _records(head, self.description.delimiter, 1)
        if not head.text.strip():
            return "the file is empty; expected an invoice"
        if not first:
            return "line 1: it cannot be read as CSV with this delimiter"
        values = [value.strip() for value in first[0]]
        if found.header:
            names = {value.casefold() for value in values}
            wanted = dict.fromkeys(str(name) for name in found.all_columns.values())
            missing = [name for name in wanted if name.strip().casefold() not in names]
            return f"line 1: column {', '.join(missing)} is missing; found {found.delimiter.join(values)!r:.200}"
        if len(values) != found.width:
            return f"line 1: {len(values)} columns; expected width = {found.width}"
        return f"line 1: {values!r:.300}: its amount or its times are not written as described"

    def facts_from_name(self, file_name: str) -> NameFacts | None:
        """What the description's pattern finds in the name without its extension."""
        return self.facts_from_names([file_name]).get(file_name)

    def facts_from_names(self, file_names: Collection[str]) -> dict[str, NameFacts]:
        """The same for many names, which one query matches; without those in which it finds nothing."""
        pattern = self.description.file_name
        if pattern is None or not file_names:
            return {}
        # A browser numbers what it has downloaded before: it is the same invoice.
        stems = {name: (stem := _EXTENSION.sub("", name), _COPY_NUMBER.sub("", stem)) for name in file_names}
        matches = full_matches(pattern, [stem for both in stems.values() for stem in both])
        found = {
            name: next((_facts(matches[stem]) for stem in both if stem in matches), None)
            for name, both in stems.items()
        }
        return {name: facts for name, facts in found.items() if facts is not None}

    def _by_header(self, head: Head) -> "DescribedLayout | Refusal | None":
        first = _records(head, self.description.delimiter, 1)
        if head.columns is not None or not first:
            return None
        names = [name.strip().casefold() for name in first[0]]
        wanted = {key: str(column).strip().casefold() for key, column in self.description.all_columns.items()}
        if not set(wanted.values()) <= set(names):
            return None
        if twice := sorted({name for name in wanted.values() if names.count(name) > 1}):
            return Refusal(f"line 1: column {', '.join(twice)} occurs more than once; expected each once")
        positions = tuple((key, names.index(name)) for key, name in wanted.items())
        return DescribedLayout(self.name, self.digest, len(names), positions, description=self.description)

    def _by_first_record(self, head: Head) -> "DescribedLayout | None":
        found = self.description
        first = _records(head, found.delimiter, 1)
        if head.columns is not None or not first or len(first[0]) != found.width:
            return None
        values = {key: first[0][int(column) - 1].strip() for key, column in found.all_columns.items()}
        if any(
            len(values.get(key, "")) > _LONGEST_NUMBER for key in ("columns.amount", "columns.start", "columns.end")
        ):
            return None
        has_times = all(
            _is_time(values[key], found.date_format) for key in ("columns.start", "columns.end") if values.get(key)
        )
        if not has_times or re.search(r"\d", values["columns.amount"]) is None:
            return None
        if re.fullmatch(_number(found), _bare(values["columns.amount"], found)) is None:
            return None
        positions = tuple((key, int(column) - 1) for key, column in found.all_columns.items())
        return DescribedLayout(self.name, self.digest, len(first[0]), positions, description=found)


@dataclass(frozen=True)
class DescribedLayout:
    """One order of the columns that a description names.

    Attributes:
        name: The format's name.
        digest: Which description it is.
        width: How many columns there are.
        positions: Where each key's column is, from 0.
        description: What is said of them.
    """

    name: str
    digest: str
    width: int
    positions: tuple[tuple[str, int], ...]
    description: Description = field(compare=False)

    _MONTHS: ClassVar[str] = "'%Y-%m'"

    @property
    def source(self) -> str:
        """Who issued the invoices."""
        return self.description.source

    def lines_sql(self, paths: Sequence[Path], *, compression: str, options: str) -> str:
        """See `format.Layout`."""
        found = self.description
        records = read_csv_sql(
            paths,
            [f"c{position}" for position in range(self.width)],
            compression=compression,
            options=options,
            delimiter=found.delimiter,
            has_header=found.header,
        )
        texts = ", ".join(f"{self._text(name)} AS {name}_text" for name in _TEXTS)
        currency = (
            "upper(trim(currency_text))"
            if found.currency is None
            else f"CAST({text_literal(found.currency)} AS VARCHAR)"
        )
        both = "unnest([false, true])"
        return f"""
        SELECT
          path,
          concat_ws({_SEPARATOR}, coalesce(trim(account_text), ''), coalesce(trim(invoice_text), '')) AS invoice_key,
          CASE WHEN is_tax THEN 'Tax' WHEN amount < 0 THEN 'Credit' ELSE 'Usage' END AS typed_category,
          CASE WHEN is_tax THEN 'Taxes' ELSE nullif(trim(service_text), '') END AS service_name,
          CASE WHEN is_tax_of_line THEN concat_ws(': ', 'Tax', description_text)
            ELSE coalesce(description_text, '') END AS description,
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
          bad.bad_column,
          bad.bad_value,
          bad.expected,
          CAST(NULL AS VARCHAR) AS doubt,
          nullif(trim(account_text), '') AS account,
          nullif(trim(invoice_text), '') AS invoice,
          CAST(date_trunc('month', stated_month) AS DATE) AS stated_month
        FROM (
          SELECT *, {self._bad_sql()} AS bad
          FROM (
            SELECT
              *,
              {amounts.amount_sql("plain_amount")} AS amount,
              {amounts.is_rounded_sql("plain_amount")} AS is_rounded,
              {amounts.quantity_sql("plain_quantity")} AS quantity,
              {currency} AS currency,
              {self._time("start_text")} AS charge_period_start,
              {self._time("end_text")} AS stated_end,
              coalesce({_strptime("month_text", self._MONTHS)}, {self._time("month_text")}) AS stated_month
            FROM (
              SELECT *, {self._plain("amount_text")} AS plain_amount, {self._plain("quantity_text")} AS plain_quantity
              FROM (
                SELECT * REPLACE (CASE WHEN is_tax_of_line THEN tax_amount_text ELSE amount_text END AS amount_text),
                  is_tax_of_line OR {self._is_tax()} AS is_tax
                FROM (
                  SELECT filename AS path, {texts}, {both if found.tax.amount is not None else "false"} AS is_tax_of_line
                  FROM {records}
                )
              )
            )
          )
        )
        """

    def invoices_sql(self, lines: str) -> str | None:
        """Account, id and month where columns have them; else the file's name and the lines tell."""
        account = "any_value(account)" if self.description.account is None else text_literal(self.description.account)
        return f"""
        SELECT document_sha256, invoice_key, {account} AS account_id, any_value(invoice) AS external_id,
          any_value(invoice) AS invoice_number, max(stated_month) AS month,
          {text_literal(self.description.vendor) if self.description.vendor else "CAST(NULL AS VARCHAR)"} AS vendor_name,
          {self.description.tax.none == "not stated"} AS lacks_tax
        FROM {lines} GROUP BY document_sha256, invoice_key
        """

    def lines_in(self, path: Path) -> Csv:  # noqa: ARG002 - the interface's
        """As the description says."""
        found = self.description
        return Csv(self.width, found.delimiter, found.header, 2 if found.tax.amount is not None else 1)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return dict(self.positions)

    def _text(self, name: str) -> str:
        """SQL: what the record has for a field, as text."""
        key = {"tax_amount": "tax.amount", "tax_kind": "tax.column"}.get(name, f"columns.{name}")
        position = self._positions.get(key)
        return "CAST(NULL AS VARCHAR)" if position is None else f"c{position}"

    def _is_tax(self) -> str:
        """SQL: whether the record's kind says that it is tax."""
        tax = self.description.tax
        if tax.column is None:
            return "false"
        values = ", ".join(f"lower(trim({text_literal(value)}))" for value in tax.values)
        arms = [f"lower(trim(tax_kind_text)) IN ({values})"] if tax.values else []
        arms += [f"regexp_matches(tax_kind_text, {text_literal(tax.pattern)})"] if tax.pattern is not None else []
        return f"coalesce({' OR '.join(arms)}, false)"

    def _plain(self, text: str) -> str:
        """SQL: a number with a decimal point and no other mark; NULL where it is not written as described."""
        found = self.description
        bare = f"trim({text})"
        for symbol in _symbols(found):
            escaped = text_literal(f"^([-+(]?) *{re.escape(symbol)} *")
            bare = f"regexp_replace(regexp_replace({bare}, {escaped}, '\\1'), {text_literal(f' *{re.escape(symbol)}$')}, '')"
        unmarked = bare
        if found.thousands_mark:
            unmarked = f"replace({unmarked}, {text_literal(found.thousands_mark)}, '')"
        if found.decimal_mark != ".":
            unmarked = f"replace({unmarked}, {text_literal(found.decimal_mark)}, '.')"
        return f"CASE WHEN regexp_full_match({bare}, {text_literal(_number(found))}) THEN {unmarked} END"

    def _time(self, text: str) -> str:
        return _strptime(text, text_literal(self.description.date_format))

    def _exclusive_end(self) -> str:
        if self.description.end == "exclusive":
            return "stated_end"
        if "%H" in self.description.date_format:
            return timestamps.exclusive_end_sql("stated_end")
        return "stated_end + INTERVAL 1 DAY"

    def _bad_sql(self) -> str:
        """The first value of the record that cannot be read."""
        amount = _written(self.description)
        when = f"a time written as {self.description.date_format}"
        arms = [
            self._bad("tax.amount", "is_tax_of_line AND amount IS NULL", "amount_text", amount),
            self._bad("columns.amount", "amount IS NULL", "amount_text", amount),
            self._bad(
                "columns.quantity", "quantity IS NULL AND trim(quantity_text) <> ''", "quantity_text", "a number"
            ),
            self._bad("columns.start", "charge_period_start IS NULL AND trim(start_text) <> ''", "start_text", when),
            self._bad("columns.end", "stated_end IS NULL AND trim(end_text) <> ''", "end_text", when),
            self._bad("columns.end", "stated_end < charge_period_start", "end_text", "a time not before the start"),
            self._bad("columns.month", "stated_month IS NULL", "month_text", f"a month such as 2026-04, or {when}"),
            self._bad("columns.currency", "coalesce(currency, '') = ''", "currency_text", "an ISO 4217 code"),
            self._bad("columns.invoice", "trim(coalesce(invoice_text, '')) = ''", "invoice_text", "the invoice's id"),
            self._bad("columns.account", "trim(coalesce(account_text, '')) = ''", "account_text", "the account"),
        ]
        return first_bad_sql([arm for arm in arms if arm])

    def _bad(self, key: str, condition: str, value: str, expected: str) -> str:
        """The arm for a key's column; none where the description names no such column."""
        if key not in self._positions:
            return ""
        column = self.description.all_columns[key]
        return bad_sql(condition, str(column), value, expected)


@dataclass(frozen=True, slots=True)
class Descriptions:
    """The descriptions of a folder, and those that come with the program.

    Attributes:
        formats: What they describe, in the order of the names of their files.
        problems: What is wrong with those that cannot be used, by the file's name.
    """

    formats: tuple[DescribedFormat, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, *, taken: frozenset[str] = frozenset()) -> "Descriptions":
        """Read the descriptions: every file of the folder that ends with `.toml`. Nothing that is wrong with one raises.

        Args:
            folder: The folder; there need not be one.
            taken: The names of the program's own formats.
        """
        found: dict[str, DescribedFormat] = {}
        problems: dict[str, str] = {}
        files: dict[str, Path] = {}
        for path in (*sorted(SHIPPED.glob("*.toml")), *sorted(folder.glob("*.toml"))):
            try:
                description = read_description(path)
            except DescriptionError as error:
                problems[path.name] = str(error)
                continue
            name = description.name
            if name in taken:
                problems[path.name] = f"{path}: name = {name!r}: the program has a format of that name"
            elif name in files and files[name].parent == path.parent:
                problems[path.name] = f"{path}: name = {name!r}: {files[name].name} has that name too"
            else:
                files[name] = path
                found[name] = DescribedFormat(description, path)
        return cls(tuple(found.values()), problems)

    @property
    def digest(self) -> str:
        """What tells these descriptions from any others; empty where there are none."""
        if not self.formats:
            return ""
        return hashlib.sha256(" ".join(one.digest for one in self.formats).encode()).hexdigest()[:16]


def _records(head: Head, delimiter: str, most: int) -> list[list[str]]:
    """The first records of a document, as far as its head has them; none where it is no CSV."""
    csv.field_size_limit(MAX_LINE_BYTES)
    reader = csv.reader(io.StringIO(head.text, newline=""), delimiter=delimiter)
    found: list[list[str]] = []
    try:
        for record in reader:
            if record:
                found.append(record)
            if len(found) >= most:
                break
    except csv.Error:
        return []
    return found


def _symbols(description: Description) -> tuple[str, ...]:
    """What may stand beside a number: the currency's code and symbol."""
    code = description.currency
    return () if code is None else tuple(filter(None, (code, amounts.symbol_of(code))))


def _bare(text: str, description: Description) -> str:
    for symbol in _symbols(description):
        text = re.sub(rf" *{re.escape(symbol)}$", "", re.sub(rf"^([-+(]?) *{re.escape(symbol)} *", r"\1", text))
    return text


def _number(description: Description) -> str:
    """How numbers are written, as a regular expression; with another mark than that for decimals, it is no number."""
    decimal, thousands = re.escape(description.decimal_mark), re.escape(description.thousands_mark)
    whole = rf"(\d+|\d{{1,3}}({thousands}\d{{3}})+)" if thousands else r"\d+"
    return rf"[-+(\x{{2212}}]?({whole}({decimal}\d*)?|{decimal}\d+)([eE][+-]?\d{{1,3}})?[-)]?".replace(
        r"\x{2212}", "\N{MINUS SIGN}"
    )


def _written(description: Description) -> str:
    """What an amount looks like, in words."""
    return f"an amount such as 1{description.thousands_mark}234{description.decimal_mark}56"


def _strptime(text: str, formats: str) -> str:
    """SQL: the time, NULL where it is none or of another century: Python knows fewer years than DuckDB."""
    read = f"try_strptime(trim({text}), {formats})"
    return f"CASE WHEN {read} BETWEEN TIMESTAMP '1900-01-01' AND TIMESTAMP '2100-01-01' THEN {read} END"


def _is_time(text: str, format_: str) -> bool:
    try:
        datetime.strptime(text, format_).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _facts(groups: Mapping[str, str]) -> NameFacts | None:
    """What the groups of `file_name` tell; None where they tell no invoice, or no month where they should."""
    month = _month(groups.get("month"))
    if "invoice" not in groups or ("month" in groups and month is None):
        return None
    return NameFacts(groups.get("account"), groups["invoice"], month)


def _month(text: str | None) -> date | None:
    try:
        return None if text is None else datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        return None


NONE = Descriptions()
"""No description, not even those that come with the program."""
