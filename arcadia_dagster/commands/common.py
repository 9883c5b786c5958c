"""What all commands share: settings with `.env`, errors in one line, tables that fit a terminal."""

import contextlib
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcadia_dagster import settings
from arcadia_dagster.home_sandbox import SANDBOX_FOLDER, HomeSandbox
from arcadia_dagster.settings import Settings
from arcadia_dagster.warehouse import LockTimeoutError, Warehouse, WarehouseError

if TYPE_CHECKING:
    from rich.console import Console

    from arcadia_dagster.billing.rules import Rules
    from arcadia_dagster.formats.registry import Formats
    from arcadia_dagster.landing.archive import Archive

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

PROJECT_ROOT = Path(__file__).resolve().parents[2]


class CommandError(Exception):
    """A command cannot be carried out; the message is one line, with the remedy."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        """Keep the exit code with the message."""
        super().__init__(message)
        self.code = code


def load_settings(*, in_sandbox: bool = True) -> Settings:
    """The settings, with `.env` loaded.

    What Dagster needs of them is put into the environment, where it looks for it, and every path there is made absolute: what is
    started from here runs in the project's folder, and must mean the same.

    Args:
        in_sandbox: Whether the finance service is the home's own sandbox where it has one and nobody has named another.

    Raises:
        CommandError: A setting cannot be right.
    """
    if Path(".env").is_file():
        from dotenv import load_dotenv

        load_dotenv(Path(".env"))
    values = _settings()
    if in_sandbox and not values.names_finance and (sandbox := _sandbox_in(values.home)) is not None:
        environ = settings.in_sandbox(os.environ, home=values.home, url=sandbox.url, secret=sandbox.secret)
        os.environ.clear()
        os.environ.update(environ)
        values = _settings()
    if secret := values.finance_secret.get_secret_value():
        from arcadia_dagster.finance.token import secret_problem

        if (problem := secret_problem(secret)) is not None:
            raise CommandError(problem, MISUSED)
    if webhook := values.alert_webhook.get_secret_value():
        from arcadia_dagster.alerts.webhook import webhook_problem

        if (problem := webhook_problem(webhook)) is not None:
            raise CommandError(problem, MISUSED)
    os.environ.update(values.places())
    os.environ.setdefault("DAGSTER_HOME", str(project_root()))
    return values


def _settings() -> Settings:
    try:
        return settings.load()
    except settings.SettingsError as error:
        raise CommandError(str(error), MISUSED) from error


def _sandbox_in(home: Path) -> HomeSandbox | None:
    with complaints():
        return HomeSandbox.of(home)


def sandbox_of(values: Settings) -> HomeSandbox | None:
    """The home's own sandbox, where that is what the settings push to."""
    sandbox = _sandbox_in(values.home)
    return sandbox if sandbox is not None and sandbox.url == values.finance_url else None


def not_configured(values: Settings) -> str:
    """What to tell, and to type, where no finance service is configured."""
    told = f"finance is not configured: set {settings.SECRET_VARIABLE}"
    if (sandbox := _sandbox_in(values.home / SANDBOX_FOLDER)) is not None:
        told += f", or for the sandbox of `make run`: export ARCADIA_HOME={shlex.quote(str(sandbox.home))}"
    return told


def not_running(sandbox: HomeSandbox) -> str:
    """What to tell, and to type, where the home's sandbox is not running."""
    return f"the finance sandbox of this home is not running at {sandbox.url}: {sandbox.advice}"


