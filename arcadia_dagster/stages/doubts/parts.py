"""Invoices that several deliveries state: the files may be parts or versions.

Five questions. A newer delivery replaces the older ones: does it have the charges of each of their files, or is it a part
beside them? Does anything but its arrival show that it is newer? Is it an older one that was cut off? Is it a window of the last
30 days, which has new lines and lacks the month's first ones? Does a file of another format state another sum? What the files of
one delivery repeat is for `repeats`.

These show that a file is newer: it lies at the other one's path; a date or a count of runs in its path is later
(`stages.places`); a manifest lists it. The lines of the two files do not show it: a file with all lines of the other one may
be the same export again, or a part that differs in something that no stored column has, such as a region. Once a person has
released a version as the whole invoice, a file with all its lines is newer.
"""

from arcadia_dagster.billing import likeness
from arcadia_dagster.billing.advice import dismiss_sql, name_sql, release_sql
from arcadia_dagster.billing.currency import exponents_sql, to_minor_sql
from arcadia_dagster.formats.registry import FORMATS
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope
from arcadia_dagster.stages.places import (
    CORRECTED,
    counts_more,
    folder_is_later,
    is_later,
    places_sql,
    root_of_days_sql,
)
from arcadia_dagster.store.query import text_list

_OWN_FORMATS = text_list(format_.name for format_ in FORMATS)

# The other deliveries of an invoice: they came earlier, or their paths say that they are older. Of their files the days and at
# most 64 charges are known; of the newest delivery all lines.
_EARLIER = """
      SELECT key.source, key.account_id, key.external_id, earlier.document_sha256, earlier.charge_days, key.days,
        earlier.currency, earlier.lines_sketch, earlier.lines_total, earlier.line_count, earlier.stated_total,
        earlier.stated_tax,
        list_distinct(earlier.charges_sketch) AS charges, earlier.received_at = released.received_at AS is_released,
        key.is_derived, earlier.may_be_part, earlier.open_until, earlier.received_at > key.received_at AS came_later
      FROM (
        SELECT source, account_id, external_id, any_value(id_basis) = 'derived' AS is_derived,
          any_value(format) AS format, any_value(invoice_month) AS invoice_month,
          bool_or(may_be_part) AS may_be_part, list_distinct(flatten(list(charge_days))) AS days,
          -- A copy of a file that came before its neighbours is a newer delivery than theirs.
          max(coalesce(name.placed_at, received_at)) AS received_at
        FROM part JOIN (SELECT document_sha256, format FROM documents) AS document USING (document_sha256)
        LEFT JOIN (SELECT document_sha256, max(received_at) AS placed_at FROM document_names GROUP BY ALL) AS name
          USING (document_sha256)
        -- A statement beside the lines has the words of its own format.
        WHERE is_own AND is_final
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
      WHERE earlier.is_final
        -- A file of another format words its charges otherwise: only sums are compared (`_OTHERWISE`). A re-issue may have
        -- another month, and so other days.
        AND earlier.format = key.format AND (key.may_be_part OR earlier.invoice_month = key.invoice_month)
        -- A version that a person released is the whole invoice: what came before it is settled.
        AND earlier.received_at >= coalesce(released.received_at, TIMESTAMP '1970-01-01')"""


