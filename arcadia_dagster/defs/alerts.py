"""The sensor that tells people of failed checks and failed runs, once for each cause.

It reads what the UI shows: the latest evaluation of each check, whoever reported it, and the runs that have ended. Dagster's
own `run_failure_sensor` does not suffice: it moves on when a message fails to get through, leaves out the runs of `arcadia
ingest`, and never learns that a later run succeeded.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import dagster as dg

from arcadia_dagster.alerts import message
from arcadia_dagster.alerts.causes import Cause, Memory, Subject, news, remembered
from arcadia_dagster.alerts.resource import AlertsResource
from arcadia_dagster.alerts.webhook import AlertError
from arcadia_dagster.defs.checks import FINDINGS
from arcadia_dagster.defs.fetch import FETCH
from arcadia_dagster.defs.ingest import failure_words
from arcadia_dagster.defs.internals import COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES, WILL_RETRY_TAG
from arcadia_dagster.defs.jobs import CLOSE, DELIVER, INGEST
from arcadia_dagster.defs.runs import OwnRuns, partition_range
from arcadia_dagster.how_many import how_many
from arcadia_dagster.prefix import Prefix
from arcadia_dagster.reports.decision_page import JOB as DECIDE
from arcadia_dagster.reports.findings import Finding, identity_of
from arcadia_dagster.settings import ALERT_VARIABLE

_SECONDS = 30
_RUNS_PER_TICK = 200
_MESSAGES_PER_TICK = 5


def failures_to_webhook(
    check_keys: Sequence[dg.AssetCheckKey], *, is_configured: bool, prefix: Prefix
) -> dg.SensorDefinition:
    """The sensor.

    Args:
        check_keys: The checks to look at.
        is_configured: Whether there is a webhook: without one the sensor is stopped.
        prefix: What the home's names begin with.
    """

    @dg.sensor(
        name=prefix.name("failures_to_webhook"),
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if is_configured else dg.DefaultSensorStatus.STOPPED,
        description=(
            f"Reports failed checks and runs to the webhook of {ALERT_VARIABLE} (such as Slack's), with the invoice or file, "
            "what to do and a link. It reports each cause once, and once more when it is over. A message that does not get "
            f"through is sent again later. The sensor is stopped while {ALERT_VARIABLE} is not set."
        ),
    )
    def sensor(
        context: dg.SensorEvaluationContext, alerts: dg.ResourceParam[AlertsResource]
    ) -> dg.SensorResult | dg.SkipReason:
        if not alerts.is_configured:
            return dg.SkipReason(f"alerts are off: set {ALERT_VARIABLE}")
        memory, now = remembered(context.cursor), time.time()
        if memory.waits_at(now):
            when = datetime.fromtimestamp(memory.not_before, UTC)
            return dg.SkipReason(f"the webhook failed; the next message is sent after {when:%H:%M:%S} UTC")
        memory, reason = _send_news(context.instance, OwnRuns.of(context, prefix), alerts, memory, check_keys, now)
        return dg.SensorResult(skip_reason=reason, cursor=memory.as_cursor())

    return sensor


@dataclass(slots=True)
class _Teller:
    """Sends the new causes, until something stops it."""

    alerts: AlertsResource
    memory: Memory
    now: float
    sent: int = 0
    problem: str = ""

    def tell(self, subject: Subject) -> bool:
        """Send the new causes of a subject; return whether all messages got through."""
        causes, over = news(self.memory, subject)
        try:
            if causes:
                self._send(message.alert(subject, causes))
                self.memory = self.memory.with_told(subject, causes)
            if over:
                self._send(message.resolved(subject, over.values()))
                self.memory = self.memory.without(subject, over)
        except AlertError as error:
            self.memory = self.memory.after_failure(self.now, error.retry_after)
            self.problem = self.problem or str(error)
            if not error.is_about_the_message:
                raise
            return False
        return True

    def _send(self, payload: Mapping[str, Any]) -> None:
        if self.sent >= _MESSAGES_PER_TICK:
            raise _EnoughError
        self.alerts.send(payload)
        self.sent += 1

    @property
    def summary(self) -> str:
        """A line for the tick."""
        sent = f"{how_many(self.sent, 'message')} sent" if self.sent else "nothing new to report"
        return f"{sent}; {self.problem}; tried again later" if self.problem else sent


class _EnoughError(Exception):
    """A tick must be short: the next one sends the rest."""


def _send_news(
    instance: dg.DagsterInstance,
    own: OwnRuns,
    alerts: AlertsResource,
    memory: Memory,
    keys: Sequence[dg.AssetCheckKey],
    now: float,
) -> tuple[Memory, str]:
    """Send what is new; return the new memory, and a line for the tick."""
    if memory.runs_since is None:
        # Alerts were just set up: earlier failures are no news.
        memory = replace(memory, runs_since=max((end.storage_id for end in _ends(instance, 1, None)), default=0))
    teller = _Teller(alerts, memory, now)
    try:
        for subject in _checks(instance, own, alerts.ui_url, keys):
            teller.tell(subject)
        for end in _ends(instance, _RUNS_PER_TICK, memory.runs_since):
            if not all(teller.tell(subject) for subject in _run(instance, own, alerts.ui_url, teller.memory, end)):
                break
            teller.memory = replace(teller.memory, runs_since=end.storage_id)
    except _EnoughError:
        pass
    except AlertError:
        return teller.memory, teller.summary
    if not teller.problem:
        teller.memory = replace(teller.memory, failures=0, not_before=0.0)
    return teller.memory, teller.summary


def _checks(
    instance: dg.DagsterInstance, own: OwnRuns, ui_url: str, keys: Sequence[dg.AssetCheckKey]
) -> Iterator[Subject]:
    """Each check by its latest evaluation, with or without a run; those that this version never evaluated are left out."""
    for key in keys:
        evaluation = _latest(instance, own, key)
        if evaluation is not None and (subject := _check(ui_url, key.name, evaluation)) is not None:
            yield subject


def _latest(instance: dg.DagsterInstance, own: OwnRuns, key: dg.AssetCheckKey) -> dg.AssetCheckEvaluation | None:
    """The check's latest evaluation, but for those of another code location, whose assets may have the same keys."""
    cursor = None
    while records := instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, cursor=cursor, status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
    ):
        [record] = records
        run = instance.get_run_by_id(record.run_id)
        if run is None or not own.is_elsewhere(run):
            return record.evaluation
        cursor = record.id
    return None


