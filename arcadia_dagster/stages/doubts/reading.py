"""Doubts from reading documents: a charge category that no format knows, an issuer that no line names, decimals of yen."""

from arcadia_dagster.billing.advice import name_sql, release_sql, rule_sql
from arcadia_dagster.billing.currency import plain_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """What formats found (`format.StatedInvoice.doubts`), with the file that it is in and the command that settles it."""
    return (
        Doubt(_LEFT_IN_DOUBT, needs="SELECT 1 FROM part WHERE len(doubts) > 0"),
        Doubt(_NO_ISSUER, needs=_NAMES_NO_ISSUER),
        Doubt(_READ_BY_OTHER_RULES, needs=_NAMES_NO_ISSUER),
        Doubt(_decimals_of_none_sql(scope), needs=_IN_WHOLE_UNITS),
    )


_NAMES_NO_ISSUER = "SELECT 1 FROM part WHERE unnamed_issuer IS NOT NULL"


_LEFT_IN_DOUBT = f"""
      SELECT DISTINCT source, account_id, external_id,
        file_name || ': ' || doubt || '; if that is right: ' || {release_sql()} AS text
      FROM (SELECT source, account_id, external_id, file_name, unnest(doubts) AS doubt FROM part)"""


_NO_ISSUER = f"""
      SELECT source, account_id, external_id,
        min(file_name) || ': no line of it names who issued it (InvoiceIssuerName), nor the provider: export it again with one '
        'of them; released, finance has it under the source `unknown`; if that is right: ' || {release_sql()} AS text
      FROM part WHERE unnamed_issuer IS NOT NULL AND source = 'unknown'
      GROUP BY source, account_id, external_id"""


_SAME_RULE = rule_sql(
    """'invoice_id = "' || replace(replace(named.invoice_id, '\\', '\\\\'), '"', '\\"') || '"' """
    """|| coalesce(', final_after = "' || named.final_after || '"', '')""",
    source="unnamed.source",
    account_id="unnamed.account_id",
)

# A rule for an issuer's ids is not one for rows that name no issuer: these are read by the rules for their provider.
_READ_BY_OTHER_RULES = f"""
      WITH own AS (
        SELECT DISTINCT part.source, part.account_id, part.external_id, part.invoice_month, part.file_name,
          part.unnamed_issuer IS NOT NULL AS is_unnamed, ruled.invoice_id, ruled.final_after
        FROM part LEFT JOIN ruled USING (source, account_id)
        SEMI JOIN (FROM rounded WHERE NOT is_nothing) AS counted USING (source, account_id, external_id)
        WHERE part.is_own
      ), pair AS (
        SELECT unnamed.source, unnamed.account_id, unnamed.external_id, named.source AS named_source,
          named.external_id AS named_id, unnamed.file_name, {_SAME_RULE} AS same_rule
        FROM (FROM own WHERE is_unnamed) AS unnamed JOIN (FROM own WHERE NOT is_unnamed) AS named
          ON named.account_id = unnamed.account_id AND named.invoice_month = unnamed.invoice_month
        WHERE named.source <> unnamed.source AND named.invoice_id IS NOT NULL
          AND unnamed.invoice_id IS DISTINCT FROM named.invoice_id
      )
      SELECT held.source, held.account_id, held.external_id,
        min(file_name || ' has rows of the same account and month that name no issuer: they are read by what sources.toml '
          || 'says of ' || pair_source || ', and not of ' || named_source || ': are they on its invoice? If they are, '
          || same_rule) || '; if they are not: ' || {release_sql(name_sql("held"))} AS text
      FROM (
        SELECT *, source AS pair_source FROM pair
        UNION SELECT named_source AS source, account_id, named_id AS external_id, named_source, named_id, file_name, same_rule,
          source AS pair_source
        FROM pair
      ) AS held
      GROUP BY held.source, held.account_id, held.external_id"""


_IN_WHOLE_UNITS = "SELECT 1 FROM rounded WHERE exponent = 0"
"""SQL: the invoices in currencies without a minor unit, such as JPY."""


def _decimals_of_none_sql(scope: Scope) -> str:
    """Invoices in a currency without a minor unit whose fractions may all be thousands behind a point, and that state no total.

    `1.500` may be 1500. Thousands have three digits behind the point and one to three before it, and do not begin with 0. An
    invoice with any other fraction has prices of usage: its sum is rounded, as in any currency.
    """
    return f"""
      SELECT source, account_id, external_id,
        total.file_name || ': record ' || found.line_number || ' is ' || {plain_sql("found.amount")} || ' ' || total.currency ||
        ', and ' || total.currency || ' has no decimals: thousands behind a point? Write its total, as `' || total.currency ||
        ' ' || total.amount_gross_minor || '` does, into ' || total.file_name || '.total; if ' || total.amount_gross_minor ||
        ' ' || total.currency || ' is right: ' || {release_sql()} AS text
      FROM rounded AS total JOIN (
        SELECT source, account_id, external_id, min(line_number) FILTER (amount <> trunc(amount)) AS line_number,
          arg_min(amount, line_number) FILTER (amount <> trunc(amount)) AS amount
        FROM cost_lines SEMI JOIN (FROM rounded WHERE exponent = 0 AND stated_total IS NULL AND is_final AND NOT is_nothing)
          AS own USING (source, account_id, external_id)
        WHERE invoice_month IN ({scope.month_list}) AND added_by IS NULL
        GROUP BY ALL HAVING bool_or(amount <> trunc(amount))
          AND bool_and(amount = trunc(amount) OR amount = round(amount, 3) AND abs(amount) BETWEEN 1 AND 1000)
      ) AS found USING (source, account_id, external_id)"""
