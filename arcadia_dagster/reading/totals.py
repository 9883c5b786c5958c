"""Rows that state the sum of other rows: a total that a provider, a person or a spreadsheet put below the lines, or a subtotal.

Counted as a line, such a row makes an invoice twice as large. By its words it is known for what it is (`kind_sql`), and a
format may take it for a control total. Where nobody said so, a row is in doubt that has the name of a total, or that is a sum of
other lines and says nothing of what it charges for: it has no words where the other lines have some, or no time, no quantity and
no resource where the others have, or none of its words in common with another line where none has more than words.

The amount alone says nothing: of three servers at 5, 5 and 10, the last is the sum of the others. So such a row must be the sum
of at least two lines that do not cancel out, the last one but for tax must be a sum too, as below a net amount, its tax and the
gross amount, and where lines give back, the sum must be none that comes about by round prices.

In an outline sums stand above: a row is the sum of the lines below it, up to the next one that says as little as it does. Such
a row says less than its lines do (no item, no time, no quantity), or all rows are groups of a sum and its lines.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from math import gcd

import duckdb

from arcadia_dagster.billing.currency import EXPONENTS, plain_sql
from arcadia_dagster.store.query import text_literal

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
"""What a total is called: nothing else is in its words but a currency. It is a piece of a regular expression."""

_AMOUNT_NAMES = (
    # English
    *("nett?", "gross", "amount", "net sum", "(net|gross|billed|invoice|paid|open|outstanding) amount", "amount paid"),
    *(
        "balance",
        "((previous|opening|closing|new|open|outstanding|remaining) )?balance",
        "payments?( received)?",
        "due",
    ),
    *("(to|total to|amount to|still to|to be) (pay|paid)", "payable", "paid", "outstanding"),
    # German
    *(
        "netto",
        "brutto",
        "(netto|brutto|rest|zahl|zahlungs|waren|forderungs|gesamt|saldo)?betrag",
        "(netto|brutto)summe",
    ),
    *(
        "betrag (netto|brutto)",
        "saldo",
        "saldovortrag",
        "([uü]|ue)bertrag",
        "zahlbar",
        "zahlung",
        "anzahlung",
        "bezahlt",
    ),
    *("(noch |gesamt )?zu (be)?zahlen", "(offener|f[aä]lliger|zu zahlender) betrag"),
    # French
    *(
        "montant",
        "montant (ht|ttc|net|brut|d[uû]|pay[eé]|hors taxes?)",
        "(net |montant |reste |total )?[aà] payer",
        "brut",
    ),
    *("solde", "solde d[uû]", "[aà] reporter", "paiement", "prix total", "ht", "ttc"),
    # Spanish, Portuguese
    *(
        "neto",
        "bruto",
        "importe",
        "importe (neto|bruto|debido)",
        "monto",
        "monto (total|neto|bruto)",
        "pago",
        "adeudado",
    ),
    *(
        "(importe |total |monto |valor |neto |l[ií]quido )?a pagar",
        "suma y sigue",
        "saldo (anterior|pendiente|devedor)",
    ),
    *(
        "base imponible",
        "pendiente",
        "l[ií]quido",
        "valor",
        "valor (total|bruto|l[ií]quido|devido)",
        "montante",
        "soma",
    ),
    *("pagamento", "devido", "a transportar"),
    # Italian, Dutch
    *("lordo", "importo", "importo (netto|lordo|totale|dovuto)", "imponibile", "(netto |totale |importo )?da pagare"),
    *("netto a pagare", "dovuto", "riporto", "a riportare", "(netto|bruto|totaal|rest|factuur|eind)?bedrag"),
    *(
        "(totaal |nog )?te betalen",
        "openstaand( bedrag)?",
        "verschuldigd( bedrag)?",
        "betaling",
        "betaald",
        "eindtotaal",
    ),
)
"""What a net or a gross amount, what is to be paid, what was paid and what is carried forward is called, and nothing else."""

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
    *("gesamtbetrag netto", "gesamtbetrag brutto", "(net|gross) amount", "amount (due|payable|paid|to pay|excl|incl)"),
    *("balance (due|carried|brought|forward|from)", "(carried|brought) (forward|over|down)", "nett? (payable|of|excl)"),
    *(
        "(net|gross) (before|after|incl)",
        "zu zahlen",
        "zu zahlender betrag",
        "saldo vom",
        "nettobetrag",
        "bruttobetrag",
    ),
    *("montant (total|net|brut|d[uû]|[aà] payer)", "net [aà] payer", "total [aà] payer", "importe (total|a pagar)"),
    *(
        "total a pagar",
        "valor (total|a pagar)",
        "totale (da pagare|fattura)",
        "importo (totale|da pagare)",
        "te betalen",
    ),
    *("totaal (te betalen|excl|incl)",),
)
"""What it is called with more words behind: `Total for April`, `Total incl. VAT`."""

_PAYMENT = (
    *(
        "payments? (received|made|applied|charged|thank|thanks|by|via|with|from|on|ref|reference|paypal|visa|card)( .*)?",
        "payments?",
    ),
    *("(your|last|previous|online|automatic|auto|credit card|card|paypal|bank|wire|ach|sepa)( card)? payments?( .*)?",),
    *("(thank you for (your )?|received )payments?( .*)?", "paid (by|via|with|on)( .*)?"),
    *(
        "(ihre )?(zahlung|zahlungseingang|[uü]berweisung|lastschrift)( (erhalten|eingegangen|vom|per|von|durch|vielen|danke).*)?",
    ),
    *("(votre )?(paiement|r[eè]glement)( (re[cç]u|par|du|merci).*)?", "(su )?pago( (recibido|por|con|gracias).*)?"),
    *("pagamento( (recebido|ricevuto|por|con|via|obrigado|grazie).*)?", "betaling( (ontvangen|via|per|door).*)?"),
)
"""What a payment is called, which is no part of what is invoiced: `Payment received - thank you`."""

_SUBTOTAL = (
    *("subtotals?", "sub totals?", "zwischensumme", "sous total", "subtotale", "sub totale", "subtotaal", "teilsumme"),
    *("小計", "小计", "소계"),
)
"""What a subtotal is called, with any words behind: `Subtotal Compute`."""

_MOST_WORDS = 60
"""A longer text is no name of a total. Looking at its length first spares most lines the rest."""

_CORES = (
    "tot|sum|som|gesamt|betr|bedr|betaa|betal|zahl|nett|net|brut|gross|amount|balance|saldo|bertrag|pay|pai|due|dov|outstanding|"
    "montant|mont|imp|neto|adeud|valor|quido|pag|pend|devid|lord|riport|report|soma|uma|transport|openstaand|verschuldigd|sold|prix|"
    "carried|brought|ht|ttc|razem|celkem|итого|всего|合|总|總|합|총|小|소"
)
"""What is in every name above, in small letters. Looking for it first spares nearly all other texts the rest: of a million lines
0.7 s of 0.9 (2026-11-29)."""

_MOST_MARKS = 1_000
"""A document with more rows without words has none that says nothing."""

_FEWEST = 2
_DECIMALS = 18

_MOST = 10**12
"""What an amount that is summed is less than, so that the sum of any document's fits; a document with more is rejected, or its
total differs."""

_ROUNDED = Decimal("0.005")
"""How much a total may differ for each line that was rounded to two decimals; by half a percent in all at most."""


def kind_sql(text: str) -> str:
    """SQL: `total` or `subtotal` where the text is the name of one, whatever marks, digits and currency it has; else NULL."""
    totals, more, subtotals, codes = (
        "|".join(names) for names in ((*_TOTAL, *_AMOUNT_NAMES), _TOTAL_OF, _SUBTOTAL, EXPONENTS)
    )
    plain = _words_sql(text)
    return (
        f"CASE WHEN length({text}) <= {_MOST_WORDS} AND regexp_matches(lower({text}), '{_CORES}') THEN "
        f"CASE WHEN regexp_full_match({plain}, '({subtotals})( .*)?') THEN 'subtotal' "
        f"WHEN regexp_full_match({plain}, '(({totals})( ({codes.lower()}))?)|(({more})( .*)?)') THEN 'total' END END"
    )


def is_payment_sql(text: str) -> str:
    """SQL: whether the text is the name of a payment, whatever marks and digits it has."""
    return f"(length({text}) <= {_MOST_WORDS} AND regexp_full_match({_words_sql(text)}, '({'|'.join(_PAYMENT)})'))"


def _words_sql(text: str) -> str:
    """SQL: the text's words of letters, small, with one space between them."""
    return f"trim(regexp_replace(lower({text}), '[^\\p{{L}}]+', ' ', 'g'))"


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
# A CASE, for of an AND both sides are made for every line, and words cost more than whether there is more than words.
_IS_BLANK = f"CASE WHEN {_HAS_CONTENT} THEN false ELSE coalesce(trim(project), '') = '' AND {_WORDS} IS NULL END"
_IS_BARE = f"CASE WHEN {_HAS_CONTENT} OR charge_category = 'Tax' THEN false ELSE {_WORDS} IS NOT NULL END"

