"""What a file that cannot be read may have stated.

A rejected file of a delivery may have lines of the invoices that the other files state. It counts if it lies in the folder of
the others and has their extension: a text or a picture beside an export holds nothing. A file whose bytes the archive has lost,
before a new warehouse could read it, may be a part or a later version of the invoices that it stated, or one that another one is
alike. Where nobody knows which those are, it may be a later version of the invoice whose file had its name.
"""

from arcadia_dagster.billing.advice import dismiss_sql, name_sql, release_sql
from arcadia_dagster.landing.contents import AMOUNT_SQL
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope

_FOLDER = "regexp_extract(inbox_path, '^(.*)/', 1)"
_ENDING = r"lower(regexp_extract(regexp_replace(inbox_path, '\.(gz|zip|zst)$', ''), '\.[A-Za-z0-9]+$'))"


def doubts(scope: Scope) -> tuple[Doubt, ...]:  # noqa: ARG001 - as every kind
    """See the module."""
    return (
        Doubt(_REJECTED_BESIDE, needs="SELECT 1 FROM part WHERE may_be_part"),
        Doubt(_LOST_WITH_IT, needs=_LOST_UNREAD),
        Doubt(_LOST_TWIN, needs=_LOST_UNREAD),
        Doubt(_LOST_VERSION, needs=_LOST_UNREAD),
    )


_REJECTED_BESIDE = f"""
      SELECT part.source, part.account_id, part.external_id,
        min(rejected.file_name) || ' beside it in the folder is rejected, and may have lines of it: put a good file in its ' ||
        'place; if it belongs to no invoice, ' || {dismiss_sql("arg_min(rejected.document_sha256, rejected.file_name)")} ||
        '; if this invoice is whole without it: ' || {release_sql(name_sql("part"))} AS text
      FROM (FROM part WHERE may_be_part) AS part
      JOIN (
        SELECT DISTINCT document_sha256, {_FOLDER} AS folder, {_ENDING} AS ending FROM document_names
        WHERE contains(inbox_path, '/')
      ) AS own USING (document_sha256)
      JOIN (
        SELECT DISTINCT document_sha256, file_name, {_FOLDER} AS folder, {_ENDING} AS ending
        FROM document_names SEMI JOIN unreplaced_documents AS rejected USING (document_sha256)
        WHERE contains(inbox_path, '/')
      ) AS rejected ON rejected.folder = own.folder AND rejected.ending = own.ending
      GROUP BY part.source, part.account_id, part.external_id"""

_LOST_UNREAD = "SELECT document_sha256 FROM documents WHERE status = 'rejected' AND bytes_damage IS NOT NULL"

_ADVICE = f"""'put that file into the inbox again, or restore it ' ||
        'where `arcadia verify` says, then run `arcadia ingest`; if nobody has it: ' ||
        {dismiss_sql("min(lost.document_sha256)")} || '; if this invoice is right: ' || {release_sql(name_sql("part"))}"""

_LOST_KNOWN = f"""
        SELECT document_sha256, file_name, invoice_ids, amounts
        FROM document_contents JOIN documents USING (document_sha256)
        SEMI JOIN ({_LOST_UNREAD}) AS unread USING (document_sha256)
        -- A file that others came in place of, at each of its paths, counts no more; but its record may have voided the invoice.
        SEMI JOIN (
          SELECT document_sha256 FROM document_names
          QUALIFY row_number() OVER (PARTITION BY inbox_path ORDER BY received_at DESC, document_sha256) = 1
          UNION ALL SELECT document_sha256 FROM damaged_documents
        ) AS counts USING (document_sha256)"""

_LOST_WITH_IT = f"""
      SELECT part.source, part.account_id, part.external_id,
        min(lost.file_name) ||
        ' stated it too, and may be a part or a newer version of it, but its bytes in the archive are lost: ' || {_ADVICE} AS text
      FROM part JOIN (SELECT * EXCLUDE (invoice_ids), unnest(invoice_ids) AS id FROM ({_LOST_KNOWN})) AS lost
        ON lost.id IN (part.external_id, part.stated_id)
      GROUP BY part.source, part.account_id, part.external_id"""

# Without it nobody can see whether the two are one.
_LOST_TWIN = f"""
      SELECT part.source, part.account_id, part.external_id,
        min(lost.file_name) ||
        ' stated an invoice of the same month and amount, and its bytes in the archive are lost: one invoice twice? ' ||
        'To see it, ' || {_ADVICE} AS text
      FROM (SELECT *, {AMOUNT_SQL.format(amount="amount_gross")} AS amount FROM rounded) AS part
      JOIN (SELECT * EXCLUDE (amounts), unnest(amounts) AS amount FROM ({_LOST_KNOWN})) AS lost USING (amount)
      WHERE NOT list_contains(lost.invoice_ids, part.external_id)
      GROUP BY part.source, part.account_id, part.external_id"""

_LOST_VERSION = f"""
      SELECT part.source, part.account_id, part.external_id,
        'a later file of the same name may be a newer version of it, and its bytes in the archive are lost: ' || {_ADVICE} AS text
      FROM part JOIN (SELECT document_sha256, file_name AS name FROM document_names) AS own USING (document_sha256)
      JOIN (
        SELECT document_sha256, file_name AS name, received_at FROM document_names
        SEMI JOIN ({_LOST_UNREAD}) AS unread USING (document_sha256)
        ANTI JOIN document_contents USING (document_sha256)
      ) AS lost ON lost.name = own.name AND lost.received_at > part.received_at
      GROUP BY part.source, part.account_id, part.external_id"""
