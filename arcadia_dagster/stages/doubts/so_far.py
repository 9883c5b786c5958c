"""Invoices by account and month whose files were made before their month was over, or lack some of its days.

A provider's own invoice number says that the month is invoiced. An id that a rule makes of account and month says nothing: the
rule's invoice is final by the calendar, whatever has come of it until then. Two things show that more of it must exist. Nothing
else does, for a month may be quiet, and its lines end before it does:

- the latest date in its paths is a day of its month, and no line begins after it: an export of the month so far. A file that is
  named for the month's first day has lines of the whole month, and one that is named for its last day may have: there it takes
  that the lines end with the midnight before that day;
- its reports come in a folder for each day (`places.root_of_days_sql`), and no folder of the month's last day or of a later day
  has come; or the first of all folders is of a later day than the month's first, and the lines begin with the midnight before it;
  or there is nothing of a day, and one resource was charged for until the midnight before it, be it in the month before, and
  again from the one after it. Where a day has fewer files than most days have, that is asked of each resource by itself.
"""

from arcadia_dagster.billing.advice import name_sql, release_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope
from arcadia_dagster.stages.places import SOURCES_OF_DAYS, day_of_folder_sql, latest_date_sql, root_of_days_sql

_BY_RULE = "SELECT 1 FROM raw WHERE id_basis = 'rule' AND is_final"


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """See the module."""
    return (
        Doubt(_so_far_sql(scope), needs=_BY_RULE),
        Doubt(_LACKS_DAYS, needs=f"{_BY_RULE} AND source IN ({SOURCES_OF_DAYS})"),
    )


_OWN = f"""
      SELECT part.source, part.account_id, part.external_id, part.invoice_month, part.file_name, name.inbox_path,
        last_day(part.invoice_month) AS month_ends_on, {latest_date_sql("name.inbox_path")} AS dated,
        {root_of_days_sql("part.source", "name.inbox_path")} AS root
      FROM part JOIN document_names AS name USING (document_sha256)
      WHERE part.id_basis = 'rule' AND part.is_final AND part.is_own"""


def _so_far_sql(scope: Scope) -> str:
    return f"""
      WITH own AS ({_OWN}
      ), dated AS (
        SELECT source, account_id, external_id, max(dated) AS dated, arg_max(file_name, dated) AS file_name,
          any_value(month_ends_on) AS month_ends_on
        FROM own GROUP BY ALL
        HAVING bool_and(root IS NULL) AND max(dated) BETWEEN any_value(invoice_month) AND any_value(month_ends_on)
      ), line AS (
        SELECT source, account_id, external_id, max(charge_period_start) AS last_at, max(charge_period_end) AS ends_at
        FROM cost_lines SEMI JOIN dated USING (source, account_id, external_id)
        WHERE invoice_month IN ({scope.month_list}) AND charge_category <> 'Tax' GROUP BY ALL
      )
      SELECT dated.source, dated.account_id, dated.external_id,
        dated.file_name || ' was exported on ' || strftime(dated.dated, '%Y-%m-%d') || ' by its path, and its month ends on ' ||
        strftime(month_ends_on, '%Y-%m-%d') || ': the month so far? Drop an export of the whole month; if nothing was charged '
        'after it: ' || {release_sql(name_sql("dated"))} AS text
      FROM dated JOIN line USING (source, account_id, external_id)
      WHERE line.last_at < dated.dated + INTERVAL 1 DAY AND (dated.dated < month_ends_on OR line.ends_at = dated.dated)"""


_FOLDERS = f"""
      of_days AS MATERIALIZED (
        SELECT source, account_id, external_id, invoice_month, root, any_value(month_ends_on) AS month_ends_on
        FROM own WHERE root IS NOT NULL GROUP BY ALL
      ), come AS MATERIALIZED (
        -- Folders of the root, whatever their files state: days without a charge have some too.
        SELECT of_days.source, of_days.account_id, of_days.external_id, any_value(of_days.invoice_month) AS invoice_month,
          any_value(of_days.month_ends_on) AS month_ends_on, {day_of_folder_sql("name.inbox_path")} AS day, count(*) AS files
        FROM of_days JOIN document_names AS name ON {root_of_days_sql("of_days.source", "name.inbox_path")} = of_days.root
        SEMI JOIN accepted_documents USING (document_sha256)
        GROUP BY of_days.source, of_days.account_id, of_days.external_id, day
      ), bound AS (
        SELECT source, account_id, external_id, any_value(invoice_month) AS invoice_month,
          any_value(month_ends_on) AS month_ends_on, min(day) AS first_day, max(day) AS last_day
        FROM come GROUP BY ALL
      )"""

