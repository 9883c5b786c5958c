"""The command `arcadia`.

Exit codes: 0 done; 1 it failed, and the message says what to do; 2 the command line or a setting is wrong; 130 interrupted.
Dagster and pandas are imported only by the commands that need them.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcadia_dagster import __version__

if TYPE_CHECKING:
    from arcadia_dagster.billing.status import MonthStatus
    from arcadia_dagster.settings import Settings

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class CommandError(Exception):
    """A command cannot be carried out; the message is one line, with the remedy."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        """Keep the exit code with the message."""
        super().__init__(message)
        self.code = code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the process's exit code is returned."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except CommandError as error:
        print(f"arcadia: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("arcadia: interrupted; what was finished is kept, run it again to go on", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does. Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="arcadia", description="Cloud invoice files in, exact finance records out.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"arcadia {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    ingest = commands.add_parser(
        "ingest",
        help="take new files from the inbox and bring months up to date, finance included",
        description="Take new files from the inbox, then bring months up to date: those with something new, or the given ones.",
    )
    ingest.add_argument(
        "months", nargs="?", metavar="MONTH[..MONTH]", help="such as 2026-04 or 2026-01..2026-12; default: what is new"
    )
    ingest.set_defaults(command=_ingest)

    status = commands.add_parser("status", help="show how each month stands")
    status.add_argument("--json", action="store_true", help="as JSON, amounts in minor units and as decimal text")
    status.set_defaults(command=_status)

    sandbox = commands.add_parser(
        "finance-sandbox",
        help="run a finance service for this machine",
        description="Run a finance service for this machine. It keeps its rows in a file and shows them at its address.",
    )
    sandbox.add_argument("--port", type=int, default=4010, help="default: %(default)s")
    sandbox.add_argument(
        "--file", type=Path, help="where it keeps its rows; default: sandbox/finance.sqlite in the home"
    )
    sandbox.set_defaults(command=_sandbox)

    demo = commands.add_parser("demo", help="show the sample months from file to finance, in a temporary home")
    demo.add_argument("--sample", type=Path, help="another folder with inbox, reissued and rejected")
    demo.set_defaults(command=_demo)
    return parser


def _ingest(options: argparse.Namespace) -> int:
    values = _settings()
    _prepare_home(values)
    from rich.console import Console

    console = Console(stderr=True)
    range_ = _month_range(options.months, values) if options.months else None
    with console.status("looking at the inbox"):
        definitions, months, notes = _land(values)
    for note in notes:
        console.print(note, style="yellow", highlight=False, markup=False)
    wanted = range_ or months
    if not wanted:
        console.print("nothing new")
        return OK
    _run_months(definitions, wanted, console)
    return _print_status(values, as_json=False, only=set(wanted))


def _land(values: "Settings") -> tuple[Any, list[date], list[str]]:
    """Land the inbox; the definitions, the months that have something to do, and what a person should know."""
    from arcadia_dagster.definitions import build_defs, build_resources
    from arcadia_dagster.finance.errors import ConfigurationFailure
    from arcadia_dagster.landing.inbox import InboxError
    from arcadia_dagster.warehouse import LockTimeoutError, WarehouseError
    from arcadia_dagster.warehouse.months import stale

    resources = build_resources(values)
    warehouse, landing = resources["warehouse"].get(), resources["landing"]
    try:
        landed = landing.land(warehouse)
        landing.get_reader(warehouse).close()
        with warehouse.read() as connection:
            months = stale(connection)
        if os.environ.get("SKYAI_FINANCE_SECRET"):
            months |= set(resources["finance"].outstanding(warehouse))
    except (InboxError, LockTimeoutError, WarehouseError, ConfigurationFailure, OSError) as error:
        raise CommandError(str(error)) from error
    notes = [f"{path}: still being written, left for the next time" for path in landed.waiting]
    notes += [f"{path}: not taken: {problem}" for path, problem in landed.problems.items()]
    notes += [f"{name}: rejected: {reason}" for name, reason in landed.rejected.items()]
    present = datetime.now(UTC).date()
    return build_defs(), sorted(month for month in months if values.first_month <= month <= present), notes


def _run_months(definitions: Any, months: Sequence[date], console: Any) -> None:  # noqa: ANN401
    import dagster as dg
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from arcadia_dagster.automation.ingest import IngestError, ingest

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    what = f"{months[0]:%Y-%m}..{months[-1]:%Y-%m}" if len(months) > 1 else f"{months[0]:%Y-%m}"
    with Progress(*columns, console=console) as progress, dg.DagsterInstance.get() as instance:
        task = progress.add_task(f"{what} ({len(months)} months)" if len(months) > 1 else what)
        try:
            ingest(
                definitions, instance, months, lambda done, total: progress.update(task, completed=done, total=total)
            )
        except IngestError as error:
            raise CommandError(str(error)) from error


def _status(options: argparse.Namespace) -> int:
    return _print_status(_settings(), as_json=options.json)


def _print_status(values: "Settings", *, as_json: bool, only: set[date] | None = None) -> int:
    from arcadia_dagster.billing.status import status
    from arcadia_dagster.finance.client import target_of
    from arcadia_dagster.warehouse import LockTimeoutError, Warehouse, WarehouseError

    try:
        warehouse = Warehouse(values.warehouse_location, lock_timeout=values.lock_timeout)
        found = status(warehouse, target_of(values.finance_url), values.finance_tenant_id)
    except (LockTimeoutError, WarehouseError, ValueError, OSError) as error:
        raise CommandError(str(error)) from error
    if as_json:
        print(json.dumps({"months": [month.as_json() for month in found]}, indent=2))
    else:
        _print_months([month for month in found if only is None or month.month in only or month.rejected])
    return OK


def _print_months(found: "Sequence[MonthStatus]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from arcadia_dagster.billing.currency import from_minor

    console = Console()
    if not found:
        console.print("nothing yet: drop invoice files into the inbox and run `arcadia ingest`")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("month", no_wrap=True, min_width=len("no month"))
    for name in ("docs", "invoices"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("currency")
    for name in ("gross", "net", "tax", "pushed", "held", "rejected"):
        table.add_column(name, justify="right", no_wrap=True)
    for month in found:
        amounts = [
            "\n".join(f"{from_minor(getattr(sums, f'{name}_minor'), sums.currency):,}" for sums in month.sums)
            for name in ("gross", "net", "tax")
        ]
        table.add_row(
            "no month" if month.month is None else f"{month.month:%Y-%m}",
            str(month.documents),
            str(month.invoices),
            "\n".join(sums.currency for sums in month.sums),
            *amounts,
            str(month.pushed),
            str(month.held),
            str(month.rejected),
        )
    console.print(table)


def _sandbox(options: argparse.Namespace) -> int:
    values = _settings()
    secret = os.environ.get("SKYAI_FINANCE_SECRET", "")
    if not secret:
        raise CommandError("SKYAI_FINANCE_SECRET is not set; set it to the secret that pushes will use", MISUSED)
    from arcadia_dagster.sandbox import SandboxStartError, serve

    file = options.file or values.home / "sandbox" / "finance.sqlite"
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        serve(port=options.port, database=file, secret=secret)
    except SandboxStartError as error:
        raise CommandError(str(error)) from error
    return OK


def _demo(options: argparse.Namespace) -> int:
    # The demo has a home, a port and a secret of its own, whatever the caller has set.
    for name in [name for name in os.environ if name.startswith(("SKYAI_", "ARCADIA_", "DAGSTER_"))]:
        del os.environ[name]
    _quiet_beta_notice()
    from arcadia_dagster import demo
    from arcadia_dagster.automation.ingest import IngestError

    try:
        demo.run(options.sample or demo.SAMPLE)
    except (demo.DemoError, IngestError) as error:
        raise CommandError(f"the demo failed: {error}") from error
    return OK


def _settings() -> "Settings":
    """The settings, with `.env` loaded; Dagster finds its own settings where they are not set."""
    from dotenv import load_dotenv

    from arcadia_dagster import settings

    load_dotenv(Path(".env"))
    try:
        values = settings.load()
    except settings.SettingsError as error:
        raise CommandError(str(error), MISUSED) from error
    os.environ["ARCADIA_HOME"] = str(values.home)
    os.environ.setdefault("ARCADIA_DAGSTER_STORAGE", str(values.home / "dagster"))
    os.environ.setdefault("DAGSTER_HOME", str(_dagster_home()))
    _quiet_beta_notice()
    return values


def _dagster_home() -> Path:
    """Where dagster.yaml is: here, or in the project that this program runs from."""
    return next((folder for folder in (Path.cwd(), PROJECT_ROOT) if (folder / "dagster.yaml").is_file()), PROJECT_ROOT)


def _prepare_home(values: "Settings") -> None:
    if not values.inbox_path.exists():
        values.inbox_path.mkdir(parents=True)
        print(f"made the inbox {values.inbox_path}", file=sys.stderr)


def _quiet_beta_notice() -> None:
    """Dagster marks `backfill_policy` as beta, once for each asset. We pin Dagster, and use it on purpose."""
    import warnings

    warnings.filterwarnings("ignore", message=r".*backfill_policy.*", module="dagster")


def _month_range(text: str, values: "Settings") -> list[date]:
    """`2026-04` or `2026-01..2026-12`, as months that have a partition."""
    from arcadia_dagster.warehouse.months import next_month

    match = re.fullmatch(r"(\d{4}-\d{2})(?:\.\.(\d{4}-\d{2}))?", text)
    try:
        first, last = (
            (date.fromisoformat(f"{part}-01") for part in (match[1], match[2] or match[1])) if match else (None, None)
        )
    except ValueError:
        first = last = None
    if first is None or last is None or last < first:
        raise CommandError(f"{text}: expected a month such as 2026-04, or a range such as 2026-01..2026-12", MISUSED)
    if first < values.first_month or last > datetime.now(UTC).date():
        raise CommandError(
            f"{text}: months go from ARCADIA_FIRST_MONTH={values.first_month:%Y-%m} to the present one", MISUSED
        )
    months = [first]
    while months[-1] < last:
        months.append(next_month(months[-1]))
    return months


if __name__ == "__main__":
    sys.exit(main())