# The earlier deliveries at other paths (a lone file, or the files of a folder) that nothing shows to be older. If each document
# is a whole invoice, it has no parts, in one folder neither: a browser's count shows which is newer, and equal lines are no
# doubt, nor are other words for what comes to the same stated total and tax, as in an XML beside a PDF. A delivery with all
# lines of an earlier one has grown, if its folder is later or a person released the earlier one.
_ELSEWHERE = f"""
      SELECT source, account_id, external_id, delivery, arg_max(file_name, inbox_path) AS file_name,
        sum(lines_total) AS lines_total, bool_or(came_later) AS came_later
      FROM (
        SELECT DISTINCT beside.* EXCLUDE (has_grown), place.inbox_path, document.file_name,
          coalesce(place.folder, place.inbox_path) AS delivery
        FROM (
          SELECT own.source, own.account_id, own.external_id, earlier.document_sha256,
            any_value(earlier.lines_total) AS lines_total, any_value(earlier.came_later) AS came_later,
            bool_or(earlier.is_released OR {folder_is_later("own.place", "other")}) AS has_grown
          FROM (
            SELECT part.*, place, NOT part.may_be_part AND document.format IN ({_OWN_FORMATS}) AS is_whole
            FROM part JOIN (SELECT document_sha256, format FROM documents) AS document USING (document_sha256)
            JOIN ({places_sql()}) AS place USING (document_sha256)
            ANTI JOIN listed USING (document_sha256)
          ) AS own
          JOIN earlier USING (source, account_id, external_id)
          JOIN ({places_sql()}) AS other ON other.document_sha256 = earlier.document_sha256
          -- Sums in two currencies are not compared; they are a doubt of their own.
          WHERE coalesce(earlier.currency = own.currency, true) AND NOT earlier.is_derived
          GROUP BY own.source, own.account_id, own.external_id, earlier.document_sha256
          HAVING NOT bool_or(own.place.unpacked = other.unpacked
              OR NOT own.is_whole AND coalesce(own.place.folder = other.folder, false))
            AND NOT bool_or(own.is_whole AND (own.lines_sketch, own.line_count, own.lines_total)
              = (earlier.lines_sketch, earlier.line_count, earlier.lines_total))
            AND NOT bool_or(coalesce(own.is_whole AND (own.stated_total, own.stated_tax, own.lines_total)
              = (earlier.stated_total, earlier.stated_tax, earlier.lines_total), false))
            AND (bool_or({is_later("other", "own.place")} OR own.is_whole AND {counts_more("other", "own.place")})
              OR NOT bool_or({is_later("own.place", "other")} OR own.is_whole AND {counts_more("own.place", "other")}))
        ) AS beside
        LEFT JOIN (SELECT *, true AS is_there FROM whole_now) AS whole_now
          USING (source, account_id, external_id, document_sha256)
        JOIN documents AS document USING (document_sha256)
        JOIN ({places_sql()}) AS place USING (document_sha256)
        WHERE NOT coalesce(has_grown AND is_there, false)
      )
      GROUP BY ALL"""


_CORRECTED = f"(^|[^a-z])(final|{CORRECTED})([^a-z]|$)"

_DELIVERY = f"coalesce({root_of_days_sql('source', 'place.inbox_path')}, regexp_extract(place.inbox_path, '^(.*)/', 1))"

# The earlier deliveries are whole folders, with the files that have not changed since.
_EARLIER_FILE = f"""
      earlier_file AS MATERIALIZED (
        SELECT DISTINCT earlier.source, earlier.account_id, earlier.external_id, earlier.document_sha256, lines_sketch,
          line_count, lines_total, came_later, document.file_name, may_be_part AND place.folder IS NOT NULL AS is_of_folder,
          CASE WHEN is_of_folder THEN {_DELIVERY} ELSE document_sha256 END AS delivery,
          CASE WHEN is_of_folder THEN place.inbox_path ELSE document_sha256 END AS place
        FROM earlier JOIN (SELECT document_sha256, file_name FROM documents) AS document USING (document_sha256)
        JOIN ({places_sql()}) AS place USING (document_sha256)
        WHERE open_until IS NULL
      )"""

_KEPT_FILE = f"""
      kept_file AS MATERIALIZED (
        -- What lay beside them, and states the invoice now too.
        SELECT now.source, now.account_id, now.external_id, now.document_sha256, now.lines_sketch, now.line_count,
          now.lines_total, delivery.came_later, CAST(NULL AS VARCHAR) AS file_name, true AS is_of_folder, delivery.delivery,
          place.inbox_path AS place
        FROM (
          SELECT source, account_id, external_id, delivery, bool_or(came_later) AS came_later, list(place) AS places
          FROM earlier_file WHERE is_of_folder GROUP BY ALL
        ) AS delivery
        JOIN (FROM part WHERE is_own) AS now USING (source, account_id, external_id)
        JOIN (SELECT document_sha256, inbox_path FROM document_names) AS place USING (document_sha256)
        WHERE {_DELIVERY} = delivery.delivery
          AND NOT list_contains(delivery.places, place.inbox_path)
      )"""