_LACKING = """
      line AS MATERIALIZED (
        SELECT of_days.source, of_days.account_id, of_days.external_id, resource_id, charge_period_start AS starts_at,
          charge_period_end AS ends_at
        FROM cost_lines AS own JOIN of_days
          ON own.source = of_days.source AND own.account_id = of_days.account_id
          -- What the month before charged for until its end was there when this one began.
          AND (own.external_id = of_days.external_id AND own.invoice_month = of_days.invoice_month
            OR own.invoice_month = of_days.invoice_month - INTERVAL 1 MONTH AND own.charge_period_end = of_days.invoice_month)
        WHERE charge_period_end > charge_period_start
      ), gap AS (
        SELECT source, account_id, external_id, day + INTERVAL 1 DAY AS begins_at,
          lead(day) OVER (PARTITION BY source, account_id, external_id ORDER BY day) AS ends_at
        FROM (SELECT DISTINCT source, account_id, external_id, date_trunc('day', starts_at) AS day FROM line)
        QUALIFY ends_at > begins_at
      ), lacking AS (
        SELECT source, account_id, external_id, last_day + INTERVAL 1 DAY AS begins_at, month_ends_on AS ends_at
        FROM bound WHERE last_day < month_ends_on
        UNION ALL
        SELECT source, account_id, external_id, any_value(invoice_month), any_value(first_day) - INTERVAL 1 DAY
        FROM bound JOIN line USING (source, account_id, external_id)
        WHERE first_day > invoice_month
        GROUP BY ALL HAVING min(starts_at) = any_value(first_day)
        UNION ALL
        SELECT DISTINCT gap.source, gap.account_id, gap.external_id, gap.begins_at, gap.ends_at - INTERVAL 1 DAY
        FROM gap
        JOIN line AS before ON before.source = gap.source AND before.account_id = gap.account_id
          AND before.external_id = gap.external_id AND before.ends_at = gap.begins_at
        JOIN line AS after ON after.source = gap.source AND after.account_id = gap.account_id
          AND after.external_id = gap.external_id AND after.starts_at = gap.ends_at
        WHERE before.resource_id = after.resource_id
      )"""

# Of each resource by itself: days that have fewer files than most.
_INTERRUPTED = """
      short AS (
        SELECT source, account_id, external_id, day FROM come
        WHERE day BETWEEN invoice_month AND month_ends_on
        QUALIFY files < mode(files) OVER (PARTITION BY source, account_id, external_id)
      ), interrupted AS (
        SELECT short.source, short.account_id, short.external_id, short.day, before.resource_id
        FROM short
        JOIN line AS before ON before.source = short.source AND before.account_id = short.account_id
          AND before.external_id = short.external_id AND before.ends_at = short.day
        JOIN line AS after ON after.source = short.source AND after.account_id = short.account_id
          AND after.external_id = short.external_id AND after.starts_at = short.day + INTERVAL 1 DAY
          AND after.resource_id = before.resource_id
        ANTI JOIN line AS during ON during.source = short.source AND during.account_id = short.account_id
          AND during.external_id = short.external_id AND during.resource_id = before.resource_id
          AND during.starts_at < short.day + INTERVAL 1 DAY AND during.ends_at > short.day
        GROUP BY ALL
      )"""

_LACKS_DAYS = f"""
      WITH own AS ({_OWN}
      ), {_FOLDERS}, {_LACKING}, {_INTERRUPTED}
      SELECT source, account_id, external_id,
        'its reports come in a folder for each day, and those of ' ||
        array_to_string(list_sort(list(DISTINCT strftime(begins_at, '%Y-%m-%d') || CASE WHEN ends_at > begins_at
          THEN ' to ' || strftime(ends_at, '%Y-%m-%d') ELSE '' END)), ', ') ||
        ' have not come: put the folders of these days beside the others; if nothing was charged on these days: ' ||
        {release_sql()} AS text
      FROM lacking GROUP BY source, account_id, external_id
      UNION ALL
      SELECT source, account_id, external_id,
        'its reports come in a folder for each day; that of ' || strftime(min(day), '%Y-%m-%d') ||
        ' has fewer files than most, and no charge for ' || arg_min(resource_id, (day, resource_id)) ||
        ', which is charged for before and after it' ||
        CASE WHEN count(*) > 1 THEN ' (likewise ' || (count(*) - 1) || ' more)' ELSE '' END ||
        ': put the missing file into that folder; if nothing was charged: ' || {release_sql()} AS text
      FROM interrupted ANTI JOIN lacking USING (source, account_id, external_id)
      GROUP BY source, account_id, external_id"""