def assert_answers(sandbox: HomeSandbox, values: Settings) -> None:
    """Check that the home's sandbox is there: an empty body is not accepted, but only after the token was.

    Raises:
        CommandError: It is not running, or something else answers in its place, of which nothing can be believed.
    """
    from arcadia_dagster.finance.errors import FinanceError, PayloadRefused, TransientFailure

    if not sandbox.is_running():
        raise CommandError(not_running(sandbox))
    cause: FinanceError | None = None
    try:
        with resources_of(values)["finance"].client() as client:
            client.import_invoice({})
    except PayloadRefused:
        return
    except TransientFailure as error:
        raise CommandError(str(error)) from error
    except FinanceError as error:
        cause = error
    raise CommandError(
        f"what answers at {sandbox.url} is not the finance sandbox of this home: stop it, then {sandbox.advice}"
    ) from cause


@contextlib.contextmanager
def finance_complaints(values: Settings) -> Iterator[None]:
    """Around what needs finance at once: why it cannot be used becomes one line, with what to type where it is a sandbox.

    Raises:
        CommandError: The home's sandbox is not there, or finance cannot be used.
    """
    from arcadia_dagster.finance.errors import FinanceError

    if (sandbox := sandbox_of(values)) is not None:
        assert_answers(sandbox, values)
    with complaints(FinanceError):
        yield


def project_root() -> Path:
    """Where dagster.yaml and workspace.yaml are: here, or in the project that this program runs from."""
    return next((folder for folder in (Path.cwd(), PROJECT_ROOT) if (folder / "dagster.yaml").is_file()), PROJECT_ROOT)


def warehouse_of(values: Settings) -> Warehouse:
    """The warehouse that the settings name."""
    with complaints():
        return Warehouse(values.warehouse, lock_timeout=values.lock_timeout, data_path=values.data_path)


def archive_of(values: Settings) -> "Archive":
    """The archive that the settings name."""
    from arcadia_dagster.landing.archive import Archive

    return Archive(values.archive, max_document_bytes=values.max_document_bytes)


def existing_warehouse_of(values: Settings) -> Warehouse:
    """The warehouse that the settings name, for commands that have nothing to say without one.

    Raises:
        CommandError: There is none: a mistyped path must not become a new one.
    """
    warehouse = warehouse_of(values)
    with complaints():
        exists = warehouse.exists()
    if not exists:
        raise CommandError(
            f"there is no warehouse at {warehouse.name} yet: run `arcadia init`, or set ARCADIA_HOME or ARCADIA_WAREHOUSE"
        )
    return warehouse


def formats_of(values: Settings) -> "Formats":
    """The formats that documents are read by, with people's descriptions; what is wrong with one of them is in it."""
    from arcadia_dagster.formats.registry import Formats

    return Formats.of(values.formats, must_exist=values.is_set("formats"))


def rules_of(values: Settings) -> "Rules":
    """What people know of sources.

    Raises:
        RulesError: It cannot be right, or is gone.
    """
    from arcadia_dagster.landing.rules import assert_not_lost, read_rules

    rules = read_rules(values.sources, must_exist=values.is_set("sources"))
    assert_not_lost(values.archive, values.sources, rules)
    return rules


def problems_of(values: Settings, warehouse: Warehouse) -> list[str]:
    """Why nothing can be taken: what is wrong with people's descriptions, with the routing table and with rules.

    Raises:
        CommandError: The warehouse cannot be read.
    """
    from arcadia_dagster.landing.descriptions import problems
    from arcadia_dagster.landing.routes import RoutesError, read_routes
    from arcadia_dagster.landing.rules import RulesError

    found: list[str] = []
    with complaints():
        if warehouse.exists():
            with warehouse.read() as connection:
                found += problems(connection, formats_of(values))
        else:
            found += problems(None, formats_of(values))
    try:
        read_routes(values.tenants, values.finance_tenant_id, must_exist=values.is_set("tenants"))
    except RoutesError as error:
        found.append(f"{error}; nothing is taken until it is right")
    try:
        rules_of(values)
    except RulesError as error:
        found.append(f"{error}; nothing is taken until it is right")
    return found


