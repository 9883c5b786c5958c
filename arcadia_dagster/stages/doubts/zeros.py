"""One invoice under two names: a spreadsheet that saves a table takes the zeros from the beginning of its account and its id.

Where only the id has lost its zeros, the two invoices are of one account, and `identity` compares their lines; where only the
account has, they share their id, and the delivery keeps them apart. Both are in doubt, whichever came first.
"""

from arcadia_dagster.billing.advice import name_sql, release_sql, void_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope

_HAS_ZEROS = "SELECT 1 FROM current_invoices WHERE account_id LIKE '0%' AND external_id LIKE '0%'"

_SHORTENED = f"""
      SELECT own.source, own.account_id, own.external_id,
        'it differs from ' || min(other.external_id) || ' of account ' || min(other.account_id) ||
        ' only by zeros at the beginning of both, which a spreadsheet takes away: one invoice twice? Void the one that is too '
        || 'much (' || {void_sql(name_sql("own"))} || ' or ' || {void_sql(f"min({name_sql('other')})")} ||
        '), or release what is real (' || {release_sql(name_sql("own"))} || ')' AS text
      FROM (FROM raw ANTI JOIN apart USING (source, account_id, external_id) WHERE is_final) AS own
      JOIN (
        SELECT DISTINCT source, account_id, external_id FROM current_invoices
        ANTI JOIN apart USING (source, account_id, external_id) WHERE is_final
      ) AS other ON other.source = own.source AND other.account_id <> own.account_id
        AND other.external_id <> own.external_id
        AND ltrim(other.account_id, '0') = ltrim(own.account_id, '0')
        AND ltrim(other.external_id, '0') = ltrim(own.external_id, '0')
      WHERE regexp_full_match(own.account_id || own.external_id, '[0-9]*[1-9][0-9]*')
      GROUP BY own.source, own.account_id, own.external_id"""


def doubts(scope: Scope) -> tuple[Doubt, ...]:  # noqa: ARG001 - as every kind
    """See the module."""
    return (Doubt(_SHORTENED, needs=_HAS_ZEROS),)
