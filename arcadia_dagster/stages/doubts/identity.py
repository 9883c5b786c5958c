"""Doubts about an invoice's identity: it may be another invoice than it seems, or the same as a registered one.

The order of arrival does not matter: two invoices that may be one are both held. If only one of them has a provider's id, that
one is the invoice, unless finance has the other already. Voided invoices are not compared.
"""

from arcadia_dagster.billing import likeness
from arcadia_dagster.billing.advice import dismiss_sql, name_sql, release_sql, void_sql
from arcadia_dagster.landing.issuers import OWN_SOURCE
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope, several_of_an_account
from arcadia_dagster.stages.places import CORRECTED, folder_is_later, places_sql
from arcadia_dagster.warehouse.keys import DELIVERY_KEY_COLUMNS
from arcadia_dagster.warehouse.relations import newly_named_sql

_REPLACES_OTHER_LINES = f"""
      SELECT source, account_id, external_id,
        'a file of the same name stated mostly other lines before, and the name is not the provider''s: a new version, or '
        'another invoice? If it is a new version: ' || {release_sql()} || '; if it is another invoice: ' ||
        {dismiss_sql("any_value(raw.document_sha256)")} ||
        ', then drop it with an empty line at its end, under a name that no other invoice has' AS text
      FROM raw JOIN document_invoices AS older USING (source, account_id, external_id)
      WHERE raw.id_basis = 'derived' AND NOT raw.may_be_part AND older.document_sha256 <> raw.document_sha256
        -- A month that was open has grown since.
        AND older.open_until IS NULL
      GROUP BY source, account_id, external_id, raw.lines_sketch
      HAVING len(list_intersect(raw.lines_sketch, arg_max(older.lines_sketch, older.received_at))) * 2
        < least(len(raw.lines_sketch), len(arg_max(older.lines_sketch, older.received_at)))"""

# `DigitalOcean Invoice 2026 Apr (77-1001) - corrected.csv`: only the provider's own name, as a whole, gives a file its number.
_NAMES_ANOTHER = f"""
      SELECT raw.source, raw.account_id, raw.external_id,
        any_value(raw.file_name) || ' has the number of ' || min(other.external_id) || ' of its month in its name, which is not '
        'the provider''s: that invoice, corrected or copied? If it is, ' || {dismiss_sql("any_value(raw.document_sha256)")} ||
        ', then drop it with an empty line at its end under the name ' || arg_min(document.file_name, other.external_id) ||
        '; if it is an invoice of its own: ' || {release_sql(name_sql("raw"))} AS text
      FROM raw
      JOIN (FROM document_invoices ANTI JOIN apart USING (source, account_id, external_id)) AS other
        ON other.source = raw.source AND other.invoice_month = raw.invoice_month
        AND contains(lower(raw.file_name), lower(other.external_id))
      JOIN documents AS document ON document.document_sha256 = other.document_sha256
      WHERE raw.id_basis = 'derived' AND raw.is_final AND other.id_basis <> 'derived'
        -- A year, or less, may be anything.
        AND length(other.external_id) >= 4 AND NOT regexp_full_match(other.external_id, '20\\d\\d')
        AND regexp_matches(lower(raw.file_name),
          '(^|[^a-z0-9])' || regexp_escape(lower(other.external_id)) || '([^a-z0-9]|$)')
      GROUP BY raw.source, raw.account_id, raw.external_id"""

_MOVED = f"""
      SELECT source, account_id, external_id,
        'another invoice ' || stated_id || ' is in ' ||
        array_to_string(list_sort(list(DISTINCT strftime(other.invoice_month, '%Y-%m'))), ', ') ||
        ': numbers that begin anew, or the same invoice under another month? As an invoice of its own it goes to finance as ' ||
        external_id || ': ' || {release_sql()} || '; as the same invoice, in the month that it has now: ' ||
        array_to_string(list_sort(list(DISTINCT CASE WHEN stated_invoices > 1
          THEN {void_sql(name_sql("other", external_id="other.other_id"))}
          ELSE {dismiss_sql("other.document_sha256")} END)), ' and ') || '; else: ' ||
        {dismiss_sql("any_value(raw.document_sha256)")} AS text
      FROM raw JOIN (
        SELECT source, account_id, coalesce(stated_id, external_id) AS stated_id, external_id AS other_id, invoice_month,
          document_sha256, stated_invoices
        FROM document_invoices ANTI JOIN void USING (source, account_id, external_id)
        -- A document with other invoices is not dismissed for one of them.
        JOIN (SELECT document_sha256, count(*) AS stated_invoices FROM document_invoices GROUP BY ALL) AS stated
          USING (document_sha256)
      ) AS other USING (source, account_id, stated_id)
      WHERE other.other_id <> external_id
      GROUP BY source, account_id, external_id, stated_id"""

