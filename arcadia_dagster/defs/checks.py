"""The asset checks. Each looks at the whole warehouse, names the months concerned and says what to do.

None blocks: what they show is for people to look at, and the other invoices go on.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import dagster as dg
import duckdb

from arcadia_dagster.alerts.resource import AlertsResource
from arcadia_dagster.books.accounts_file import AccountsError, read_accounts
from arcadia_dagster.defs.assets import preview
from arcadia_dagster.finance.errors import ConfigurationFailure
from arcadia_dagster.finance.outstanding import REROUTED
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.how_many import how_many
from arcadia_dagster.ledger.states import NEEDS_A_PERSON
from arcadia_dagster.prefix import Prefix
from arcadia_dagster.reports import findings
from arcadia_dagster.reports.bills import bills
from arcadia_dagster.reports.budgets import budget_standings
from arcadia_dagster.reports.close import accounts, close
from arcadia_dagster.reports.decision_page import Form
from arcadia_dagster.reports.figures import trend_months
from arcadia_dagster.reports.findings import Finding, Kind
from arcadia_dagster.reports.good import LookedAt
from arcadia_dagster.reports.witnesses import shares
from arcadia_dagster.stages.reconciling import CHANGED_OR_DEFECT, unreconciled
from arcadia_dagster.warehouse.months import previous_month
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster.warehouse.seals import changed_subjects, not_as_written

_SHOWN_MONTHS = 12
_SHOWN_BUDGETS = 3

_MOST_LINKS = 10
"""How many findings have links: each link has some 200 characters, and each evaluation is kept."""

_DECISIONS: Final = {
    findings.HELD.name: ("release", "void"),
    findings.UNAPPROVED.name: ("approve", "void"),
    findings.REJECTED.name: ("dismiss",),
}
"""What a person can decide about findings, by their kind."""

FINDINGS = "findings"
"""The name of the metadata with an evaluation's first findings, each by `Finding.as_json`."""


@dataclass(frozen=True, slots=True)
class _Check:
    """A check that passes where there is no finding of a kind; its description says what is right then."""

    kind: Kind
    asset: str
    description: str
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN


_CHECKS = (
    _Check(
        findings.UNMATCHED,
        "cost_lines",
        "In each account with an inventory, at least half of the spend on resources is on resources that it lists.",
    ),
    _Check(
        findings.REJECTED,
        "documents",
        "Every file in the inbox could be read, or a good one has taken its place.",
    ),
    _Check(
        findings.DAMAGED,
        "documents",
        "Every line of each document's record in the archive can be read. A damaged record holds its document's invoices.",
        severity=dg.AssetCheckSeverity.ERROR,
    ),
    _Check(
        findings.HELD,
        "tax_split_totals",
        "No invoice is held back from finance, except those that a person has voided.",
    ),
    _Check(
        findings.UNAPPROVED,
        "tax_split_totals",
        "Every invoice over the limit (ARCADIA_APPROVE_OVER) is approved by another person than the one who released it.",
    ),
    _Check(
        findings.FALL,
        "tax_split_totals",
        "No account's month comes to less than half of the month before: a file may have been cut off.",
    ),
    _Check(
        findings.RISE,
        "tax_split_totals",
        "No account's month comes to 1.8 times the largest of the three months before, or more: something may be counted twice.",
    ),
    _Check(
        findings.UNUSED_ROUTE,
        "tax_split_totals",
        "Every route to a tenant matches some line.",
    ),
    _Check(
        findings.LEFT_OVER,
        "finance_records",
        "Finance has no invoice that is void, that its provider has withdrawn, whose document a person has dismissed, or that a "
        "route now leads to another tenant.",
    ),
    _Check(
        findings.TAX_RATE,
        "tax_split_totals",
        "Where the tax lines state a rate, tax is that rate of net, to one minor unit.",
    ),
)


