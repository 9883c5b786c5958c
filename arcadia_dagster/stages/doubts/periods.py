"""Doubts about invoices whose billing period is open by their issuer's own word: charges of it may still come, or change."""

from arcadia_dagster.billing.advice import release_sql, rule_sql
from arcadia_dagster.billing.rules import PUSH
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope


def doubts(scope: Scope) -> tuple[Doubt, ...]:  # noqa: ARG001 - as every kind
    """An issuer's last word on the period counts; without one nothing is in doubt."""
    return (Doubt(_OF_AN_OPEN_PERIOD, needs="SELECT 1 FROM billing_periods WHERE is_open"),)


_PUSHED = rule_sql(f"""'open_period = "{PUSH}"'""")

# The words name no file: the next one may say the same, and a release is for these words. One source may have several issuers,
# as AWS has by country: the invoice's own counts, else all of them. Periods that begin at a midnight of another zone are shifted
# by hours, so that they are compared to the day.
_OF_AN_OPEN_PERIOD = f"""
      WITH last_word AS (
        SELECT source, account_id AS of_account, lower(trim(issuer_name)) AS issuer, starts_at, ends_at,
          arg_max(is_open, (coalesce(updated_at, received_at), received_at, document_sha256, line_number)) AS is_open
        FROM billing_periods GROUP BY ALL
      ), own AS (
        SELECT source, account_id, external_id, max(billing_ends_at) AS billing_ends_at,
          lower(trim(any_value(vendor_name))) AS issuer
        FROM part
        -- By a rule it is final at a time that a person has said; before the end of its period it is held for that.
        WHERE is_own AND is_final AND open_until IS NULL AND id_basis <> 'rule'
        GROUP BY ALL
      ), about AS (
        SELECT own.source, own.account_id, own.external_id, last_word.starts_at, last_word.ends_at, last_word.is_open
        FROM own JOIN last_word USING (source)
        WHERE (last_word.of_account IS NULL OR last_word.of_account = own.account_id)
          AND own.billing_ends_at > last_word.starts_at + INTERVAL 1 DAY
          AND own.billing_ends_at <= last_word.ends_at + INTERVAL 1 DAY
        QUALIFY rank() OVER (
          PARTITION BY own.source, own.account_id, own.external_id
          ORDER BY last_word.of_account IS NULL, last_word.issuer IS DISTINCT FROM own.issuer
        ) = 1
      )
      SELECT source, account_id, external_id,
        'its issuer states that its billing period ' || strftime(min(starts_at), '%Y-%m-%d') || ' to ' ||
        strftime(max(ends_at), '%Y-%m-%d') || ' is open: its lines may still change. Once its issuer has closed the period, drop '
        'the Billing Period file that says Closed, and the lines as they are then; if it is the invoice all the same: ' ||
        {release_sql()} || '; for all invoices of its account, ' || {_PUSHED} AS text
      FROM about LEFT JOIN ruled USING (source, account_id)
      WHERE is_open AND ruled.open_period IS DISTINCT FROM '{PUSH}'
      GROUP BY source, account_id, external_id"""
