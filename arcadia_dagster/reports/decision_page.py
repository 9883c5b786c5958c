"""The page of the UI on which a person decides: the launchpad of one job, with what the decision is about filled in."""

import json
from typing import Final
from urllib.parse import quote

from arcadia_dagster.prefix import NO_PREFIX, Prefix

JOB: Final = "decide_invoice"
"""The job's name, before which comes the home's prefix."""

LOOK: Final = "look"
"""What the form says until a person has chosen a decision: it changes nothing."""


def decision_link(ui_url: str, decision: str, about: str, prefix: Prefix = NO_PREFIX) -> str:
    """The address of the page; nothing is decided before the person has written a reason and launched it.

    Args:
        ui_url: The address of the UI, or only its path, for a link on a page of the UI itself.
        decision: What is chosen on it.
        about: The invoice or the file, as commands name it.
        prefix: What the names of the home's jobs begin with.
    """
    # JSON of a text is YAML too, and what the launchpad shows is YAML.
    config = "".join(
        f"{name}: {json.dumps(value, ensure_ascii=False)}\n"
        for name, value in (("invoice", about), ("decision", decision), ("reason", ""))
    )
    # `guess` finds the code location that has the job: its name is up to the workspace.
    job = prefix.name(JOB)
    return f"{ui_url.rstrip('/')}/guess/{job}/playground/setup?mode=default&config={quote(config, safe='')}"