@dg.asset_check(
    asset="tax_split_totals",
    description=(
        "Gross is net plus tax, and the sums are those of the lines, for every invoice; and nobody but the program has changed a "
        "row. If not, what depends on it is not pushed; the rest is."
    ),
)
def totals_reconcile(warehouse: dg.ResourceParam[WarehouseResource]) -> dg.AssetCheckResult:
    """Fails where somebody has changed a table, or by a defect. Each delivery looks again, and keeps these invoices back."""
    with warehouse.get().read() as connection:
        changed = changed_subjects(connection)
        unequal = unreconciled(connection)
        good = "" if changed or unequal else LookedAt.of(connection).reconciled
    wrong = [*map(not_as_written, changed), *unequal]
    return dg.AssetCheckResult(
        passed=not wrong,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"not pushed: {'; '.join(wrong[:3])}: {CHANGED_OR_DEFECT}" if wrong else good,
        metadata={"invoices_that_do_not_reconcile": len(unequal), "changed": ", ".join(changed)},
    )


@dg.multi_asset_check(
    specs=[dg.AssetCheckSpec(check.kind.name, asset=check.asset, description=check.description) for check in _CHECKS],
    can_subset=True,
    description="What people should look at: rejected documents, held invoices, months that rise or fall.",
)
def invoice_checks(
    context: dg.AssetCheckExecutionContext,
    warehouse: dg.ResourceParam[WarehouseResource],
    finance: dg.ResourceParam[FinanceResource],
    alerts: dg.ResourceParam[AlertsResource],
) -> Iterator[dg.AssetCheckResult]:
    """One step for all of them: the warehouse is opened once."""
    wanted = {key.name: key.asset_key for key in context.selected_asset_check_keys}
    with warehouse.get().read() as connection:
        looked_at = LookedAt.of(connection)
        for check in _CHECKS:
            if (key := wanted.get(check.kind.name)) is not None:
                form = alerts.form(Prefix.of_path(key.path))
                yield _result(check, connection, finance, form, looked_at)


@dg.asset_check(asset="finance_records", description="Finance has every ready invoice, as it is now.")
def every_ready_invoice_is_in_finance(
    warehouse: dg.ResourceParam[WarehouseResource], finance: dg.ResourceParam[FinanceResource]
) -> dg.AssetCheckResult:
    """Green where finance is not configured, and says how many wait."""
    return _missing(warehouse, finance)


@dg.asset_check(
    asset="tax_split_totals",
    description=(
        "If the issuer stated the totals of an account's earlier invoices, it states those of each new one: a second witness "
        "beside the lines. If no issuer has stated totals, none are expected. The list has the share of spend that has a second "
        "witness."
    ),
)
def every_invoice_is_stated(warehouse: dg.ResourceParam[WarehouseResource]) -> dg.AssetCheckResult:
    """For each account: how many invoices have lines and a statement that agree, and their share of the spend."""
    with warehouse.get().read() as connection:
        accounts_shares = shares(connection)
        not_stated = findings.find(connection, findings.NOT_STATED, None)
    witnessed = sum(row["with_a_second_witness"] for row in accounts_shares)
    summary = f"invoices with a second witness: {witnessed} of {sum(row['invoices'] for row in accounts_shares)}"
    shown = [{name: str(value) for name, value in row.items()} for row in accounts_shares[: preview.PREVIEW_ROWS]]
    return dg.AssetCheckResult(
        passed=not not_stated,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{summary}; not stated: {_description(not_stated, summary)}" if not_stated else summary,
        metadata={
            "found": len(not_stated),
            **_listed(not_stated),
            **({"second_witnesses": preview.texts_as_table(shown)} if shown else {}),
        },
    )


def _missing(warehouse: WarehouseResource, finance: FinanceResource) -> dg.AssetCheckResult:
    store = warehouse.get()
    try:
        recipient = finance.recipient
    except ConfigurationFailure as failure:
        return dg.AssetCheckResult(passed=False, description=str(failure))
    with store.read() as connection:
        missing = findings.find(connection, findings.MISSING, recipient)
        good = "" if missing else LookedAt.of(connection).in_finance
    if not finance.is_configured:
        return dg.AssetCheckResult(
            passed=True,
            description=f"finance not configured, {len(missing)} waiting",
            metadata={"waiting": len(missing)},
        )
    needs_a_person = any(finding.facts["state"] in {*NEEDS_A_PERSON, REROUTED} for finding in missing)
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.ERROR if needs_a_person else dg.AssetCheckSeverity.WARN,
        description=_description(missing, good),
        metadata={"missing": len(missing), **_listed(missing)},
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
            "Every account with an invoice in one of the three months before the latest month that has ended has one in that "
            "month too, and none of them is held. An invoice is late from day "
            f"{close_day} of the next month on (ARCADIA_CLOSE_DAY)."
        ),
    )
    def check(warehouse: dg.ResourceParam[WarehouseResource]) -> dg.AssetCheckResult:
        """Evaluated daily, and with each run."""
        return _closed(warehouse, close_day)

    return check


