"""Running the job in this process, as `arcadia ingest` does: no daemon, the same instance as the UI."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from types import MappingProxyType

import dagster as dg
from sqlalchemy.exc import DBAPIError

from arcadia_dagster.defs.command_runs import tags_of_this_process
from arcadia_dagster.defs.internals import StepFailureData
from arcadia_dagster.defs.jobs import INGEST
from arcadia_dagster.defs.run_tags import CAME_TAG
from arcadia_dagster.defs.runs import range_tags
from arcadia_dagster.defs.work import stretches
from arcadia_dagster.finance.errors import ConfigurationFailure
from arcadia_dagster.prefix import NO_PREFIX, Prefix

MONTHS_PER_RUN = 60
"""The most months of a run. A run costs about a second for any number of months, but a failure of a larger one would cost too
much."""


class IngestError(Exception):
    """A run failed; the message says which months and why."""


class SettingsRefusedError(IngestError):
    """A run failed because a setting is wrong, such as a secret that finance refuses; the message names it."""


def ingest_here(
    definitions: dg.Definitions,
    months: Iterable[date],
    progress: Callable[[int, int], None],
    *,
    prefix: Prefix,
    came: str = "",
) -> list[dg.ExecuteInProcessResult]:
    """The same as `ingest`, on the instance that `DAGSTER_HOME` names.

    Raises:
        IngestError: See `ingest`; or Dagster's own storage cannot be written, as on a full disk; or there is none.
    """
    try:
        with _instance() as instance, tags_of_this_process(instance) as tags:
            return ingest(definitions, instance, months, progress, prefix=prefix, came=came, tags=tags)
    except DBAPIError as error:
        raise IngestError(
            f"Dagster's storage, where runs are recorded, cannot be written ({error.orig}): make room, or see to its place "
            "(ARCADIA_DAGSTER_STORAGE, else dagster/ in the home), then run this again; what was finished is kept. If it is "
            "damaged, move it away: it has the history of runs, and nothing of the invoices"
        ) from error


def _instance() -> dg.DagsterInstance:
    try:
        return dg.DagsterInstance.get()
    except DBAPIError:
        raise
    except Exception as error:
        # Dagster's own errors, those of its reader of YAML, and whatever a class that the file names may raise.
        told = " ".join(str(error).split())
        raise IngestError(
            f"Dagster cannot begin with DAGSTER_HOME={os.environ.get('DAGSTER_HOME', '')} ({told}): unset it, or correct its "
            "dagster.yaml; nothing was lost"
        ) from error


def ingest(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    months: Iterable[date],
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    *,
    prefix: Prefix = NO_PREFIX,
    came: str = "",
    tags: Mapping[str, str] = MappingProxyType({}),
) -> list[dg.ExecuteInProcessResult]:
    """Run the ingest job for the months, one run for each stretch of adjacent ones.

    Args:
        definitions: What `build_defs` returns.
        instance: Where runs and materializations are recorded.
        months: The months, in any order.
        progress: Called with the number of steps done and of all steps.
        prefix: What the names of the definitions begin with.
        came: What a landing before took, in words: the first run says so, for it finds nothing new itself.
        tags: Further tags of each run.

    Raises:
        IngestError: A run failed. The runs before it stand.
    """
    runs = stretches(months, longest=MONTHS_PER_RUN)
    job = definitions.resolve_job_def(prefix.name(INGEST))
    steps = len(job.graph.node_defs) * len(runs)
    counter = _StepCounter(lambda done: progress(done, steps))
    job = job.with_logger_defs({"progress": counter.as_logger()})
    progress(0, steps)
    told = {CAME_TAG: came} if came else {}
    return [_run(job, instance, stretch, {**tags, **(told if stretch is runs[0] else {})}) for stretch in runs]


def _run(
    job: dg.JobDefinition, instance: dg.DagsterInstance, months: Sequence[date], tags: Mapping[str, str]
) -> dg.ExecuteInProcessResult:
    result = job.execute_in_process(
        instance=instance,
        tags={**range_tags(months), **tags},
        run_config={"loggers": {"progress": {}}},
        raise_on_error=False,
    )
    if not result.success:
        error = SettingsRefusedError if _is_of_settings(result) else IngestError
        raise error(f"{months[0]:%Y-%m}..{months[-1]:%Y-%m}: {'; '.join(_failures(result)) or 'the run failed'}")
    return result


def _failures(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    for event in result.all_events:
        if event.is_step_failure:
            yield f"{event.step_key}: {failure_words(event.step_failure_data)}"


def _is_of_settings(result: dg.ExecuteInProcessResult) -> bool:
    """Whether all that failed did so for a setting: finance's own refusals of it are known only by what they caused."""
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return bool(failures) and all(ConfigurationFailure.__name__ in _classes(failure) for failure in failures)


def _classes(data: StepFailureData) -> Iterator[str]:
    """The classes of the error and of its causes."""
    error = data.error
    while error is not None:
        yield error.cls_name or ""
        error = error.cause


def failure_words(data: StepFailureData) -> str:
    """Why a step failed, in our own words where it raised an error of ours."""
    failure, error = data.user_failure_data, data.error
    # Dagster wraps the error without a reason. Our error names setting and remedy, which its cause does not.
    while error is not None and error.cause is not None and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    text = failure.description if failure is not None else error.message if error is not None else None
    return (text or "").strip()


class _StepCounter(logging.Handler):
    """Counts the steps that a job has done, from its log."""

    def __init__(self, report: Callable[[int], None]) -> None:
        super().__init__()
        self._report = report
        self._done = 0

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is not None and event.is_step_success:
            self._done += 1
            self._report(self._done)

    def as_logger(self) -> dg.LoggerDefinition:
        def create(context: dg.InitLoggerContext) -> logging.Logger:  # noqa: ARG001 - Dagster's interface
            logger = logging.Logger("arcadia-progress", level=logging.DEBUG)  # noqa: LOG001 - none else may log to it
            logger.addHandler(self)
            return logger

        return dg.LoggerDefinition(create, description="Counts steps for the progress bar.")
