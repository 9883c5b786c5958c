"""The invoices that a second person must see before they go to finance, and have not been seen by one."""

from arcadia_dagster.billing.advice import approve_sql
from arcadia_dagster.billing.currency import from_minor_sql, minor_text_sql, to_minor_sql


def unapproved_sql(invoices: str) -> str:
    """SQL: `source`, `account_id`, `external_id` and `unapproved`, why the invoice waits; one row for each that does.

    An approval is for figures: it counts for a new version that has the same, and for no other one. It must be by another person
    than those who have released this version.

    Args:
        invoices: A relation of invoices with their totals in minor units and the `exponent` of their currency.
    """
    gross, tax = (from_minor_sql(f"own.amount_{what}_minor", "own.exponent") for what in ("gross", "tax"))
    return f"""
WITH own AS (
  SELECT source, account_id, external_id, document_sha256, currency, exponent, amount_gross_minor, amount_tax_minor,
    coalesce(named.over, other.over) AS over
  FROM {invoices} AS invoice
  LEFT JOIN approval_limits AS named USING (currency)
  -- The row without a currency is for those that have none of their own; without any row nothing waits.
  JOIN (FROM approval_limits WHERE currency IS NULL) AS other
    ON invoice.invoice_month >= coalesce(other.first_month, invoice.invoice_month)
  WHERE exponent IS NOT NULL
), due AS (
  SELECT *, {gross} AS gross, {tax} AS tax FROM own WHERE over IS NULL OR abs({gross}) > over
), released AS (
  SELECT source, account_id, external_id, document_sha256, list(DISTINCT lower(decided_by)) AS released_by,
    string_agg(DISTINCT decided_by, ' and ' ORDER BY decided_by) AS names
  FROM releases SEMI JOIN due USING (source, account_id, external_id, document_sha256) GROUP BY ALL
), approved AS (
  SELECT DISTINCT due.source, due.account_id, due.external_id
  FROM due
  JOIN approvals AS approval ON approval.source = due.source AND approval.account_id = due.account_id
    AND approval.external_id = due.external_id AND approval.approved_currency = due.currency
    AND approval.approved_gross = due.gross AND approval.approved_tax = due.tax
  LEFT JOIN released ON released.source = due.source AND released.account_id = due.account_id
    AND released.external_id = due.external_id AND released.document_sha256 = due.document_sha256
  WHERE NOT coalesce(list_contains(released_by, lower(approval.decided_by)), false)
)
SELECT source, account_id, external_id,
  'it comes to ' || {minor_text_sql("amount_gross_minor", "exponent")} || ' ' || currency
  || coalesce(', more than ' || {minor_text_sql(to_minor_sql("over", "exponent"), "exponent")} || ' ' || currency, '')
  || ' (ARCADIA_APPROVE_OVER), and waits for a second person'
  || coalesce(', another one than ' || names || ', who released it', '') || ': to approve it: ' || {approve_sql()} AS unapproved
FROM due LEFT JOIN released USING (source, account_id, external_id, document_sha256)
ANTI JOIN approved USING (source, account_id, external_id)"""