_WORD = re.compile(r"[^\W\d_]{2,}")
_SAYS_TOTAL = re.compile(
    r"total|summe|betrag|netto|brutto|sald[oi]|bedrag|importe?|montant|\b(net|gross|sum|due|balance|neto|bruto|valor)\b"
)
"""What makes a row unlike the line with which it has its first word in common: `Server total` is no server."""

_DETAIL = (
    "100 * (CAST(trim(description) <> '' AS INTEGER) + CAST(coalesce(trim(service_name), '') <> '' AS INTEGER) "
    "+ CAST(coalesce(trim(project), '') <> '' AS INTEGER)) + least(length(description) - length(ltrim(description)), 99)"
)

_ROUND = 20
"""An amount of fewer units of what all amounts are multiples of may be the sum of others by chance, where some give back."""

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
    """A row that may be a sum, with what stands between it and the one before.

    Attributes:
        kind: What its words call it, see `kind_sql`; None where they are no name of a total.
        is_blank: Whether it has nothing but its amount.
        run: The sum of the lines in between.
        run_lines: How many these are.
        detail: How much it says: how many of its fields are filled, then how far its words are indented.
        below: The sum of the lines between it and the next such row, without tax.
        below_lines: How many these are.
    """

    row: int
    amount: Decimal
    category: str
    words: str | None
    kind: str | None
    is_blank: bool
    run: Decimal
    run_lines: int
    detail: int
    below: Decimal
    below_lines: int

    @property
    def is_bare(self) -> bool:
        """Whether it has words, which are no name of a total, and nothing else."""
        return self.kind is None and not self.is_blank

    @property
    def shown(self) -> str:
        """Its name and its amount."""
        name = "a row without words" if self.words is None else repr(self.words[:_MOST_WORDS])
        return f"{name} of {self.amount.normalize():f}"


