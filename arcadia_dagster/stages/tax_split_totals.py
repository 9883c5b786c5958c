"""The stage `tax_split_totals`: gross, net and tax of each invoice, and whether it may be pushed."""

from collections.abc import Collection
from datetime import date

import duckdb

from arcadia_dagster.billing.currency import exponents_sql, to_minor_sql
from arcadia_dagster.billing.readiness import reasons, reasons_sql
from arcadia_dagster.landing.deliveries import NO_PROBLEMS, NOTHING_LISTED, has_manifests, listed_sql, problems_sql
from arcadia_dagster.stages.allocations import build_allocations
from arcadia_dagster.stages.due import MonthRange, due_months
from arcadia_dagster.warehouse import WarehouseError, schema
from arcadia_dagster.warehouse.months import month_list, replace, stale, versions


def build_tax_split_totals(
    connection: duckdb.DuckDBPyConnection, months: Collection[date], range_: MonthRange
) -> set[date]:
    """Replace the months of `tax_split_totals`, and of `allocations`, within the caller's transaction.

    Returns:
        The months that were built: see `due_months`. Where another run is just replacing the lines of a month, it is
        left as it is: that run will build its totals.

    Raises:
        WarehouseError: See `replace`; also where the totals do not add up, which is a defect.
    """
    wanted = due_months(connection, schema.TAX_SPLIT_TOTALS.name, months, range_)
    wanted -= stale(connection, schema.COST_LINES.name)
    seen = versions(connection, schema.COST_LINES.name, wanted)
    replace(
        connection,
        schema.TAX_SPLIT_TOTALS,
        wanted,
        _totals_sql(wanted, range_, has_manifests=has_manifests(connection)),
        # A month without a partition stays stale: it is due by itself on the day that it has one.
        built_from={month: version if month in range_ else 0 for month, version in seen.items()},
    )
    if unequal := unreconciled(connection, wanted):
        raise WarehouseError(f"tax_split_totals: {unequal[0]}; nothing was written. This is a defect: report it")
    build_allocations(connection, wanted)
    return wanted


def unreconciled(connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None) -> list[str]:
    """The invoices whose totals do not add up to their lines, each in a sentence.

    Without `months`, of all months but those that a run is just building, or has left half built: there the tables differ
    until the totals are built too, and nothing of them is pushed before.

    They can only differ by a defect of ours: net and tax must sum to gross, lines to the unrounded sums, and the lines be
    as many as the document states.
    """
    if months is None:
        behind = stale(connection, schema.COST_LINES.name) | stale(connection, schema.TAX_SPLIT_TOTALS.name)
        only = f"NOT IN ({month_list(behind)})" if behind else "IS NOT NULL"
    else:
        only = f"IN ({month_list(months)})"
    rows = connection.execute(
        f"""
        WITH line AS (
          SELECT source, account_id, external_id, invoice_month, count(*) AS line_count, sum(amount) AS amount,
            count(DISTINCT currency) AS currencies
          FROM cost_lines GROUP BY ALL
        ), stated AS (
          SELECT source, account_id, external_id, sum(line_count) AS line_count
          FROM raw_invoices WHERE status = 'current' GROUP BY ALL
        )
        SELECT coalesce(total.external_id, line.external_id), total.amount_gross_minor, total.amount_net_minor,
          total.amount_tax_minor, total.line_count, line.line_count, stated.line_count, total.amount_gross, line.amount
        FROM tax_split_totals AS total
        FULL JOIN line USING (source, account_id, external_id, invoice_month)
        LEFT JOIN stated
          ON stated.source = total.source AND stated.account_id = total.account_id
          AND stated.external_id = total.external_id
        WHERE coalesce(total.invoice_month, line.invoice_month) {only} AND (
          coalesce(total.line_count, -1) <> coalesce(line.line_count, -1)
          OR coalesce(total.line_count, -1) <> coalesce(stated.line_count, -1)
          OR (line.currencies = 1 AND total.amount_gross IS DISTINCT FROM line.amount)
          OR total.amount_gross_minor <> total.amount_net_minor + total.amount_tax_minor)
        """
    ).fetchall()
    return [
        f"invoice {external_id}: gross {gross}, net {net}, tax {tax} minor units; {counted} lines in its totals, {lines} in "
        f"cost_lines, {stated} stated; unrounded {unrounded} against {summed}"
        for external_id, gross, net, tax, counted, lines, stated, unrounded, summed in rows
    ]