@contextlib.contextmanager
def complaints(*kinds: type[Exception]) -> Iterator[None]:
    """Errors that a person can do something about become one line: those given, and those of files and the warehouse."""
    shown: tuple[type[Exception], ...] = (LockTimeoutError, WarehouseError, OSError, *kinds)
    try:
        yield
    except shown as error:
        raise CommandError(str(error)) from error


def resources_of(values: Settings) -> dict[str, Any]:
    """The resources, ready to be used outside of a run."""
    from arcadia_dagster.definitions import build_resources

    return build_resources(values)


def report_checks(values: Settings) -> None:
    """Have the UI show what the checks say after what a person did, where Dagster has run here before.

    The command has done its work by then: what goes wrong is told, and changes nothing about it.
    """
    if not values.dagster_storage.exists():
        return
    import dagster as dg

    from arcadia_dagster import checks

    resources = resources_of(values)
    try:
        with dg.DagsterInstance.get() as instance:
            checks.report(
                instance,
                resources["warehouse"],
                resources["finance"],
                close_day=values.close_day,
            )
    except Exception as error:  # noqa: BLE001 - whatever Dagster and its storage may raise
        print(f"the UI shows the checks as they were until the next run: {error}", file=sys.stderr)


def refresh_statements(values: Settings, warehouse: Warehouse) -> None:
    """Make the statements anew that show what a person just changed, where there are statements.

    The command has done its work by then: what goes wrong is told, and changes nothing about it.
    """
    if not values.statements.is_dir():
        return
    from arcadia_dagster.stages.due import MonthRange
    from arcadia_dagster.statement.pages import make_pages

    months = MonthRange(values.first_month, datetime.now(UTC).date().replace(day=1))
    try:
        make_pages(warehouse, values.statements, (), months)
    except (LockTimeoutError, WarehouseError, OSError) as error:
        print(f"the statements show what was before until the next run: {error}", file=sys.stderr)


_NOT_WRAPPED = 1 << 20


def new_console(*, stderr: bool = False) -> "Console":
    """Where a command prints what is more than lines: tables, and how far it has come.

    Whatever is no terminal gets each row on one line and no colour, whatever `COLUMNS` or `FORCE_COLOR` say: a program
    reads it, and a folded id is no id.

    Args:
        stderr: Whether it is the standard error stream; else the standard output.
    """
    from rich.console import Console

    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    options: dict[str, Any] = {} if is_terminal else {"force_terminal": False, "no_color": True, "width": _NOT_WRAPPED}
    return Console(stderr=stderr, highlight=False, emoji=False, **options)


def print_json(value: Any) -> None:  # noqa: ANN401 - plain values
    """Print plain values as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def harmless(text: str) -> str:
    r"""Words of a file, or its name, on one line: what a terminal would obey, or not show, is written out as `\x1b`."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextlib.contextmanager
def progress(what: str, console: "Console") -> Iterator[Callable[[int, int], None]]:
    """A bar that is told how much is done, of how much; where the console is no terminal, one line at the end."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def parse_months(text: str, values: Settings) -> list[date]:
    """`2026-04` or `2026-01..2026-12`, as months that have a partition.

    Raises:
        CommandError: It is neither, or lies outside of the months there are.
    """
    from arcadia_dagster.warehouse.months import next_month

    parts = text.split("..")
    try:
        first, last = (datetime.strptime(part, "%Y-%m").replace(tzinfo=UTC).date() for part in (parts[0], parts[-1]))
    except ValueError:
        first, last = date.max, date.min
    if len(parts) > 2 or last < first:  # noqa: PLR2004 - a range has two ends
        raise CommandError(f"{text}: expected a month such as 2026-04, or a range such as 2026-01..2026-12", MISUSED)
    if first < values.first_month or last > datetime.now(UTC).date():
        raise CommandError(
            f"{text}: months go from ARCADIA_FIRST_MONTH={values.first_month:%Y-%m} to the present one", MISUSED
        )
    months = [first]
    while months[-1] < last:
        months.append(next_month(months[-1]))
    return months
