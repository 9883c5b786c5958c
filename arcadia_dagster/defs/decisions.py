"""The job by which a person decides in the UI: the form of its launchpad has the invoice, the decision and the reason.

Nothing else can be set: a launch that says where files or secrets are is refused.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg

from arcadia_dagster.alerts.resource import AlertsResource
from arcadia_dagster.billing.approval import Limits
from arcadia_dagster.decisions.decision import DecisionError
from arcadia_dagster.decisions.taking import AboutInvoice, SeveralReasonsError, Taken, Taking
from arcadia_dagster.defs.assets.common import range_of
from arcadia_dagster.defs.assets.preview import texts_as_table
from arcadia_dagster.defs.checks import report
from arcadia_dagster.defs.run_coordinator import AttributedRunCoordinator
from arcadia_dagster.defs.runs import PERSON_TAG, job_tags
from arcadia_dagster.defs.sensors import NEW_FILES
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.landing.resource import LandingResource
from arcadia_dagster.prefix import Prefix
from arcadia_dagster.reports.decision_page import JOB, LOOK
from arcadia_dagster.reports.explain import UnknownInvoiceError, find, hold_reasons
from arcadia_dagster.settings_file import SettingsFileError
from arcadia_dagster.stages.stated import NotStatedError
from arcadia_dagster.statement.resource import StatementsResource
from arcadia_dagster.warehouse import LockTimeoutError, Warehouse, WarehouseError
from arcadia_dagster.warehouse.resource import WarehouseResource

_KINDS: Final[Mapping[str, AboutInvoice]] = {
    "release": "release",
    "release_all": "release",
    "release_as_stated": "release",
    "release_all_as_stated": "release",
    "approve": "approve",
    "void": "void",
}
"""The kind of each decision about an invoice: a release is said in four ways."""

_DECISIONS: Final = {
    LOOK: "Decides nothing, and shows what holds the invoice.",
    "release": "The held invoice is right as it is, and may go to finance. Refused where several reasons hold it: it shows them.",
    "release_all": "The same, and all reasons that hold it are meant.",
    "release_as_stated": "The held invoice may go to finance with the total that it states, in place of the sum of its lines.",
    "release_all_as_stated": "The same, and all reasons that hold it are meant.",
    "approve": "A second person approves the figures of an invoice over the limit (ARCADIA_APPROVE_OVER).",
    "void": "The invoice must never go to finance.",
    "dismiss": "The file should not have come: its invoices go, and an older version of each is current again.",
}

_FORM: Final = {
    "invoice": dg.Field(
        dg.String,
        default_value="",
        description=(
            "The invoice: its id, its number, or source/account/id. For `dismiss` the name of the file, or the beginning of its "
            "SHA-256."
        ),
    ),
    "decision": dg.Field(
        dg.Enum("Decision", [dg.EnumValue(name, description=about) for name, about in _DECISIONS.items()]),
        default_value=LOOK,
        description=" ".join(f"`{name}`: {about}" for name, about in _DECISIONS.items()),
    ),
    "reason": dg.Field(
        dg.String, default_value="", description="Why, in words: it is kept on record with who decided and when."
    ),
}

_REFUSALS = (
    DecisionError,
    NotStatedError,
    SettingsFileError,
    UnknownInvoiceError,
    LockTimeoutError,
    WarehouseError,
    OSError,
)


def decide_invoice(partitions: dg.MonthlyPartitionsDefinition, *, close_day: int, prefix: Prefix) -> dg.JobDefinition:
    """The job.

    Args:
        partitions: The months there are.
        close_day: See `checks.month_is_complete`.
        prefix: What the home's names begin with.
    """

    @dg.op(config_schema=_FORM, description="Puts the decision on record, and says what it does.")
    def take_decision(
        context: dg.OpExecutionContext,
        warehouse: dg.ResourceParam[WarehouseResource],
        landing: dg.ResourceParam[LandingResource],
        finance: dg.ResourceParam[FinanceResource],
        statements: dg.ResourceParam[StatementsResource],
        alerts: dg.ResourceParam[AlertsResource],
    ) -> None:
        about, decision, reason = (context.op_config[name].strip() for name in _FORM)
        store = warehouse.get()
        if not about:
            raise _refused("name the invoice, or for `dismiss` the file")
        try:
            if decision == LOOK:
                reasons = hold_reasons(store, find(store, about))
                context.log.info("; ".join(reasons) or f"nothing holds {about}")
                shown = texts_as_table([{"held because": text} for text in reasons]) if reasons else "nothing holds it"
                context.add_output_metadata({"invoice": about, "held_because": shown})
                return
            by = person_of(context.run, context.instance, landing.approve_over, decision)
            taken = _taken(store, landing, decision, about, reason=reason, by=by)
        except _REFUSALS as error:
            raise _refused(str(error)) from error
        context.log.info(f"{taken.message}; decided by {by}")
        context.add_output_metadata(
            {
                "decision": taken.message,
                "decided_by": by,
                "document_sha256": taken.document_sha256,
                "months_to_build": ", ".join(taken.months) or "none",
            }
        )
        if taken.months:
            context.log.info(f"the sensor {prefix.name(NEW_FILES)} brings {', '.join(taken.months)} up to date")
            return
        # Otherwise the run that builds the months evaluates the checks and makes the statements.
        report(context.instance, warehouse, finance, close_day=close_day, form=alerts.form(prefix))
        statements.make(store, (), range_of(partitions))

    @dg.job(
        name=prefix.name(JOB),
        tags=job_tags(JOB, prefix),
        config=dg.ConfigMapping(config_fn=_of_step, config_schema=_FORM),
        metadata={"on_the_command_line": "arcadia release|approve|void|dismiss"},
        description=(
            "A person decides about an invoice: release, approve or void it, or dismiss its file. Open the launchpad, name the "
            "invoice, choose the decision, write the reason, and launch. The decision is kept on record with the person's name."
        ),
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        take_decision()

    return job


def _of_step(form: Mapping[str, Any]) -> dict[str, Any]:
    return {"ops": {"take_decision": {"config": dict(form)}}}


def _refused(why: str) -> dg.Failure:
    return dg.Failure(f"nothing was decided: {why}", allow_retries=False)


def _taken(store: Warehouse, landing: LandingResource, decision: str, about: str, *, reason: str, by: str) -> Taken:
    taking = Taking(
        warehouse=store,
        archive=landing.get_archive(),
        formats=landing.get_formats(),
        reason=reason,
        by=by,
        now=datetime.now(UTC),
    )
    if decision == "dismiss":
        return taking.dismiss(about)
    invoice = find(store, about)
    kind = _KINDS[decision]
    try:
        return taking.about_invoice(
            kind,
            invoice,
            landing.approve_over,
            reasons=hold_reasons(store, invoice),
            as_stated=decision.endswith("as_stated"),
            is_all="_all" in decision,
        )
    except SeveralReasonsError as error:
        way_on = decision.replace("release", "release_all")
        raise DecisionError(f"{error}\nIf none of them is right, choose `{way_on}`") from error


def person_of(run: dg.DagsterRun, instance: dg.DagsterInstance, limits: Limits, decision: str) -> str:
    """Who decides: the person whom the proxy named when the run was launched, else somebody, with the run's id.

    Only our own queue of runs writes that tag; elsewhere, whoever launches a run can give it any tag.

    Args:
        run: The run.
        instance: Dagster's instance, whose queue the run went through.
        limits: Which invoices a second person must approve.
        decision: What is decided, as the form has it.

    Raises:
        DecisionError: Nobody is named, and a second person must be told from the first.
    """
    is_ours = isinstance(instance.run_coordinator, AttributedRunCoordinator)
    named = run.tags.get(PERSON_TAG, "") if is_ours and run.remote_job_origin is not None else ""
    if named:
        return named
    if not limits.are_none and _KINDS.get(decision) in {"release", "approve"}:
        raise DecisionError(
            "nobody knows who launched this run, and with ARCADIA_APPROVE_OVER two persons must be told apart: set "
            "ARCADIA_USER_HEADER behind a proxy that asks for a log-in (docs/operations.md), or use `arcadia release` and "
            "`arcadia approve`"
        )
    return f"somebody in the UI (run {(run.root_run_id or run.run_id)[:8]})"