def _check(ui_url: str, name: str, evaluation: dg.AssetCheckEvaluation) -> Subject | None:
    asset = "/".join(quote(part, safe="") for part in evaluation.asset_key.path)
    subject = Subject(
        name=f"check {name}",
        title=f"Check {name}",
        link=f"{ui_url.rstrip('/')}/assets/{asset}?view=checks&checkDetail={quote(name, safe='')}",
    )
    if evaluation.passed:
        return subject
    listed = evaluation.metadata.get(FINDINGS)
    if listed is None and "list" in evaluation.metadata:
        # An earlier version evaluated it without findings: the next evaluation has them.
        return None
    shown = listed.data if isinstance(listed, dg.JsonMetadataValue) and isinstance(listed.data, list) else []
    by_identity: dict[str, Cause] = {}
    for finding in map(Finding.of_json, shown):
        cause = Cause(finding.identity, finding.subject, finding.what, finding.command)
        by_identity.setdefault(cause.identity, cause)
    causes = tuple(by_identity.values()) or (
        Cause(identity_of(evaluation.description or ""), name, evaluation.description or ""),
    )
    counts = [value.value for key, value in evaluation.metadata.items() if key in {"found", "missing"}]
    unlisted = max(int(str(counts[0])) - len(shown), 0) if counts and shown else 0
    severity = "failed" if evaluation.severity is dg.AssetCheckSeverity.ERROR else "failed (a warning)"
    return replace(
        subject,
        title=f"Check {name} {severity}",
        advice=(evaluation.description or "") if shown else "",
        causes=causes,
        count=len(causes) + unlisted,
        is_complete=not unlisted,
    )


