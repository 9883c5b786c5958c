"""The home of a command: settings, warehouse, archive and resources, each made once, when it is first needed."""

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from arcadia_dagster import dagster_home, settings
from arcadia_dagster.commands.common import MISUSED, CommandError, complaints
from arcadia_dagster.home_sandbox import SANDBOX_FOLDER, HomeSandbox
from arcadia_dagster.private_files import write_privately
from arcadia_dagster.settings import Settings
from arcadia_dagster.warehouse import LockTimeoutError, Warehouse, WarehouseError
from arcadia_dagster.warehouse.resource import WarehouseResource

if TYPE_CHECKING:
    from arcadia_dagster.books.accounts import Accounts
    from arcadia_dagster.finance.outstanding import Recipient
    from arcadia_dagster.formats.registry import Formats
    from arcadia_dagster.landing.archive import Archive
    from arcadia_dagster.landing.resource import LandingResource
    from arcadia_dagster.resources import Resources
    from arcadia_dagster.stages.due import MonthRange
    from arcadia_dagster.statement.pages import Company


@dataclass(frozen=True)
class Home:
    """One home, as the settings have it.

    Attributes:
        settings: The settings.
    """

    settings: Settings

    @classmethod
    def open(cls, *, in_sandbox: bool = True) -> "Home":
        """The home that the environment names, with `.env` loaded.

        What Dagster needs of the settings is put into the environment, where it looks for it, and every path there is made
        absolute: what is started from here runs in another folder, and must mean the same.

        Args:
            in_sandbox: Whether the finance service is the home's own sandbox where it has one and nobody has named another.

        Raises:
            CommandError: A setting cannot be right.
        """
        if Path(".env").is_file():
            from dotenv import load_dotenv

            load_dotenv(Path(".env"))
        home = cls(_settings())
        if in_sandbox and not home.settings.names_finance and (sandbox := _sandbox_in(home.settings.home)) is not None:
            environ = settings.in_sandbox(os.environ, home=home.settings.home, url=sandbox.url, secret=sandbox.secret)
            os.environ.clear()
            os.environ.update(environ)
            home = cls(_settings())
        write_privately(group_reads=home.settings.group_reads)
        home._assert_secrets_are_usable()
        os.environ.update(home.settings.places())
        os.environ.setdefault(dagster_home.VARIABLE, str(dagster_home.dagster_home(home.settings.home)))
        return home

    @property
    def dagster_home(self) -> Path:
        """The folder of `dagster.yaml`, as Dagster is told."""
        return Path(os.environ[dagster_home.VARIABLE])

    def place_dagster_files(self) -> None:
        """Put Dagster's files into the home where Dagster looks for them there; to do before Dagster opens its instance.

        Raises:
            CommandError: They cannot be written.
        """
        if self.dagster_home == self.settings.home:
            with complaints():
                dagster_home.place(self.dagster_home)

    def _assert_secrets_are_usable(self) -> None:
        if secret := self.settings.finance_secret.get_secret_value():
            from arcadia_dagster.finance.token import secret_problem

            if (problem := secret_problem(secret)) is not None:
                raise CommandError(problem, MISUSED)
        if webhook := self.settings.alert_webhook.get_secret_value():
            from arcadia_dagster.alerts.webhook import webhook_problem

            if (problem := webhook_problem(webhook)) is not None:
                raise CommandError(problem, MISUSED)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse, which may not be there yet."""
        with complaints():
            return WarehouseResource.of(self.settings).get()

    @cached_property
    def existing_warehouse(self) -> Warehouse:
        """The warehouse, for commands that have nothing to say without one.

        Raises:
            CommandError: There is none: a mistyped path must not become a new one.
        """
        with complaints():
            exists = self.warehouse.exists()
        if not exists:
            raise CommandError(
                f"there is no warehouse at {self.warehouse.name} yet: run `arcadia init`, or set ARCADIA_HOME or "
                "ARCADIA_WAREHOUSE"
            )
        return self.warehouse

    @cached_property
    def landing(self) -> "LandingResource":
        """Inbox, archive, and what people say of formats, routes and sources."""
        from arcadia_dagster.landing.resource import LandingResource

        return LandingResource.of(self.settings)

    @property
    def company(self) -> "Company":
        """Whose statements they are."""
        from arcadia_dagster.statement.pages import Company

        return Company.of(self.settings)

    @cached_property
    def archive(self) -> "Archive":
        """The archive."""
        return self.landing.get_archive()

    @cached_property
    def resources(self) -> "Resources":
        """The resources, ready to be used outside of a run, or in one of this process; they share the warehouse."""
        from arcadia_dagster.resources import Resources

        try:
            return Resources.of(self.settings, self.warehouse)
        except settings.SettingsError as error:
            raise CommandError(str(error), MISUSED) from error

    @property
    def months(self) -> "MonthRange":
        """The months that have a partition."""
        from arcadia_dagster.stages.due import MonthRange

        return MonthRange.since(self.settings.first_month)

    @property
    def recipient(self) -> "Recipient | None":
        """The finance service that invoices go to; None where none is configured, or it cannot be right."""
        if not self.settings.finance_secret:
            return None
        from arcadia_dagster.finance.errors import ConfigurationFailure

        try:
            return self.resources.finance.recipient
        except ConfigurationFailure:
            return None

    @property
    def accounts(self) -> "Accounts":
        """The accounts of the books; those of the program where no file says any.

        Raises:
            CommandError: The file cannot be right.
        """
        from arcadia_dagster.books.accounts import Accounts
        from arcadia_dagster.books.accounts_file import read_accounts

        with complaints():
            return read_accounts(self.settings.accounts, must_exist=self.settings.is_set("accounts")) or Accounts()

    def formats(self) -> "Formats":
        """The formats that documents are read by, with people's descriptions; what is wrong with one of them is in it."""
        from arcadia_dagster.billing.rules import Rules

        return self.landing.get_formats_with(Rules())

    def problems(self) -> list[str]:
        """Why nothing can be taken: what is wrong with people's descriptions, with the routing table and with rules.

        Raises:
            CommandError: The warehouse cannot be read.
        """
        from arcadia_dagster.landing.descriptions import problems
        from arcadia_dagster.settings_file import SettingsFileError

        wrong: list[str] = []
        with complaints():
            if self.warehouse.exists():
                with self.warehouse.read() as connection:
                    wrong += problems(connection, self.formats())
            else:
                wrong += problems(None, self.formats())
        for read in (self.landing.get_routes, self.landing.get_rules, self.landing.get_budgets):
            try:
                read()
            except SettingsFileError as error:
                wrong.append(f"{error}; nothing is taken until it is right")
        try:
            _ = self.accounts
        except CommandError as error:
            wrong.append(f"{error}; nothing is exported to the books until it is right")
        return wrong

    @property
    def sandbox(self) -> HomeSandbox | None:
        """The home's own sandbox, where that is what the settings push to."""
        sandbox = _sandbox_in(self.settings.home)
        return sandbox if sandbox is not None and sandbox.url == self.settings.finance_url else None

    @property
    def not_configured(self) -> str:
        """The message, with what to type, where no finance service is configured."""
        text = f"finance is not configured: set {settings.SECRET_VARIABLE}"
        if (sandbox := _sandbox_in(self.settings.home / SANDBOX_FOLDER)) is not None:
            text += f", or for the sandbox of `make run`: export ARCADIA_HOME={shlex.quote(str(sandbox.home))}"
        return text

    def assert_answers(self, sandbox: HomeSandbox) -> None:
        """Check that the home's sandbox is there: an empty body is not accepted, but only after the token was.

        Raises:
            CommandError: It is not running, or another program answers in its place.
        """
        from arcadia_dagster.finance.errors import FinanceError, PayloadRefused, TransientFailure

        if not sandbox.is_running():
            raise CommandError(not_running(sandbox))
        cause: FinanceError | None = None
        try:
            with self.resources.finance.client() as client:
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
    def finance_complaints(self) -> Iterator[None]:
        """Turn errors of finance within the block into one line, with the command to start the home's sandbox.

        Raises:
            CommandError: The home's sandbox is not there, or finance cannot be used; with the exit code of a wrong setting where
                one is the cause.
        """
        from arcadia_dagster.finance.errors import ConfigurationFailure, FinanceError

        if (sandbox := self.sandbox) is not None:
            self.assert_answers(sandbox)
        with complaints(FinanceError):
            try:
                yield
            except ConfigurationFailure as error:
                raise CommandError(str(error), MISUSED) from error

    def show_changes(self) -> None:
        """Update the UI's checks and the statements, where Dagster has run here before and there are statements.

        The command has done its work by then: what goes wrong is told, and changes nothing about it.
        """
        self.report_checks()
        self._refresh_statements()

    def report_checks(self) -> None:
        """Have the UI show what the checks find now, where Dagster has run here before; see `show_changes`."""
        if not self.settings.dagster_storage.exists():
            return
        self.place_dagster_files()
        from arcadia_dagster.defs.checks import report_here

        try:
            report_here(
                self.resources.warehouse,
                self.resources.finance,
                close_day=self.settings.close_day,
                form=self.resources.alerts.form(self.settings.prefix),
            )
        except Exception as error:  # noqa: BLE001 - whatever Dagster and its storage may raise
            print(
                f"the checks in the UI could not be brought up to date ({error}); the next run does it", file=sys.stderr
            )

    def _refresh_statements(self) -> None:
        if not self.settings.statements.is_dir():
            return
        from arcadia_dagster.statement.pages import make_pages

        try:
            make_pages(self.warehouse, self.archive, self.settings.statements, (), self.months, company=self.company)
        except (LockTimeoutError, WarehouseError, OSError) as error:
            print(f"the statements could not be brought up to date ({error}); the next run does it", file=sys.stderr)


def _settings() -> Settings:
    try:
        return settings.load()
    except settings.SettingsError as error:
        raise CommandError(str(error), MISUSED) from error


def _sandbox_in(home: Path) -> HomeSandbox | None:
    with complaints():
        return HomeSandbox.of(home)


def not_running(sandbox: HomeSandbox) -> str:
    """The message, with what to type, where the home's sandbox is not running."""
    return f"the finance sandbox of this home is not running at {sandbox.url}: {sandbox.advice}"