_OF_ANOTHER_SOURCE = f"""
      SELECT source, account_id, external_id,
        'an invoice of ' || min(other_source) || ' in ' || min(strftime(other_month, '%Y-%m')) ||
        ' has its id: the same invoice from another export? Void the one that is too much (' || {void_sql()} ||
        '), or release both if both are real (' || {release_sql()} || ')' AS text
      FROM raw JOIN (
        SELECT source AS other_source, account_id AS other_account, external_id, invoice_month AS other_month,
          lines_total AS other_total
        FROM current_invoices ANTI JOIN apart USING (source, account_id, external_id)
        WHERE is_final AND NOT coalesce(is_statement, false)
      ) AS other USING (external_id)
      WHERE other_source <> source AND is_final
        AND (other_account = account_id OR 'unknown' IN (other_account, account_id) OR other_total = lines_total)
      GROUP BY source, account_id, external_id"""

_HAS_IDS = f"""
      SELECT raw.source, raw.account_id, raw.external_id,
        'it is made of account and month by a rule of sources.toml, and its provider states ids for the same month (' ||
        min(other.external_id) || '): are its lines on that invoice? If they are, ' || {void_sql(name_sql("raw"))} ||
        '; if they are an invoice of their own: ' || {release_sql(name_sql("raw"))} AS text
      FROM raw JOIN (
        SELECT source, account_id, external_id, invoice_month FROM document_invoices
        ANTI JOIN apart USING (source, account_id, external_id) WHERE id_basis = 'document' AND is_final
      ) AS other USING (source, account_id, invoice_month)
      WHERE raw.id_basis = 'rule' AND raw.is_final
      GROUP BY raw.source, raw.account_id, raw.external_id"""

_UNNAMED_IN_FINANCE = f"""
      SELECT own.source, own.account_id, own.external_id,
        'finance has it as an invoice of ' || min(record.source) || ', for no file named its issuer yet when it was pushed: '
        'remove that one there by hand, then: ' || {release_sql(name_sql("own"))} AS text
      FROM (
        -- Also what a file that names its issuer has taken the place of.
        SELECT DISTINCT source, account_id, external_id, {OWN_SOURCE} AS own_source
        FROM document_invoices SEMI JOIN raw USING (source, account_id, external_id) WHERE unnamed_issuer IS NOT NULL
      ) AS own
      JOIN unsettled_records AS record ON record.source = own.own_source AND record.account_id = own.account_id
        AND record.invoice_external_id = own.external_id
      WHERE own.own_source <> own.source
      GROUP BY own.source, own.account_id, own.external_id"""

IS_DRAFT = (
    r"(^|[^a-z])(draft|pro[-_ ]?forma|preliminary|provisional|preview|estimate|interim"
    r"|entwurf|brouillon|borrador|bozza)([^a-z]|$)"
)
"""What an id in small letters says that is no invoice's yet."""

# An id that is visibly no invoice's, beside a usual one of the same account and month; and an id made of a file's name that says
# so, for no provider calls an invoice a draft.
_DRAFT = f"""
      SELECT source, account_id, external_id,
        'its id says that it is a draft' || coalesce(', and ' || min(other_id) || ' is of the same ' ||
          CASE WHEN bool_and(account_id = other_account) THEN 'account and ' ELSE '' END ||
          'month: the same charges twice? If they are, ', ': are its lines on an invoice? If they are, or will be, ') ||
        {void_sql()} || '; if it is an invoice of its own: ' || {release_sql()} AS text
      FROM (FROM raw ANTI JOIN void USING (source, account_id, external_id)) AS draft LEFT JOIN (
        SELECT source AS other_source, account_id AS other_account, invoice_month AS other_month, external_id AS other_id
        FROM document_invoices ANTI JOIN void USING (source, account_id, external_id)
        WHERE is_final AND NOT regexp_matches(lower(external_id), '{IS_DRAFT}')
      ) AS other ON other_source = source AND other_month = invoice_month
        AND (other_account = account_id OR id_basis = 'derived' AND 'unknown' IN (other_account, account_id))
      WHERE is_final AND open_until IS NULL AND regexp_matches(lower(external_id), '{IS_DRAFT}')
        AND (other_id IS NOT NULL OR id_basis = 'derived')
      GROUP BY source, account_id, external_id"""