def _closed(warehouse: WarehouseResource, close_day: int) -> dg.AssetCheckResult:
    with warehouse.get().read() as connection:
        month = close(accounts(connection), today=datetime.now(UTC).date(), close_day=close_day)
        rejected = connection.execute("SELECT count(*) FROM unreplaced_documents").fetchone()
    passed = not (month.open and month.is_due)
    files = f", look whether a rejected file is it ({rejected[0]} wait)" if rejected and rejected[0] else ""
    advice = (
        f": put its invoice into the inbox{files}, release what is held, or say that the account has ended with "
        "`arcadia end ACCOUNT --reason ...`"
    )
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=month.summary + ("" if passed else advice),
        metadata={
            "found": len(month.open),
            **_listed(findings.of_close(month, month.standings if passed else month.open)),
        },
    )


def nothing_in_suspense(accounts: Path, *, must_exist: bool) -> dg.AssetChecksDefinition:
    """The check of the accounts of the books.

    Args:
        accounts: The file with the accounts.
        must_exist: Whether a person has named it.
    """

    @dg.asset_check(
        asset="tax_split_totals",
        name="nothing_in_suspense",
        description=(
            "Where there is an `accounts.toml`, a rule of it matches each service and each tax of the ready invoices of the last "
            "twelve months."
        ),
    )
    def check(warehouse: dg.ResourceParam[WarehouseResource]) -> dg.AssetCheckResult:
        """What `arcadia export bills` puts into the suspense account."""
        try:
            known = read_accounts(accounts, must_exist=must_exist)
        except AccountsError as error:
            return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description=str(error))
        if known is None:
            return dg.AssetCheckResult(passed=True, description=f"there is no {accounts}")
        with warehouse.get().read() as connection:
            months = trend_months(datetime.now(UTC).date().replace(day=1))
            booked = list(bills(connection, months, known))
        rows = sum(len(bill.rows) for bill in booked)
        good = f"{how_many(rows, 'row')} of {how_many(len(booked), 'bill')}: a rule of {accounts} matches each"
        return _evaluated(findings.of_suspense(booked), dg.AssetCheckSeverity.WARN, good)

    return check


@dg.asset_check(
    asset="tax_split_totals",
    description=(
        "No budget of the present month or the one before is over, or will be at the month's present pace. Where there is no "
        "`budgets.toml`, there is none."
    ),
)
def budgets_are_kept(warehouse: dg.ResourceParam[WarehouseResource]) -> dg.AssetCheckResult:
    """The months that somebody can still do something about."""
    month = datetime.now(UTC).date().replace(day=1)
    with warehouse.get().read() as connection:
        standings = budget_standings(connection, [month, previous_month(month)])
    budgets = [one for of_month in standings.values() for one in of_month]
    spent = "; ".join(
        f"{one.month:%Y-%m} {one.budget.name}: {one.spent:,.2f} of {one.budget.amount:,f} {one.budget.currency} spent"
        for one in budgets[:_SHOWN_BUDGETS]
    )
    good = f"{how_many(len(budgets), 'budget')} kept: {spent}" if budgets else "there is no budget"
    return _evaluated(findings.of_budgets(budgets), dg.AssetCheckSeverity.WARN, good)


CHECKS: tuple[dg.AssetChecksDefinition, ...] = (
    budgets_are_kept,
    totals_reconcile,
    invoice_checks,
    every_ready_invoice_is_in_finance,
    every_invoice_is_stated,
)


def report_here(warehouse: WarehouseResource, finance: FinanceResource, *, close_day: int, form: Form) -> None:
    """The same as `report`, on the instance that `DAGSTER_HOME` names."""
    with dg.DagsterInstance.get() as instance:
        report(instance, warehouse, finance, close_day=close_day, form=form)


