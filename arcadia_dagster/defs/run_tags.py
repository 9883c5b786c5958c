"""The tags by which a run tells what it did."""

from typing import Final

CAME_TAG, PUSHED_TAG, WAITS_TAG = "arcadia/came", "arcadia/pushed", "arcadia/waits"
"""The tags of a run that say in the list of runs, and on its page, what came with it, what was pushed, and what waits."""

LOCK_WAIT_TAG = "arcadia/waited_for_locks"
"""The tag of a run that had to wait for the warehouse's locks, which others held: how long, as `0.52 s`."""

COMMAND_TAG: Final = "arcadia/command"
"""The tag of a command's run: its machine, and the file that it has locked for as long as it lives; see `command_runs`."""

TOLD_TAGS: Final = (CAME_TAG, PUSHED_TAG, WAITS_TAG, LOCK_WAIT_TAG, COMMAND_TAG)
"""The tags that a run itself writes. Dagster copies a run's tags to the run that repeats it."""
