"""A process that dies at a chosen write, and a way to finance that loses what a test tells it to lose."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster_tests.kit.delivery_crashes import Gate
from arcadia_dagster_tests.kit.scripted_server import Request, answer

REQUEST_LOST: Final = "the request is lost"
ANSWER_LOST: Final = "the answer is lost"


class DiedError(BaseException):
    """The process is killed here. No `except Exception` may live on."""


class Fate:
    """After how many writes the process dies: none where it is None. A process that is dead writes nothing more."""

    def __init__(self, writes: int | None) -> None:
        self._left = writes

    def strike(self) -> None:
        if self._left is not None:
            if self._left == 0:
                raise DiedError
            self._left -= 1


class MortalWarehouse(Warehouse):
    """Dies before a commit, or after it."""

    fate = Fate(None)

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with super().write() as connection:
            yield connection
            self.fate.strike()
        self.fate.strike()


class MortalArchive(Archive):
    """Dies before files of a record or an index are renamed into place, or between two of them."""

    def __init__(self, folder: Path, fate: Fate) -> None:
        super().__init__(folder, max_document_bytes=1 << 20)
        self._fate = fate

    def _put_all(self, contents: Mapping[Path, bytes]) -> None:
        for path, content in contents.items():
            self._fate.strike()
            super()._put_all({path: content})


class FatefulGate(Gate):
    """Passes on what has no other fate.

    Attributes:
        fates: What becomes of the next requests of an invoice, by its id: `REQUEST_LOST`, `ANSWER_LOST`, or the status with
            which finance answers without taking it.
        to_lose: How many of the next answers are lost, of whatever invoices.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.fates: dict[str, list[str | int]] = {}
        self.to_lose = 0

    def _pass(self, handler: Any, request: Request) -> bool:
        # A reconciliation lists, and has no body.
        fates = self.fates.get(request.json()["external_id"]) if request.body else None
        fate = fates.pop(0) if fates else None
        if self.to_lose > 0:
            self.to_lose -= 1
            fate = ANSWER_LOST
        if isinstance(fate, int):
            self.on_request(request)
            return answer(fate, {"detail": "no"})(handler, request)
        if fate == REQUEST_LOST:
            self.on_request(request)
            return False
        return super()._pass(_Nobody() if fate == ANSWER_LOST else handler, request) and fate is None


class _Nobody:
    """Takes an answer that is lost on the way."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None
