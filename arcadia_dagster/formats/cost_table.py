"""Tables of cost lines as CSV, packed or not, or as Parquet: the common part of all formats with a header and a line a row.

A format's module gives the names of its columns, the mandatory ones, and its charge categories. One
document may state many invoices, of several accounts, currencies and months; the files of one folder may state one together.
An invoice's month is the one in which the middle of its billing period lies, as most of its lines state it (`billing.periods`); a
line without an invoice's id belongs to a period that is not invoiced yet: it is shown and never pushed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self, TypeVar

from arcadia_dagster.billing.currency import AMOUNT_TYPE
from arcadia_dagster.billing.periods import month_sql
from arcadia_dagster.reading import amounts, ids, json_records, timestamps
from arcadia_dagster.reading.bad_values import bad_sql, first_bad_sql
from arcadia_dagster.reading.csv_reader import identifier, read_csv_sql, repeated
from arcadia_dagster.reading.format import Csv, Head, NameFacts, Refusal, UnreadableError
from arcadia_dagster.reading.json_records import JsonTable
from arcadia_dagster.reading.semicolons import SemicolonTable
from arcadia_dagster.store.query import in_memory, text_literal

FIELDS = (
    *("amount", "currency", "category", "billing_start", "billing_end", "charge_start", "charge_end"),
    *("account", "issuer", "provider", "invoice", "other_invoice"),
    *("description", "service", "service_code", "sub_account", "sub_account_name", "quantity", "unit"),
    *("resource_id", "resource_name", "resource_type", "net_amount"),
)
"""The fields for which a layout may have a column. The sum of the net amounts is a control total for the amounts."""

_RECOGNISED_BY = ("amount", "currency", "category")
_NUMBERS = ("amount", "net_amount", "quantity")
_READ_LATER = ("amount", "net_amount", "quantity", "charge_start", "charge_end", "billing_start", "billing_end")
"""Fields whose text is kept beside their value, for the message where it cannot be read."""

_SEVERAL_PERIODS = (
    "): one invoice of several periods, or a number that each period's invoice has? If each has it, dismiss the document, and "
    "drop the rows of each period as a file of its own"
)
_LOST_ZEROS = (
    " is not one of AWS, which have 12 digits: a spreadsheet has taken the zeros from its beginning. Dismiss the document, and "
    "drop the file again as AWS exported it, without opening it in a spreadsheet"
)

_SEPARATOR = "chr(31)"

_NO_CHARGE = (
    "a charge, with its account, its currency and its billing period; a row with a total is none: take it out, and drop the file "
    "again under its name"
)

_MAX_NET = 10**12
"""A larger net amount is not read, so that those of any document can be summed."""


@dataclass(frozen=True)
class CostTableLayout:
    """One order of columns.

    Attributes:
        columns: The header.
        found: Which of them holds each field, by its position.
        types: The columns of a Parquet document with their types; None for CSV.
        ids: The rules for the column of the invoice's id: source, account (None: any), and the column's position (None: the
            usual column). The first rule that fits a record decides.
    """

    columns: tuple[str, ...]
    found: tuple[tuple[str, int], ...]
    types: tuple[tuple[str, str], ...] | None
    ids: tuple[tuple[str, str | None, int | None], ...] = ()

    source: ClassVar[str] = "unknown"
    names: ClassVar[Mapping[str, tuple[str, ...]]]
    """What each field's column is called, the preferred name first; any other column is left alone."""
    required: ClassVar[tuple[str, ...]]
    """The fields that a document must have a column for."""
    category_sql: ClassVar[str]
    """SQL over `category`: the charge category that it stands for."""
    categories: ClassVar[str]
    """What was expected, for a value that stands for no category."""
    may_be_blank: ClassVar[tuple[str, ...]] = ("quantity",)
    """The amounts and times that a charge may leave out."""
    has_closed_categories: ClassVar[bool]
    """Whether an unknown category leaves the invoice in doubt (the line's words decide its category); else any but a blank one
    is right."""
    service_sql: ClassVar[str] = "service"
    end_sql: ClassVar[str] = "stated_end"
    """SQL over `stated_end`: the exclusive end."""

    def with_ids(self, named: Sequence[tuple[str, str | None, str]]) -> Self:
        """The same, with the columns of these rules that the document has: see `billing.rules.Rules.id_columns`."""
        names = [_spelling(column) for column in self.columns]
        positions = [
            (source, account, names.index(_spelling(column)) if column else None)
            for source, account, column in named
            if not column or _spelling(column) in names
        ]
        return replace(self, ids=tuple(positions)) if any(position is not None for *_, position in positions) else self

    def lines_sql(self, paths: Sequence[Path], *, compression: str, options: str) -> str:
        """See `format.Layout`."""
        fields: dict[str, int | None] = dict(self.found)
        if fields.get("issuer") == fields.get("provider"):
            # The provider is the issuer where no line names one.
            fields["issuer"] = None
        if fields.get("invoice") is None:
            fields["invoice"] = fields.pop("other_invoice", None)
        return f"""
        SELECT
          path,
          concat_ws({_SEPARATOR}, coalesce(issuer, ''), coalesce(account, ''), coalesce(invoice, ''),
            CASE WHEN invoice IS NULL THEN strftime(billing_month, '%Y-%m') ELSE '' END) AS invoice_key,
          billing_month,
          billing_start,
          billing_end,
          typed_category,
          {self.service_sql} AS service_name,
          coalesce(description, '') AS description,
          coalesce(nullif(trim(sub_account_name), ''), nullif(trim(sub_account), '')) AS project,
          resource_id,
          resource_name,
          resource_type,
          charge_period_start,
          {self.end_sql} AS charge_period_end,
          quantity,
          CASE WHEN quantity IS NOT NULL THEN unit END AS unit,
          amount,
          is_rounded,
          currency,
          net_amount,
          nullif(trim(provider), '') AS provider,
          false AS is_control,
          bad.bad_column,
          bad.bad_value,
          bad.expected,
          {self._doubt_sql()} AS doubt
        FROM (
          SELECT *, {self._bad_sql()} AS bad
          FROM (
            SELECT
              path, provider, service, service_code, description, sub_account, sub_account_name,
              resource_id, resource_name, resource_type, unit,
              {_trimmed("issuer")}, {_trimmed("account")}, {self._invoice_sql()},
              amount_text, net_amount_text, quantity_text, charge_start_text, charge_end_text, billing_start_text,
              billing_end_text,
              category, {self.category_sql} AS typed_category,
              upper(trim(currency)) AS currency,
              {self._amount("amount")} AS amount,
              {self._is_rounded("amount")} AS is_rounded,
              {self._amount("net_amount")} AS any_net_amount,
              CASE WHEN abs(any_net_amount) < {_MAX_NET} THEN any_net_amount END AS net_amount,
              {self._quantity()} AS quantity,
              {self._time("charge_start")} AS charge_period_start,
              {self._time("charge_end")} AS stated_end,
              {self._time("billing_start")} AS billing_start,
              {self._time("billing_end")} AS billing_end,
              {month_sql("billing_start", "billing_end")} AS billing_month
            FROM (SELECT filename AS path{self._ids_sql()},
                {", ".join(self._field_sql(field, fields.get(field)) for field in FIELDS)}
              FROM {self._records_sql(paths, compression, options)})
          )
        )
        """

    def invoices_sql(self, lines: str) -> str | None:
        """An invoice's issuer, account and id are its key's; its month is that of most of its lines.

        Until its billing period ends its id is not final, one-off purchases apart: an upfront fee is invoiced while its month is
        open.

        Lines that name another issuer, or none, have a key of their own. An invoice is the issuer's that most of its lines name,
        else the provider's: an id of one account stands for one invoice, whichever of a provider's companies sold each line.
        """
        part = [f"nullif(string_split(invoice_key, {_SEPARATOR})[{position}], '')" for position in (1, 2, 3, 4)]
        return f"""
        WITH month AS (
          SELECT document_sha256, invoice_key, billing_month, count(*) AS lines, list(DISTINCT provider) AS providers,
            min(billing_start) AS billing_start, max(billing_end) AS billing_end,
            bool_and(charge_category IN ('Purchase', 'Tax')) AS is_one_off,
            CASE WHEN count(net_amount) = count(*) THEN sum(net_amount) END AS net_total
          FROM {lines} GROUP BY ALL
        ), invoice AS (
          SELECT document_sha256, invoice_key, {part[0]} AS own_issuer,
            list_sort(list_distinct(flatten(list(providers)))) AS own_providers,
            own_providers[1] AS provider, {part[1]} AS account_id, {part[2]} AS external_id, {part[3]} AS open_month,
            CASE WHEN count(net_total) = count(*) THEN sum(net_total) END AS stated_total,
            max_by(billing_month, (lines, billing_month)) AS month, sum(lines) AS lines,
            list_sort(list(DISTINCT strftime(billing_month, '%Y-%m'))) AS billing_months,
            max_by(billing_start, (lines, billing_month)) AS billing_starts_at,
            max_by(billing_end, (lines, billing_month)) AS period_ends_at,
            CASE WHEN NOT bool_and(is_one_off)
              THEN coalesce(max_by(billing_end, (lines, billing_month)), max(billing_month) + INTERVAL 1 MONTH) END
              AS billing_ends_at
          FROM month GROUP BY document_sha256, invoice_key
        ), known AS (
          SELECT map_from_entries(list((name, {self._named_sql("name")}))) AS sources
          FROM (SELECT DISTINCT unnest(list_append(own_providers, own_issuer)) AS name FROM invoice) WHERE name IS NOT NULL
        ), issued AS (
          SELECT *, max_by(own_issuer, (lines, own_issuer)) FILTER (own_issuer IS NOT NULL)
              OVER (PARTITION BY document_sha256, account_id, external_id, open_month) AS usual_issuer,
            list_distinct(flatten(list(own_providers) FILTER (own_issuer IS NOT NULL)
              OVER (PARTITION BY document_sha256, account_id, external_id, open_month))) AS named_providers,
            count(DISTINCT own_issuer) OVER (PARTITION BY document_sha256, account_id, external_id, open_month) AS named_issuers,
            -- What is not invoiced yet is the issuer's through whom all else of the account and its provider comes.
            CASE WHEN external_id IS NOT NULL OR (named_issuers = 1 AND list_has_all(named_providers, own_providers))
              THEN coalesce(usual_issuer, provider) ELSE coalesce(own_issuer, provider, usual_issuer) END AS issuer,
            list_sort(list_distinct(flatten(list(own_providers)
              OVER (PARTITION BY document_sha256, account_id, external_id, open_month)))) AS providers,
            list_sort(list_distinct(list(own_issuer)
              OVER (PARTITION BY document_sha256, account_id, external_id))) AS own_issuers,
            CASE WHEN external_id IS NULL THEN NULL WHEN len(own_issuers) > 0 THEN own_issuers ELSE providers END AS issuers
          FROM invoice CROSS JOIN known
        )
        SELECT * EXCLUDE (issuer_doubts, billing_months), issuer_doubts ||
          CASE WHEN source = 'aws' AND regexp_full_match(account_id, '{ids.AWS_ACCOUNT_WITHOUT_ZEROS}')
            THEN ['its account ' || account_id || {text_literal(_LOST_ZEROS)}] ELSE [] END ||
          CASE WHEN external_id IS NOT NULL AND len(billing_months) > 1
            THEN ['its rows are of several billing periods (' || array_to_string(billing_months, ', ') ||
              {text_literal(_SEVERAL_PERIODS)}] ELSE [] END AS doubts
        FROM (
          SELECT document_sha256, invoice_key, {self._issued_by("issuer")},
            {self._unnamed("usual_issuer", "provider")} AS unnamed_issuer,
            account_id, external_id, external_id AS invoice_number,
            external_id IS NOT NULL AS is_final, true AS may_be_part, {self._lacks_tax("issuer", "providers")} AS lacks_tax,
            stated_total, month, billing_months, billing_ends_at,
            billing_starts_at, period_ends_at,
            CASE WHEN external_id IS NULL THEN {self._open_reason()} END AS open_reason
          FROM issued
        )
        """

    def _named_sql(self, name: str) -> str:  # noqa: ARG002 - of those that state issuers
        """SQL: the source for an issuer's or a provider's name. `sources` is the map from each name to it."""
        return text_literal(self.source)

    def _issued_by(self, issuer: str) -> str:  # noqa: ARG002 - of those that state it
        """SQL: the source, the vendor's name and their doubt, from the issuer's name, where it is stated."""
        return (
            f"'{self.source}' AS source, CAST(NULL AS VARCHAR) AS vendor_name, CAST([] AS VARCHAR[]) AS issuer_doubts"
        )

    def _unnamed(self, issuer: str, provider: str) -> str:  # noqa: ARG002 - of those that state them
        """SQL: `unnamed_issuer` of `StatedInvoice`."""
        return "CAST(NULL AS VARCHAR)"

    def _lacks_tax(self, issuer: str, providers: str) -> str:  # noqa: ARG002 - of those that state them
        """SQL: whether tax may be due that no line has: from the issuer's name and the providers', where they are stated."""
        return "false"

    def _invoice_sql(self) -> str:
        """SQL: the invoice's id, from the column that a rule names for the record's account, else from the usual one."""
        if not self.ids:
            return f"{ids.of_invoice_sql(_plain('invoice'))} AS invoice"
        arms = []
        for number, (source, account, position) in enumerate(self.ids):
            condition = f"{self._source_sql()} = {text_literal(source)}"
            if account is not None:
                condition += f" AND trim(account) = {text_literal(account)}"
            arms.append(f"WHEN {condition} THEN {'invoice' if position is None else f'id_{number}'}")
        stated = f"nullif(trim(CASE {' '.join(arms)} ELSE invoice END), '')"
        return f"{ids.of_invoice_sql(stated)} AS invoice"

    def _ids_sql(self) -> str:
        """SQL: those columns, as further ones of the records, as text without NULL's spellings."""
        columns = []
        for number, (_, _, position) in enumerate(self.ids):
            if position is not None:
                text = f"CAST({identifier(self._names()[position])} AS VARCHAR)"
                columns.append(f", CASE WHEN {text} NOT IN ('', 'NULL') THEN {text} END AS id_{number}")
        return "".join(columns)

    def _source_sql(self) -> str:
        """SQL: the source of a record."""
        return text_literal(self.source)

    def _open_reason(self) -> str:
        """SQL: why lines have no invoice's id, where that is known."""
        return "CAST(NULL AS VARCHAR)"

    def _doubt_sql(self) -> str:
        """SQL: what makes the record doubtful: a category outside of a closed list."""
        if not self.has_closed_categories:
            return "CAST(NULL AS VARCHAR)"
        shown = "CASE WHEN trim(coalesce(category, '')) = '' THEN 'blank' ELSE chr(39) || left(trim(category), 80) || chr(39) END"
        column, expected = (
            text_literal(text) for text in (f"column {self._name('category')}: ", f"; expected {self.categories}")
        )
        return f"CASE WHEN typed_category IS NULL THEN {column} || {shown} || {expected} END"

    def lines_in(self, path: Path) -> int | Csv:
        """The rows that Parquet's own footer counts; CSV has the header that it was known by."""
        if self.types is None:
            return Csv(len(self.columns), numbers=self.numbers)
        with in_memory() as connection:
            row = connection.execute(
                f"SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata({text_literal(str(path))})"
            ).fetchone()
        return 0 if row is None else int(row[0])

    @property
    def numbers(self) -> tuple[int, ...]:
        """The positions of the columns whose numbers are read."""
        return tuple(position for field, position in self.found if field in _NUMBERS)

    def _records_sql(self, paths: Sequence[Path], compression: str, options: str) -> str:
        if self.types is None:
            return read_csv_sql(paths, self._names(), compression=compression, options=options)
        files = ", ".join(text_literal(str(path)) for path in paths)
        return f"read_parquet([{files}], filename = true)"

    def _names(self) -> list[str]:
        """A name for each column: its own in Parquet; in CSV, where it may be blank or occur twice, one with its position."""
        if self.types is not None:
            return list(self.columns)
        return [f"c{position}" for position in range(len(self.columns))]

    def _type(self, field: str) -> str:
        """The type of a field's column; text in CSV."""
        position = dict(self.found).get(field)
        return "VARCHAR" if self.types is None or position is None else self.types[position][1]

    def _field_sql(self, field: str, position: int | None) -> str:
        """The field as text without NULL's spellings, or as its Parquet type where its value needs no reading."""
        name = f"{field}_text" if field in _READ_LATER else field
        if position is None:
            return f"CAST(NULL AS VARCHAR) AS {name}"
        column = identifier(self._names()[position])
        type_ = self._type(field)
        if field == "invoice" and (other := dict(self.found).get("other_invoice")) not in {None, position}:
            # The id is in the other column where the first one is blank.
            both = [self._text(at) for at in (position, other)]
            return f"coalesce(nullif(trim({both[0]}), ''), {both[1]}) AS {name}"
        if name == field:
            text = column if type_ == "VARCHAR" else f"CAST({column} AS VARCHAR)"
            return f"CASE WHEN {text} NOT IN ('', 'NULL') THEN {text} END AS {name}"
        return f"{column} AS {name}"

    def _text(self, position: int | None) -> str:
        """SQL: a column as text without NULL's spellings."""
        text = f"CAST({identifier(self._names()[position or 0])} AS VARCHAR)"
        return f"CASE WHEN {text} NOT IN ('', 'NULL') THEN {text} END"

    def _amount(self, field: str) -> str:
        """The amount. A binary fraction is the shortest decimal that reads back as it."""
        text, type_ = f"{field}_text", self._type(field)
        if field not in dict(self.found):
            return f"CAST(NULL AS {AMOUNT_TYPE})"
        if type_.startswith("DECIMAL"):
            return amounts.decimal_amount_sql(text)
        if type_ == "DOUBLE":
            return amounts.binary_amount_sql(text)
        return amounts.amount_sql(text if type_ == "VARCHAR" else f"CAST({text} AS VARCHAR)")

    def _is_rounded(self, field: str) -> str:
        """Whether that is rounded at the 18th decimal."""
        text, type_ = f"{field}_text", self._type(field)
        if type_.startswith("DECIMAL"):
            return amounts.is_rounded_decimal_sql(text, type_)
        if type_ == "DOUBLE":
            return amounts.is_rounded_binary_sql(text)
        return amounts.is_rounded_sql(text if type_ == "VARCHAR" else f"CAST({text} AS VARCHAR)")

    def _quantity(self) -> str:
        """How much was consumed."""
        return self._amount("quantity")

    def _time(self, field: str) -> str:
        text, type_ = f"{field}_text", self._type(field)
        if type_ == "VARCHAR":
            return timestamps.utc_unless_stated_sql(text)
        if type_ == "TIMESTAMP WITH TIME ZONE":
            # A cast would look for a time zone database.
            return f"make_timestamp(epoch_us({text}))"
        return f"TRY_CAST({text} AS TIMESTAMP)"

    def _bad_sql(self) -> str:
        """The first value of the record that cannot be read: its column, the value, and what was expected."""
        arms = [
            *(
                self._bad(field, f"{field}_text IS NOT NULL", _WIDER)
                for field in ("amount", "net_amount")
                if self._type(field) == "FLOAT"
            ),
            self._bad("amount", "amount IS NULL", amounts.EXPECTED_PLAIN),
            self._bad("amount", "currency IS NULL AND account IS NULL AND billing_month IS NULL", _NO_CHARGE),
            self._bad("currency", "currency IS NULL", "an ISO 4217 code"),
            self._bad("billing_start", "billing_month IS NULL", timestamps.EXPECTED_UTC),
            self._bad("charge_start", self._unread("charge_start", "charge_period_start"), timestamps.EXPECTED_UTC),
            self._bad("charge_end", self._unread("charge_end", "stated_end"), timestamps.EXPECTED_UTC),
            self._bad(
                "charge_end", "stated_end < charge_period_start", f"a time not before {self._name('charge_start')}"
            ),
            self._bad("quantity", self._unread("quantity", "quantity"), "a quantity, or nothing"),
            self._bad("account", "account IS NULL", "the billing account's id"),
            self._bad("account", ids.is_mangled_sql("account"), ids.EXPECTED),
            self._bad("invoice", ids.is_mangled_sql("invoice"), ids.EXPECTED),
        ]
        if "net_amount" in dict(self.found):
            arms.append(
                self._bad(
                    "net_amount", f"net_amount IS NULL AND NOT ({self._is_null('net_amount')})", amounts.EXPECTED_PLAIN
                )
            )
        if not self.has_closed_categories:
            arms.append(self._bad("category", "trim(coalesce(category, '')) = ''", self.categories))
        return first_bad_sql(arms)

    def _unread(self, field: str, value: str) -> str:
        """SQL: whether the field's value could not be read; where it may be blank, only if it is not."""
        return f"{value} IS NULL AND NOT ({self._is_null(field)})" if field in self.may_be_blank else f"{value} IS NULL"

    def _is_null(self, field: str) -> str:
        text = f"{field}_text"
        return f"{text} IS NULL OR trim(CAST({text} AS VARCHAR)) IN ('', 'NULL')"

    def _bad(self, field: str, condition: str, expected: str) -> str:
        value = f"CAST({field}_text AS VARCHAR)" if field in _READ_LATER else field
        return bad_sql(condition, self._name(field), value, expected)

    def _name(self, field: str) -> str:
        """What the document calls the field."""
        position = dict(self.found).get(field)
        return self.names[field][0] if position is None else self.columns[position]