IS_COPY = (
    rf"(^|[^a-z])(cop(y|ia|ie)|kopie?|{CORRECTED}|korrigiert|korrektur|berichtigt|corrig[eé]e?|corregid[ao]|corrett[ao]"
    r"|rettificat[ao]|rectificad[ao])([^a-z]|$)|[ _.-]\(?(v|version|rev|revision)[ _.-]?([2-9]|\d\d)\)?$"
)
"""What a name in small letters says that is a copy, a correction or a version of another file."""

# `Copy of R-1.csv`, `R-1 v2.csv`: what it copies or corrects may come later, or may be what finance has by a shorter number.
_COPY = f"""
      SELECT source, account_id, external_id,
        file_name || ' says by its name that it is a copy or a correction, and the name is not the provider''s: of another file? '
        'If it is, ' || {dismiss_sql("document_sha256")} || ', then drop it with an empty line at its end under the own name '
        'of that file; if it is an invoice of its own: ' || {release_sql()} AS text
      FROM (FROM raw ANTI JOIN void USING (source, account_id, external_id))
      ANTI JOIN ({_NAMES_ANOTHER}) AS named USING (source, account_id, external_id)
      WHERE id_basis = 'derived' AND is_final AND open_until IS NULL AND NOT may_be_part
        AND regexp_matches(lower(external_id), '{IS_COPY}')"""

# An issuer may give a credit on its next invoice and send the credit note too.
_CREDITED_ON_ANOTHER = f"""
      SELECT own.source, own.account_id, own.external_id,
        'it gives back what a line of ' || min(line.external_id) || ' gives back, which has its number in its words: the same '
        'credit twice? If it is, ' || {void_sql(name_sql("own"))} || '; if both are given: ' ||
        {release_sql(name_sql("own"))} AS text
      FROM (FROM rounded ANTI JOIN void USING (source, account_id, external_id)) AS own
      JOIN cost_lines AS line ON line.source = own.source AND line.account_id = own.account_id
        AND line.amount IN (own.amount_gross, own.amount_gross - own.amount_tax)
      WHERE own.amount_gross_minor < 0 AND line.external_id <> own.external_id AND length(own.external_id) >= 4
        AND contains(lower(line.description), lower(own.external_id))
      GROUP BY own.source, own.account_id, own.external_id"""

# The newest document that came under a path is the present one there.
_OWN_NAMES = """
          FROM document_names
          SEMI JOIN (SELECT inbox_path FROM document_names SEMI JOIN stated USING (document_sha256)) AS own USING (inbox_path)
          SEMI JOIN accepted_documents USING (document_sha256)"""

_NAME = f"""
        SELECT document_sha256, inbox_path, coalesce(folder, '') AS folder, unstamped_folder, folder_stamps, received_at,
          first(document_sha256) OVER newest_first AS lies_there
        FROM ({places_sql(f"({_OWN_NAMES})")})
        WINDOW newest_first AS (PARTITION BY inbox_path ORDER BY received_at DESC, document_sha256 DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"""

_OVERWRITTEN = """
        -- Each of its files has given its path to one that states other invoices of the account's month, and not this one.
        SELECT own.source, own.account_id, own.external_id, max(own.lies_there) AS by_sha256
        FROM own
        LEFT JOIN (SELECT DISTINCT source, account_id, invoice_month, document_sha256 AS lies_there, true AS states_the_month
          FROM stated) AS there USING (source, account_id, invoice_month, lies_there)
        GROUP BY ALL HAVING bool_and(own.lies_there <> own.document_sha256 AND coalesce(there.states_the_month, false))"""

_DELIVERY = """
        -- The folders that state an invoice, with the time of their newest file.
        SELECT stated.source, stated.account_id, stated.invoice_month, stated.external_id, name.folder, name.unstamped_folder,
          name.folder_stamps, max(name.received_at) AS received_at, max(name.document_sha256) AS document_sha256
        FROM stated JOIN name USING (document_sha256) WHERE name.folder <> '' GROUP BY ALL"""

