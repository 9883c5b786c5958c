"""The asset checks. Each looks at the whole warehouse, names the months concerned and says what to do.

Only "totals reconcile" blocks: it can fail by a defect of ours only. Everything else is for people to look at, and the
other invoices go on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import duckdb
import pandas as pd

from arcadia_dagster.defs.assets import preview
from arcadia_dagster.finance.errors import ConfigurationFailure
from arcadia_dagster.finance.outstanding import REROUTED, missing_sql, unwanted_sql
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.finance.states import NEEDS_A_PERSON
from arcadia_dagster.landing.records import RESTORE
from arcadia_dagster.reports.close import accounts, close
from arcadia_dagster.stages.tax_split_totals import unreconciled
from arcadia_dagster.warehouse.resource import WarehouseResource

_SHOWN_MONTHS = 12

_NOT_TAKEN = """
SELECT * FROM (
SELECT file_name AS file, reason AS problem, strftime(received_at, '%Y-%m-%d %H:%M UTC') AS received
FROM unreplaced_documents
UNION ALL
SELECT inbox_path, problem, '' FROM inbox_files WHERE problem IS NOT NULL
)
ORDER BY received <> '', received DESC, file
"""

_HELD = """
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, external_id, currency, amount_gross_minor,
  array_to_string(hold_reasons, '; ') AS held_because
FROM waiting_invoices
ORDER BY invoice_month DESC, source, external_id
"""

_DOUBTFUL = """
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, external_id, line_number, service_name, description,
  charge_category = 'Tax' AS is_tax, CASE WHEN charge_category = 'Tax' THEN amount ELSE -amount END::VARCHAR
    AS tax_more_than_by_the_earlier_rule, currency
FROM cost_lines WHERE is_tax_doubtful ORDER BY invoice_month DESC, source, account_id, external_id, line_number
"""

# A rate as the tax lines of an invoice state it: `GST (10%)`, `QST (9.975%)`.
_RATES = """
WITH rate AS (
  SELECT source, account_id, external_id, invoice_month, count(*) AS tax_lines,
    count(*) FILTER (regexp_matches(description, '\\d\\s*%')) AS rated_lines,
    sum(TRY_CAST(regexp_extract(description, '(\\d{1,2}(?:\\.\\d{1,4})?)\\s*%', 1) AS DECIMAL(9,4))) AS percent
  FROM cost_lines WHERE charge_category = 'Tax' GROUP BY ALL
), expected AS (
  SELECT total.*, rate.percent,
    CAST(round(CAST(total.amount_net_minor AS DECIMAL(24,0)) * rate.percent * 0.01, 0) AS BIGINT) AS expected_minor
  FROM tax_split_totals AS total JOIN rate USING (source, account_id, external_id, invoice_month)
  WHERE rate.tax_lines = rate.rated_lines AND total.currency IS NOT NULL
)
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, external_id, currency, amount_net_minor,
  percent::VARCHAR AS percent,
  amount_tax_minor, expected_minor
FROM expected WHERE abs(amount_tax_minor - expected_minor) > 1
ORDER BY invoice_month DESC, source, external_id
"""


# What each account's month comes to in each currency; a person has said of what is void that there is no such invoice.
_SUMMED = """
summed AS (
  SELECT source, account_id, currency, invoice_month, sum(amount_gross_minor)::BIGINT AS amount_gross_minor,
    coalesce(sum(amount_gross_minor) FILTER (status = 'ready'), 0)::BIGINT AS amount_ready_minor
  FROM awaited_invoices ANTI JOIN void_invoices USING (source, account_id, external_id)
  WHERE currency IS NOT NULL GROUP BY ALL
)"""

# A file that was cut off between two lines looks like a small invoice: nobody can tell, so a strong fall is shown.
_FALLS = f"""
WITH {_SUMMED}, compared AS (
  SELECT *, lag(amount_gross_minor) OVER account AS amount_month_before_minor, lag(invoice_month) OVER account AS before
  FROM summed WINDOW account AS (PARTITION BY source, account_id, currency ORDER BY invoice_month)
)
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, currency, amount_month_before_minor, amount_gross_minor
FROM compared
WHERE before + INTERVAL 1 MONTH = invoice_month AND amount_gross_minor * 2 < amount_month_before_minor
  AND invoice_month < date_trunc('month', now() AT TIME ZONE 'UTC')