def report(
    instance: dg.DagsterInstance,
    warehouse: WarehouseResource,
    finance: FinanceResource,
    *,
    close_day: int,
    form: Form,
) -> None:
    """Evaluate the checks that a person's command may have settled, so that the UI shows them before the next run.

    Args:
        instance: Where evaluations are recorded; each belongs to no run.
        warehouse: The warehouse that the checks look at.
        finance: The finance service.
        close_day: See `month_is_complete`.
        form: Where people decide about what is found; it has what the home's names begin with.
    """
    results = {
        ("finance_records", "every_ready_invoice_is_in_finance"): _missing(warehouse, finance),
        (MONTH_IS_COMPLETE.asset_key.to_user_string(), MONTH_IS_COMPLETE.name): _closed(warehouse, close_day),
    }
    with warehouse.get().read() as connection:
        looked_at = LookedAt.of(connection)
        for check in _CHECKS:
            if check.kind.is_settled_by_commands:
                results[check.asset, check.kind.name] = _result(check, connection, finance, form, looked_at)
    for (asset, name), result in results.items():
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(form.prefix.path(asset)),
                check_name=name,
                passed=bool(result.passed),
                metadata=result.metadata,
                severity=result.severity,
                description=result.description,
            )
        )


def _result(
    check: _Check,
    connection: duckdb.DuckDBPyConnection,
    finance: FinanceResource,
    form: Form,
    looked_at: LookedAt,
) -> dg.AssetCheckResult:
    asset = dg.AssetKey(form.prefix.path(check.asset))
    try:
        recipient = finance.recipient if check.kind.is_about_finance else None
    except ConfigurationFailure as failure:
        return dg.AssetCheckResult(passed=False, check_name=check.kind.name, asset_key=asset, description=str(failure))
    listed = findings.find(connection, check.kind, recipient)
    links = _links(check.kind, listed, form)
    return _evaluated(
        listed,
        check.severity,
        looked_at.good(check.kind),
        links=links,
        check_name=check.kind.name,
        asset_key=asset,
    )


def _links(kind: Kind, listed: Sequence[Finding], form: Form) -> dict[str, dg.MetadataValue]:
    """The pages on which a person decides about the first findings."""
    in_the_ui, lines = form.on_a_page_of_the_ui, []
    for finding in listed[:_MOST_LINKS] if kind.name in _DECISIONS else ():
        about = finding.facts.get("file") or finding.invoice
        name = as_text(finding.subject)
        ways = ((decision, in_the_ui.link(decision, about)) for decision in _DECISIONS[kind.name])
        links = (
            f"[{decision}]({link})" if link else f"`arcadia {decision}`, as the form does not know who decides"
            for decision, link in ways
        )
        lines.append(f"- {name}: {', '.join(links)}")
    return {"decide": dg.MarkdownMetadataValue("\n".join(lines))} if lines else {}


def as_text(words: str) -> str:
    """A file's own words, for Markdown: nothing of them is read as markup, and nothing hides what follows it."""
    visible = "".join(character if character.isprintable() else " " for character in words)
    return re.sub(r"([!-,/:-@\[-`{-~])", r"\\\1", visible).strip()


def _evaluated(
    listed: Sequence[Finding],
    severity: dg.AssetCheckSeverity,
    good: str,
    *,
    links: Mapping[str, dg.MetadataValue] = MappingProxyType({}),
    check_name: str | None = None,
    asset_key: dg.AssetKey | None = None,
) -> dg.AssetCheckResult:
    """A check that passes where nothing was found, and then says what is good; one of several of a function has to be named."""
    return dg.AssetCheckResult(
        passed=not listed,
        check_name=check_name,
        asset_key=asset_key,
        severity=severity,
        description=_description(listed, good),
        metadata={"found": len(listed), **_listed(listed), **links},
    )


def _description(listed: Sequence[Finding], good: str) -> str:
    if not listed:
        return good
    months = sorted({finding.facts["month"] for finding in listed if "month" in finding.facts}, reverse=True)
    named = ", ".join(months[:_SHOWN_MONTHS]) + (" ..." if len(months) > _SHOWN_MONTHS else "")
    return f"{len(listed)} found{f' in {named}' if named else ''}: {listed[0].advice}"


def _listed(listed: Sequence[Finding]) -> dict[str, dg.MetadataValue]:
    """The first findings: as a table for people, and as they are for programs, such as the sensor that tells the webhook."""
    if not listed:
        return {}
    shown = listed[: preview.PREVIEW_ROWS]
    return {
        "list": preview.texts_as_table([finding.facts for finding in shown]),
        FINDINGS: dg.JsonMetadataValue([finding.as_json() for finding in shown]),
    }
