"""Deliveries and ingests that are killed a hundred times each: `python -m benchmarks.crashes`.

Half of them die at any moment, the others in each phase in turn. After each, the next delivery must leave every invoice in
finance once, with the right figures, and the next ingest each month as it is to be; the first that does not stops everything.
"""

import argparse
import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from arcadia_dagster_tests.kit import delivery_crashes as crashes
from arcadia_dagster_tests.kit import ingest_crashes


def main() -> None:
    """Kill, recover, check; then tell which phases they died in."""
    parser = argparse.ArgumentParser(description="Kill deliveries and ingests; check that the next completes each.")
    parser.add_argument("--times", type=int, default=100, help="how often each; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of the moments; default: %(default)s")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with TemporaryDirectory(prefix="arcadia-crashes-") as folder:
        (Path(folder) / "ingests").mkdir()
        report("ingests", kill_ingests(Path(folder) / "ingests", options.times, chance))
        (Path(folder) / "deliveries").mkdir()
        report("deliveries", kill_deliveries(Path(folder) / "deliveries", options.times, chance))
    print("After each, finance had every invoice once, and the warehouse each month as a whole.")


def kill_deliveries(folder: Path, times: int, chance: random.Random) -> Counter[str]:
    """Kill deliveries; how many died in which phase, some in several at once."""
    died: Counter[str] = Counter()
    with crashes.stories_in(folder) as stories:
        for number in range(times):
            if number % 2:
                phase = crashes.PHASES[number // 2 % len(crashes.PHASES)]
                crashes.hit(phase, stories, chance)
                died[phase] += 1
            else:
                story = next(stories)
                died.update(story.kill(None, chance))
                story.recover_and_check()
            progress("deliveries", number + 1, times)
    return died


def kill_ingests(folder: Path, times: int, chance: random.Random) -> Counter[str]:
    """Kill ingests; how many died in which phase."""
    died: Counter[str] = Counter()
    stories = ingest_crashes.ingest_stories(folder)
    for number in range(times):
        if number % 2:
            phase = ingest_crashes.PHASES[number // 2 % len(ingest_crashes.PHASES)]
            ingest_crashes.hit_ingest(phase, stories, chance)
            died[phase] += 1
        else:
            story = next(stories)
            died[story.kill(None, chance)] += 1
            story.assert_whole_months_and_completed()
        progress("ingests", number + 1, times)
    return died


def progress(what: str, done: int, times: int) -> None:
    """One line that is written over."""
    print(f"\r{what}: {done} of {times}", end="", flush=True)


def report(what: str, died: Counter[str]) -> None:
    """In which phases they died."""
    print(f"\nThe {what} died:")
    for phase, count in died.most_common():
        print(f"  {count:4} {phase}")


if __name__ == "__main__":
    main()
