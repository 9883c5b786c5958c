"""The invoices of documents of a described format, from their staged lines.

Account, id and month come from columns, else from the file's name and the lines. A total belongs to the invoice whose id its
row has; without an id, to the file's only invoice, or to all of them together. If the document says something twice and
differently, the invoice is in doubt.
"""

from arcadia_dagster.billing.currency import plain_sql
from arcadia_dagster.formats.described_values import MOST
from arcadia_dagster.formats.description import Description
from arcadia_dagster.store.query import text_literal

_OTHER_MONTH = 5
"""A file whose lines start in two months is in doubt where the smaller month has one in so many of them."""

_UNIT = "0.01"
"""What each of two sums may be rounded to."""


def invoices_sql(description: Description, lines: str) -> str:
    """SQL: see `format.Layout`; of lines as `described_layout` stages them."""
    account = "any_value(account)" if description.account is None else text_literal(description.account)
    vendor = text_literal(description.vendor) if description.vendor else "CAST(NULL AS VARCHAR)"
    has_invoice = "invoice" in description.columns
    or_none = "OR coalesce(taxes, 0) = 0" if description.tax and description.tax.stated is not None else ""
    return f"""
    WITH line AS (
      FROM {lines} WHERE NOT is_control
    ), month AS (
      SELECT document_sha256, invoice_key, stated_month, date_trunc('month', charge_period_start) AS started, charge_category,
        count(*) AS lines
      FROM line GROUP BY ALL
    ), months AS (
      SELECT document_sha256, invoice_key, max_by(stated_month, (lines, stated_month)) AS month,
        list_sort(list(stated_month)) AS stated_months
      FROM (SELECT document_sha256, invoice_key, stated_month, sum(lines) AS lines FROM month GROUP BY ALL) GROUP BY ALL
    ), starts AS (
      SELECT document_sha256, invoice_key, list_sort(list(started)) AS started
      FROM (
        SELECT *, sum(lines) OVER (PARTITION BY document_sha256, invoice_key) AS all_lines
        FROM (
          SELECT document_sha256, invoice_key, CAST(started AS DATE) AS started, sum(lines) AS lines
          FROM month WHERE charge_category <> 'Tax' AND started IS NOT NULL GROUP BY ALL
        )
      ) WHERE lines * {_OTHER_MONTH} >= all_lines GROUP BY document_sha256, invoice_key
    ), stated AS (
      SELECT document_sha256, invoice_key, count(DISTINCT amount) AS taxes
      FROM {lines} WHERE total_of = 'stated' GROUP BY ALL
    ), total AS (
      SELECT document_sha256, invoice_key, max(amount) FILTER (total_of = 'amount') AS total,
        max(amount) FILTER (total_of = 'tax') AS tax, count(DISTINCT amount) FILTER (total_of = 'amount') AS totals
      FROM {lines} WHERE total_of IN ('amount', 'tax') AND abs(amount) < {MOST} GROUP BY ALL
    ), invoice AS (
      SELECT document_sha256, invoice_key, {account} AS account_id, any_value(invoice) AS external_id,
        {_sum_sql()} AS gross, max(stated_total) AS stated_total, count(DISTINCT stated_total) AS stated_totals,
        max(stated_tax) AS stated_tax, count(DISTINCT stated_tax) AS stated_taxes,
        min(split_before_number) AS split_before_number,
        coalesce(bool_or(writes_decimals) FILTER (split_before_number IS NULL), false) AS writes_decimals
      FROM line GROUP BY document_sha256, invoice_key
    ), of_file AS (
      SELECT document_sha256, max(total) AS total, max(tax) AS tax, max(totals) AS totals, count(DISTINCT total) AS rows
      FROM total ANTI JOIN invoice USING (document_sha256, invoice_key) GROUP BY document_sha256
    ), summed AS (
      SELECT document_sha256, CASE WHEN count(DISTINCT currency) = 1 THEN {_sum_sql()} END AS gross,
        count(DISTINCT invoice_key) AS invoices
      FROM line GROUP BY document_sha256
    ), told AS (
      SELECT invoice.*, months.month, months.stated_months, starts.started,
        coalesce(own.total, CASE WHEN invoices = 1 THEN of_file.total END) AS total,
        coalesce(own.tax, CASE WHEN invoices = 1 THEN of_file.tax END) AS tax,
        greatest(coalesce(own.totals, 0), CASE WHEN invoices = 1 THEN greatest(of_file.totals, of_file.rows) ELSE 0 END) > 1
          AS has_totals,
        invoices > 1 AND of_file.total IS NOT NULL AND abs(of_file.total + coalesce(of_file.tax, 0) - summed.gross) * 2
          > invoices * {_UNIT} AS is_other_than_file, of_file.total + coalesce(of_file.tax, 0) AS file_total,
        summed.gross AS file_gross, stated.taxes
      FROM invoice
      JOIN months USING (document_sha256, invoice_key)
      LEFT JOIN starts USING (document_sha256, invoice_key)
      LEFT JOIN stated USING (document_sha256, invoice_key)
      LEFT JOIN total AS own USING (document_sha256, invoice_key)
      LEFT JOIN of_file USING (document_sha256)
      JOIN summed USING (document_sha256)
    )
    SELECT document_sha256, invoice_key, account_id, external_id, external_id AS invoice_number, month,
      {vendor} AS vendor_name, {description.parts} AS may_be_part,
      {"external_id IS NOT NULL" if description.blank_invoice else "true"} AS is_final,
      coalesce(stated_total, {"NULL" if description.lacks_tax else "total + coalesce(tax, 0)"}) AS stated_total,
      coalesce(stated_tax, tax) AS stated_tax,
      {description.lacks_tax} {or_none} AS lacks_tax,
      list_filter([
        CASE WHEN {not has_invoice} AND len(stated_months) > 1 THEN {_months_doubt("stated_months", "are of")} END,
        CASE WHEN {not has_invoice and "month" not in description.columns and description.file_name is None}
          AND len(started) > 1 THEN {_months_doubt("started", "start in")} END,
        -- An amount without decimals among amounts with them, and what would be its rest behind it.
        CASE WHEN writes_decimals THEN split_before_number || ' in two columns beside each other seem to be one amount, for '
          || 'other amounts have decimals: put it in quotes and drop the file again under its name' END,
        CASE WHEN has_totals THEN 'its rows with its total state different ones' END,
        CASE WHEN stated_totals > 1 THEN 'its lines state different totals of it' END,
        CASE WHEN stated_taxes > 1 OR taxes > 1 THEN 'its lines state different taxes of it' END,
        CASE WHEN {description.lacks_tax} AND abs(gross - total) * 2 > {_UNIT}
          THEN 'its total before tax is stated as ' || {plain_sql("total")} || ', and its lines come to ' ||
            {plain_sql("gross")} END,
        CASE WHEN stated_total <> total + coalesce(tax, 0) AND {not description.lacks_tax}
          THEN 'its lines state its total as ' || {plain_sql("stated_total")} || ', and its row with the total as ' ||
            {plain_sql("total + coalesce(tax, 0)")} END,
        CASE WHEN is_other_than_file
          THEN 'the total of its file is stated as ' || {plain_sql("file_total")} || ', and all lines come to ' ||
            {plain_sql("file_gross")} END
      ], lambda doubt: doubt IS NOT NULL) AS doubts
    FROM told
    """


def _sum_sql() -> str:
    """SQL: the sum of amounts; NULL where one of them is so large that it might not fit."""
    return f"CASE WHEN max(abs(amount)) < {MOST} THEN sum(amount) FILTER (abs(amount) < {MOST}) END"


def _months_doubt(months: str, what: str) -> str:
    """SQL: the doubt that an invoice without an id of its own has two months."""
    return (
        f"'its lines {what} ' || len({months}) || ' months (' || array_to_string([strftime(x, '%Y-%m') FOR x IN {months}], ', ') "
        "|| '), and no line says of which invoice it is: two invoices in one file? Split the file by month'"
    )
