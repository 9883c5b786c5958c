"""Invoices that several files state: the files may be parts or versions, and a part may be there twice.

Three questions. A newer delivery replaces the older ones: does it have the charges of each of their files, or is it a part
beside them? Does anything but its arrival show that it is newer? The files of one delivery are summed: does one of them repeat
lines of the others?

These show that a file is newer: it lies at the other one's path; it has all lines of the other one; a date or a count of runs
in its path is later (`_STAMP`); a manifest lists it. Otherwise it may be an older export, or a part that differs in something
that lines do not have, such as a region.
"""

from arcadia_dagster.billing import likeness
from arcadia_dagster.billing.advice import dismiss_sql, name_sql, release_sql
from arcadia_dagster.formats.registry import FORMATS
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope
from arcadia_dagster.store.query import text_list

_OWN_FORMATS = text_list(format_.name for format_ in FORMATS)

# Of an earlier file its days and at most 64 of its charges are known; of the newest delivery all lines.
_EARLIER = """
      SELECT key.source, key.account_id, key.external_id, earlier.document_sha256, earlier.charge_days, key.days,
        earlier.currency, earlier.lines_sketch, earlier.lines_total, earlier.line_count,
        list_distinct(earlier.charges_sketch) AS charges
      FROM (
        SELECT source, account_id, external_id, any_value(format) AS format, any_value(invoice_month) AS invoice_month,
          bool_or(may_be_part) AS may_be_part, list_distinct(flatten(list(charge_days))) AS days,
          -- A copy of a file that came before its neighbours is a newer delivery than theirs.
          max(coalesce(name.placed_at, received_at)) AS received_at
        FROM part JOIN (SELECT document_sha256, format FROM documents) AS document USING (document_sha256)
        LEFT JOIN (SELECT document_sha256, max(received_at) AS placed_at FROM document_names GROUP BY ALL) AS name
          USING (document_sha256)
        WHERE id_basis <> 'derived' AND is_final
        GROUP BY source, account_id, external_id
      ) AS key
      JOIN (FROM document_invoices JOIN (SELECT document_sha256, format FROM documents) AS document USING (document_sha256)
      ) AS earlier USING (source, account_id, external_id)
      LEFT JOIN (
        SELECT source, account_id, external_id, max(received_at) AS received_at
        FROM document_invoices SEMI JOIN releases AS release
          USING (document_sha256, source, account_id, external_id)
        GROUP BY ALL
      ) AS released USING (source, account_id, external_id)
      ANTI JOIN part ON part.document_sha256 = earlier.document_sha256 AND part.source = key.source
        AND part.account_id = key.account_id AND part.external_id = key.external_id
      WHERE earlier.received_at <= key.received_at AND earlier.is_final
        -- Another export of the same invoice words its charges otherwise; a re-issue may have another month, and so other days.
        AND earlier.format = key.format AND (key.may_be_part OR earlier.invoice_month = key.invoice_month)
        -- A version that a person released is the whole invoice: what came before it is settled.
        AND earlier.received_at >= coalesce(released.received_at, TIMESTAMP '1970-01-01')"""


# A time or a count in a path that says which of two runs of one export is later. A bare number does not: regions have some too.
_STAMP = r"20\d{6}(?:t?\d{4,6}z?)?|\b(?:day|week|run|version|v|rev|revision|delivery|export|refresh)[-_ ]?\d+\b|/\d{1,4}(?:/)"

_PLACES = rf"""
      SELECT document_sha256, inbox_path, nullif(regexp_extract(inbox_path, '^(.*)/', 1), '') AS folder,
        -- Dates are compared as 20260503, whatever stands between year, month and day.
        regexp_replace(lower(inbox_path), '(20\d\d)[-_.](\d\d)[-_.](\d\d)', '\1\2\3', 'g') AS path,
        regexp_replace(path, '{_STAMP}', '#', 'g') AS unstamped,
        regexp_replace(inbox_path, ' \(\d+\)(\.[^./]*)$', '\1') AS uncounted,
        coalesce(TRY_CAST(regexp_extract(inbox_path, ' \((\d+)\)\.[^./]*$', 1) AS BIGINT), 0) AS copy,
        list_transform(regexp_extract_all(path, '{_STAMP}'),
          lambda stamp: CAST(left(regexp_replace(stamp, '\D', '', 'g'), 18) AS BIGINT)) AS stamps
      FROM document_names"""