_LEFT_OUT = f"""
        -- A newer folder states another invoice of an older one again, and not this one.
        SELECT own.source, own.account_id, own.external_id, max(newer.document_sha256) AS by_sha256
        FROM (SELECT source, account_id, invoice_month, external_id, folder, unstamped_folder, folder_stamps,
            max(received_at) AS received_at
          FROM own WHERE folder <> '' GROUP BY ALL) AS own
        JOIN delivery AS beside USING (source, account_id, invoice_month, folder)
        JOIN delivery AS newer ON newer.source = own.source AND newer.account_id = own.account_id
          AND newer.invoice_month = own.invoice_month AND newer.external_id = beside.external_id
        WHERE beside.external_id <> own.external_id AND newer.folder <> own.folder
          AND ({folder_is_later("newer", "own")}
            OR newer.received_at > own.received_at AND NOT {folder_is_later("own", "newer")})
          AND NOT EXISTS (FROM delivery AS again WHERE again.source = own.source AND again.account_id = own.account_id
            AND again.external_id = own.external_id AND again.folder = newer.folder)
        GROUP BY ALL"""

UNSTATED = f"""
      WITH stated AS MATERIALIZED (
        SELECT source, account_id, external_id, invoice_month, document_sha256 FROM document_invoices
        SEMI JOIN (SELECT DISTINCT source, account_id, invoice_month FROM raw) AS month USING (source, account_id, invoice_month)
      ), name AS MATERIALIZED ({_NAME}
      ), own AS (
        SELECT part.source, part.account_id, part.external_id, part.invoice_month, name.*
        FROM part JOIN name USING (document_sha256) WHERE part.is_final
      ), overwritten AS ({_OVERWRITTEN}
      ), delivery AS ({_DELIVERY}
      ), left_out AS ({_LEFT_OUT}
      )
      FROM overwritten UNION FROM left_out"""
"""SQL: the CTE `unstated`: current invoices that the last delivery does not state any more, with that delivery's document."""

OF_SEVERAL_DOCUMENTS = """
SELECT 1 FROM document_invoices
SEMI JOIN (SELECT DISTINCT source, account_id, invoice_month FROM raw) AS month USING (source, account_id, invoice_month)
GROUP BY source, account_id, invoice_month HAVING count(DISTINCT document_sha256) > 1"""
"""SQL: what `UNSTATED` needs: another document that states the month of an account."""

_UNSTATED = f"""
      SELECT gone.source, gone.account_id, gone.external_id,
        'what was delivered last (' || min(document.file_name) || ') states the account''s month without it: is it on another '
        'invoice now? If it is, ' || {void_sql(name_sql("gone"))} || '; if it stands, ' ||
        {release_sql(name_sql("gone"))} AS text
      FROM unstated AS gone JOIN documents AS document ON document.document_sha256 = gone.by_sha256
      GROUP BY gone.source, gone.account_id, gone.external_id"""


_IN_ANOTHER_CURRENCY = f"""
      SELECT own.source, own.account_id, own.external_id,
        'it is in ' || any_value(own.currency) || ', and ' || min(document.file_name) ||
        CASE WHEN bool_or(older.received_at > raw.received_at) THEN ', which is older' ELSE ', which came earlier' END ||
        ' and states it too, in ' || min(older.currency) || ': two invoices, one for each currency, or a correction? If it takes '
        'the place of the earlier one: ' || {release_sql(name_sql("own"))} || '; if both are invoices, give each an id of its '
        'own (in a column that sources.toml names with invoice_id) and drop the files again; if it is none: ' ||
        {dismiss_sql("any_value(own.document_sha256)")} AS text
      FROM rounded AS own JOIN raw USING (source, account_id, external_id)
      JOIN document_invoices AS older USING (source, account_id, external_id)
      JOIN documents AS document ON document.document_sha256 = older.document_sha256
      ANTI JOIN part ON part.source = own.source AND part.account_id = own.account_id AND part.external_id = own.external_id
        AND part.document_sha256 = older.document_sha256
      WHERE older.currency <> own.currency
      GROUP BY own.source, own.account_id, own.external_id"""