@dataclass(frozen=True, slots=True)
class _ExaminedInvoice:
    """An invoice that is looked at.

    Attributes:
        lines: How many lines it has.
        is_rich: Whether most of them have a time, a quantity or a resource.
        has_tail: Whether its last line but for tax is one with these.
    """

    lines: int
    is_rich: bool
    has_tail: bool


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
    doubtful: list[SumRow] = []
    with localcontext() as exact:
        exact.prec = 60
        looked_at = _looked_at(connection, lines, sums)
        for (sha256, key), rows in _marks(connection, lines, looked_at).items():
            doubtful_rows = [*_doubtful_rows(rows, sums[sha256, key], looked_at[sha256, key])]
            found = {row.row for row, _ in doubtful_rows}
            above = [(row, True) for row in _sums_above(rows, looked_at[sha256, key].lines) if row.row not in found]
            for row, is_sum in (*doubtful_rows, *above):
                what = (
                    "is the sum of other lines: a total, or a charge?"
                    if is_sum
                    else "is called a total, and is no sum of lines."
                )
                doubtful.append(SumRow(sha256, key, row.row, row.category, f"{row.shown} {what} {advice}"))
    return doubtful


_InvoiceKey = tuple[str, str]


def _looked_at(
    connection: duckdb.DuckDBPyConnection, lines: str, sums: Mapping[_InvoiceKey, Decimal]
) -> dict[_InvoiceKey, _ExaminedInvoice]:
    """The invoices with rows that may be sums: by their words, by having none where others have some, or by having only some."""
    invoices: dict[_InvoiceKey, _ExaminedInvoice] = {}
    rows = connection.execute(
        f"""
        SELECT {_KEY}, count(*), count(kind), count_if(has_content), count_if(is_blank), count_if(is_bare), count_if(is_worded),
          coalesce(max(file_row_number) FILTER (has_content AND charge_category <> 'Tax'), -1)
            > coalesce(max(file_row_number) FILTER (is_bare OR is_blank), -1)
        FROM (
          SELECT {_KEY}, file_row_number, charge_category, {_KIND} AS kind, {_HAS_CONTENT} AS has_content,
            {_IS_BLANK} AS is_blank, {_IS_BARE} AS is_bare,
            charge_category <> 'Tax' AND (description <> '' OR coalesce(service_name, '') <> '') AS is_worded
          FROM {lines}
        ) GROUP BY ALL HAVING count(*) > 1
        """
    ).fetchall()
    for sha256, key, count, names, contents, blanks, bare, worded, has_tail in rows:
        is_rich = contents >= _FEWEST and contents * 2 >= count - 1
        has_blanks = 0 < blanks <= min(worded, _MOST_MARKS)
        # Of two lines each is what the other one is.
        has_bare = 0 < bare <= _MOST_MARKS and count > _FEWEST
        if (sha256, key) in sums and (names or has_blanks or has_bare):
            invoices[sha256, key] = _ExaminedInvoice(count, is_rich, has_tail)
    return invoices


