"""Lines that bring invoices to their stated totals: a part of the stage `cost_lines`.

Such lines need one of three reasons: the control file beside a document states the tax that the document leaves out; a rule of
`sources.toml` tolerates the difference; or a person has released the invoice as it is stated. Nothing else changes the sum of
the lines.
"""

from collections.abc import Collection, Iterator
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

import duckdb

from arcadia_dagster.billing.adjustment import TAX, Stated
from arcadia_dagster.billing.advice import dismiss_sql
from arcadia_dagster.billing.currency import exponents_sql, plain_sql, to_minor_sql
from arcadia_dagster.billing.tax import is_before_tax_sql
from arcadia_dagster.landing.control_totals import ONE_IS_WRONG
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import month_list
from arcadia_dagster.warehouse.relations import ruled_sql
from arcadia_dagster.warehouse.rows import insert

_PRECISION = 60

_BY_FILE = "FILTER (stated_by IS NOT NULL)"

STATED_BY = "string_agg(DISTINCT stated_by, ' and ' ORDER BY stated_by)"
"""SQL: the control files and the issuer's documents that state an invoice's total; NULL where there are none."""

_IS_FILE = "lower(stated_by) LIKE '%.total'"

STATED_BY_FILE = f"string_agg(DISTINCT stated_by, ' and ' ORDER BY stated_by) FILTER ({_IS_FILE})"
"""SQL: the control files among these, which a person wrote."""

STATED_BY_ISSUER = f"string_agg(DISTINCT stated_by, ' and ' ORDER BY stated_by) FILTER (NOT {_IS_FILE})"
"""SQL: the documents among these in which the issuer states it."""

DISMISSES = f"array_to_string(list_sort(list(DISTINCT {dismiss_sql()}) FILTER (NOT {_IS_FILE})), ' or ')"
"""SQL: the commands that dismiss these documents."""

_WHICH_IS_WRONG = f"""CASE WHEN count(*) FILTER (NOT {_IS_FILE}) = 0 THEN '{ONE_IS_WRONG}'
  ELSE 'one of them is wrong: drop the right document again, or take the wrong one out: ' || {DISMISSES}
    || CASE WHEN count(*) FILTER ({_IS_FILE}) > 0 THEN '; or write the word none into the file, if that is wrong' ELSE '' END
  END"""
"""SQL: what a person does where several state different totals of one invoice."""

_IN_SEVERAL_CURRENCIES = "bool_or(is_statement) AND count(DISTINCT currency) > 1"

STATED_TOTAL = f"""CASE
  WHEN {_IN_SEVERAL_CURRENCIES} THEN NULL
  WHEN count(stated_by) > 0 THEN CASE WHEN count(DISTINCT stated_total) {_BY_FILE} = 1 THEN max(stated_total) {_BY_FILE} END
  WHEN count(stated_total) < count(*) THEN NULL
  WHEN count(DISTINCT stated_total) = 1 AND abs(max(stated_total) - sum(lines_total)) < 0.005 THEN max(stated_total)
  ELSE sum(stated_total) END"""
"""SQL: the stated total of an invoice, over the documents that state it together; NULL where there is none. A control total is
that of the whole invoice, beside any of its parts. Documents state the totals of their own parts, unless all of them state the
same total of the whole.
"""

STATED_TAX = f"""CASE
  WHEN {_IN_SEVERAL_CURRENCIES} THEN NULL
  WHEN count(stated_by) > 0 THEN CASE WHEN count(DISTINCT stated_tax) {_BY_FILE} = 1 THEN max(stated_tax) {_BY_FILE} END
  WHEN count(stated_tax) < count(*) THEN NULL
  WHEN count(DISTINCT stated_total) = 1 AND count(DISTINCT stated_tax) = 1
    AND abs(max(stated_total) - sum(lines_total)) < 0.005 THEN max(stated_tax)
  ELSE sum(stated_tax) END"""