# What finance has of an account that was not known yet is the same invoice: the next delivery takes the account over.
_OWN_AND_PUSHED = f"""
      FROM part AS own JOIN (
        SELECT DISTINCT document_sha256, source, account_id, invoice_external_id AS pushed_id FROM finance_attempts
        SEMI JOIN (
          FROM finance_records ANTI JOIN ({newly_named_sql()}) AS named USING (target, {DELIVERY_KEY_COLUMNS})
        ) AS record USING (source, account_id, invoice_external_id)
      ) AS pushed USING (document_sha256)
      ANTI JOIN document_invoices AS stated ON stated.source = pushed.source AND stated.account_id = pushed.account_id
        AND stated.external_id = pushed.pushed_id
      ANTI JOIN void ON void.source = pushed.source AND void.account_id = pushed.account_id
        AND void.external_id = pushed.pushed_id"""

_HAS_ITS_NUMBER = (
    "coalesce(own.is_statement, false) AND pushed.source = own.source AND pushed.account_id <> own.account_id "
    "AND pushed.pushed_id = own.external_id"
)

_PUSHED_OTHERWISE = f"""
      SELECT own.source, own.account_id, own.external_id,
        'finance has ' || string_agg(DISTINCT pushed.pushed_id, ' and ' ORDER BY pushed.pushed_id) || ' of the same document, '
        'which no document states any more: are these its lines under another id? Bring back what it was read by (a rule of '
        'sources.toml, or a description), then run `arcadia ingest`; or, if this is what finance should have, remove the '
        'other there by hand, then ' || {release_sql(name_sql("own"))} AS text
      {_OWN_AND_PUSHED}
      WHERE NOT ({_HAS_ITS_NUMBER})
      GROUP BY own.source, own.account_id, own.external_id"""

# An electronic invoice says how its seller calls us, and the lines of the invoice what account they are of.
_PUSHED_OF_ANOTHER_ACCOUNT = f"""
      SELECT own.source, own.account_id, own.external_id,
        'finance has it of account ' || string_agg(DISTINCT pushed.account_id, ' and ' ORDER BY pushed.account_id) ||
        ', as a document states it, and its lines, which came later, are of account ' || own.account_id || ': one account under '
        'two names, or another invoice with its number? If it is one invoice, finance updates its row (if the accounts belong '
        'to two tenants, remove the row of the other one there by hand): ' || {release_sql(name_sql("own"))} ||
        '; if the lines are of another invoice: ' || array_to_string(list_sort(list(DISTINCT
          {dismiss_sql("own.document_sha256")}) FILTER (NOT coalesce(own.is_statement, false))), ' and ') AS text
      FROM part AS own
      SEMI JOIN (
        SELECT own.source, own.account_id, own.external_id {_OWN_AND_PUSHED} WHERE {_HAS_ITS_NUMBER}
      ) AS found USING (source, account_id, external_id)
      JOIN (
        SELECT DISTINCT source, account_id, invoice_external_id AS external_id FROM unsettled_records
      ) AS pushed ON pushed.source = own.source AND pushed.external_id = own.external_id AND pushed.account_id <> own.account_id
      GROUP BY own.source, own.account_id, own.external_id"""


_PUSHED_AND_NOT_STATED = """
      SELECT 1 FROM finance_records AS pushed
      ANTI JOIN document_invoices AS stated ON stated.source = pushed.source AND stated.account_id = pushed.account_id
        AND stated.external_id = pushed.invoice_external_id"""