Ruled = TypeVar("Ruled")


class CostTable:
    """A format whose documents are such tables. Known by its columns, in any order and case."""

    name: str
    layout: type[CostTableLayout]
    mandatory_by: str
    """What says which columns are mandatory, in words that follow `which`."""

    @property
    def usual_columns(self) -> list[str]:
        """The columns that its documents may have, by their preferred names."""
        return [names[0] for names in self.layout.names.values()]

    def recognise(self, head: Head) -> CostTableLayout | JsonTable | Refusal | None:
        """See `format.Format`."""
        if members := json_records.first_members(head):
            return self._of_json(head) if self._is_ours(members) else None
        if not self._is_ours(head.header):
            return None
        positions = self._positions_or_problem(head.header)
        if isinstance(positions, str):
            return Refusal(f"line 1: {positions}")
        types = None if head.columns is None else tuple(head.columns.items())
        return self.layout(columns=tuple(head.header), found=tuple(positions.items()), types=types)

    def _of_json(self, head: Head) -> JsonTable | Refusal:
        """The layout for JSON: its columns are the members that any record has."""
        read = {_spelling(alias) for aliases in self.layout.names.values() for alias in aliases}
        try:
            names, records = json_records.members_of(head, is_read=lambda name: _spelling(name) in read)
        except UnreadableError as error:
            return Refusal(str(error))
        positions = self._positions_or_problem(names)
        if isinstance(positions, str):
            return Refusal(f"as JSON: {positions}")
        members = tuple(names[position] for position in positions.values())
        table = self.layout(columns=members, found=tuple((field, n) for n, field in enumerate(positions)), types=None)
        return JsonTable(table, members, records, tuple(names))

    def _is_ours(self, columns: Sequence[str]) -> bool:
        names = {_spelling(column) for column in columns}
        return all(any(_spelling(name) in names for name in self.layout.names[field]) for field in _RECOGNISED_BY)

    def _positions_or_problem(self, columns: Sequence[str]) -> dict[str, int] | str:
        """The position of each field's column, or what is wrong with the columns, in words."""
        wanted = self.layout.names
        names = [_spelling(column) for column in columns]
        read = {_spelling(alias) for aliases in wanted.values() for alias in aliases}
        if twice := repeated([name for name in names if name in read]):
            return f"column {', '.join(twice)} occurs more than once; expected each once"
        positions = {
            field: position
            for field, aliases in wanted.items()
            if (position := next((names.index(_spelling(name)) for name in aliases if _spelling(name) in names), None))
            is not None
        }
        if missing := [wanted[field][0] for field in self.layout.required if field not in positions]:
            return f"column {', '.join(missing)} is missing, which {self.mandatory_by}"
        return positions

    def facts_from_name(self, file_name: str) -> NameFacts | None:  # noqa: ARG002 - the interface's
        """Everything is in the document."""
        return None


