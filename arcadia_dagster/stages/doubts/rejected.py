"""Deliveries with a rejected file: it may have lines of the invoices that the other files state.

A rejected file counts if it lies in the folder of the others and has their extension: a text or a picture beside an export
holds nothing.
"""

from arcadia_dagster.billing.advice import dismiss_sql, name_sql, release_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope

_FOLDER = "regexp_extract(inbox_path, '^(.*)/', 1)"
_ENDING = r"lower(regexp_extract(regexp_replace(inbox_path, '\.(gz|zip|zst)$', ''), '\.[A-Za-z0-9]+$'))"


def doubts(scope: Scope) -> tuple[Doubt, ...]:  # noqa: ARG001 - as every kind
    """See the module."""
    return (Doubt(_REJECTED_BESIDE, needs="SELECT 1 FROM part WHERE may_be_part"),)


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