_EARLIER_DELIVERY = """
      earlier_delivery AS MATERIALIZED (
        SELECT source, account_id, external_id, delivery, min(file_name) AS file_name, sum(line_count) AS line_count,
          bool_or(came_later) AS came_later, sum(lines_total) AS lines_total, flatten(list(lines)) AS lines,
          min(known_until) AS known_until
        FROM (
          -- Of several versions at one path the longest.
          SELECT source, account_id, external_id, delivery, place, arg_max(file_name, line_count) AS file_name,
            max(line_count) AS line_count, bool_or(came_later) AS came_later, arg_max(lines_total, line_count) AS lines_total,
            list_distinct(flatten(list(lines_sketch))) AS lines,
            min(list_max(lines_sketch)) FILTER (len(lines_sketch) < line_count) AS known_until
          FROM (FROM earlier_file UNION ALL BY NAME FROM kept_file)
          GROUP BY ALL
        ) GROUP BY ALL
      )"""

# The earlier deliveries of which what states the invoice now has a part, and nothing else. Of a long file only its smallest
# hashes are known: what is larger is not compared. Nobody has confirmed less than was there: no stated total, no manifest, no
# name that says that it is a correction. What came while its period was open may have had lines that are not invoiced.
_CUT_OFF = f"""
      confirmed AS MATERIALIZED (
        SELECT source, account_id, external_id FROM part JOIN document_names AS name USING (document_sha256)
        WHERE regexp_matches(lower(name.inbox_path), '{_CORRECTED}')
        UNION SELECT source, account_id, external_id FROM part SEMI JOIN listed USING (document_sha256)
        UNION SELECT source, account_id, external_id FROM raw WHERE stated_total IS NOT NULL
      ), lines_now AS (
        SELECT source, account_id, external_id, list(line) AS lines
        FROM line_now ANTI JOIN confirmed USING (source, account_id, external_id)
        GROUP BY ALL
      ), cut_off AS MATERIALIZED (
        SELECT source, account_id, external_id, earlier_delivery.file_name, earlier_delivery.lines_total, came_later
        FROM earlier_delivery JOIN lines_now USING (source, account_id, external_id)
        JOIN (SELECT source, account_id, external_id, line_count FROM raw) AS now USING (source, account_id, external_id)
        JOIN (SELECT source, account_id, external_id, amount_gross, amount_tax FROM rounded) AS total
          USING (source, account_id, external_id)
        WHERE now.line_count < earlier_delivery.line_count
          -- A row that was the sum of the others, or the second copy of each, was taken out, as its own doubt had advised.
          AND coalesce(earlier_delivery.lines_total - amount_gross NOT IN (amount_gross, amount_gross - amount_tax), true)
          AND len(list_filter(lines_now.lines, lambda line: coalesce(line <= known_until, true)
            AND NOT list_contains(earlier_delivery.lines, line))) = 0
          -- Lines that two parts had are in one of them now, as the doubt about them had advised.
          AND (known_until IS NOT NULL OR earlier_delivery.line_count - now.line_count
            <> len(earlier_delivery.lines) - len(list_distinct(earlier_delivery.lines)))
      )"""

# The earlier files that charge for days before the first one for which what states the invoice now does, and nobody has confirmed
# that these are not charged for. Where nothing but the tax is new, it was made for what is left: a correction.
_SHORTENED = """
      renewed AS MATERIALIZED (
        SELECT DISTINCT source, account_id, external_id, document_sha256
        FROM earlier JOIN line_now USING (source, account_id, external_id)
        WHERE NOT line_now.is_tax AND NOT list_contains(lines_sketch, line)
          AND (len(lines_sketch) = line_count OR line <= list_max(lines_sketch))
      ), shortened AS MATERIALIZED (
        SELECT source, account_id, external_id, document_sha256, lines_total, came_later,
          list_filter(charge_days, lambda day: day < list_min(days)) AS lost_days
        FROM earlier
        SEMI JOIN renewed USING (source, account_id, external_id, document_sha256)
        ANTI JOIN confirmed USING (source, account_id, external_id)
        WHERE NOT is_derived AND open_until IS NULL AND len(lost_days) > 0
      )"""

