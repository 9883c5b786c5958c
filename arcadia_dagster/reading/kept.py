"""What was made of files, kept for the next who asks.

A landing asks for each document several times, with all the others between: to recognise it, to read and to count its lines, and
for what it states. What is made of a large file once is kept, as long as the file is the same, up to a bound.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Generic, TypeAlias, TypeVar

Made = TypeVar("Made")

_State: TypeAlias = tuple[Path, int, int]


class Kept(Generic[Made]):
    """Keeps what was made last; safe to use from several threads.

    Args:
        make: Makes it of the file at a path. What this raises is raised again to the next who asks, for nothing was made.
        weight: What one of them weighs.
        most: What all that is kept may weigh together.

    Attributes:
        weighs: What it weighs now.
    """

    def __init__(self, make: Callable[[Path], Made], *, weight: Callable[[Made], int], most: int) -> None:
        """Keep nothing yet."""
        self._make = make
        self._weight = weight
        self._most = most
        self._kept: dict[_State, Made] = {}
        self.weighs = 0
        self._lock = Lock()

    def of(self, path: Path) -> Made:
        """What is made of the file as it is now."""
        status = path.stat()
        state = (path, status.st_size, status.st_mtime_ns)
        with self._lock:
            if state in self._kept:
                return self._kept[state]
        made = self._make(path)
        with self._lock:
            if state not in self._kept:
                self._kept[state] = made
                self.weighs += self._weight(made)
            while self.weighs > self._most:
                self.weighs -= self._weight(self._kept.pop(next(iter(self._kept))))
        return made