# The earlier deliveries at other paths (a lone file, or the files of a folder), with what is known of their lines.
_ELSEWHERE = f"""
      SELECT source, account_id, external_id, coalesce(place.folder, place.inbox_path) AS delivery,
        arg_max(document.file_name, place.inbox_path) AS file_name,
        list_distinct(flatten(list(earlier.lines_sketch))) AS lines, sum(earlier.lines_total) AS lines_total,
        -- Of a large file the least hashes are known: of the lines below the greatest of them it is known whether it has them.
        min(CASE WHEN earlier.line_count > len(earlier.lines_sketch) THEN list_max(earlier.lines_sketch) END) AS known_below,
        bool_or(newer.is_newer) AS is_newer, bool_or(newer.is_older) AS is_older
      FROM earlier
      JOIN documents AS document USING (document_sha256)
      JOIN ({_PLACES}) AS place USING (document_sha256)
      JOIN (
        SELECT own.source, own.account_id, own.external_id, other.document_sha256, other.inbox_path,
          bool_or(own.place.unstamped = other.unstamped AND own.place.stamps > other.stamps)
            -- A browser counts what it saves under one name; where each is a whole invoice, none of them is a part.
            OR bool_or(own.is_whole AND own.place.uncounted = other.uncounted AND own.place.copy > other.copy) AS is_newer,
          bool_or(own.place.unstamped = other.unstamped AND own.place.stamps < other.stamps)
            OR bool_or(own.is_whole AND own.place.uncounted = other.uncounted AND own.place.copy < other.copy) AS is_older
        FROM (
          SELECT part.source, part.account_id, part.external_id, part.currency, place,
            NOT part.may_be_part AND document.format IN ({_OWN_FORMATS}) AS is_whole
          FROM part JOIN (SELECT document_sha256, format FROM documents) AS document USING (document_sha256)
          JOIN ({_PLACES}) AS place USING (document_sha256)
          ANTI JOIN listed USING (document_sha256)
        ) AS own
        JOIN earlier USING (source, account_id, external_id)
        JOIN ({_PLACES}) AS other ON other.document_sha256 = earlier.document_sha256
        -- Sums in two currencies are not compared; they are a doubt of their own.
        WHERE coalesce(earlier.currency = own.currency, true)
        GROUP BY ALL
        HAVING NOT bool_or(own.place.inbox_path = other.inbox_path OR coalesce(own.place.folder = other.folder, false))
      ) AS newer USING (source, account_id, external_id, document_sha256, inbox_path)
      GROUP BY ALL"""


def _part_or_replacement(scope: Scope) -> str:
    return f"""
      WITH earlier AS MATERIALIZED ({_EARLIER}
      ), charge AS (
        SELECT source, account_id, external_id, document_sha256, unnest(charges) AS charge FROM earlier
      ), line_now AS MATERIALIZED (
        SELECT DISTINCT source, account_id, external_id, {likeness.CHARGE} AS charge, {likeness.LINE} AS line
        FROM cost_lines SEMI JOIN earlier USING (source, account_id, external_id)
        WHERE invoice_month IN ({scope.month_list})
      ), charge_now AS (
        SELECT DISTINCT source, account_id, external_id, charge FROM line_now
      ), lacking AS MATERIALIZED (
        SELECT source, account_id, external_id, document_sha256
        FROM charge LEFT JOIN (SELECT *, true AS is_there FROM charge_now) USING (source, account_id, external_id, charge)
        GROUP BY ALL HAVING count(is_there) * 2 < count(*)
        UNION
        SELECT source, account_id, external_id, document_sha256 FROM earlier
        WHERE len(list_filter(charge_days, lambda day: NOT list_contains(days, day))) * 4 > len(charge_days)
      ), now AS MATERIALIZED (
        SELECT source, account_id, external_id, sum(lines_total) AS lines_total, min(file_name) AS file_name,
          string_agg({dismiss_sql()}, ' and ' ORDER BY document_sha256) AS dismissal
        FROM part SEMI JOIN earlier USING (source, account_id, external_id) GROUP BY ALL
      ), elsewhere AS MATERIALIZED ({_ELSEWHERE}
      ), compared AS (
        SELECT source, account_id, external_id, elsewhere.file_name, elsewhere.lines_total, now.lines_total AS total_now,
          now.file_name AS file_now, now.dismissal, elsewhere.is_older,
          len(elsewhere.lines) - len(list_intersect(elsewhere.lines, lines_now)) AS lacks,
          len(elsewhere.lines) AS known,
          len(list_filter(lines_now, lambda line_: line_ <= coalesce(elsewhere.known_below, 9223372036854775807)
            AND NOT list_contains(elsewhere.lines, line_))) AS adds
        FROM elsewhere JOIN now USING (source, account_id, external_id)
        JOIN (SELECT source, account_id, external_id, list(DISTINCT line) AS lines_now FROM line_now GROUP BY ALL) AS stated
          USING (source, account_id, external_id)
        -- What is newer than a file that has all lines of an earlier one is newer than that too.
        WHERE (NOT elsewhere.is_newer OR elsewhere.is_older) AND NOT EXISTS (
          FROM elsewhere AS between WHERE between.source = elsewhere.source AND between.account_id = elsewhere.account_id
            AND between.external_id = elsewhere.external_id AND between.delivery <> elsewhere.delivery
            AND between.is_newer AND NOT between.is_older AND list_has_all(between.lines, elsewhere.lines))
      )
      SELECT lacking.source, lacking.account_id, lacking.external_id,
        'what states it now lacks most of what ' || min(document.file_name) ||
        CASE WHEN count(*) > 1 THEN ' and ' || (count(*) - 1) || ' more files' ELSE '' END ||
        ', which came earlier, charges for: a part of it, or a replacement? If they are parts, ' ||
        CASE WHEN min(document.format) IN ({_OWN_FORMATS}) THEN ''
          ELSE 'say `parts = true` in the description of ' || min(document.format) || ' and ' END ||
        'put copies of all parts into one new folder of the inbox; if what came last is the whole invoice: ' ||
        {release_sql(name_sql("lacking"))} || '; if what came earlier is: ' || any_value(now.dismissal) AS text
      FROM lacking JOIN documents AS document USING (document_sha256) JOIN now USING (source, account_id, external_id)
      GROUP BY lacking.source, lacking.account_id, lacking.external_id
      UNION ALL
      SELECT source, account_id, external_id,
        'it came last as ' || any_value(file_now) || ' (' || {_amount("any_value(total_now)")} ||
        '), and nothing says that this is newer than ' ||
        string_agg(DISTINCT file_name || ' (' || {_amount("lines_total")} || ')', ' and ') ||
        ': an older export, or a part of the invoice? If what came last is the whole invoice: ' ||
        {release_sql()} || '; if what came earlier is: ' || any_value(dismissal) ||
        '; if they are parts, put copies of all parts into one new folder of the inbox' AS text
      FROM compared ANTI JOIN lacking USING (source, account_id, external_id)
      WHERE lines_total <> total_now AND lacks > 0
        AND (is_older OR adds = 0 OR lacks * 2 >= known OR abs(total_now) < abs(lines_total))
      GROUP BY source, account_id, external_id"""