# Other invoices that have mostly lines of a version that finance may have, of an invoice whose later version is held: an invoice
# that was split counts twice until that is settled.
_SPLIT = """
      split AS MATERIALIZED (
        SELECT other.source, other.account_id, other.external_id, whole.external_id AS whole_id
        FROM (
          SELECT source, account_id, external_id FROM lacking UNION SELECT source, account_id, external_id FROM shortened
          UNION SELECT source, account_id, external_id FROM cut_off
        ) AS whole
        JOIN earlier USING (source, account_id, external_id)
        JOIN (SELECT source, account_id, external_id, invoice_month, document_sha256 AS present FROM raw) AS present
          USING (source, account_id, external_id)
        ANTI JOIN release ON release.source = whole.source AND release.account_id = whole.account_id
          AND release.external_id = whole.external_id AND release.document_sha256 = present
        JOIN raw AS other ON other.source = whole.source AND other.account_id = whole.account_id
          AND other.invoice_month = present.invoice_month AND other.external_id <> whole.external_id
        WHERE other.is_final AND len(list_intersect(other.lines_sketch, earlier.lines_sketch)) * 2
          > len(list_filter(other.lines_sketch,
            lambda line: len(earlier.lines_sketch) = earlier.line_count OR line <= list_max(earlier.lines_sketch)))
        GROUP BY ALL
      )"""


def amount_sql(total: str) -> str:
    """SQL: a sum as people write it."""
    return f"CAST(round({total}, 2) AS DECIMAL(18, 2))"


# What came last counts, unless the paths say that it is older.
_CAME_LATER = "coalesce(bool_or(came_later), false)"
_IT_CAME_LAST = f"CASE WHEN {_CAME_LATER} THEN 'it is newest by its path as ' ELSE 'it came last as ' END"
_WHAT_CAME_LAST = f"CASE WHEN {_CAME_LATER} THEN 'what is newest' ELSE 'what came last' END"
_WHAT_CAME_EARLIER = f"CASE WHEN {_CAME_LATER} THEN 'what is older' ELSE 'what came earlier' END"
_ELSE_DISMISS = f"coalesce('; if ' || {_WHAT_CAME_EARLIER} || ' is: ' || any_value(now.dismissal), '')"
_WHICH_CAME_EARLIER = f"CASE WHEN {_CAME_LATER} THEN ', which is older' ELSE ', which came earlier' END"


