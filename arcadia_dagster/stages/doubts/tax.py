"""Invoices without tax where an earlier version of the invoice, or its account, stated some.

They may be exported before tax, or without their tax rows.

The tax of the account's earlier invoices comes from the register alone, so the order in which months are built does not matter.
An account whose tax is on an invoice of its own states tax in its month.
"""

from arcadia_dagster.billing.advice import name_sql, release_sql, rule_sql, total_line_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope

_LONGEST_MONTHS = 12
"""How many months ago the account's last invoice with tax may be, for this one to be in doubt."""


def doubts(scope: Scope) -> tuple[Doubt, ...]:  # noqa: ARG001 - as every kind
    """See the module."""
    return (Doubt(_NO_TAX_ANY_MORE, needs=_STATES_TAX), Doubt(_TAX_IS_GONE, needs=_STATES_TAX))


_NOT_STATED = rule_sql("""'tax = "not stated"'""", source="own.source", account_id="own.account_id")

_WITHOUT_TAX = """FROM rounded WHERE is_final AND NOT is_nothing AND tax_lines = 0 AND amount_gross_minor <> 0
          AND stated_tax IS NULL AND (stated_by IS NULL OR stated_total_minor <> amount_gross_minor)
          AND NOT is_before_tax AND tax_rule IS NULL"""

_STATES_TAX = "SELECT 1 FROM document_invoices WHERE states_tax AND EXISTS (FROM rounded WHERE tax_lines = 0)"

_TAX_IS_GONE = f"""
      WITH earlier AS (
        SELECT source, account_id, external_id, arg_max(file_name, (received_at, document_sha256)) AS earlier_file
        FROM (FROM document_invoices WHERE states_tax AND is_final AND NOT coalesce(is_statement, false)) AS stated
        JOIN (SELECT document_sha256, file_name FROM documents) AS document USING (document_sha256)
        GROUP BY ALL
      )
      SELECT own.source, own.account_id, own.external_id,
        'it states no tax, and ' || earlier_file || ', which came earlier, states some: exported without it? Drop a file with '
        || 'the tax in its place, or write total and tax, as ' || {total_line_sql("'119.00 tax 19.00'", "own.")} ||
        ' does, into ' || own.file_name || '.total beside it; if no tax is due on it any more: ' ||
        {release_sql(name_sql("own"))} AS text
      FROM ({_WITHOUT_TAX}) AS own JOIN earlier USING (source, account_id, external_id)"""

_NO_TAX_ANY_MORE = f"""
      WITH stated AS (
        SELECT source, account_id, invoice_month, external_id, bool_or(states_tax) AS states_tax
        FROM document_invoices SEMI JOIN rounded USING (source, account_id)
        WHERE is_final AND lines_total <> 0 AND withdrawn IS NULL GROUP BY ALL
      ), month AS (
        SELECT source, account_id, invoice_month, bool_and(states_tax) AS all_state_tax, bool_or(states_tax) AS some_state_tax
        FROM stated GROUP BY ALL
      )
      SELECT own.source, own.account_id, own.external_id,
        'it states no tax, and all invoices of its account did in ' || strftime(before.invoice_month, '%Y-%m') ||
        ': exported without it? Write total and tax, as ' ||
        {total_line_sql("'119.00 tax 19.00'", "own.")} || ' does, into ' || own.file_name ||
        '.total beside it; if no tax is due on it: ' || {release_sql(name_sql("own"))} ||
        '; if none is due on any invoice of its account any more, ' ||
        {_NOT_STATED} AS text
      FROM (
        {_WITHOUT_TAX}
      ) AS own
      ASOF JOIN month AS before
        ON before.source = own.source AND before.account_id = own.account_id AND before.invoice_month < own.invoice_month
      LEFT JOIN month AS now
        ON now.source = own.source AND now.account_id = own.account_id AND now.invoice_month = own.invoice_month
      WHERE before.all_state_tax AND NOT coalesce(now.some_state_tax, false)
        AND before.invoice_month >= own.invoice_month - INTERVAL {_LONGEST_MONTHS} MONTH"""
