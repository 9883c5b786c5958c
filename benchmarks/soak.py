"""A deployment for an hour: `make soak`. Files come in all the time, and in the first half everything goes wrong.

The deployment is `arcadia up` with the default settings, in a home on a disk of its own, beside a finance service. For half of
the time it is killed or ended each minute and started again, one of its processes is killed three times a minute, finance is
away for a sixth of the time, and the disk is full for a sixtieth. In the other half nothing disturbs it: then its memory and
what it stores are measured. At the end finance must have every invoice once, with the right figures, and `arcadia verify
--full` must find nothing.
"""

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.settings import load
from arcadia_dagster.warehouse.months import months_from
from arcadia_dagster_tests.kit.generate import GeneratedInvoice, digitalocean_invoice
from benchmarks.dropping import free_ports
from benchmarks.full_disk import NAMESPACE, mount, shrink
from benchmarks.home import ARCADIA, arcadia, environ_of
from benchmarks.measure import BenchmarkError

RESULTS = Path(__file__).with_name("RESULTS-soak.md")

_SECRET = "a secret of the soak test, which is longer than sixty-four bytes of text are"  # noqa: S105
_FIRST, _MONTHS, _LINES = date(2024, 1, 1), 24, 33
_DISK = "size=12g"
_FULL = 64 << 10
_HOURS_OF_A_YEAR = 8_766
_OTHER = "another"
_SHORT_LIVED = {"a run", _OTHER}
"""Kinds of processes that end by themselves: how much memory they take says how many there were at a look."""
_MOST_GROWTH = 1.2
_PATIENCE_SECONDS = 900.0
_SAMPLES_APART_SECONDS = 2.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens when; all times in seconds from the start.

    Attributes:
        seconds: How long files come in.
        files: How many.
    """

    seconds: float
    files: int

    @property
    def quiet_from(self) -> float:
        """From when on nothing disturbs the deployment."""
        return self.seconds / 2

    @property
    def restarts(self) -> Iterator[float]:
        """When it is ended and started again: each minute, or twice where there are not two minutes."""
        apart = min(60.0, self.quiet_from / 3)
        return _each(apart, apart, self.quiet_from)

    @property
    def kills(self) -> Iterator[float]:
        """When one of its processes is killed."""
        apart = min(20.0, self.quiet_from / 6)
        return _each(apart / 2, apart, self.quiet_from)

    @property
    def finance_away(self) -> tuple[float, float]:
        """From when to when finance does not answer."""
        return self.seconds / 4, self.seconds / 4 + self.seconds / 6

    @property
    def disk_full(self) -> tuple[float, float]:
        """From when to when the disk is full."""
        return self.seconds / 8, self.seconds / 8 + self.seconds / 60


def _each(first: float, apart: float, end: float) -> Iterator[float]:
    at = first
    while at < end:
        yield at
        at += apart


class Deployment:
    """`arcadia up`, which is ended, killed and started again."""

    def __init__(self, home: Path, finance_url: str) -> None:
        port, statements = free_ports(2)
        self.home = home
        self.environ = environ_of(home, SKYAI_FINANCE_URL=finance_url, SKYAI_FINANCE_SECRET=_SECRET)
        self.environ["ARCADIA_SANDBOX_URL"] = finance_url
        del self.environ["ARCADIA_SETTLE_SECONDS"]
        self._command = [sys.executable, "-c", ARCADIA, "up", "--port", str(port), "--statements-port", str(statements)]
        self._process: subprocess.Popen[bytes] | None = None
        self.starts: Counter[str] = Counter()

    def start(self) -> None:
        """Start it where it does not run. It is not awaited: files come in meanwhile, as they do in an office."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            self.starts["ended by itself" if self._process.returncode > 0 else "ended by us"] += 1
        log = (self.home.parent / "up.log").open("ab")
        with log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                self._command, cwd=self.home, env=self.environ, stdout=log, stderr=log
            )

    def stop(self, how: signal.Signals) -> None:
        """End it, or kill it: the processes that it has started must end too."""
        if self._process is None or self._process.poll() is not None:
            return
        theirs = self.processes()
        self._process.send_signal(how)
        self._process.wait(60)
        _gone, left = psutil.wait_procs(theirs, timeout=60)
        if left:
            raise BenchmarkError(
                f"a minute after {how.name} these still ran: {[process.cmdline() for process in left]}"
            )

    def processes(self) -> list[psutil.Process]:
        """It, and all that it has started."""
        if self._process is None:
            return []
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self._process.pid)
            return [own, *own.children(recursive=True)]
        return []

    def kill_one(self, chance: random.Random) -> str:
        """Kill one of its processes; which one."""
        theirs = self.processes()[1:]
        if not theirs:
            return "none, for none ran"
        victim = chance.choice(theirs)
        with suppress(psutil.NoSuchProcess):
            kind = kind_of(victim)
            victim.kill()
            return kind
        return "one that had ended"