ORDER BY invoice_month DESC, source, account_id
"""


# What is counted twice comes to twice as much: of spend by the day at least to 1.8 times the month before, for a February after a
# March has 28/31 of its days. A quiet month is no measure, so the largest of three is. What is held is not in finance, and is
# listed elsewhere; an open month may rise too.
_RISES = f"""
WITH {_SUMMED}, compared AS (
  SELECT *, max(amount_gross_minor) OVER before AS most_before_minor
  FROM summed WINDOW before AS (PARTITION BY source, account_id, currency ORDER BY invoice_month
    RANGE BETWEEN INTERVAL 3 MONTH PRECEDING AND INTERVAL 1 MONTH PRECEDING)
)
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, currency,
  most_before_minor AS most_of_three_months_before_minor, amount_ready_minor AS amount_gross_minor
FROM compared
WHERE most_before_minor > 0 AND CAST(amount_ready_minor AS HUGEINT) * 5 >= CAST(most_before_minor AS HUGEINT) * 9
ORDER BY invoice_month DESC, source, account_id
"""


# Spend on a resource that no inventory has is spend that nobody can assign. Where there is no inventory, nothing is expected.
_UNMATCHED = """
WITH share AS (
  SELECT invoice_month, source, account_id, currency, sum(abs(amount)) AS spend,
    coalesce(sum(abs(amount)) FILTER (match_method <> 'none'), 0) AS matched
  FROM cost_lines WHERE charge_category = 'Usage' AND (resource_id IS NOT NULL OR resource_name IS NOT NULL) GROUP BY ALL
)
SELECT strftime(invoice_month, '%Y-%m') AS month, source, account_id, currency, round(spend, 2)::VARCHAR AS spend_on_resources,
  round(matched, 2)::VARCHAR AS matched
FROM share
WHERE spend > 0 AND matched * 2 < spend AND EXISTS (
  FROM cloud_resources AS resource WHERE resource.account_id IN (share.account_id, 'unknown') OR share.account_id = 'unknown')
ORDER BY invoice_month DESC, source, account_id
"""


# A route that matches nothing may be misspelt, and what it is for is then borne by somebody else.
_UNUSED_ROUTES = """
WITH known AS (
  SELECT source, account_id, trim(project) AS project, max(invoice_month) AS last_month FROM cost_lines GROUP BY ALL
)
SELECT route_number, source, coalesce(account_id, '(any)') AS account, coalesce(project, '(any)') AS project, tenant_id
FROM tenant_routes AS route
WHERE route.source IS NOT NULL AND NOT EXISTS (
  FROM known WHERE known.source = route.source AND (route.account_id IS NULL OR known.account_id = route.account_id)
    AND (route.first_month IS NULL OR known.last_month >= route.first_month)
    AND (route.project IS NULL OR known.project = route.project))
ORDER BY route_number
"""


@dataclass(frozen=True, slots=True)
class _Check:
    """A check that is a query: it passes where the query finds nothing.

    `{is_recipients}` in the query stands for the condition that a record is about the finance service as it is set up, and
    `{unwanted}` for the records there of what should not be there.
    """

    name: str
    asset: str
    description: str
    query: str
    advice: str
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN


# What finance has and we would not push any more, until `arcadia reconcile` sees that it is gone. What went to another
# target, such as a sandbox, is nobody's concern here.
_LEFT_OVER = """
SELECT strftime(invoice_month, '%Y-%m') AS month, tenant_id, source, account_id, external_id, finance_invoice_id, why
FROM finance_records JOIN ({unwanted}) AS unwanted
  USING (target, tenant_id, source, account_id, external_id, invoice_external_id)