def _part_or_replacement(scope: Scope) -> str:
    return f"""
      WITH earlier AS MATERIALIZED ({_EARLIER}
      ), charge AS (
        SELECT source, account_id, external_id, document_sha256, came_later, unnest(charges) AS charge FROM earlier
        WHERE NOT is_derived
      ), line_now AS MATERIALIZED (
        SELECT DISTINCT source, account_id, external_id, {likeness.CHARGE} AS charge, {likeness.LINE} AS line,
          charge_category = 'Tax' AS is_tax
        FROM cost_lines SEMI JOIN earlier USING (source, account_id, external_id)
        WHERE invoice_month IN ({scope.month_list}) AND added_by IS NULL
      ), charge_now AS (
        SELECT DISTINCT source, account_id, external_id, charge FROM line_now
      ), whole_now AS MATERIALIZED (
        SELECT source, account_id, external_id, document_sha256
        FROM (SELECT *, unnest(lines_sketch) AS line FROM earlier)
        LEFT JOIN (SELECT DISTINCT source, account_id, external_id, line, true AS is_there FROM line_now)
          USING (source, account_id, external_id, line)
        GROUP BY ALL HAVING bool_and(coalesce(is_there, false))
      ), lacking AS MATERIALIZED (
        SELECT source, account_id, external_id, document_sha256, came_later
        FROM charge LEFT JOIN (SELECT *, true AS is_there FROM charge_now) USING (source, account_id, external_id, charge)
        GROUP BY ALL HAVING count(is_there) * 2 < count(*)
        UNION
        SELECT source, account_id, external_id, document_sha256, came_later FROM earlier
        WHERE NOT is_derived AND len(list_filter(charge_days, lambda day: NOT list_contains(days, day))) * 4 > len(charge_days)
      ), {_EARLIER_FILE}, {_KEPT_FILE}, {_EARLIER_DELIVERY}, {_CUT_OFF}, {_SHORTENED}, {_SPLIT}, now AS MATERIALIZED (
        -- What an earlier delivery has too is its own: it is not what is wrong, and stays if the rest is dismissed.
        SELECT source, account_id, external_id, sum(lines_total) AS lines_total,
          coalesce(min(file_name) FILTER (is_kept IS NULL), min(file_name)) AS file_name,
          string_agg({dismiss_sql()}, ' and ' ORDER BY document_sha256) FILTER (is_kept IS NULL) AS dismissal,
          CASE WHEN bool_or(may_be_part) THEN '' WHEN min(format) IN ({_OWN_FORMATS}) THEN NULL
            ELSE 'say `parts = true` at the top of the description of ' || min(format) || ' and ' END
            || 'put copies of all parts into one new folder of the inbox, such as ' ||
            regexp_replace(any_value(external_id), '[^A-Za-z0-9]+', '-', 'g') || '-parts' AS parts_together,
          coalesce(parts_together, 'put one file with all of its lines in their place') AS together
        FROM part JOIN (SELECT document_sha256, format FROM documents) AS document USING (document_sha256)
        LEFT JOIN (SELECT DISTINCT source, account_id, external_id, document_sha256, true AS is_kept FROM kept_file) AS kept
          USING (source, account_id, external_id, document_sha256)
        SEMI JOIN earlier USING (source, account_id, external_id) WHERE is_own GROUP BY ALL
      ), elsewhere AS MATERIALIZED ({_ELSEWHERE}
      )
      SELECT lacking.source, lacking.account_id, lacking.external_id,
        'what states it now lacks most of what ' || min(document.file_name) ||
        CASE WHEN count(*) > 1 THEN ' and ' || (count(*) - 1) || ' more files' ELSE '' END ||
        {_WHICH_CAME_EARLIER} || ', charges for: a part of it, or a replacement? If they are parts, ' ||
        any_value(now.together) || '; if ' || {_WHAT_CAME_LAST} || ' is the whole invoice: ' ||
        {release_sql(name_sql("lacking"))} || {_ELSE_DISMISS} AS text
      FROM lacking JOIN documents AS document USING (document_sha256) JOIN now USING (source, account_id, external_id)
      GROUP BY lacking.source, lacking.account_id, lacking.external_id
      UNION ALL
      SELECT source, account_id, external_id,
        {_IT_CAME_LAST} || any_value(now.file_name) || ' (' || {amount_sql("any_value(now.lines_total)")} ||
        '), and nothing says that this is newer than ' ||
        array_to_string(list_sort(list(DISTINCT elsewhere.file_name || ' (' || {amount_sql("elsewhere.lines_total")} || ')')),
          ' and ') ||
        ': a correction, an older export, or a part of the invoice? If ' || {_WHAT_CAME_LAST} || ' is the whole invoice: ' ||
        {release_sql()} || {_ELSE_DISMISS} ||
        coalesce('; if they are parts, ' || any_value(now.parts_together), '') AS text
      FROM elsewhere JOIN now USING (source, account_id, external_id)
      ANTI JOIN lacking USING (source, account_id, external_id)
      GROUP BY source, account_id, external_id
      UNION ALL
      SELECT source, account_id, external_id,
        {_IT_CAME_LAST} || any_value(now.file_name) || ' (' || {amount_sql("any_value(now.lines_total)")} ||
        '), and has only lines that ' ||
        array_to_string(list_sort(list(DISTINCT whole.file_name || ' (' || {amount_sql("whole.lines_total")} || ')')), ' and ') ||
        {_WHICH_CAME_EARLIER} || ', has too, and fewer of them: cut off, or a correction? If ' || {_WHAT_CAME_LAST} ||
        ' is the whole invoice: ' || {release_sql()} || {_ELSE_DISMISS} AS text
      FROM cut_off AS whole JOIN now USING (source, account_id, external_id)
      ANTI JOIN lacking USING (source, account_id, external_id)
      ANTI JOIN elsewhere USING (source, account_id, external_id)
      GROUP BY source, account_id, external_id
      UNION ALL
      SELECT source, account_id, external_id,
        {_IT_CAME_LAST} || any_value(now.file_name) || ' (' || {amount_sql("any_value(now.lines_total)")} || '), and lacks ' ||
        'all of ' || strftime(min(list_min(lost_days)), '%Y-%m-%d') ||
        CASE WHEN max(len(lost_days)) > 1 THEN ' and ' || (max(len(lost_days)) - 1) || ' more days' ELSE '' END || ', which ' ||
        min(document.file_name) ||
        {_WHICH_CAME_EARLIER} || ', charges for: the last days only, a part, or a correction? If ' || {_WHAT_CAME_LAST} ||
        ' is the whole invoice: ' || {release_sql()} || {_ELSE_DISMISS} AS text
      FROM shortened JOIN documents AS document USING (document_sha256) JOIN now USING (source, account_id, external_id)
      ANTI JOIN lacking USING (source, account_id, external_id)
      ANTI JOIN elsewhere USING (source, account_id, external_id)
      ANTI JOIN cut_off USING (source, account_id, external_id)
      GROUP BY source, account_id, external_id
      UNION ALL
      SELECT source, account_id, external_id,
        'most of its lines were on ' || string_agg(whole_id, ' and ' ORDER BY whole_id) ||
        ', whose newer version is held: was that invoice split? Settle that one, and this one goes on by itself; if the newer '
        'version is the whole of it: ' || {release_sql(name_sql(external_id="min(whole_id)"))} AS text
      FROM split GROUP BY source, account_id, external_id"""