_SEVERAL_AND_ONE_WITHOUT_ID = """
SELECT 1 FROM raw LEFT JOIN unstated USING (source, account_id, external_id) WHERE is_final GROUP BY raw.invoice_month
HAVING count(*) > 1 AND bool_or(id_basis IN ('derived', 'rule') OR unstated.source IS NOT NULL)"""
"""Several of a month, of which one has no id of its own, or is not in the last delivery any more."""


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """See the module."""
    return (
        Doubt(_MOVED, needs="SELECT 1 FROM raw WHERE stated_id IS NOT NULL"),
        Doubt(_NAMES_ANOTHER, needs="SELECT 1 FROM raw WHERE id_basis = 'derived'"),
        Doubt(
            _COPY,
            needs=f"SELECT 1 FROM raw WHERE id_basis = 'derived' AND regexp_matches(lower(external_id), '{IS_COPY}')",
        ),
        Doubt(_REPLACES_OTHER_LINES, needs="SELECT 1 FROM raw WHERE id_basis = 'derived'"),
        Doubt(_OF_ANOTHER_SOURCE, needs="SELECT 1 FROM document_invoices HAVING min(source) <> max(source)"),
        Doubt(_UNNAMED_IN_FINANCE, needs="SELECT 1 FROM document_invoices WHERE unnamed_issuer IS NOT NULL"),
        Doubt(_UNSTATED, needs="FROM unstated"),
        Doubt(_CREDITED_ON_ANOTHER, needs="SELECT 1 FROM rounded WHERE amount_gross_minor < 0"),
        Doubt(_HAS_IDS, needs="SELECT 1 FROM raw WHERE id_basis = 'rule'"),
        Doubt(_IN_ANOTHER_CURRENCY, needs="SELECT 1 FROM document_invoices HAVING min(currency) <> max(currency)"),
        Doubt(_PUSHED_OTHERWISE, needs=_PUSHED_AND_NOT_STATED),
        Doubt(_PUSHED_OF_ANOTHER_ACCOUNT, needs=_PUSHED_AND_NOT_STATED),
        Doubt(_same_lines_sql(scope), needs=_SEVERAL_AND_ONE_WITHOUT_ID),
        Doubt(_same_charges_sql(scope), needs=several_of_an_account("id_basis <> 'derived' AND line_count > 2")),
        Doubt(
            _made_of_others_sql(scope), needs=several_of_an_account("id_basis <> 'derived' AND account_id <> 'unknown'")
        ),
        Doubt(_DRAFT, needs=f"SELECT 1 FROM raw WHERE regexp_matches(lower(external_id), '{IS_DRAFT}')"),
    )


def _same_lines_sql(scope: Scope) -> str:
    """Invoices of a month with mostly the lines of another one of the account, or of an account that is not known.

    Two provider's ids are two invoices, unless one is no longer stated: two accounts with the same prices have similar
    invoices. A line that more than 16 invoices have does not count.
    """
    return f"""
      WITH invoice AS MATERIALIZED (
        SELECT raw.source, raw.account_id, raw.external_id, raw.invoice_month, raw.line_count,
          raw.id_basis IN ('derived', 'rule') AS is_derived, record.source IS NOT NULL AS is_pushed,
          unstated.source IS NOT NULL AS is_unstated
        FROM raw
        LEFT JOIN unstated USING (source, account_id, external_id)
        ANTI JOIN apart USING (source, account_id, external_id)
        LEFT JOIN (SELECT DISTINCT source, account_id, invoice_external_id AS external_id FROM finance_records) AS record
          USING (source, account_id, external_id)
        WHERE raw.is_final AND raw.open_until IS NULL
        QUALIFY bool_or(is_derived OR is_unstated) OVER (PARTITION BY raw.invoice_month)
      ), line AS MATERIALIZED (
        SELECT source, account_id, external_id, invoice_month, {likeness.LINE} AS line, count(*) AS occurrences
        FROM cost_lines SEMI JOIN invoice USING (source, account_id, external_id)
        WHERE invoice_month IN ({scope.month_list})
        GROUP BY source, account_id, external_id, invoice_month, line
        QUALIFY count(*) OVER (PARTITION BY invoice_month, line) BETWEEN 2 AND 16
      ), shared AS (
        SELECT a.source, a.account_id, a.external_id, b.source AS other_source, b.account_id AS other_account,
          b.external_id AS other_id, sum(least(a.occurrences, b.occurrences)) AS shared
        FROM line AS a JOIN line AS b USING (invoice_month, line)
        WHERE (a.source, a.account_id, a.external_id) <> (b.source, b.account_id, b.external_id)
          AND (a.account_id = b.account_id OR 'unknown' IN (a.account_id, b.account_id))
        GROUP BY ALL
      )
      SELECT own.source, own.account_id, own.external_id,
        'it has mostly the same lines as ' || string_agg(DISTINCT other.external_id, ' and ' ORDER BY other.external_id) ||
        ' of this month: one invoice twice? Void the one that is too much (' || {void_sql(name_sql("own"))} || ' or ' ||
        {void_sql(f"min({name_sql('other')})")} || '), or release what is real (' || {release_sql(name_sql("own"))} || ')' AS text
      FROM shared
      JOIN invoice AS own USING (source, account_id, external_id)
      JOIN invoice AS other ON other.source = shared.other_source AND other.account_id = shared.other_account
        AND other.external_id = shared.other_id
      WHERE (own.is_derived OR NOT other.is_derived OR other.is_pushed)
        AND (own.is_derived OR other.is_derived OR own.is_unstated OR other.is_unstated)
        AND shared.shared * 2 > least(own.line_count, other.line_count)
      GROUP BY own.source, own.account_id, own.external_id"""