def _marks(
    connection: duckdb.DuckDBPyConnection, lines: str, looked_at: Collection[_InvoiceKey]
) -> dict[_InvoiceKey, list[_Row]]:
    """The rows that may be sums of each of these invoices, in their order, with what lies between each and the one before."""
    if not looked_at:
        return {}
    wanted = ", ".join(f"({text_literal(sha256)}, {text_literal(key)})" for sha256, key in looked_at)
    rows = connection.execute(
        f"""
        WITH line AS (
          SELECT {_KEY}, file_row_number, amount, charge_category, {_WORDS} AS words, {_KIND} AS kind, {_IS_BLANK} AS is_blank,
            kind IS NOT NULL OR is_blank OR {_IS_BARE} AS is_mark, {_DETAIL} AS detail
          FROM {lines} SEMI JOIN (VALUES {wanted}) AS wanted ({_KEY}) USING ({_KEY})
        ), mark AS (
          FROM line WHERE is_mark
        ), run AS (
          SELECT mark.document_sha256, mark.invoice_key, mark.file_row_number, sum(line.amount) AS run,
            count_if(line.amount <> 0) AS run_lines
          FROM (FROM line WHERE NOT is_mark) AS line
          ASOF JOIN mark ON mark.document_sha256 = line.document_sha256 AND mark.invoice_key = line.invoice_key
            AND line.file_row_number <= mark.file_row_number
          GROUP BY ALL
        ), below AS (
          SELECT mark.document_sha256, mark.invoice_key, mark.file_row_number, sum(line.amount) AS below,
            count_if(line.amount <> 0) AS below_lines
          FROM (FROM line WHERE NOT is_mark AND charge_category <> 'Tax') AS line
          ASOF JOIN mark ON mark.document_sha256 = line.document_sha256 AND mark.invoice_key = line.invoice_key
            AND line.file_row_number >= mark.file_row_number
          GROUP BY ALL
        )
        SELECT {_KEY}, file_row_number, amount, charge_category, words, kind, is_blank, coalesce(run, 0), coalesce(run_lines, 0),
          detail, coalesce(below, 0), coalesce(below_lines, 0)
        FROM mark LEFT JOIN run USING ({_KEY}, file_row_number) LEFT JOIN below USING ({_KEY}, file_row_number)
        ORDER BY {_KEY}, file_row_number
        """
    ).fetchall()
    marks: dict[_InvoiceKey, list[_Row]] = {}
    for sha256, key, *row in rows:
        marks.setdefault((sha256, key), []).append(_Row(*row))
    return marks


def _doubtful_rows(marks: Sequence[_Row], total: Decimal, looked: _ExaminedInvoice) -> Iterator[tuple[_Row, bool]]:
    """The rows of an invoice that are in doubt, and whether each is a sum of other lines.

    A sum is that of the lines since the last sum, of all lines so far, or of all there are.
    """
    unlike = marks if looked.is_rich else _unlike(marks)
    bare = [mark for mark in marks if mark.is_bare]
    doubtful = _doubtful_wordy_rows(marks, total, looked, frozenset(mark.row for mark in unlike if mark.is_bare))
    sums = {mark.row for mark, is_sum in doubtful if is_sum}
    # A sum in the middle, of which nothing says that it is one, is one where what follows is summed too.
    is_summed_up = bool(bare) and not looked.has_tail and marks[-1].row in {mark.row for mark, _ in doubtful}
    if (
        any(mark.row in sums for mark in bare)
        and not is_summed_up
        and not (bare[0] is marks[0] and bare[0].row in sums)
    ):
        doubtful = _doubtful_wordy_rows(marks, total, looked, frozenset())
    yield from doubtful


