"""Invoices that several files may state together: whether it is doubtful which of them do."""

from arcadia_dagster.stages.doubts.doubt import Doubt, Scope

_PART_OR_REPLACEMENT = """
      SELECT newer.source, newer.account_id, newer.external_id,
        'a lone file states other lines of it than the files before: a part of it, or a replacement? Put the files of one '
        'delivery into one folder of the inbox; or release it, if the lone file is the whole invoice now' AS text
      FROM (SELECT * FROM part WHERE may_be_part
        QUALIFY count(*) OVER (PARTITION BY source, account_id, external_id) = 1) AS newer
      JOIN document_invoices AS older USING (source, account_id, external_id)
      WHERE older.document_sha256 <> newer.document_sha256 AND older.received_at <= newer.received_at
        AND NOT EXISTS (FROM document_names AS name
          WHERE name.document_sha256 = newer.document_sha256 AND contains(name.inbox_path, '/'))
      GROUP BY newer.source, newer.account_id, newer.external_id
      HAVING len(list_intersect(any_value(newer.lines_sketch), flatten(list(older.lines_sketch)))) * 2
        < least(len(any_value(newer.lines_sketch)), len(list_distinct(flatten(list(older.lines_sketch)))))"""

_LIKE_PARTS = """
      SELECT DISTINCT a.source, a.account_id, a.external_id,
        'two files of its folder state mostly the same lines: parts, or two versions? Put each delivery into a folder of '
        'its own; or dismiss the document that is out of date' AS text
      FROM part AS a JOIN part AS b USING (source, account_id, external_id)
      LEFT JOIN listed AS of_a ON of_a.document_sha256 = a.document_sha256
      LEFT JOIN listed AS of_b ON of_b.document_sha256 = b.document_sha256
      WHERE a.may_be_part AND a.document_sha256 < b.document_sha256
        AND of_a.manifest_sha256 IS DISTINCT FROM coalesce(of_b.manifest_sha256, '')
        AND len(list_intersect(a.lines_sketch, b.lines_sketch)) * 2 > least(len(a.lines_sketch), len(b.lines_sketch))"""


def doubts(scope: Scope) -> tuple[Doubt, ...]:  # noqa: ARG001 - as every kind
    """A lone file with mostly other lines than those before it; two files of mostly the same lines that no manifest lists."""
    return (Doubt(_PART_OR_REPLACEMENT), Doubt(_LIKE_PARTS))