# The deliveries of other formats that state the invoice too, and nothing replaces: a later file at the same path, or at a path
# that says that it is newer. Whatever the order of arrival, the same deliveries are compared with what counts.
_OTHERWISE = f"""
      WITH now AS MATERIALIZED (
        SELECT source, account_id, external_id, any_value(format) AS format, any_value(currency) AS currency,
          min(file_name) AS file_name, sum(lines_total) AS lines_total, any_value(invoice_month) AS invoice_month,
          bool_and(NOT may_be_part AND format IN ({_OWN_FORMATS})) AS is_whole,
          string_agg({dismiss_sql()}, ' and ' ORDER BY document_sha256) AS dismissal
        FROM part JOIN (SELECT document_sha256, format FROM documents) AS document USING (document_sha256)
        WHERE NOT coalesce(is_statement, false) AND is_final AND open_until IS NULL AND withdrawn IS NULL
        GROUP BY source, account_id, external_id
        -- Sums in two currencies are not compared; they are a doubt of their own.
        HAVING count(DISTINCT currency) = 1
      ), other AS MATERIALIZED (
        SELECT other.source, other.account_id, other.external_id, other.document_sha256, other.lines_total, other.may_be_part,
          document.format, document.file_name, place
        FROM document_invoices AS other
        JOIN (SELECT document_sha256, format, file_name FROM documents) AS document USING (document_sha256)
        JOIN ({places_sql()}) AS place USING (document_sha256)
        JOIN now USING (source, account_id, external_id)
        LEFT JOIN (
          SELECT source, account_id, external_id, max(received_at) AS received_at
          FROM document_invoices SEMI JOIN releases AS release
            USING (document_sha256, source, account_id, external_id)
          GROUP BY ALL
        ) AS released USING (source, account_id, external_id)
        WHERE document.format <> now.format AND other.currency = now.currency AND other.is_final AND other.withdrawn IS NULL
          AND other.open_until IS NULL AND NOT coalesce(other.is_statement, false) AND NOT coalesce(other.yields, false)
          -- DigitalOcean's API and its CSV: each document is the whole invoice, and the newest counts, as in one format.
          AND NOT (now.is_whole AND NOT other.may_be_part AND document.format IN ({_OWN_FORMATS}))
          -- A version that a person released is the whole invoice: what came before it is settled.
          AND other.received_at >= coalesce(released.received_at, TIMESTAMP '1970-01-01')
      ), replaced AS (
        SELECT own.source, own.account_id, own.external_id, own.document_sha256
        FROM other AS own JOIN other AS later USING (source, account_id, external_id, format)
        WHERE own.document_sha256 <> later.document_sha256
          AND ({is_later("later.place", "own.place")} OR NOT own.may_be_part AND {counts_more("later.place", "own.place")}
            OR {folder_is_later("later.place", "own.place")})
        UNION
        SELECT own.source, own.account_id, own.external_id, own.document_sha256
        FROM (SELECT DISTINCT source, account_id, external_id, document_sha256 FROM other) AS own
        JOIN document_names AS name USING (document_sha256)
        JOIN document_names AS later USING (inbox_path)
        JOIN document_invoices AS stated ON stated.document_sha256 = later.document_sha256 AND stated.source = own.source
          AND stated.account_id = own.account_id AND stated.external_id = own.external_id
        WHERE later.received_at > name.received_at AND later.document_sha256 <> own.document_sha256
      ), delivery AS (
        SELECT source, account_id, external_id, format,
          CASE WHEN may_be_part AND place.folder IS NOT NULL THEN place.folder ELSE document_sha256 END AS delivery,
          sum(lines_total) AS lines_total, {amount_sql("sum(lines_total)")} || ' by ' || min(file_name) AS says
        FROM (
          FROM other ANTI JOIN replaced USING (source, account_id, external_id, document_sha256)
          QUALIFY row_number() OVER (PARTITION BY source, account_id, external_id, document_sha256, place.folder
            ORDER BY place.inbox_path) = 1
        )
        GROUP BY ALL
      )
      SELECT now.source, now.account_id, now.external_id,
        'it comes to ' || {amount_sql("any_value(now.lines_total)")} || ' by ' || any_value(now.file_name) ||
        ', which came last, and to ' ||
        string_agg(DISTINCT delivery.says, ' and to ' ORDER BY delivery.says) ||
        ', in another format: which of them is the invoice? If what came last is: ' || {release_sql(name_sql("now"))} ||
        '; if not: ' || any_value(now.dismissal) AS text
      FROM now JOIN delivery USING (source, account_id, external_id)
      JOIN {exponents_sql()} AS iso USING (currency)
      WHERE {to_minor_sql("now.lines_total", "iso.exponent")} <> {to_minor_sql("delivery.lines_total", "iso.exponent")}
      GROUP BY now.source, now.account_id, now.external_id"""

_STATED_BEFORE = """SELECT 1 FROM document_invoices
      SEMI JOIN part USING (source, account_id, external_id)
      ANTI JOIN part AS now USING (source, account_id, external_id, document_sha256)"""
"""SQL: what other documents than the present ones state of the invoices."""

_STATED_IN_TWO_FORMATS = """SELECT 1 FROM document_invoices
      JOIN (SELECT document_sha256, format FROM documents) AS document USING (document_sha256)
      SEMI JOIN part USING (source, account_id, external_id)
      GROUP BY source, account_id, external_id HAVING count(DISTINCT format) > 1"""
"""SQL: the invoices that documents of two formats state."""


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """A delivery that lacks what an earlier file charged for, that nothing shows to be newer, or that has another sum."""
    return (Doubt(_part_or_replacement(scope), needs=_STATED_BEFORE), Doubt(_OTHERWISE, needs=_STATED_IN_TWO_FORMATS))
