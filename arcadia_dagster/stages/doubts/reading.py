"""Doubts from reading documents: a charge category that no format knows, an issuer that no line names."""

from arcadia_dagster.billing.advice import release_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope


def doubts(scope: Scope) -> tuple[Doubt, ...]:  # noqa: ARG001 - as every kind
    """What formats found (`format.StatedInvoice.doubts`), with the file that it is in and the command that settles it."""
    return (Doubt(_LEFT_IN_DOUBT), Doubt(_NO_ISSUER))


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