"""SQL: the same of its tax."""

STATED_PROBLEM = f"""CASE
  WHEN {_IN_SEVERAL_CURRENCIES}
  THEN 'its documents have several currencies (' ||
    string_agg(DISTINCT file_name || ': ' || currency, ', ' ORDER BY file_name || ': ' || currency) ||
    '): amounts of different currencies are not compared. Ask for the statement in the currency that is invoiced; until then: ' ||
    {DISMISSES}
  WHEN count(stated_problem) > 0 THEN string_agg(DISTINCT stated_problem, '; ' ORDER BY stated_problem)
  WHEN count(DISTINCT stated_total) {_BY_FILE} > 1 OR count(DISTINCT stated_tax) {_BY_FILE} > 1
  THEN array_to_string(list_sort(list(DISTINCT stated_by || ' states ' || coalesce(currency || ' ', '')
    || {plain_sql("stated_total")} || coalesce(' tax ' || {plain_sql("stated_tax")}, '')) {_BY_FILE}), ', ') || ': '
    || {_WHICH_IS_WRONG}
  WHEN count(stated_by) = 0 AND count(stated_total) BETWEEN 1 AND count(*) - 1
  THEN 'only some of the files that state it together have one (' || min(file_name) FILTER (stated_total IS NOT NULL) ||
    ' has, and ' || min(file_name) FILTER (stated_total IS NULL) || ' has not): write that of the whole invoice into ' ||
    min(file_name) FILTER (stated_total IS NULL) || '.total beside it' END"""
"""SQL: why the stated total cannot be used, and what to do; NULL where it can be used."""