def kind_of(process: psutil.Process) -> str:
    """What the process is in a deployment."""
    words = " ".join(process.cmdline())
    kinds = {
        **dict.fromkeys(("execute_run", "multiprocessing", "tail", "watch_orphans"), "a run"),
        "defs.webserver": "web server",
        "dagster-daemon": "daemon",
        "serving.statements": "statements",
        "grpc": "code server",
        "keeper.py": "keeper",
        "main()": "arcadia up",
    }
    return next((kind for part, kind in kinds.items() if part in words), _OTHER)


@dataclass(slots=True)
class Found:
    """What the quiet half showed.

    Attributes:
        memory: Of each kind of process, how many there were at each look, and the resident bytes of the largest.
        stored: Bytes by place, at the start and at the end of the quiet half.
        files: How many files came in between.
        killed: How often a process of each kind was killed.
    """

    memory: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    stored: list[dict[str, int]] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)


def main() -> int:
    """Run it, in a namespace in which disks can be made, and check."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long files come in; default: %(default)s")
    parser.add_argument("--files-an-hour", type=int, default=1_000, help="how many files; default: %(default)s")
    parser.add_argument("--write", action="store_true", help=f"write what it found to {RESULTS.name}")
    options = parser.parse_args()
    if NAMESPACE not in os.environ:
        command = ["unshare", "--map-root-user", "--mount", sys.executable, "-m", "benchmarks.soak", *sys.argv[1:]]
        return subprocess.run(command, env={**os.environ, NAMESPACE: "1"}, check=False).returncode  # noqa: S603
    plan = Plan(options.minutes * 60, round(options.files_an_hour * options.minutes / 60))
    with TemporaryDirectory(prefix="arcadia-soak-") as name:
        folder = Path(name)
        disk = folder / "disk"
        disk.mkdir()
        mount(disk, _DISK)
        try:
            told = soak(folder, disk, plan)
        finally:
            subprocess.run(["umount", "--lazy", disk], check=True)  # noqa: S603, S607
    print(told)
    if options.write:
        RESULTS.write_text(told, encoding="utf-8")
    return 0


def soak(folder: Path, disk: Path, plan: Plan) -> str:
    """All of it; what it found, as Markdown.

    Raises:
        BenchmarkError: An invoice is missing, is there twice or has other figures; something at rest is in doubt; memory grows.
    """
    home = disk / "home"
    invoices = _invoices(plan.files)
    finance = RunningSandbox(database=folder / "finance.sqlite", secret=_SECRET, port=free_ports(1)[0])
    finance.__enter__()
    deployment = Deployment(home, finance.url)
    home.mkdir()
    arcadia(home, "init")
    started = time.monotonic()
    try:
        found = _course(deployment, finance, disk, plan, invoices)
        _await_all(deployment, finance, invoices)
        seconds = time.monotonic() - started
    finally:
        deployment.stop(signal.SIGTERM)
    _assert_right(finance, invoices)
    verified = arcadia(home, "verify", "--full").splitlines()[-1]
    finance.__exit__(None, None, None)
    return _told(plan, found, deployment, seconds, verified)


def _invoices(count: int) -> list[GeneratedInvoice]:
    months = months_from(_FIRST, _MONTHS)
    return [
        digitalocean_invoice(seed=24, month=months[number % _MONTHS], lines=_LINES, number=str(970_000_000 + number))
        for number in range(count)
    ]


def _course(
    deployment: Deployment, finance: RunningSandbox, disk: Path, plan: Plan, invoices: Sequence[GeneratedInvoice]
) -> Found:
    """Let it happen: files, and in the first half the faults."""
    found = Found()
    events = sorted(
        [*_drops(deployment, plan, invoices), *_faults(deployment, finance, disk, plan, found)],
        key=lambda event: event[0],
    )
    waiting: list[Callable[[], None]] = []
    looked_at = 0.0
    started = time.monotonic()
    while (now := time.monotonic() - started) < plan.seconds or events or waiting:
        deployment.start()
        due = [*waiting, *(do for at, do in events if at <= now)]
        events, waiting = [event for event in events if event[0] > now], []
        for do in due:
            try:
                do()
            except OSError:  # the disk is full: whoever copies a file tries again
                waiting.append(do)
        if now >= plan.quiet_from and now - looked_at >= _SAMPLES_APART_SECONDS:
            looked_at = now
            if not found.stored:
                _look_at_storage(deployment, invoices, found)
            _look_at_memory(deployment, found)
        time.sleep(_LOOK_SECONDS)
    _look_at_storage(deployment, invoices, found)
    return found


_Event = tuple[float, Callable[[], None]]


def _drops(deployment: Deployment, plan: Plan, invoices: Sequence[GeneratedInvoice]) -> Iterator[_Event]:
    for number, invoice in enumerate(invoices):
        path = deployment.home / "inbox" / invoice.file_name
        # As `cp` does: where the disk is full, half of the file lies there until it is tried again.
        yield plan.seconds * number / plan.files, partial(_write, path, invoice.content)


def _faults(deployment: Deployment, finance: RunningSandbox, disk: Path, plan: Plan, found: Found) -> Iterator[_Event]:
    chance = random.Random(1)

    def kill() -> None:
        found.killed[deployment.kill_one(chance)] += 1

    for at, how in zip(plan.restarts, cycle((signal.SIGKILL, signal.SIGTERM)), strict=False):
        yield at, partial(deployment.stop, how)
    for at in plan.kills:
        yield at, kill
    away, back = plan.finance_away
    yield away, partial(finance.__exit__, None, None, None)
    yield back, partial(_enter, finance)
    full, free = plan.disk_full
    yield full, partial(shrink, disk, leave=_FULL)
    yield free, partial(mount, disk, f"remount,{_DISK}")


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _enter(finance: RunningSandbox) -> None:
    finance.__enter__()


def _look_at_memory(deployment: Deployment, found: Found) -> None:
    for kind, seen in largest_of(deployment.processes()).items():
        found.memory[kind].append(seen)


def largest_of(processes: Iterable[psutil.Process]) -> dict[str, tuple[int, int]]:
    """How many of these processes there are, by their kinds, and the resident bytes of the largest.

    Their sum says nothing of what grows: Dagster's daemon begins a new code server each minute, and the one of before lives on
    for a while (`dagster/_daemon/controller.py`, 1.13.27). One that has ended, and that nobody has waited for, does not count.
    """
    of_kinds: dict[str, tuple[int, int]] = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if (resident := process.memory_info().rss) > 0:
                count, largest = of_kinds.get(kind := kind_of(process), (0, 0))
                of_kinds[kind] = (count + 1, max(largest, resident))
    return of_kinds


def _look_at_storage(deployment: Deployment, invoices: Sequence[GeneratedInvoice], found: Found) -> None:
    settings = load(deployment.environ)
    places: Mapping[str, Path] = {
        "Dagster's runs and events": settings.dagster_storage,
        "warehouse": deployment.home / "arcadia.duckdb",
        "archive": Path(settings.archive),
        "FOCUS files": Path(settings.focus),
        "statements": settings.statements,
    }
    found.stored.append({what: _bytes_of(place) for what, place in places.items()})
    found.files.append(sum((deployment.home / "inbox" / invoice.file_name).exists() for invoice in invoices))


def _bytes_of(place: Path) -> int:
    if place.is_file():
        return place.stat().st_size
    total = 0
    for path in place.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _await_all(deployment: Deployment, finance: RunningSandbox, invoices: Sequence[GeneratedInvoice]) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while len(finance.invoices()) < len(invoices):
        deployment.start()
        if time.monotonic() > until:
            missing = {invoice.number for invoice in invoices} - {row["external_id"] for row in finance.invoices()}
            raise BenchmarkError(f"not in finance after {_PATIENCE_SECONDS:g} s: {sorted(missing)[:10]}")
        time.sleep(1)


def _assert_right(finance: RunningSandbox, invoices: Sequence[GeneratedInvoice]) -> None:
    rows = sorted(
        (row["external_id"], row["amount_gross_minor"], row["amount_tax_minor"]) for row in finance.invoices()
    )
    stated = sorted((invoice.number, int(invoice.gross * 100), int(invoice.tax * 100)) for invoice in invoices)
    if rows != stated:
        raise BenchmarkError(f"finance has other invoices than were dropped: {sorted(set(rows) ^ set(stated))[:10]}")


def _told(plan: Plan, found: Found, deployment: Deployment, seconds: float, verified: str) -> str:
    files = found.files[-1] - found.files[0]
    an_hour = plan.files / plan.seconds * 3600
    killed = ", ".join(f"{kind} {count}" for kind, count in found.killed.most_common())
    lines = f"""# {plan.seconds / 60:g} minutes in which everything goes wrong