def with_ids(layout: Ruled, named: Sequence[tuple[str, str | None, str]]) -> Ruled:
    """The layout with the columns that rules name for ids, for a cost table in any syntax; any other layout as it is."""
    if isinstance(layout, CostTableLayout):
        return layout.with_ids(named)
    if isinstance(layout, SemicolonTable) and isinstance(layout.table, CostTableLayout):
        return replace(layout, table=layout.table.with_ids(named))
    if isinstance(layout, JsonTable) and isinstance(layout.table, CostTableLayout):
        wanted = {_spelling(column) for *_, column in named if column}
        further = [name for name in layout.others if _spelling(name) in wanted and name not in layout.members]
        members = (*layout.members, *further)
        return replace(layout, members=members, table=replace(layout.table, columns=members).with_ids(named))
    return layout


def columns_of(layout: object) -> tuple[str, ...]:
    """The columns that a rule may name for ids, for a cost table in any syntax; none for any other layout."""
    if isinstance(layout, JsonTable):
        return layout.others
    table = layout.table if isinstance(layout, SemicolonTable) else layout
    return table.columns if isinstance(table, CostTableLayout) else ()


def has_column(columns: Iterable[str], name: str) -> bool:
    """Whether a column of that name is among them, however it is spelt."""
    return _spelling(name) in map(_spelling, columns)


def _spelling(name: str) -> str:
    """A column's name in one spelling: `lineItem/LineItemType` is `line_item_line_item_type`."""
    return name.strip().lower().replace("_", "").replace("/", "")


_WIDER = (
    "an amount as a decimal or a double: this column has numbers of 32 bits, of about seven digits, so that large amounts have "
    "other cents; write the column as DECIMAL, and drop the file again under its name"
)


def _trimmed(name: str) -> str:
    """SQL: an id without the blanks around it, under its name."""
    return f"{_plain(name)} AS {name}"


def _plain(name: str) -> str:
    """SQL: an id without the blanks around it, NULL where nothing is left. Most have none, and trimming all is slow."""
    return f"CASE WHEN {name} LIKE ' %' OR {name} LIKE '% ' THEN nullif(trim({name}), '') ELSE {name} END"
