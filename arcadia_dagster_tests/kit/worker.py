"""A process of its own that does what its standard input says, one JSON object a line: for what happens at once.

The answer is one JSON object a line, on standard output. What a worker does not need, it does not import.
"""

import json
import resource
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

from arcadia_dagster.finance.client import FinanceClient
from arcadia_dagster.finance.delivery import Delivery
from arcadia_dagster.finance.outstanding import Recipient
from arcadia_dagster.finance.token import Identity, TokenMint
from arcadia_dagster_tests.kit.plain import build, warehouse_of


class Worker:
    """The process, as its starter sees it. A context manager: it has ended on exit."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._orders = 0

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self, do: str, *, at: float = 0.0, **order: Any) -> None:
        """Give an order, to be carried out at a time (seconds since 1970)."""
        assert self._process.stdin is not None
        self._orders += 1
        told = {"do": do, "at": at, "number": self._orders, **order}
        self._process.stdin.write(json.dumps(told, default=str).encode() + b"\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """What came of the order."""
        assert self._process.stdout is not None
        answer: dict[str, Any] = {"number": 0}
        while answer["number"] != self._orders:  # nobody heard the answers before, because a test had failed
            line = self._process.stdout.readline()
            assert line, f"the worker died: {self._log.read_text()[-2000:]}"
            answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def ask(self, do: str, **order: Any) -> Any:
        self.tell(do, **order)
        return self.hear()

    def kill(self) -> None:
        """As the kernel does when memory runs out: SIGKILL."""
        self._process.kill()
        self._process.wait()


def together(*orders: tuple[Worker, str, dict[str, Any]]) -> list[Any]:
    """Have workers carry out orders at the same time."""
    at = time.time() + 0.05
    for worker, do, order in orders:
        worker.tell(do, at=at, **order)
    return [worker.hear() for worker, _, _ in orders]


def _drop(home: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        temporary = home / "inbox" / f".{name}.part"
        temporary.write_text(content)
        temporary.rename(home / "inbox" / name)


def ready() -> None:
    """Nothing: to know that everything is imported."""


def ready_for_jobs() -> None:
    import arcadia_dagster_tests.kit.project  # noqa: F401, PLC0415


def run_job(home: str, months: list[str], url: str, files: dict[str, str]) -> None:
    """Drop files, then run the real job."""
    from arcadia_dagster_tests.kit.project import Project  # noqa: PLC0415

    _drop(Path(home), files)
    project = Project(Path(home), sandbox=SimpleNamespace(url=url))  # type: ignore[arg-type]
    project.run([date.fromisoformat(month) for month in months])


def build_months(home: str, months: list[str], versions: list[dict[str, str]]) -> None:
    """Drop files and build the months, over and over."""
    for files in versions:
        _drop(Path(home), files)
        build(warehouse_of(Path(home)), [date.fromisoformat(month) for month in months])


def within(most_bytes: int, told: str, do: str, *order: Any) -> None:
    """Carry out an order where no file can become larger than so many bytes, as on a full disk; write down what went wrong."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
    try:
        _ORDERS[do](*order)
    except Exception as error:  # noqa: BLE001 - whatever it is, its starter reads of it
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        Path(told).write_text(f"{type(error).__name__}: {error}")


def watch(home: str, stop: str) -> dict[str, list[Any]]:
    """Everything that a reader sees of the figures until a file appears, each once."""
    lines, totals = set(), set()
    warehouse = warehouse_of(Path(home))
    while not Path(stop).exists():
        with warehouse.read() as connection:
            lines.add(connection.execute("SELECT count(*), (sum(amount) * 100)::INTEGER FROM cost_lines").fetchone())
            query = "SELECT count(*), sum(amount_gross_minor)::INTEGER FROM tax_split_totals"
            totals.add(connection.execute(query).fetchone())
        time.sleep(0.01)
    return {"lines": sorted(lines, key=str), "totals": sorted(totals, key=str)}


def deliver(home: str, url: str, secret: str, concurrency: int = 8, read_timeout: float = 15.0) -> dict[str, int]:
    """One delivery of everything that is ready."""
    mint = TokenMint(secret, Identity("platform-admin", ("admin",), "arcadia_cloud", "platform-admin"))
    delivery = Delivery(warehouse_of(Path(home)), Recipient(url, True), concurrency=concurrency)
    with FinanceClient(url, mint, retry_delays=(0.01, 0.01), read_timeout=read_timeout) as client:
        done = delivery.deliver(client)
    return {"created": len(done.created), "updated": len(done.updated), "deferred": len(done.deferred)}


def query(home: str, query: str) -> list[Any]:
    with warehouse_of(Path(home)).read() as connection:
        return connection.execute(query).fetchall()


_ORDERS = {order.__name__: order for order in (ready, ready_for_jobs, run_job, build_months, watch, deliver, query)}


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        do, at, number = order.pop("do"), order.pop("at"), order.pop("number")
        time.sleep(max(0.0, at - time.time()))
        try:
            answer: dict[str, Any] = {"result": _ORDERS[do](**order)}
        except Exception as error:  # noqa: BLE001 - whatever it is, its starter hears of it
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps({"number": number, **answer}, default=str) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
