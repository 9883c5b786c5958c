"""The commands of docs/tutorial.md, in their order, for the tests that type them."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
TEXT: Final = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
COMMANDS: Final = tuple(re.findall(r"^ {4}(\S.*)$", TEXT, flags=re.MULTILINE))
UNTIL_RUN: Final = COMMANDS[: COMMANDS.index("make run")]
BESIDE_RUN: Final = COMMANDS[COMMANDS.index("make run") + 1 :]
"""What is typed in another terminal while `make run` runs."""
