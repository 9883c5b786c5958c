"""Deliveries that are killed a hundred times: `python -m benchmarks.crashes`.

Half of them die at any moment, the others in each phase in turn. After each, the next delivery must leave every invoice in
finance once, with the right figures; the first that does not stops everything.
"""

import argparse
import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from arcadia_dagster_tests.finance.crashes import PHASES, hit, stories_in


def main() -> None:
    """Kill, recover, check; then tell which phases the deliveries died in."""
    parser = argparse.ArgumentParser(description="Kill deliveries, and check that the next one completes each.")
    parser.add_argument("--times", type=int, default=100, help="how often; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of the moments; default: %(default)s")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    died: Counter[str] = Counter()
    with TemporaryDirectory(prefix="arcadia-crashes-") as folder, stories_in(Path(folder)) as stories:
        for number in range(options.times):
            if number % 2:
                phase = PHASES[number // 2 % len(PHASES)]
                hit(phase, stories, chance)
                died[phase] += 1
            else:
                story = next(stories)
                died.update(story.kill(None, chance))
                story.recover_and_check()
            print(f"\r{number + 1} of {options.times}", end="", flush=True)
    print("\nThey died, some in several phases at once:")
    for phase, count in died.most_common():
        print(f"  {count:4} {phase}")
    print("After each, finance had every invoice once, with the right figures.")


if __name__ == "__main__":
    main()
