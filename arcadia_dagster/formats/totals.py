"""Rows that state the sum of other rows: a total that a provider, a person or a spreadsheet put below the lines, or a subtotal.

Counted as a line, such a row makes an invoice twice as large. By its words it is known for what it is (`kind_sql`), and a
format may take it for a control total. Where nobody said so, a row is in doubt that is a sum of other lines and says nothing
of what it charges for: its words are those of a total, or it has no words where the other lines have some, or it is the first
or the last and has no time, no quantity and no resource where the others have. The amount alone says nothing: of three
servers at 5, 5 and 10, the last is the sum of the others. So a table whose lines say nothing but an amount leaves no doubt.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

import duckdb

from arcadia_dagster.billing.currency import EXPONENTS, plain_sql
from arcadia_dagster.warehouse.query import text_literal

_TOTAL = (
    *("total", "totals", "grand total", "sum", "sum total", "amount due", "balance due", "amount payable"),
    *("summe", "gesamt", "gesamtsumme", "gesamtbetrag", "endsumme", "endbetrag", "rechnungsbetrag", "rechnungssumme"),
    *(
        "zahlbetrag",
        "totaal",
        "totale",
        "totalt",
        "suma",
        "somme",
        "somma",
        "montant total",
        "importe total",
        "razem",
        "celkem",
    ),
    *("итого", "всего", "合計", "合计", "总计", "總計", "總額", "总额", "합계", "총계"),
)
"""What a total is called: nothing else is in its words but a currency."""

_TOTAL_OF = (
    *(
        "total amount",
        "total due",
        "total cost",
        "total costs",
        "total charge",
        "total charges",
        "total price",
        "total net",
    ),
    *(
        "total gross",
        "net total",
        "gross total",
        "invoice total",
        "total invoice",
        "total for",
        "total of",
        "total general",
    ),
    *(
        "total incl",
        "total including",
        "total inclusive",
        "total excl",
        "total excluding",
        "total exclusive",
        "total before",
    ),
    *("total after", "total with", "total without", "total ttc", "total ht", "total inkl", "total exkl", "total netto"),
    *("total brutto", "total payable", "summe netto", "summe brutto", "gesamt netto", "gesamt brutto"),
    *("gesamtbetrag netto", "gesamtbetrag brutto"),
)
"""What it is called with more words behind: `Total for April`, `Total incl. VAT`."""

_SUBTOTAL = (
    *("subtotal", "subtotals", "sub total", "sub totals", "zwischensumme", "sous total", "subtotale", "subtotaal"),
    *("小計", "小计", "소계"),
)
"""What a subtotal is called, with any words behind: `Subtotal Compute`."""

_MOST_WORDS = 60
"""A longer text is no name of a total. Looking at its length first spares most lines the rest."""

_MOST_MARKS = 1_000
"""A document with more rows without words has none that says nothing."""

_FEWEST = 2

_MOST = 10**12
"""What an amount that is summed is less than, so that the sum of any document's fits; a document with more is rejected, or its
total differs."""

_ROUNDED = Decimal("0.005")
"""How much a total may differ for each line that was rounded to two decimals; by half a percent in all at most."""


def kind_sql(text: str) -> str:
    """SQL: `total` or `subtotal` where the text is the name of one, whatever marks, digits and currency it has; else NULL."""
    plain = f"trim(regexp_replace(lower({text}), '[^\\p{{L}}]+', ' ', 'g'))"
    totals, more, subtotals, codes = ("|".join(names) for names in (_TOTAL, _TOTAL_OF, _SUBTOTAL, EXPONENTS))
    return (
        f"CASE WHEN {text} IS NULL OR length({text}) > {_MOST_WORDS} THEN NULL "
        f"WHEN regexp_full_match({plain}, '({subtotals})( .*)?') THEN 'subtotal' "
        f"WHEN regexp_full_match({plain}, '(({totals})( ({codes.lower()}))?)|(({more})( .*)?)') THEN 'total' END"
    )


def controls_sql(lines: str) -> str:
    """SQL: what the rows that state sums say of their documents' invoices, for `format.Layout.invoices_sql`.

    A row with a total is right where it is the sum of the lines since the row before it, of all lines so far, or of all there
    are. The last one that is that of all lines, or is none, is the invoice's stated total; a subtotal that is none is in doubt.

    Args:
        lines: SQL: the staged lines, with `is_control`, and `total_kind` (`kind_sql`) of those that are rows with sums.
    """
    is_sum = " OR ".join(f"abs(amount - {of}) <= {_ROUNDED}" for of in ("run", "so_far", "total"))
    return f"""
    WITH mark AS MATERIALIZED (
      SELECT document_sha256, invoice_key, file_row_number, amount, total_kind
      FROM {lines} WHERE is_control AND abs(amount) < {_MOST}
    ), line AS (
      -- Of documents without such rows, which are nearly all, nothing is looked at.
      FROM {lines} SEMI JOIN mark USING (document_sha256) WHERE NOT is_control AND abs(amount) < {_MOST}
    ), run AS (
      SELECT mark.document_sha256, mark.file_row_number, sum(line.amount) AS run
      FROM line ASOF JOIN mark
        ON mark.document_sha256 = line.document_sha256 AND line.file_row_number <= mark.file_row_number
      GROUP BY ALL
    ), total AS (
      SELECT document_sha256, sum(amount) AS total FROM line GROUP BY ALL
    ), summed AS (
      SELECT mark.*, coalesce(run.run, 0) AS run, total.total,
        sum(coalesce(run.run, 0)) OVER (PARTITION BY document_sha256 ORDER BY file_row_number) AS so_far
      FROM mark LEFT JOIN run USING (document_sha256, file_row_number) JOIN total USING (document_sha256)
    ), judged AS (
      SELECT *, {is_sum} AS is_sum, abs(amount - total) <= {_ROUNDED} AS is_of_all FROM summed
    )
    SELECT document_sha256, invoice_key,
      max_by(amount, file_row_number) FILTER (is_of_all OR (NOT is_sum AND total_kind = 'total')) AS stated_total,
      coalesce(list('its row with a subtotal of ' || {plain_sql("amount")} || ' is the sum of no lines before it'
        ORDER BY file_row_number) FILTER (NOT is_sum AND total_kind = 'subtotal'), []) AS doubts
    FROM judged GROUP BY document_sha256, invoice_key
    """


# What a line says of what it is for, beside its amount.
_WORDS = "nullif(trim(concat_ws(' ', service_name, description)), '')"
_BILLS_NO_USAGE = "quantity IS NULL AND resource_id IS NULL"
_KIND = (
    f"CASE WHEN {_BILLS_NO_USAGE} THEN coalesce({kind_sql('description')}, "
    f"CASE WHEN trim(description) = '' THEN {kind_sql('service_name')} END) END"
)
_HAS_CONTENT = (
    "NOT (charge_period_start IS NULL AND quantity IS NULL AND resource_id IS NULL AND resource_name IS NULL)"
)
_IS_BLANK = f"NOT ({_HAS_CONTENT}) AND coalesce(trim(project), '') = '' AND {_WORDS} IS NULL"

_KEY = "document_sha256, invoice_key"


@dataclass(frozen=True, slots=True)
class SumRow:
    """A row that may be a sum of others.

    Attributes:
        document_sha256: Its document.
        invoice_key: The invoice that it would be a line of.
        row: Its row in the stage.
        category: The charge category that it would count as.
        text: What is doubtful about it, in words that follow its place.
    """

    document_sha256: str
    invoice_key: str
    row: int
    category: str
    text: str


@dataclass(frozen=True, slots=True)
class _Row:
    row: int
    amount: Decimal
    category: str
    words: str | None
    kind: str | None
    run: Decimal

    @property
    def shown(self) -> str:
        """Its name and its amount."""
        name = "a row without words" if self.words is None else repr(self.words[:_MOST_WORDS])
        return f"{name} of {self.amount.normalize():f}"


def sum_rows(
    connection: duckdb.DuckDBPyConnection, lines: str, sums: Mapping[tuple[str, str], Decimal], *, advice: str
) -> list[SumRow]:
    """The rows of invoices that are in doubt, for they may be sums of other rows.

    Args:
        connection: Where the stage can be read.
        lines: SQL: the staged lines, with `file_row_number`.
        sums: The exact sum of all lines of each invoice that is looked at, by document and invoice key.
        advice: What a person does about a row that is a total: a sentence.
    """
    found: list[SumRow] = []
    with localcontext() as exact:
        exact.prec = 60
        ends, marked = _looked_at(connection, lines, sums)
        for (sha256, key), row, others in _at_ends(connection, lines, ends):
            if _is_sum(row.amount, sums[sha256, key] - row.amount, others + 1):
                what = f"{row.shown} is the sum of all other lines, and has no time, no quantity and no resource as those have"
                found.append(SumRow(sha256, key, row.row, row.category, f"{what}: a total, or a charge? {advice}"))
        for (sha256, key), rows in _marks(connection, lines, marked).items():
            for row, is_sum in _judged(rows, sums[sha256, key], marked[sha256, key]):
                what = (
                    "is the sum of other lines: a total, or a charge?"
                    if is_sum
                    else "is called a total, and is no sum of lines."
                )
                found.append(SumRow(sha256, key, row.row, row.category, f"{row.shown} {what} {advice}"))
    return found


_InvoiceKey = tuple[str, str]


def _looked_at(
    connection: duckdb.DuckDBPyConnection, lines: str, sums: Mapping[_InvoiceKey, Decimal]
) -> tuple[dict[_InvoiceKey, tuple[int, int, int]], dict[_InvoiceKey, int]]:
    """The invoices whose first or last row may be a sum, with these; and those with marked rows; each with its number of lines.

    A row is marked by its words, or by having none where other lines have some.
    """
    ends: dict[_InvoiceKey, tuple[int, int, int]] = {}
    marked: dict[_InvoiceKey, int] = {}
    rows = connection.execute(
        f"""
        SELECT {_KEY}, min(file_row_number), max(file_row_number), count(*), count({_KIND}), count_if({_HAS_CONTENT}),
          count_if({_IS_BLANK}), count_if((description <> '' OR coalesce(service_name, '') <> '') AND charge_category <> 'Tax')
        FROM {lines} GROUP BY ALL HAVING count(*) > 1
        """
    ).fetchall()
    for sha256, key, first, last, count, names, contents, blanks, worded in rows:
        if (sha256, key) not in sums:
            continue
        # Of two lines that are charged for, each is what the other one is: it takes two besides.
        if contents >= _FEWEST and contents * 2 >= count - 1:
            ends[sha256, key] = (first, last, count)
        if names or 0 < blanks <= min(worded, _MOST_MARKS):
            marked[sha256, key] = count
    return ends, marked


def _at_ends(
    connection: duckdb.DuckDBPyConnection, lines: str, ends: Mapping[_InvoiceKey, tuple[int, int, int]]
) -> list[tuple[_InvoiceKey, _Row, int]]:
    """The first and last rows that have words and nothing besides, each with the number of other lines."""
    if not ends:
        return []
    numbers = ", ".join(str(row) for first, last, _ in ends.values() for row in (first, last))
    rows = connection.execute(
        f"""
        SELECT {_KEY}, file_row_number, amount, charge_category, {_WORDS} AS words
        FROM {lines} WHERE file_row_number IN ({numbers}) AND {_WORDS} IS NOT NULL AND {_KIND} IS NULL AND NOT ({_HAS_CONTENT})
        """
    ).fetchall()
    return [
        ((sha256, key), _Row(row, amount, category, words, None, Decimal(0)), ends[sha256, key][2] - 1)
        for sha256, key, row, amount, category, words in rows
        if (sha256, key) in ends
    ]


def _marks(
    connection: duckdb.DuckDBPyConnection, lines: str, marked: Collection[_InvoiceKey]
) -> dict[_InvoiceKey, list[_Row]]:
    """The marked rows of each of these invoices in their order, each with the sum of the lines between it and the one before."""
    if not marked:
        return {}
    wanted = ", ".join(f"({text_literal(sha256)}, {text_literal(key)})" for sha256, key in marked)
    rows = connection.execute(
        f"""
        WITH line AS (
          SELECT {_KEY}, file_row_number, amount, charge_category, {_WORDS} AS words, {_KIND} AS kind, {_IS_BLANK} AS is_blank
          FROM {lines} SEMI JOIN (VALUES {wanted}) AS wanted ({_KEY}) USING ({_KEY})
        ), mark AS (
          FROM line WHERE kind IS NOT NULL OR is_blank
        ), run AS (
          SELECT mark.document_sha256, mark.invoice_key, mark.file_row_number, sum(line.amount) AS run
          FROM (FROM line WHERE kind IS NULL AND NOT is_blank) AS line
          ASOF JOIN mark ON mark.document_sha256 = line.document_sha256 AND mark.invoice_key = line.invoice_key
            AND line.file_row_number <= mark.file_row_number
          GROUP BY ALL
        )
        SELECT {_KEY}, file_row_number, amount, charge_category, words, kind, coalesce(run, 0)
        FROM mark LEFT JOIN run USING ({_KEY}, file_row_number)
        ORDER BY {_KEY}, file_row_number
        """
    ).fetchall()
    found: dict[_InvoiceKey, list[_Row]] = {}
    for sha256, key, *row in rows:
        found.setdefault((sha256, key), []).append(_Row(*row))
    return found


def _judged(marks: Sequence[_Row], total: Decimal, lines: int) -> Iterator[tuple[_Row, bool]]:
    """The marked rows of an invoice that are in doubt, and whether each is a sum of other lines.

    A sum is that of the lines since the last sum, of all lines so far, or of all there are. What has no words and is no sum is
    a line.
    """
    regular = total - sum((mark.amount for mark in marks), Decimal(0))
    so_far, since = Decimal(0), Decimal(0)
    for mark in marks:
        so_far += mark.run
        since += mark.run
        is_sum = any(_is_sum(mark.amount, of, lines) for of in (since, so_far, regular, total - mark.amount))
        if is_sum or mark.kind is not None:
            if mark.amount:
                yield mark, is_sum
            since = Decimal(0)
        else:
            so_far += mark.amount
            since += mark.amount
            regular += mark.amount


def _is_sum(amount: Decimal, of: Decimal, lines: int) -> bool:
    """Whether an amount is the sum of so many lines, each of which may have been rounded to two decimals."""
    lost = min(_ROUNDED * lines, max(_ROUNDED, abs(of) / 200))
    return bool(amount) and abs(amount - of) <= lost