def _totals_sql(months: Collection[date], range_: MonthRange, *, has_manifests: bool) -> str:
    """One row an invoice. Rounding happens here, once: gross = round(all), tax = round(tax lines), net = gross - tax."""
    months_ = month_list(months)
    found = reasons(first_month=range_.first, last_month=range_.last)
    return f"""
    WITH line AS (
      SELECT source, account_id, external_id, invoice_month, count(*) AS line_count,
        list_sort(list(DISTINCT currency)) AS currencies, sum(amount) AS amount_gross,
        coalesce(sum(amount) FILTER (charge_category = 'Tax'), 0) AS amount_tax
      FROM cost_lines WHERE invoice_month IN ({months_}) GROUP BY ALL
    ), first_seen AS (
      SELECT source, account_id, external_id, min(received_at) AS received_at FROM document_invoices GROUP BY ALL
    ), part AS (
      SELECT * FROM raw_invoices WHERE status = 'current' AND invoice_month IN ({months_})
    ), raw AS (
      -- An invoice is the document that states it, or the newest of the files that state it together.
      SELECT source, account_id, external_id, invoice_month, arg_max(document_sha256, (received_at, document_sha256))
          AS document_sha256,
        count(*) AS documents, sum(line_count)::BIGINT AS line_count, bool_and(is_final) AS is_final,
        coalesce(bool_or(may_be_part), false) AS may_be_part, coalesce(bool_or(lacks_tax), false) AS lacks_tax,
        any_value(id_basis) AS id_basis,
        any_value(month_basis) AS month_basis, max(lines_month) AS lines_month, max(received_at) AS received_at,
        CASE WHEN count(stated_total) = count(*) THEN sum(stated_total) END AS stated_total,
        CASE WHEN count(stated_tax) = count(*) THEN sum(stated_tax) END AS stated_tax,
        CASE WHEN count(stated_problem) > 0 THEN any_value(stated_problem)
          WHEN count(stated_total) BETWEEN 1 AND count(*) - 1
          THEN 'only some of the files that state it together have one' END AS stated_problem,
        any_value(names_conflict) AS names_conflict, any_value(lines_sketch) AS lines_sketch
      FROM part GROUP BY ALL
    ), listed AS MATERIALIZED ({listed_sql() if has_manifests else NOTHING_LISTED}
    ), parts AS ({_parts_sql()}
    ), delivery AS (
      SELECT part.source, part.account_id, part.external_id, max(problem.listed) AS files_listed,
        max(problem.lacking) AS files_lacking, min(problem.first_lacking) AS first_file_lacking,
        min(problem.not_listed) AS files_not_listed
      FROM part JOIN ({problems_sql() if has_manifests else NO_PROBLEMS}) AS problem USING (document_sha256)
      WHERE part.may_be_part GROUP BY ALL
    ), replaced AS (
      SELECT source, account_id, external_id, raw.document_sha256,
        len(list_intersect(raw.lines_sketch, arg_max(older.lines_sketch, older.received_at))) * 2
          < least(len(raw.lines_sketch), len(arg_max(older.lines_sketch, older.received_at))) AS replaces_other_lines
      FROM raw JOIN document_invoices AS older USING (source, account_id, external_id)
      WHERE raw.id_basis = 'derived' AND NOT raw.may_be_part AND older.document_sha256 <> raw.document_sha256
      GROUP BY source, account_id, external_id, raw.document_sha256, raw.lines_sketch
    ), duplicate AS ({_duplicates_sql(months_)}
    ), release AS (
      SELECT source, account_id, external_id, document_sha256, flatten(list(overruled)) AS overruled
      FROM decisions WHERE decision = 'release' GROUP BY ALL
    ), void AS (
      SELECT source, account_id, external_id, arg_max(decided_by, decided_at) AS void_by,
        arg_max(reason, decided_at) AS void_reason
      FROM decisions WHERE decision = 'void' GROUP BY ALL
    ), exact AS MATERIALIZED (
      SELECT line.* EXCLUDE (amount_gross, amount_tax),
        line.source IN (SELECT source FROM tenant_routes WHERE account_id IS NOT NULL) AS is_routed_by_account,
        raw.document_sha256, raw.is_final, raw.lacks_tax, raw.month_basis,
        raw.lines_month, raw.stated_total, raw.stated_tax, raw.stated_problem, duplicate.duplicate_of, raw.names_conflict,
        coalesce(replaced.replaces_other_lines, false) AS replaces_other_lines,
        coalesce(parts.is_part_or_replacement, false) AS is_part_or_replacement,
        coalesce(parts.has_like_parts, false) AS has_like_parts,
        delivery.* EXCLUDE (source, account_id, external_id),
        void.void_by, void.void_reason, coalesce(release.overruled, CAST([] AS VARCHAR[])) AS overruled,
        CASE WHEN len(line.currencies) = 1 THEN line.currencies[1] END AS currency,
        CASE WHEN len(line.currencies) = 1 THEN line.amount_gross END AS amount_gross,
        CASE WHEN len(line.currencies) = 1 THEN line.amount_tax END AS amount_tax
      FROM line
      JOIN raw USING (source, account_id, external_id, invoice_month)
      LEFT JOIN duplicate USING (source, account_id, external_id)
      LEFT JOIN replaced USING (source, account_id, external_id)
      LEFT JOIN parts USING (source, account_id, external_id)
      LEFT JOIN delivery USING (source, account_id, external_id)
      LEFT JOIN void USING (source, account_id, external_id)
      LEFT JOIN release
        ON release.source = line.source AND release.account_id = line.account_id
        AND release.external_id = line.external_id AND release.document_sha256 = raw.document_sha256
    ), rounded AS MATERIALIZED (  -- else its expressions are copied into every reason below
      SELECT exact.*, iso.exponent,
        {to_minor_sql("amount_gross", "iso.exponent")} AS amount_gross_minor,
        {to_minor_sql("amount_tax", "iso.exponent")} AS amount_tax_minor,
        amount_gross_minor - amount_tax_minor AS amount_net_minor,
        {to_minor_sql("stated_total", "iso.exponent")} AS stated_total_minor,
        {to_minor_sql("stated_tax", "iso.exponent")} AS stated_tax_minor
      FROM exact LEFT JOIN {exponents_sql()} AS iso USING (currency)
    ), judged AS MATERIALIZED (
      SELECT *, {reasons_sql(found, can_release=False)} AS bars, {reasons_sql(found, can_release=True)} AS doubts
      FROM rounded
    ), decided AS (
      -- A release is for the doubts that the person saw: what has come up since holds the invoice again.
      SELECT *, list_filter(doubts, lambda doubt: NOT list_contains(overruled, doubt)) AS open_doubts,
        list_filter(doubts, lambda doubt: list_contains(overruled, doubt)) AS released_reasons
      FROM judged
    )
    SELECT source, account_id, external_id, invoice_month, currency, amount_gross_minor, amount_net_minor,
      amount_tax_minor, amount_gross, amount_tax, line_count, document_sha256,
      bars || open_doubts AS hold_reasons, released_reasons, len(bars) = 0 AND len(open_doubts) > 0 AS can_release,
      CASE WHEN len(hold_reasons) = 0 THEN 'ready' ELSE 'held' END AS status
    FROM decided
    """