WHERE {is_recipients} AND finance_invoice_id IS NOT NULL
ORDER BY invoice_month DESC, source, external_id, tenant_id
"""

_DAMAGED = """
SELECT file_name AS file, record_damage AS damage, document_sha256
FROM damaged_documents ORDER BY file_name, document_sha256
"""

_CHECKS = (
    _Check(
        "spend_is_matched",
        "cost_lines",
        "In each account with an inventory, at least half of the spend on resources is on resources that it lists.",
        _UNMATCHED,
        "drop an inventory of that month into the inbox: a later one does not list what was deleted since",
    ),
    _Check(
        "nothing_rejected",
        "raw_invoices",
        "Every file in the inbox could be read, or a good one has taken its place.",
        _NOT_TAKEN,
        "drop a good file in its place, in the same folder under the same name, or `arcadia dismiss 'FILE NAME' --reason ...`",
    ),
    _Check(
        "archive_records_are_whole",
        "raw_invoices",
        "Every line of each document's record in the archive can be read. A damaged record holds its document's invoices.",
        _DAMAGED,
        RESTORE,
        severity=dg.AssetCheckSeverity.ERROR,
    ),
    _Check(
        "nothing_held",
        "tax_split_totals",
        "No invoice is held back from finance, but for those that a person has voided.",
        _HELD,
        "`arcadia explain INVOICE` says why; put right its cause, or `arcadia release INVOICE --reason ...` lets it go as it is",
    ),
    _Check(
        "no_doubtful_tax_lines",
        "cost_lines",
        "On every line this program and the system before it (tax: the description contains gst or tax) agree on what is tax.",
        _DOUBTFUL,
        "look at the lines; this program goes by the provider's own type, then by whole words.",
    ),
    _Check(
        "no_strong_fall",
        "tax_split_totals",
        "No account's month comes to less than half of the month before: a file may have been cut off.",
        _FALLS,
        "compare with the provider's invoice; put its total beside the file as `<file>.total` to have it checked",
    ),
    _Check(
        "no_strong_rise",
        "tax_split_totals",
        "No account's month comes to 1.8 times the largest of the three months before, or more: something may be counted twice.",
        _RISES,
        "compare with the provider's invoice; `arcadia explain INVOICE` shows its files and lines; `arcadia dismiss 'FILE NAME' "
        "--reason ...` takes out a file that is there twice, `arcadia void INVOICE --reason ...` an invoice",
    ),
    _Check(
        "every_route_is_used",
        "tax_split_totals",
        "Every route to a tenant matches some line.",
        _UNUSED_ROUTES,
        "compare it with `source`, `account_id` and `project` in cost_lines; a misspelt one leaves its lines to another tenant",
    ),
    _Check(
        "finance_has_nothing_else",
        "finance_records",
        "Finance has no invoice that is void, withdrawn by its provider, or whose document a person has dismissed, and none that "
        "is led elsewhere by a route.",
        _LEFT_OVER,
        "remove what is void or dismissed in finance by hand, then run `arcadia reconcile`, which sees that it is gone; where no "
        "route leads to the tenant any more, `arcadia push INVOICE` says what can be done",
    ),
    _Check(
        "tax_rate_is_plausible",
        "tax_split_totals",
        "Where the tax lines state a rate, tax is that rate of net, to one minor unit.",
        _RATES,
        "compare with the provider's invoice: some services are taxed otherwise, or a line is missing; `arcadia explain INVOICE`",
    ),
)


@dg.asset_check(
    asset="tax_split_totals",
    blocking=True,
    description="Gross is net plus tax, and the sums are those of the lines, for every invoice. Blocks the push.",
)
def totals_reconcile(warehouse: dg.ResourceParam[WarehouseResource]) -> dg.AssetCheckResult:
    """Fails by a defect of this program only, so nothing is pushed until it is mended."""
    with warehouse.get().read() as connection:
        unequal = unreconciled(connection)
    return dg.AssetCheckResult(
        passed=not unequal,
        severity=dg.AssetCheckSeverity.ERROR,
        description=(
            f"{len(unequal)} invoices, nothing is pushed; a defect of the program: report it with {'; '.join(unequal[:3])}"
            if unequal
            else "every total is the sum of its lines"
        ),
        metadata={"invoices_that_do_not_reconcile": len(unequal)},
    )


@dg.multi_asset_check(
    specs=[dg.AssetCheckSpec(check.name, asset=check.asset, description=check.description) for check in _CHECKS],
    can_subset=True,
    description="What people should look at: rejected documents, held invoices, doubtful tax.",
)
def invoice_checks(
    context: dg.AssetCheckExecutionContext,
    warehouse: dg.ResourceParam[WarehouseResource],
    finance: dg.ResourceParam[FinanceResource],
) -> Iterator[dg.AssetCheckResult]:
    """One step for all of them: the warehouse is opened once."""
    wanted = {key.name for key in context.selected_asset_check_keys}
    with warehouse.get().read() as connection:
        for check in _CHECKS:
            if check.name in wanted:
                yield _result(check, connection, finance)


@dg.asset_check(asset="finance_records", description="Finance has every ready invoice, as it is now.")
def every_ready_invoice_is_in_finance(
    warehouse: dg.ResourceParam[WarehouseResource], finance: dg.ResourceParam[FinanceResource]
) -> dg.AssetCheckResult:
    """Green where finance is not configured, and says how many wait."""
    return _missing(warehouse, finance)


def _missing(warehouse: WarehouseResource, finance: FinanceResource) -> dg.AssetCheckResult:
    store = warehouse.get()
    try:
        recipient = finance.recipient
    except ConfigurationFailure as failure:
        return dg.AssetCheckResult(passed=False, description=str(failure))
    with store.read() as connection:
        frame = connection.execute(
            "SELECT strftime(invoice_month, '%Y-%m') AS month, tenant_id, source, account_id, "
            "invoice_external_id AS external_id, currency, amount_gross_minor, "
            f"CASE WHEN rerouted IS NOT NULL THEN '{REROUTED}' ELSE coalesce(state, 'not pushed') END AS state, "
            "coalesce(rerouted, last_error, '') AS error "
            f"FROM ({missing_sql(recipient)}) ORDER BY invoice_month DESC, source, external_id"
        ).df()
    if not finance.is_configured:
        return dg.AssetCheckResult(
            passed=True, description=f"finance not configured, {len(frame)} waiting", metadata={"waiting": len(frame)}
        )
    needs_a_person = frame["state"].isin([*NEEDS_A_PERSON, REROUTED]).any()
    return dg.AssetCheckResult(
        passed=frame.empty,
        severity=dg.AssetCheckSeverity.ERROR if needs_a_person else dg.AssetCheckSeverity.WARN,
        description=_description(
            frame,
            "deferred ones are tried again by themselves; a refused or abandoned one needs a person: put right what its error "
            "says, then `arcadia push INVOICE --again`; one whose routes have changed since it was pushed is told about by "
            "`arcadia push INVOICE`",
        ),
        metadata={"missing": len(frame), **_table(frame)},
    )


MONTH_IS_COMPLETE = dg.AssetCheckKey(dg.AssetKey("tax_split_totals"), "month_is_complete")


def month_is_complete(close_day: int) -> dg.AssetChecksDefinition:
    """The check of the month's close.

    Args:
        close_day: The day of a month from which the month before must be complete.
    """

    @dg.asset_check(
        asset=MONTH_IS_COMPLETE.asset_key,
        name=MONTH_IS_COMPLETE.name,
        description=(
            "The latest month that has ended has an invoice, and none that is held, of every account that has one in one of the "
            f"three months before. It may be awaited until day {close_day} of the next month (ARCADIA_CLOSE_DAY)."
        ),
    )
    def check(warehouse: dg.ResourceParam[WarehouseResource]) -> dg.AssetCheckResult:
        """Evaluated daily, and with each run."""
        return _closed(warehouse, close_day)

    return check


def _closed(warehouse: WarehouseResource, close_day: int) -> dg.AssetCheckResult:
    with warehouse.get().read() as connection:
        found = close(accounts(connection), today=datetime.now(UTC).date(), close_day=close_day)
        rejected = connection.execute("SELECT count(*) FROM unreplaced_documents").fetchone()
    passed = not (found.open and found.is_due)
    files = f", look whether a rejected file is it ({rejected[0]} wait)" if rejected and rejected[0] else ""
    advice = (
        f": put its invoice into the inbox{files}, release what is held, or say that the account has ended with "
        "`arcadia end ACCOUNT --reason ...`"
    )
    frame = pd.DataFrame(
        [
            {
                "month": f"{found.month:%Y-%m}",
                "source": one.account.source,
                "account_id": one.account.account_id,
                "what": one.state,
                "last_month": f"{one.last_month:%Y-%m}",
            }
            for one in (found.standings if passed else found.open)
        ]
    )
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=found.summary + ("" if passed else advice),
        metadata={"found": len(found.open), **_table(frame)},
    )


CHECKS: tuple[dg.AssetChecksDefinition, ...] = (totals_reconcile, invoice_checks, every_ready_invoice_is_in_finance)


_OF_PEOPLE = frozenset({"archive_records_are_whole", "nothing_rejected", "nothing_held", "finance_has_nothing_else"})


def report_here(warehouse: WarehouseResource, finance: FinanceResource, *, close_day: int) -> None:
    """The same as `report`, on the instance that `DAGSTER_HOME` names."""
    with dg.DagsterInstance.get() as instance:
        report(instance, warehouse, finance, close_day=close_day)


def report(
    instance: dg.DagsterInstance, warehouse: WarehouseResource, finance: FinanceResource, *, close_day: int
) -> None:
    """Have the UI show now what those checks say that a person's command may have settled: no run would tell before the next.

    Args:
        instance: Where evaluations are recorded; each belongs to no run.
        warehouse: Where everything is known.
        finance: The finance service.
        close_day: See `month_is_complete`.
    """
    results = {
        ("finance_records", "every_ready_invoice_is_in_finance"): _missing(warehouse, finance),
        (MONTH_IS_COMPLETE.asset_key.to_user_string(), MONTH_IS_COMPLETE.name): _closed(warehouse, close_day),
    }
    with warehouse.get().read() as connection:
        for check in _CHECKS:
            if check.name in _OF_PEOPLE:
                results[check.asset, check.name] = _result(check, connection, finance)
    for (asset, name), result in results.items():
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(asset),
                check_name=name,
                passed=bool(result.passed),
                metadata=result.metadata,
                severity=result.severity,
                description=result.description,
            )
        )


def _result(check: _Check, connection: duckdb.DuckDBPyConnection, finance: FinanceResource) -> dg.AssetCheckResult:
    query = check.query
    if "{is_recipients}" in query:
        try:
            recipient = finance.recipient
            query = query.replace("{is_recipients}", recipient.is_recipients_sql)
            query = query.replace("{unwanted}", unwanted_sql(recipient.is_recipients_sql))
        except ConfigurationFailure as failure:
            return dg.AssetCheckResult(
                passed=False, check_name=check.name, asset_key=check.asset, description=str(failure)
            )
    frame = connection.execute(query).df()
    return dg.AssetCheckResult(
        passed=frame.empty,
        check_name=check.name,
        asset_key=check.asset,
        severity=check.severity,
        description=_description(frame, check.advice),
        metadata={"found": len(frame), **_table(frame)},
    )


def _description(frame: pd.DataFrame, advice: str) -> str:
    if frame.empty:
        return "nothing found"
    months = sorted(set(frame["month"]), reverse=True) if "month" in frame else []
    named = ", ".join(months[:_SHOWN_MONTHS]) + (" ..." if len(months) > _SHOWN_MONTHS else "")
    return f"{len(frame)} found{f' in {named}' if named else ''}: {advice}"


def _table(frame: pd.DataFrame) -> dict[str, dg.TableMetadataValue]:
    return {} if frame.empty else {"list": preview.as_table(frame.head(preview.PREVIEW_ROWS))}