def _amount(total: str) -> str:
    """SQL: a sum as people write it."""
    return f"CAST(round({total}, 2) AS DECIMAL(18, 2))"


# Lines are equal if all their columns are. Equal lines in one file are two charges.
_LINE = """hash(service_name, description, project, resource_id, charge_period_start, charge_period_end, quantity, amount,
              charge_category)"""

# The same charge, whatever it comes to by now: an export that has grown since. Where a file has several lines of it, such as the
# tiers of a price, they prove nothing.
_CHARGE = (
    "hash(service_name, description, project, resource_id, charge_period_start, charge_period_end, charge_category)"
)

_TWICE = f"""
      WITH together AS MATERIALIZED (
        SELECT source, account_id, external_id, document_sha256
        FROM part LEFT JOIN listed USING (document_sha256)
        WINDOW invoice AS (PARTITION BY source, account_id, external_id)
        QUALIFY count(*) OVER invoice > 1
          AND (count(manifest_sha256) OVER invoice < count(*) OVER invoice
            OR min(manifest_sha256) OVER invoice <> max(manifest_sha256) OVER invoice)
      ), line AS MATERIALIZED (
        SELECT source, account_id, external_id, document_sha256, {_LINE} AS line, {_CHARGE} AS charge, count(*) AS lines
        FROM cost_lines SEMI JOIN together USING (source, account_id, external_id, document_sha256)
        GROUP BY ALL
      ), shared AS (
        SELECT source, account_id, external_id, document_sha256, least(lines, elsewhere) AS shared
        FROM (
          SELECT *, sum(lines) OVER (PARTITION BY source, account_id, external_id, line) - lines AS elsewhere FROM line
        )
      ), grown AS (
        SELECT source, account_id, external_id, document_sha256, 1 AS shared
        FROM (SELECT source, account_id, external_id, document_sha256, charge, sum(lines) AS lines FROM line GROUP BY ALL)
        WHERE lines = 1
        QUALIFY count(*) OVER (PARTITION BY source, account_id, external_id, charge) > 1
      ), counted AS (
        SELECT source, account_id, external_id, document_sha256, sum(lines) AS lines FROM line GROUP BY ALL
      ), found AS (
        SELECT source, account_id, external_id, document_sha256
        FROM (SELECT *, true AS is_equal FROM shared UNION ALL BY NAME SELECT *, false AS is_equal FROM grown) AS one
        JOIN counted USING (source, account_id, external_id, document_sha256)
        GROUP BY source, account_id, external_id, document_sha256, is_equal HAVING sum(shared) * 2 > any_value(lines)
      )
      SELECT found.source, found.account_id, found.external_id,
        'most lines of ' || min(document.file_name) || ' are also in the other files of its folder: left over from an earlier '
        'export, or a newer version? Dismiss what is out of date (' || min({dismiss_sql("found.document_sha256")}) ||
        '), or put each delivery into a folder of its own; if all of them are parts: ' ||
        {release_sql(name_sql("found"))} AS text
      FROM found JOIN documents AS document USING (document_sha256)
      GROUP BY found.source, found.account_id, found.external_id"""


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """A delivery that lacks what an earlier file charged for; a file with lines that the others of its delivery have."""
    return (Doubt(_part_or_replacement(scope)), Doubt(_TWICE))