def _parts_sql() -> str:
    """Of invoices that several files may state together, what makes it doubtful which of them do.

    Whether a lone file with mostly other lines came after others; whether two of its files have mostly the same lines, and
    no manifest that lists both.
    """
    return """
      SELECT current.source, current.account_id, current.external_id,
        any_value(lone.is_part_or_replacement) AS is_part_or_replacement, any_value(alike.has_like_parts) AS has_like_parts
      FROM (SELECT DISTINCT source, account_id, external_id FROM part WHERE may_be_part) AS current
      LEFT JOIN (
        SELECT newer.source, newer.account_id, newer.external_id,
          len(list_intersect(any_value(newer.lines_sketch), flatten(list(older.lines_sketch)))) * 2
            < least(len(any_value(newer.lines_sketch)), len(list_distinct(flatten(list(older.lines_sketch)))))
            AS is_part_or_replacement
        FROM (SELECT * FROM part QUALIFY count(*) OVER (PARTITION BY source, account_id, external_id) = 1) AS newer
        JOIN document_invoices AS older USING (source, account_id, external_id)
        WHERE older.document_sha256 <> newer.document_sha256 AND older.received_at <= newer.received_at
          AND NOT EXISTS (FROM document_names AS name
            WHERE name.document_sha256 = newer.document_sha256 AND contains(name.inbox_path, '/'))
        GROUP BY newer.source, newer.account_id, newer.external_id
      ) AS lone USING (source, account_id, external_id)
      LEFT JOIN (
        SELECT a.source, a.account_id, a.external_id, true AS has_like_parts
        FROM part AS a JOIN part AS b USING (source, account_id, external_id)
        LEFT JOIN listed AS of_a ON of_a.document_sha256 = a.document_sha256
        LEFT JOIN listed AS of_b ON of_b.document_sha256 = b.document_sha256
        WHERE a.document_sha256 < b.document_sha256 AND of_a.manifest_sha256 IS DISTINCT FROM coalesce(of_b.manifest_sha256, '')
          AND len(list_intersect(a.lines_sketch, b.lines_sketch)) * 2 > least(len(a.lines_sketch), len(b.lines_sketch))
        GROUP BY ALL
      ) AS alike USING (source, account_id, external_id)
      GROUP BY ALL"""