def _same_charges_sql(scope: Scope) -> str:
    """Invoices with mostly the lines of another id of the same account and month, to the resource and the quantity.

    It takes at least three such lines, for two orders of a day may share one item and its tax; what is smaller is for `amounts`.
    A document or a manifest that states both proves that they are two. Of an account that is not known, which may be two with one
    plan, only lines that name their resource count. Only invoices whose sketches have a line in common are compared.
    """
    return f"""
      WITH invoice AS MATERIALIZED (
        SELECT source, account_id, external_id, invoice_month, line_count, lines_sketch
        FROM raw
        ANTI JOIN void USING (source, account_id, external_id)
        ANTI JOIN unstated USING (source, account_id, external_id)
        WHERE is_final AND open_until IS NULL AND id_basis <> 'derived' AND line_count > 2
      ), alike AS MATERIALIZED (
        SELECT DISTINCT source, account_id, external_id, line_count
        FROM (SELECT * EXCLUDE (lines_sketch), unnest(lines_sketch) AS line FROM invoice)
        QUALIFY count(*) OVER (PARTITION BY source, account_id, invoice_month, line) BETWEEN 2 AND 16
      ), line AS MATERIALIZED (
        SELECT source, account_id, external_id, invoice_month,
          hash({likeness.LINE}, resource_id, resource_name, quantity) AS line, count(*) AS occurrences
        FROM cost_lines SEMI JOIN alike USING (source, account_id, external_id)
        WHERE invoice_month IN ({scope.month_list}) AND (account_id <> 'unknown' OR resource_id IS NOT NULL)
        GROUP BY source, account_id, external_id, invoice_month, line
        QUALIFY count(*) OVER (PARTITION BY source, account_id, invoice_month, line) BETWEEN 2 AND 16
      ), shared AS (
        SELECT a.source, a.account_id, a.external_id, b.external_id AS other_id,
          sum(least(a.occurrences, b.occurrences)) AS shared
        FROM line AS a JOIN line AS b USING (source, account_id, invoice_month, line)
        WHERE a.external_id <> b.external_id
        GROUP BY ALL
      )
      SELECT own.source, own.account_id, own.external_id,
        'it has mostly the same lines as ' || string_agg(DISTINCT other.external_id, ' and ' ORDER BY other.external_id) ||
        ' of the same account and month: one invoice under two ids? Void the one that is too much (' ||
        {void_sql(name_sql("own"))} || ' or ' || {void_sql(f"min({name_sql('other')})")} || '), or release what is real (' ||
        {release_sql(name_sql("own"))} || ')' AS text
      FROM shared
      ANTI JOIN ({STATED_TOGETHER}) AS together USING (source, account_id, external_id, other_id)
      JOIN alike AS own USING (source, account_id, external_id)
      JOIN alike AS other ON other.source = shared.source AND other.account_id = shared.account_id
        AND other.external_id = shared.other_id
      WHERE shared.shared >= 3 AND shared.shared * 2 > least(own.line_count, other.line_count)
      GROUP BY own.source, own.account_id, own.external_id"""


STATED_TOGETHER = """
        SELECT one.source, one.account_id, one.external_id, two.external_id AS other_id
        FROM (FROM document_invoices SEMI JOIN invoice USING (source, account_id, external_id)) AS one
        JOIN document_invoices AS two USING (document_sha256, source, account_id)
        WHERE one.external_id <> two.external_id
        UNION
        SELECT one.source, one.account_id, one.external_id, two.external_id
        FROM (
          FROM document_invoices SEMI JOIN invoice USING (source, account_id, external_id) JOIN listed USING (document_sha256)
        ) AS one
        JOIN (FROM document_invoices JOIN listed USING (document_sha256)) AS two USING (manifest_sha256, source, account_id)
        WHERE one.external_id <> two.external_id"""
"""SQL: pairs of ids that a document, or the documents of a manifest, state: so they are two. Of the CTE `invoice`."""