def _doubtful_wordy_rows(
    marks: Sequence[_Row], total: Decimal, looked: _ExaminedInvoice, may_be_sums: frozenset[int]
) -> list[tuple[_Row, bool]]:
    """The rows that are in doubt if these, which have no more than words, may be sums."""
    lines, others = looked.lines, total - sum((mark.amount for mark in marks if not mark.is_bare), Decimal(0))
    first = marks[0]
    doubtful: list[tuple[_Row, bool]] = []
    if first.row in may_be_sums and not first.run_lines and not first.run:
        rest = [mark.amount for mark in marks[1:] if mark.is_bare]
        if _is_sum(first.amount, others - first.amount, lines) and (
            looked.is_rich or _proves(first.amount, rest, lines - len(marks))
        ):
            doubtful.append((first, True))
    regular = others
    so_far, since = Decimal(0), Decimal(0)
    amounts: list[Decimal] = []
    begun, counted, counted_since = 0, 0, 0
    for mark in marks:
        so_far, since = so_far + mark.run, since + mark.run
        counted, counted_since = counted + mark.run_lines, counted_since + mark.run_lines
        if doubtful and doubtful[0][0] is mark:
            continue
        if mark.is_bare:
            is_sum = mark.row in may_be_sums and (
                (_is_sum(mark.amount, so_far, lines) and _proves(mark.amount, amounts, counted))
                or (_is_sum(mark.amount, since, lines) and _proves(mark.amount, amounts[begun:], counted_since))
            )
        else:
            is_sum = any(_is_sum(mark.amount, of, lines) for of in (since, so_far, regular, total - mark.amount))
        if is_sum or mark.kind is not None:
            if mark.amount:
                doubtful.append((mark, is_sum))
            since, begun, counted_since = Decimal(0), len(amounts), 0
        else:
            so_far, since = so_far + mark.amount, since + mark.amount
            amounts.append(mark.amount)
            if mark.is_blank:
                regular += mark.amount
    return doubtful


def _sums_above(marks: Sequence[_Row], lines: int) -> list[_Row]:
    """The rows of an outline that are the sums of the lines below them."""
    rows = [mark for mark in marks if mark.kind is None and mark.category != "Tax"]
    return _of_outline(rows, lines) or _of_groups(rows, lines)


def _of_outline(rows: Sequence[_Row], lines: int) -> list[_Row]:
    """Those that say less than each of the lines that they are the sums of."""
    found: list[_Row] = []
    is_proved = False
    # Of each row: what it and the lines below it come to, and the row behind its group. A group within a group is one amount.
    comes_to = [row.amount + row.below for row in rows]
    behind = list(range(1, len(rows) + 1))
    for index in range(len(rows) - 1, -1, -1):
        row, at, parts = rows[index], index + 1, []
        while at < len(rows) and rows[at].detail > row.detail:
            parts.append(comes_to[at])
            at = behind[at]
        if row.amount and _is_sum(row.amount, row.below + sum(parts, Decimal(0)), lines):
            comes_to[index], behind[index] = row.amount, at
            found.append(row)
            is_proved = is_proved or _proves(row.amount, parts, row.below_lines)
    return found[::-1] if is_proved else []


def _of_groups(rows: Sequence[_Row], lines: int) -> list[_Row]:
    """Those of a table in which all rows say as much: nothing but several groups of a sum and at least two lines."""
    found: list[_Row] = []
    at = 0
    unlike = {row.row for row in _unlike(rows)}
    while at < len(rows):
        first, since, end = rows[at], Decimal(0), at + 1
        while end < len(rows) and not _is_sum(first.amount, since, lines):
            since += rows[end].amount + rows[end].below
            end += 1
        if first.row not in unlike or end - at <= _FEWEST or first.below or not _is_sum(first.amount, since, lines):
            return []
        found.append(first)
        at = end
    return found if len(found) > 1 else []


def _unlike(marks: Sequence[_Row]) -> list[_Row]:
    """The rows whose words are not those of another one: of `web-01` and `web-02` each is like the other."""
    firsts = [_WORD.findall((mark.words or "").lower())[:1] for mark in marks]
    counts = Counter(first[0] for first in firsts if first)
    return [
        mark
        for mark, first in zip(marks, firsts, strict=True)
        if not first or counts[first[0]] == 1 or _SAYS_TOTAL.search((mark.words or "").lower())
    ]


def _proves(amount: Decimal, others: Sequence[Decimal], further: int) -> bool:
    """Whether an amount is the sum of so many that this is no chance.

    Args:
        amount: The amount.
        others: What it is the sum of, as far as that is known one by one.
        further: How many further lines it is the sum of.
    """
    counts = Counter(other for other in others if other)
    left = [other for other in counts.elements() if counts[other] > counts[-other]]
    if further + len(left) < _FEWEST:
        return False
    if further or min(left) > 0 or max(left) < 0:
        return True
    # DECIMAL(38,18): as integers of its last digit they have a greatest common divisor.
    unit = gcd(*(int(value.scaleb(_DECIMALS)) for value in (amount, *left)))
    return abs(int(amount.scaleb(_DECIMALS))) >= _ROUND * unit


def _is_sum(amount: Decimal, of: Decimal, lines: int) -> bool:
    """Whether an amount is the sum of so many lines, each of which may have been rounded to two decimals."""
    lost = min(_ROUNDED * lines, max(_ROUNDED, abs(of) / 200))
    return bool(amount) and abs(amount - of) <= lost
