"""The stage `tax_split_totals`: gross, net and tax of each invoice, and whether it may be pushed."""

from collections.abc import Collection
from datetime import date

import duckdb

from arcadia_dagster.billing.currency import exponents_sql, to_minor_sql
from arcadia_dagster.billing.readiness import reasons, reasons_sql
from arcadia_dagster.billing.tax import is_before_tax_sql
from arcadia_dagster.landing.deliveries import NOTHING_LISTED, has_manifests, listed_sql
from arcadia_dagster.stages.allocations import build_allocations
from arcadia_dagster.stages.differences import differences_sql
from arcadia_dagster.stages.doubts import Scope, doubts_sql
from arcadia_dagster.stages.due import MonthRange, due_months
from arcadia_dagster.stages.stated import (
    DISMISSES,
    STATED_BY,
    STATED_BY_FILE,
    STATED_BY_ISSUER,
    STATED_PROBLEM,
    STATED_TAX,
    STATED_TOTAL,
)
from arcadia_dagster.warehouse import WarehouseError, schema
from arcadia_dagster.warehouse.months import month_list, replace, stale, versions
from arcadia_dagster.warehouse.relations import ruled_sql


def build_tax_split_totals(
    connection: duckdb.DuckDBPyConnection, months: Collection[date], range_: MonthRange
) -> set[date]:
    """Replace the months of `tax_split_totals`, and of `allocations`, within the caller's transaction.

    Returns:
        The months that were built: see `due_months`. A month whose lines another run is replacing is left out: that run builds
        its totals.

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
        # A month without a partition stays stale until it has one.
        built_from={month: version if month in range_ else 0 for month, version in seen.items()},
    )
    if unequal := unreconciled(connection, wanted):
        raise WarehouseError(f"tax_split_totals: {unequal[0]}; nothing was written. This is a defect: report it")
    build_allocations(connection, wanted)
    return wanted


def unreconciled(connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None) -> list[str]:
    """The invoices whose totals do not add up to their lines, each in a sentence.

    Without `months` it looks at all months, except those that a run is building or has left half built: their tables differ
    until the totals are built too, and none of their invoices is pushed before.

    They can only differ by a defect of ours: net and tax must sum to gross, lines to the unrounded sums, and the lines be
    as many as the document states, but for those that bring them to a stated total.
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
            count(*) FILTER (added_by IS NULL) AS document_lines, count(DISTINCT currency) AS currencies
          FROM cost_lines GROUP BY ALL
        ), stated AS (
          SELECT source, account_id, external_id, sum(line_count) AS line_count
          FROM current_invoices GROUP BY ALL
        )
        SELECT coalesce(total.external_id, line.external_id), total.amount_gross_minor, total.amount_net_minor,
          total.amount_tax_minor, total.line_count, line.document_lines, stated.line_count, total.amount_gross, line.amount
        FROM tax_split_totals AS total
        FULL JOIN line USING (source, account_id, external_id, invoice_month)
        LEFT JOIN stated
          ON stated.source = total.source AND stated.account_id = total.account_id
          AND stated.external_id = total.external_id
        WHERE coalesce(total.invoice_month, line.invoice_month) {only} AND (
          coalesce(total.line_count, -1) <> coalesce(line.line_count, -1)
          OR coalesce(line.document_lines, -1) <> coalesce(stated.line_count, -1)
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
        sum(amount) FILTER (added_by IS NULL) + CASE WHEN count(*) FILTER (charge_category = 'Tax' AND added_by IS NULL) = 0
          THEN coalesce(sum(amount) FILTER (charge_category = 'Tax' AND added_by IS NOT NULL), 0) ELSE 0 END AS lines_gross,
        coalesce(sum(amount) FILTER (charge_category = 'Tax'), 0) AS amount_tax,
        count(*) FILTER (charge_category = 'Tax') AS tax_lines,
        coalesce(sum(amount) FILTER (tax_basis <> 'description'), 0) AS named_tax
      FROM cost_lines WHERE invoice_month IN ({months_}) GROUP BY ALL
    ), part AS (
      SELECT current_invoices.*, replaced_by, amount_credits, coalesce(is_one_of_several, false) AS is_one_of_several,
        -- A statement stands for the invoice only where nothing has its lines.
        NOT coalesce(is_statement, false) OR bool_and(coalesce(is_statement, false)) OVER (
          PARTITION BY source, account_id, external_id) AS is_own
      FROM current_invoices
      LEFT JOIN (SELECT document_sha256, invoice_ordinal, replaced_by, amount_credits FROM stated_invoices) AS own_word
        USING (document_sha256, invoice_ordinal)
      LEFT JOIN (SELECT document_sha256, true AS is_one_of_several FROM document_invoices WHERE invoice_ordinal = 2) AS other
        USING (document_sha256)
      WHERE invoice_month IN ({months_})
    ), own AS (
      -- An invoice is the document that states it, or the newest of the files that state it together.
      SELECT source, account_id, external_id, invoice_month, arg_max(document_sha256, (received_at, document_sha256))
          AS document_sha256,
        arg_max(file_name, (received_at, document_sha256)) AS file_name, max(final_from) AS final_from,
        bool_or(is_one_of_several) AS is_one_of_several,
        count(*) AS documents, sum(line_count)::BIGINT AS line_count, bool_and(is_final) AS is_final,
        any_value(open_reason) AS open_reason,
        coalesce(bool_or(may_be_part), false) AS may_be_part, coalesce(bool_or(lacks_tax), false) AS lacks_tax,
        coalesce(sum(rounded_lines), 0)::BIGINT AS rounded_lines, any_value(id_basis) AS id_basis,
        any_value(month_basis) AS month_basis, max(lines_month) AS lines_month, max(received_at) AS received_at,
        CASE WHEN count(withdrawn) = count(*) THEN any_value(withdrawn) END AS withdrawn,
        any_value(names_conflict) AS names_conflict, any_value(lines_sketch) AS lines_sketch,
        any_value(stated_id) AS stated_id, sum(lines_total) AS lines_total,
        CASE WHEN count(open_until) = count(*) THEN max(open_until) END AS open_until
      FROM part WHERE is_own GROUP BY ALL
    ), stated AS (
      SELECT source, account_id, external_id, invoice_month, {STATED_TOTAL} AS stated_total, {STATED_TAX} AS stated_tax,
        {STATED_BY} AS stated_by, {STATED_BY_FILE} AS stated_by_file, {STATED_BY_ISSUER} AS stated_by_issuer, {
        DISMISSES
    } AS dismisses, {STATED_PROBLEM} AS stated_problem, bool_and(coalesce(is_statement, false)) AS is_only_stated,
        string_agg(DISTINCT file_name, ' and ' ORDER BY file_name) FILTER (is_statement AND withdrawn IS NOT NULL) AS voided_by,
        string_agg(DISTINCT replaced_by, ' and ' ORDER BY replaced_by) AS replaced_by, max(amount_credits) AS stated_credits
      FROM part GROUP BY ALL
    ), raw AS (
      FROM own JOIN stated USING (source, account_id, external_id, invoice_month)
    ), listed AS MATERIALIZED ({listed_sql() if has_manifests else NOTHING_LISTED}
    ), ruled AS MATERIALIZED ({ruled_sql("part")}
    ), release AS (
      SELECT source, account_id, external_id, document_sha256, flatten(list(overruled)) AS overruled
      FROM releases GROUP BY ALL
    ), void AS MATERIALIZED (FROM void_invoices
    ), damaged AS (
      -- Of whatever version the record is: a decision about an invoice is on the record of the version that it was made about.
      SELECT source, account_id, external_id, arg_min(file_name, document_sha256) AS damaged_file,
        arg_min(record_damage, document_sha256) AS damaged_record, min(document_sha256) AS damaged_document
      FROM document_invoices JOIN (
        SELECT document_sha256, file_name, record_damage FROM damaged_documents
      ) AS document USING (document_sha256)
      GROUP BY ALL
    ), mended AS (
      SELECT source, account_id, external_id, arg_min(file_name, document_sha256) AS mended_file,
        flatten(list(lost ORDER BY document_sha256)) AS lost
      FROM document_invoices JOIN (
        SELECT document_sha256, any_value(file_name) AS file_name, flatten(list(overruled ORDER BY decided_at)) AS lost
        FROM decisions JOIN documents USING (document_sha256) WHERE decision = 'mend' GROUP BY ALL
      ) AS document USING (document_sha256)
      GROUP BY ALL
    ), apart AS MATERIALIZED (
      -- What no invoice is compared with: void ones, and those that are none to us.
      SELECT source, account_id, external_id FROM void
      UNION SELECT source, account_id, external_id FROM raw_invoices
      SEMI JOIN (FROM ({
        ruled_sql("raw_invoices")
    }) WHERE rows_are_not_invoices_to_us) AS other USING (source, account_id)
    ), nothing AS (
      SELECT source, account_id, external_id, bool_and(amount = 0) AS is_nothing
      FROM (
        SELECT source, account_id, external_id, currency, sum(amount) AS amount
        FROM cost_lines SEMI JOIN (FROM raw WHERE NOT is_final OR id_basis = 'rule')
          USING (source, account_id, external_id, invoice_month)
        GROUP BY ALL
      ) GROUP BY ALL
    ), exact AS MATERIALIZED (
      SELECT line.* EXCLUDE (amount_gross, amount_tax, lines_gross),
        raw.id_basis, raw.file_name, raw.final_from, raw.is_one_of_several,
        ruled.tax AS tax_rule, ruled.rows_are_not_invoices_to_us, ruled.rows_are_not_invoices_to_us_reason AS rows_reason,
        ruled.tax_may_stand_alone, coalesce(ruled.only_stated, 'hold') = 'push' AS is_pushed_as_stated,
        line.source IN (SELECT source FROM tenant_routes WHERE account_id IS NOT NULL) AS is_routed_by_account,
        raw.document_sha256, raw.is_final, raw.open_reason, raw.rounded_lines, raw.withdrawn,
        raw.withdrawn IS NOT NULL OR coalesce(nothing.is_nothing, false)
          OR coalesce(ruled.rows_are_not_invoices_to_us, false) AS is_nothing, raw.month_basis,
        {
        is_before_tax_sql(
            lacks_tax="raw.lacks_tax",
            source="line.source",
            tax="line.named_tax",
            gross="line.amount_gross",
            rule="ruled.tax",
        )
    } AS is_before_tax,
        raw.lines_month, raw.stated_total, raw.stated_tax, raw.stated_by, raw.stated_problem, raw.names_conflict,
        raw.is_only_stated, raw.voided_by, raw.replaced_by, raw.stated_by_file, raw.stated_by_issuer, raw.dismisses,
        raw.stated_credits,
        raw.open_until,
        void.void_by, void.void_reason, damaged.damaged_file, damaged.damaged_record, damaged.damaged_document,
        mended.mended_file, coalesce(mended.lost, CAST([] AS VARCHAR[])) AS lost,
        coalesce(release.overruled, CAST([] AS VARCHAR[])) AS overruled,
        CASE WHEN len(line.currencies) = 1 THEN line.currencies[1] END AS currency,
        CASE WHEN len(line.currencies) = 1 THEN line.amount_gross END AS amount_gross,
        CASE WHEN len(line.currencies) = 1 THEN line.amount_tax END AS amount_tax,
        CASE WHEN len(line.currencies) = 1 THEN line.lines_gross END AS lines_gross
      FROM line
      JOIN raw USING (source, account_id, external_id, invoice_month)
      LEFT JOIN ruled USING (source, account_id)
      LEFT JOIN nothing USING (source, account_id, external_id)
      LEFT JOIN void USING (source, account_id, external_id)
      LEFT JOIN damaged USING (source, account_id, external_id)
      LEFT JOIN mended USING (source, account_id, external_id)
      LEFT JOIN release
        ON release.source = line.source AND release.account_id = line.account_id
        AND release.external_id = line.external_id AND release.document_sha256 = raw.document_sha256
    ), rounded AS MATERIALIZED (  -- else its expressions are copied into every reason below
      SELECT exact.*, iso.exponent,
        {to_minor_sql("amount_gross", "iso.exponent")} AS amount_gross_minor,
        {to_minor_sql("amount_tax", "iso.exponent")} AS amount_tax_minor,
        {to_minor_sql("lines_gross", "iso.exponent")} AS lines_gross_minor,
        amount_gross_minor - amount_tax_minor AS amount_net_minor,
        {to_minor_sql("stated_total", "iso.exponent")} AS stated_total_minor,
        {to_minor_sql("stated_tax", "iso.exponent")} AS stated_tax_minor
      FROM exact LEFT JOIN {exponents_sql()} AS iso USING (currency)
    ), differing AS MATERIALIZED ({differences_sql("rounded")}
    ), doubtful AS MATERIALIZED ({doubts_sql(Scope(months, has_manifests=has_manifests))}
    ), judged AS MATERIALIZED (
      SELECT rounded.*, {reasons_sql(found, can_release=False)} AS bars,
        {reasons_sql(found, can_release=True)} || coalesce(doubtful.doubts, CAST([] AS VARCHAR[])) AS doubts
      FROM rounded
      LEFT JOIN doubtful USING (source, account_id, external_id)
      LEFT JOIN differing USING (source, account_id, external_id)
    ), decided AS (
      -- A release is for the doubts that the person saw: what has come up since holds the invoice again. Earlier versions gave
      -- the same reasons without the commands that follow them now.
      SELECT *, list_filter(doubts, lambda doubt: len(list_filter(overruled, lambda seen: starts_with(doubt, seen))) > 0)
          AS released_reasons,
        list_filter(doubts, lambda doubt: NOT list_contains(released_reasons, doubt)) AS open_doubts
      FROM judged
    )
    SELECT source, account_id, external_id, invoice_month, currency, amount_gross_minor, amount_net_minor,
      amount_tax_minor, amount_gross, amount_tax, line_count, document_sha256,
      lines_gross_minor, stated_total_minor AS stated_gross_minor, stated_tax_minor, stated_by,
      -- What nobody can overrule comes first: a doubt would offer a release that is refused.
      CASE WHEN len(bars) > 0 THEN bars ELSE open_doubts END AS hold_reasons, released_reasons,
      len(bars) = 0 AND len(open_doubts) > 0 AS can_release,
      is_nothing, CASE WHEN len(hold_reasons) = 0 THEN 'ready' ELSE 'held' END AS status
    FROM decided
    """