def _made_of_others_sql(scope: Scope) -> str:
    """Invoices that consist of whole other invoices of the account and month: both the sum and its parts are there.

    Taxes do not count, for each invoice has tax on its own sum. Two small invoices may each be too small to be compared with a
    third one (`_same_charges_sql`), and come to all of it together. Where the third has all lines of the others and nothing
    else it is in doubt whatever its size, else with three lines or more. All of them are in doubt, whichever came first. A line
    that more than four invoices have does not count: it is bought again and again.
    """
    return f"""
      WITH invoice AS MATERIALIZED (
        SELECT source, account_id, external_id, invoice_month, lines_sketch
        FROM raw
        ANTI JOIN void USING (source, account_id, external_id)
        ANTI JOIN unstated USING (source, account_id, external_id)
        WHERE is_final AND open_until IS NULL AND id_basis <> 'derived' AND account_id <> 'unknown'
      ), alike AS MATERIALIZED (
        SELECT DISTINCT source, account_id, external_id
        FROM (SELECT * EXCLUDE (lines_sketch), unnest(lines_sketch) AS line FROM invoice)
        QUALIFY count(*) OVER (PARTITION BY source, account_id, invoice_month, line) BETWEEN 2 AND 16
      ), line AS MATERIALIZED (
        SELECT source, account_id, external_id, invoice_month,
          hash({likeness.LINE}, resource_id, resource_name, quantity) AS line, count(*) AS occurrences,
          sum(count(*)) OVER (PARTITION BY source, account_id, external_id) AS line_count
        FROM cost_lines SEMI JOIN alike USING (source, account_id, external_id)
        WHERE invoice_month IN ({scope.month_list}) AND charge_category <> 'Tax'
        GROUP BY source, account_id, external_id, invoice_month, line
        QUALIFY count(*) OVER (PARTITION BY source, account_id, invoice_month, line) <= 4
      ), within AS MATERIALIZED (
        SELECT own.source, own.account_id, own.external_id, part.external_id AS part_id, any_value(own.line_count) AS line_count
        FROM line AS own JOIN line AS part USING (source, account_id, invoice_month, line)
        WHERE own.external_id <> part.external_id AND own.line_count > part.line_count
        GROUP BY ALL HAVING sum(least(own.occurrences, part.occurrences)) = any_value(part.line_count)
      ), candidate AS MATERIALIZED (
        SELECT within.* FROM within
        ANTI JOIN ({STATED_TOGETHER}) AS together
          ON together.source = within.source AND together.account_id = within.account_id
          AND together.external_id = within.external_id AND together.other_id = within.part_id
      ), covered AS (
        -- Lines that several of them have cover one of it, and one thing bought again and again makes no invoice of invoices.
        SELECT candidate.source, candidate.account_id, candidate.external_id, candidate.line_count,
          least(any_value(own.occurrences), sum(part.occurrences)) AS covered
        FROM candidate
        JOIN line AS part ON part.source = candidate.source AND part.account_id = candidate.account_id
          AND part.external_id = candidate.part_id
        JOIN line AS own ON own.source = candidate.source AND own.account_id = candidate.account_id
          AND own.external_id = candidate.external_id AND own.line = part.line
        GROUP BY candidate.source, candidate.account_id, candidate.external_id, candidate.line_count, part.line
      ), made AS MATERIALIZED (
        FROM candidate SEMI JOIN (
          SELECT source, account_id, external_id FROM covered GROUP BY ALL
          HAVING count(*) > 1 AND sum(covered) * 2 > any_value(line_count)
            AND (sum(covered) >= 3 OR sum(covered) = any_value(line_count))
        ) AS whole USING (source, account_id, external_id)
        QUALIFY count(*) OVER (PARTITION BY source, account_id, external_id) > 1
      ), named AS (
        SELECT source, account_id, external_id, external_id AS whole_id, string_agg(part_id, ' and ' ORDER BY part_id) AS parts,
          string_agg({void_sql(name_sql(external_id="part_id"))}, ' and ' ORDER BY part_id) AS parts_void
        FROM made GROUP BY ALL
      )
      SELECT found.source, found.account_id, found.external_id,
        min(named.whole_id || ' consists of ' || named.parts || ' of the same account and month: the same charges twice? Void ' ||
          'what is too much (' || {void_sql(name_sql("named", external_id="named.whole_id"))} || ', or ' || named.parts_void ||
          '), or release what is real (' || {release_sql(name_sql("found"))} || ')') AS text
      FROM (
        SELECT source, account_id, external_id, external_id AS whole_id FROM made
        UNION SELECT source, account_id, part_id, external_id FROM made
      ) AS found
      JOIN named ON named.source = found.source AND named.account_id = found.account_id AND named.whole_id = found.whole_id
      GROUP BY found.source, found.account_id, found.external_id"""
