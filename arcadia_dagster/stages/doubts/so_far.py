"""Invoices by account and month whose files were made before their month was over, or lack some of its days.

A provider's own invoice number says that the month is invoiced. An id that a rule makes of account and month says nothing: the
rule's invoice is final by the calendar, whatever has come of it until then. Two things show that more of it must exist. Nothing
else does, for a month may be quiet, and its lines end before it does:

- the latest date in its paths is a day of its month before the last one, and no line begins after it: an export of the month so
  far. A file that is named for the month's first day has lines of the whole month;
- its reports come in a folder for each day (`places.OF_A_DAY`), and no folder of the month's last day or of a later day has come;
  or there is nothing of a day, and one resource was charged for until the midnight before it and again from the one after it.
"""

from arcadia_dagster.billing.advice import name_sql, release_sql
from arcadia_dagster.stages.doubts.doubt import Doubt, Scope
from arcadia_dagster.stages.places import day_of_folder_sql, latest_date_sql, root_of_days_sql

_BY_RULE = "SELECT 1 FROM raw WHERE id_basis = 'rule' AND is_final"


def doubts(scope: Scope) -> tuple[Doubt, ...]:
    """See the module."""
    return (
        Doubt(_so_far_sql(scope), needs=_BY_RULE),
        Doubt(_lacks_days_sql(scope), needs=_BY_RULE),
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
        HAVING bool_and(root IS NULL) AND max(dated) < any_value(month_ends_on) AND max(dated) >= any_value(invoice_month)
      ), line AS (
        SELECT source, account_id, external_id, max(charge_period_start) AS last_at
        FROM cost_lines SEMI JOIN dated USING (source, account_id, external_id)
        WHERE invoice_month IN ({scope.month_list}) AND charge_category <> 'Tax' GROUP BY ALL
      )
      SELECT dated.source, dated.account_id, dated.external_id,
        dated.file_name || ' was exported on ' || strftime(dated.dated, '%Y-%m-%d') || ' by its path, and its month ends on ' ||
        strftime(month_ends_on, '%Y-%m-%d') || ': the month so far? Drop an export of the whole month; if nothing was charged '
        'after it: ' || {release_sql(name_sql("dated"))} AS text
      FROM dated JOIN line USING (source, account_id, external_id)
      WHERE line.last_at < dated.dated + INTERVAL 1 DAY"""


def _lacks_days_sql(scope: Scope) -> str:
    return f"""
      WITH own AS ({_OWN}
      ), of_days AS MATERIALIZED (
        SELECT source, account_id, external_id, invoice_month, root, any_value(month_ends_on) AS month_ends_on
        FROM own WHERE root IS NOT NULL GROUP BY ALL
      ), come AS (
        -- Folders of the root, whatever their files state: days without a charge have some too.
        SELECT of_days.source, of_days.account_id, of_days.external_id, any_value(of_days.month_ends_on) AS month_ends_on,
          max({day_of_folder_sql("name.inbox_path")}) AS last_day
        FROM of_days JOIN document_names AS name ON {root_of_days_sql("of_days.source", "name.inbox_path")} = of_days.root
        SEMI JOIN accepted_documents USING (document_sha256)
        GROUP BY ALL
      ), line AS MATERIALIZED (
        SELECT source, account_id, external_id, resource_id, charge_period_start AS starts_at, charge_period_end AS ends_at
        FROM cost_lines SEMI JOIN of_days USING (source, account_id, external_id)
        WHERE invoice_month IN ({scope.month_list}) AND charge_period_end > charge_period_start
      ), gap AS (
        SELECT source, account_id, external_id, day + INTERVAL 1 DAY AS begins_at,
          lead(day) OVER (PARTITION BY source, account_id, external_id ORDER BY day) AS ends_at
        FROM (SELECT DISTINCT source, account_id, external_id, date_trunc('day', starts_at) AS day FROM line)
        QUALIFY ends_at > begins_at
      ), lacking AS (
        SELECT source, account_id, external_id, last_day + INTERVAL 1 DAY AS begins_at, month_ends_on AS ends_at
        FROM come WHERE last_day < month_ends_on
        UNION ALL
        SELECT DISTINCT gap.source, gap.account_id, gap.external_id, gap.begins_at, gap.ends_at - INTERVAL 1 DAY
        FROM gap
        JOIN line AS before ON before.source = gap.source AND before.account_id = gap.account_id
          AND before.external_id = gap.external_id AND before.ends_at = gap.begins_at
        JOIN line AS after ON after.source = gap.source AND after.account_id = gap.account_id
          AND after.external_id = gap.external_id AND after.starts_at = gap.ends_at
        WHERE before.resource_id = after.resource_id
      )
      SELECT source, account_id, external_id,
        'its reports come in a folder for each day, and those of ' ||
        array_to_string(list_sort(list(DISTINCT strftime(begins_at, '%Y-%m-%d') || CASE WHEN ends_at > begins_at
          THEN ' to ' || strftime(ends_at, '%Y-%m-%d') ELSE '' END)), ', ') ||
        ' have not come: put the folders of these days beside the others; if nothing was charged on these days: ' ||
        {release_sql()} AS text
      FROM lacking GROUP BY source, account_id, external_id"""