def _ends(instance: dg.DagsterInstance, limit: int, after: int | None) -> list[dg.EventLogRecord]:
    """The runs that succeeded or failed, in the order of their records; the latest of each kind where `after` is None."""
    ends: list[dg.EventLogRecord] = []
    known_up_to: list[int] = []
    for kind in (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS):
        records = instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(event_type=kind, after_storage_id=after),
            limit=limit,
            ascending=after is not None,
        ).records
        ends += records
        if len(records) == limit and after is not None:
            known_up_to.append(records[-1].storage_id)
    last = min(known_up_to, default=None)
    return sorted((end for end in ends if last is None or end.storage_id <= last), key=lambda record: record.storage_id)


def _run(
    instance: dg.DagsterInstance, own: OwnRuns, ui_url: str, memory: Memory, end: dg.EventLogRecord
) -> Iterator[Subject]:
    """The subject of an ended run of ours: its failure, or the end of an earlier failure."""
    run = instance.get_run_by_id(end.event_log_entry.run_id)
    # A person whose decision is refused sees why on the page of the run, and tries again.
    if run is None or run not in own or own.prefix.without(run.job_name) == DECIDE:
        return
    if run.status is dg.DagsterRunStatus.FAILURE:
        if run.tags.get(WILL_RETRY_TAG) != "true":
            yield _failed_run(instance, own, ui_url, run)
        return
    for name in memory.told:
        if _is_settled_by(name, run, own):
            yield Subject(name, title=name.capitalize(), link=_run_link(ui_url, run))


def _run_link(ui_url: str, run: dg.DagsterRun) -> str:
    return f"{ui_url.rstrip('/')}/runs/{run.run_id}"


def _failed_run(instance: dg.DagsterInstance, own: OwnRuns, ui_url: str, run: dg.DagsterRun) -> Subject:
    first, last = partition_range(run)
    months = f"{first}..{last}" if first != last else first
    command = f"arcadia {_REMEDIES.get(own.prefix.without(run.job_name), 'ingest')} {months}".rstrip()
    steps = _failed_steps(instance, run).items()
    causes = tuple(Cause(identity_of(step), step, words, command) for step, words in steps)
    return Subject(
        name=_name_of(run),
        title=f"Run of {run.job_name} {f'for {months} ' if months else ''}failed",
        advice="put right what it says, then run the command",
        link=_run_link(ui_url, run),
        causes=causes,
        is_complete=False,
        count=len(causes),
    )


_REMEDIES = {INGEST: "ingest", DELIVER: "push", FETCH: "fetch", CLOSE: "status"}


def _failed_steps(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, str]:
    """Why each step failed; why the run did, where no step says."""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    steps, whole = {}, ""
    for entry in instance.all_logs(run.run_id, of_type=kinds):
        event = entry.dagster_event
        if event is not None and event.is_step_failure:
            steps[str(event.step_key)] = failure_words(event.step_failure_data)
        elif event is not None:
            whole = event.message or ""
    return steps or {"run": whole}


def _name_of(run: dg.DagsterRun) -> str:
    first, last = partition_range(run)
    return f"run of {run.job_name} {first}..{last}"


def _is_settled_by(name: str, run: dg.DagsterRun, own: OwnRuns) -> bool:
    """Whether a successful run shows that the cause of a failed one is over: it had the same work, or all work of its months."""
    kind, _, rest = name.partition(" of ")
    job, _, months = rest.partition(" ")
    if kind != "run" or run.job_name not in {job, own.prefix.name(INGEST)}:
        return False
    first, _, last = months.partition("..")
    own_first, own_last = partition_range(run)
    if not first:
        return run.job_name == job
    return bool(own_first) and own_first <= last and first <= own_last