Written by `make soak` on {datetime.now(UTC):%Y-%m-%d}, on {os.cpu_count()} processors: {plan.files:,} files of {_LINES} lines
({an_hour:,.0f} an hour). {seconds - plan.seconds:.0f} s after the last one finance had each invoice once, with the right figures.

`arcadia verify --full`: {verified}

In the first half finance was away for {plan.seconds / 360:.1f} minutes and the disk was full for {plan.seconds / 60:.0f} seconds.
Killed: {killed}. The deployment was started again {deployment.starts.total()} times.

| process | how many | resident, of the largest: first third of the quiet half | last third | |
|---|---|---|---|---|""".splitlines()
    grown = {}
    for kind, seen in sorted(found.memory.items()):
        third = max(1, len(seen) // 3)
        largest, counts = [resident for _, resident in seen], [count for count, _ in seen]
        first, last = statistics.median(largest[:third]), statistics.median(largest[-third:])
        if kind not in _SHORT_LIVED:
            grown[kind] = last / first
        how_many = "..".join(dict.fromkeys(map(str, (min(counts), max(counts)))))
        lines.append(
            f"| {kind} | {how_many} | {first / 2**20:.0f} MiB | {last / 2**20:.0f} MiB | {last / first:.2f}x |"
        )
    lines += ["", "| stored | bytes a file | a year at this rate |", "|---|---|---|"]
    for what, size in found.stored[0].items():
        each = (found.stored[-1][what] - size) / max(1, files)
        lines.append(f"| {what} | {each:,.0f} | {each * an_hour * _HOURS_OF_A_YEAR / 1e9:,.1f} GB |")
    if plan.seconds >= 1200 and (worst := max(grown, key=grown.__getitem__)) and grown[worst] > _MOST_GROWTH:  # noqa: PLR2004
        raise BenchmarkError("\n".join([*lines, f"the memory of {worst} grows: {grown[worst]:.2f}x"]))
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
