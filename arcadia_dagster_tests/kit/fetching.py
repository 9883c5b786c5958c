"""A home that is fetched into: an inbox, a warehouse and an archive, with a clock that a test moves."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from arcadia_dagster.formats.reader import Reader
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.inbox import FolderInbox
from arcadia_dagster.landing.landing import Landing
from arcadia_dagster.providers.api import Pace
from arcadia_dagster.providers.download import Fetched, fetch
from arcadia_dagster.providers.provider import Account
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster_tests.kit.clocks import Sleeper
from arcadia_dagster_tests.kit.scripted_server import Request, Step, answer

NOW = datetime(2026, 5, 2, 5, 37, tzinfo=UTC)


class FetchingHome:
    """An inbox, a warehouse and an archive, and fetches into them."""

    def __init__(self, folder: Path) -> None:
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self.warehouse = Warehouse(folder / "arcadia.duckdb", lock_timeout=5)
        self.archive = Archive(folder / "archive", max_document_bytes=1 << 30)
        self.sleeper = Sleeper()
        self.steps: list[tuple[int, int]] = []

    @property
    def pace(self) -> Pace:
        """Pauses that nobody waits for."""
        return Pace(jitter=0.0, sleep=self.sleeper, clock=self.sleeper.clock)

    def fetch_from(self, account: Account, provider: str, *, now: datetime = NOW, **options: Any) -> Fetched:
        """Fetch from an account, and close it."""
        options = {"first_month": date(2018, 1, 1), "progress": lambda *step: self.steps.append(step), **options}
        with account:
            return fetch(account, provider, self.warehouse, self.inbox, now=lambda: now, **options)

    def land(self) -> None:
        reader = Reader(self.warehouse.new_work_folder(), self.warehouse.stage)
        try:
            Landing(self.warehouse, self.archive, reader).land(FolderInbox(self.inbox), settle_seconds=0)
        finally:
            reader.close()

    def arrived_at(self, when: datetime) -> None:
        """Have all files of the inbox be of a time."""
        for path in self.inbox.iterdir():
            os.utime(path, (when.timestamp(), when.timestamp()))

    def names(self) -> list[str]:
        return sorted(path.name for path in self.inbox.iterdir())

    def count(self, table: str) -> int:
        [(count,)] = self.rows(f"SELECT count(*) FROM {table}")
        return int(count)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as connection:
            return connection.execute(query).fetchall()


def failing(*paths: str, step: Step | None = None) -> Callable[[Request], Step | None]:
    """Refuses whatever has one of these in its address."""
    return lambda request: (step or answer(500)) if any(path in request.path for path in paths) else None