def _duplicates_sql(months: str) -> str:
    """Invoices with mostly the lines of an earlier one of the month, where one of the two has no id of the provider's.

    Without the provider's id nothing else would keep the same invoice from being pushed twice. The one that came later is
    the one in doubt.
    """
    return f"""
      SELECT later.source, later.account_id, later.external_id, min(earlier.external_id) AS duplicate_of
      FROM (SELECT raw.*, first_seen.received_at AS first_received_at
        FROM raw JOIN first_seen USING (source, account_id, external_id)) AS later
      JOIN (SELECT raw.*, first_seen.received_at AS first_received_at
        FROM raw JOIN first_seen USING (source, account_id, external_id)) AS earlier
        ON earlier.source = later.source AND earlier.invoice_month = later.invoice_month
        AND (earlier.account_id = later.account_id OR 'unknown' IN (earlier.account_id, later.account_id))
        AND 'derived' IN (earlier.id_basis, later.id_basis) AND earlier.is_final AND later.is_final
        AND (earlier.first_received_at, earlier.external_id) < (later.first_received_at, later.external_id)
      JOIN (
        SELECT a.document_sha256 AS earlier_sha256, b.document_sha256 AS later_sha256,
          sum(least(a.occurrences, b.occurrences)) AS shared
        FROM {_line_occurrences(months)} AS a
        JOIN {_line_occurrences(months)} AS b ON a.line_hash = b.line_hash AND a.document_sha256 <> b.document_sha256
        GROUP BY ALL
      ) AS overlap ON overlap.earlier_sha256 = earlier.document_sha256 AND overlap.later_sha256 = later.document_sha256
      WHERE overlap.shared * 2 > least(earlier.line_count, later.line_count)
      GROUP BY ALL"""


def _line_occurrences(months: str) -> str:
    """Equal lines of the documents of months that have an invoice without the provider's id, with their number."""
    return f"""(
          SELECT document_sha256, hash(service_name, description, amount, charge_period_start) AS line_hash,
            count(*) AS occurrences
          FROM cost_lines
          WHERE invoice_month IN (SELECT invoice_month FROM raw WHERE id_basis = 'derived' GROUP BY ALL)
            AND invoice_month IN ({months})
          GROUP BY ALL)"""
