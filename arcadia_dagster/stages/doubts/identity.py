"""Which invoice it is: whether it may be another than it seems, or the same as one that is there already."""

from arcadia_dagster.stages.doubts.doubt import Doubt, Scope

_REPLACES_OTHER_LINES = """
      SELECT source, account_id, external_id,
        'a file of the same name stated mostly other lines before, and the name is not the provider''s: a new version, or '
        'another invoice? Give each the provider''s own file name' AS text
      FROM raw JOIN document_invoices AS older USING (source, account_id, external_id)
      WHERE raw.id_basis = 'derived' AND NOT raw.may_be_part AND older.document_sha256 <> raw.document_sha256
      GROUP BY source, account_id, external_id, raw.lines_sketch
      HAVING len(list_intersect(raw.lines_sketch, arg_max(older.lines_sketch, older.received_at))) * 2
        < least(len(raw.lines_sketch), len(arg_max(older.lines_sketch, older.received_at)))"""


_FIRST_SEEN = """
        SELECT raw.*, first_seen.received_at AS first_received_at
        FROM raw JOIN (
          SELECT source, account_id, external_id, min(received_at) AS received_at FROM document_invoices GROUP BY ALL
        ) AS first_seen USING (source, account_id, external_id)"""


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """A file without the provider's name that states other lines than before; mostly the lines of another invoice."""
    return (Doubt(_REPLACES_OTHER_LINES), Doubt(_duplicates_sql(scope.month_list)))


def _duplicates_sql(months: str) -> str:
    """Invoices with mostly the lines of an earlier one of the month, where one of the two has no id of the provider's.

    Without the provider's id nothing else would keep the same invoice from being pushed twice. The one that came later is
    the one in doubt.
    """
    return f"""
      SELECT later.source, later.account_id, later.external_id,
        'it has mostly the same lines as invoice ' || min(earlier.external_id) || ' of this month, which came first; dismiss the '
        'document of one of them, or release this one if both are real' AS text
      FROM ({_FIRST_SEEN}) AS later
      JOIN ({_FIRST_SEEN}) AS earlier
        ON earlier.source = later.source AND earlier.invoice_month = later.invoice_month
        AND (earlier.account_id = later.account_id OR 'unknown' IN (earlier.account_id, later.account_id))
        AND 'derived' IN (earlier.id_basis, later.id_basis) AND earlier.is_final AND later.is_final
        AND (earlier.first_received_at, earlier.external_id) < (later.first_received_at, later.external_id)
      JOIN (
        SELECT a.document_sha256 AS earlier_sha256, b.document_sha256 AS later_sha256,
          sum(least(a.occurrences, b.occurrences)) AS shared
        FROM {_line_occurrences(months)} AS a
        JOIN {_line_occurrences(months)} AS b ON a.line_hash = b.line_hash AND a.document_sha256 <> b.document_sha256
        GROUP BY ALL
      ) AS overlap ON overlap.earlier_sha256 = earlier.document_sha256 AND overlap.later_sha256 = later.document_sha256
      WHERE overlap.shared * 2 > least(earlier.line_count, later.line_count)
      GROUP BY ALL"""


def _line_occurrences(months: str) -> str:
    """Equal lines of the documents of months that have an invoice without the provider's id, with their number."""
    return f"""(
          SELECT document_sha256, hash(service_name, description, amount, charge_period_start) AS line_hash,
            count(*) AS occurrences
          FROM cost_lines
          WHERE invoice_month IN (SELECT invoice_month FROM raw WHERE id_basis = 'derived' GROUP BY ALL)
            AND invoice_month IN ({months})
          GROUP BY ALL)"""