def add_what_is_stated(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> None:
    """Add the lines that bring the months' invoices to their stated totals, within the caller's transaction.

    `cost_lines` must have the months' lines as their documents state them.
    """
    # Most months state nothing beside their lines, and DuckDB takes 30 ms to plan what follows (2026-11-28).
    [(has_totals, has_statements)] = connection.execute(
        "SELECT count(stated_total) > 0, count_if(is_statement) > 0 "
        f"FROM current_invoices WHERE invoice_month IN ({month_list(months)})"
    ).fetchall()
    differing = _differing(connection, months) if has_totals else []
    insert(connection, schema.COST_LINES, [line for row in differing for line in _lines(row)])
    only_stated = _only_stated(connection, months) if has_statements else []
    insert(connection, schema.COST_LINES, [line for row in only_stated for line in _stated_lines(row)])


def differing_sql(invoices: str) -> str:
    """SQL: the invoices whose lines differ from their stated totals, with the fields of `billing.adjustment.Stated`.

    Args:
        invoices: SQL: a condition on `source`, `account_id`, `external_id` and `invoice_month`: which are looked at.
    """
    return f"""
    WITH invoice AS (
      SELECT source, account_id, external_id, invoice_month,
        arg_max(document_sha256, (received_at, document_sha256)) FILTER (NOT coalesce(is_statement, false))
          AS document_sha256,
        arg_max(invoice_ordinal, (received_at, document_sha256)) FILTER (NOT coalesce(is_statement, false))
          AS invoice_ordinal,
        {STATED_TOTAL} AS stated_total, {STATED_TAX} AS stated_tax, bool_or(lacks_tax) AS lacks_tax,
        {STATED_BY} AS stated_by
      FROM current_invoices WHERE {invoices} GROUP BY ALL
      HAVING {STATED_TOTAL} IS NOT NULL AND ({STATED_PROBLEM}) IS NULL
    ), line AS (
      SELECT source, account_id, external_id, any_value(currency) AS currency, sum(amount) AS gross,
        coalesce(sum(amount) FILTER (charge_category = 'Tax'), 0) AS tax,
        count(*) FILTER (charge_category = 'Tax') AS tax_lines,
        coalesce(sum(amount) FILTER (tax_basis <> 'description'), 0) AS named_tax
      FROM cost_lines SEMI JOIN invoice USING (source, account_id, external_id)
      WHERE {invoices} AND added_by IS NULL
      GROUP BY ALL HAVING count(DISTINCT currency) = 1
    )
    SELECT invoice.*, line.* EXCLUDE (source, account_id, external_id, named_tax), ruled.tolerance, ruled.tolerance_reason,
      {
        is_before_tax_sql(
            lacks_tax="invoice.lacks_tax",
            source="invoice.source",
            tax="line.named_tax",
            gross="line.gross",
            rule="ruled.tax",
        )
    } AS is_before_tax
    FROM invoice JOIN line USING (source, account_id, external_id)
    JOIN {exponents_sql()} AS iso USING (currency)
    LEFT JOIN ({ruled_sql("invoice")}) AS ruled USING (source, account_id)
    WHERE {to_minor_sql("stated_total", "exponent")} <> {to_minor_sql("line.gross", "exponent")}
      OR {to_minor_sql("stated_tax", "exponent")} <> {to_minor_sql("line.tax", "exponent")}
    """


class NotStatedError(ValueError):
    """There is no stated total that finance could get in place of the lines' sum; the message says why, and what to do."""


def stated_figures(connection: duckdb.DuckDBPyConnection, invoice: InvoiceKey) -> tuple[Decimal, Decimal | None]:
    """The total and the tax (None: nothing is said of it) that an invoice states, in major units.

    Raises:
        NotStatedError: It states none that differ from its lines, or none that can be booked.
    """
    external_id = invoice.external_id
    rows = fetch(connection, differing_sql(invoice.condition))
    if not rows:
        raise NotStatedError(
            f"{external_id}: no stated total differs from the sum of its lines. Release it without --as-stated; or write what is "
            "invoiced, such as EUR 119.00 tax 19.00, into a file beside its document, with .total after its name"
        )
    stated = stated_of(rows[0])
    if not stated.is_in_minor_units:
        raise NotStatedError(
            f"{external_id}: {_figures(rows[0])} has more decimals than {stated.currency} has; write it as it is invoiced into "
            "a file beside its document, with .total after its name"
        )
    if stated.lacks_its_tax:
        raise NotStatedError(
            f"{external_id}: its lines have no tax, and no document states which part of {_figures(rows[0])} is tax: write it, "
            f"such as {stated.currency} 119.00 tax 19.00, into a file beside its document, with .total after its name; tax 0 "
            "says that there is none"
        )
    return stated.stated_total, stated.stated_tax


def stated_of(row: dict[str, Any]) -> Stated:
    """A row of `differing_sql`."""
    return Stated(
        row["currency"],
        row["gross"],
        row["tax"],
        row["tax_lines"],
        row["stated_total"],
        row["stated_tax"],
        is_before_tax=row["is_before_tax"],
        says_tax_besides=row["stated_by"] is not None,
    )


def _differing(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> list[dict[str, Any]]:
    in_months = f"invoice_month IN ({month_list(months)})"
    return fetch(
        connection,
        f"""
        SELECT found.*, released.decided_by, released.reason AS release_reason
        FROM ({differing_sql(in_months)}) AS found
        LEFT JOIN (
          SELECT source, account_id, external_id, document_sha256, stated_total, stated_tax,
            arg_max(decided_by, decided_at) AS decided_by, arg_max(reason, decided_at) AS reason
          FROM releases WHERE stated_total IS NOT NULL GROUP BY ALL
        ) AS released
          ON released.source = found.source AND released.account_id = found.account_id
          AND released.external_id = found.external_id AND released.document_sha256 = found.document_sha256
          AND released.stated_total = found.stated_total AND released.stated_tax IS NOT DISTINCT FROM found.stated_tax
        ORDER BY ALL
        """,
    )


def _only_stated(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> list[dict[str, Any]]:
    """The invoices whose lines no document has, with their stated totals."""
    return fetch(
        connection,
        f"""
        SELECT source, account_id, external_id, invoice_month, any_value(currency) AS currency,
          arg_max(document_sha256, (received_at, document_sha256)) AS document_sha256,
          arg_max(invoice_ordinal, (received_at, document_sha256)) AS invoice_ordinal,
          {STATED_TOTAL} AS stated_total, {STATED_TAX} AS stated_tax, coalesce({STATED_BY}, any_value(file_name)) AS stated_by
        FROM current_invoices WHERE invoice_month IN ({month_list(months)}) GROUP BY ALL
        HAVING bool_and(coalesce(is_statement, false)) AND count(DISTINCT currency) = 1
        ORDER BY ALL
        """,
    )


def _stated_lines(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Lines in place of the unknown ones: the stated net amount, and the tax."""
    total, tax = row["stated_total"] or Decimal(0), row["stated_tax"] or Decimal(0)
    with localcontext(prec=_PRECISION):
        amounts = {"Purchase": total - tax, TAX: tax}
    for place, (category, amount) in enumerate(amounts.items()):
        if category == TAX and not amount:
            continue
        yield {
            **_line_of(row, place),
            "charge_category": category,
            "service_name": "Tax" if category == TAX else "As stated",
            "description": f"{'tax' if category == TAX else 'net'}, as {row['stated_by']} states it: its lines are not known",
            "amount": amount,
            "tax_basis": "stated" if category == TAX else None,
            "added_by": f"{row['stated_by']} states {_figures(row) if row['stated_total'] is not None else 'no total'}",
        }


def _line_of(row: dict[str, Any], place: int) -> dict[str, Any]:
    return {
        "document_sha256": row["document_sha256"],
        # No record of the document; two for each invoice that it may state.
        "line_number": -(2 * row["invoice_ordinal"]) + place,
        **{name: row[name] for name in ("source", "account_id", "external_id", "invoice_month", "currency")},
        "is_tax_doubtful": False,
        "match_method": "none",
    }


def _lines(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    stated = stated_of(row)
    added_by = _added_by(row, stated)
    if added_by is None:
        return
    for place, (category, amount) in enumerate(stated.adjustment().items()):
        is_tax = category == TAX
        yield {
            **_line_of(row, place),
            "charge_category": category,
            "service_name": "Tax" if is_tax else "Rounding",
            "description": _words(row, is_tax=is_tax),
            "amount": amount,
            "tax_basis": "stated" if is_tax else None,
            "added_by": added_by,
        }


def _added_by(row: dict[str, Any], stated: Stated) -> str | None:
    """The reason to bring the invoice to its stated total; None where nobody has decided it."""
    by = f"{row['stated_by']} states {_figures(row)}" if row["stated_by"] else f"its document states {_figures(row)}"
    tolerance = row["tolerance"]
    if stated.is_completed_by_tax():
        return by
    if tolerance is not None and (stated.is_completed_by_tax(tolerance) or stated.is_tolerated(tolerance)):
        return f"{by}; a rule of sources.toml tolerates {_plain(tolerance)} ({row['tolerance_reason']})"
    if row["decided_by"] is not None and stated.is_in_minor_units and not stated.lacks_its_tax:
        return f"{by}; released as stated by {row['decided_by']}: {row['release_reason']}"
    return None


def _figures(row: dict[str, Any]) -> str:
    tax = "" if row["stated_tax"] is None else f" tax {_plain(row['stated_tax'])}"
    return f"{row['currency']} {_plain(row['stated_total'])}{tax}"


def _words(row: dict[str, Any], *, is_tax: bool) -> str:
    """What the line is, as people read it."""
    if not is_tax:
        return f"rounding: {_figures(row)} is stated, and its lines come to {_plain(row['gross'])}"
    lines = f"and its tax lines come to {_plain(row['tax'])}" if row["tax_lines"] else "and it has no line of tax"
    return f"tax: {_figures(row)} is stated, {lines}"


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
