"""The queue of runs, which notes on each run who launched it, as the proxy in front of the UI says.

Dagster has no log-in. A proxy that asks for one names the person in a header of each request, and Dagster hands the headers to
the run coordinator: https://docs.dagster.io/deployment/execution/run-coordinators.
"""

import dagster as dg

from arcadia_dagster import settings
from arcadia_dagster.defs.internals import QueuedRunCoordinator, SubmitRunContext
from arcadia_dagster.defs.run_tags import TOLD_TAGS
from arcadia_dagster.defs.runs import PERSON_TAG

_MOST_CHARACTERS = 200


class AttributedRunCoordinator(QueuedRunCoordinator):
    """Dagster's own queue; a run that a person launches in the UI has the person's name as its tag `PERSON_TAG`."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Note who launched the run; and queue it.

        Whoever launches a run may give it any tag, so the tag is always written anew here: it is empty where the request names
        nobody. A run that the daemon starts again has the name that its first run has.
        """
        run = context.dagster_run
        person = self._person(context)
        # What the run before had to tell is not this one's.
        tags = {tag: "" for tag in TOLD_TAGS if run.tags.get(tag)}
        if person or PERSON_TAG in run.tags:
            tags[PERSON_TAG] = person
        if tags:
            self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)

    def _person(self, context: SubmitRunContext) -> str:
        header = settings.load().user_header
        if not header:
            return ""
        if named := context.get_request_header(header):
            return named.strip()[:_MOST_CHARACTERS]
        parent = context.dagster_run.parent_run_id
        is_of_the_daemon = getattr(context.workspace, "source", None) is None
        first = self._instance.get_run_by_id(parent) if parent and is_of_the_daemon else None
        return first.tags.get(PERSON_TAG, "") if first else ""
