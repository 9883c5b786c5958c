"""A home of its own for a test: files are dropped into its inbox, and the real job runs on its warehouse."""

import atexit
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from arcadia_dagster.billing.approval import Limits
from arcadia_dagster.decisions.decision import Decision, decide
from arcadia_dagster.definitions import build_defs
from arcadia_dagster.defs import checks
from arcadia_dagster.defs.ingest import ingest
from arcadia_dagster.defs.jobs import INGEST
from arcadia_dagster.finance.delivery import Delivered
from arcadia_dagster.finance.resource import FinanceResource
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.reports.decision_page import Form
from arcadia_dagster.resources import Resources
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.settings import UI_URL, load
from arcadia_dagster.stages.barring import barred
from arcadia_dagster.stages.stated import stated_figures
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import stale
from arcadia_dagster.warehouse.resource import WarehouseResource
from arcadia_dagster_tests.kit.plain import archive_of, build, land_only, new_warehouse

ROOT = Path(__file__).resolve().parents[2]

SECRET = "a-shared-secret-of-sixty-four-bytes-for-tests-and-nothing-else-!"
HEADER = "product,group_description,description,hours,start,end,USD,project_name,category"


def digitalocean(
    *rows: str,
    header: str = HEADER,
    newline: str = "\n",
) -> bytes:
    """A file of these records below a header."""
    return (newline.join((header, *rows)) + newline).encode()


def line(
    product: str = "Droplets",
    description: str = "web-01 (s-1vcpu-1gb)",
    amount: str = "$6.00",
    *,
    hours: str = "720",
    start: str = "2026-04-01 00:00:00 +0000",
    end: str = "2026-04-30 23:59:59 +0000",
) -> str:
    """One record of a DigitalOcean file."""
    return f"{product},,{description},{hours},{start},{end},{amount},shop,iaas"


def tax(description: str = "GST Australia (10.00%)", amount: str = "$0.60") -> str:
    """A tax line."""
    return line("Taxes", description, amount, hours="")


def quoted(text: str) -> str:
    """A value with anything in it, for `line`."""
    return '"' + text.replace('"', '""') + '"'


def invoice_name(month: str = "2026 Apr", number: str = "1001", account: str = "77") -> str:
    """The provider's own file name."""
    return f"DigitalOcean Invoice {month} ({account}-{number}).csv"


_idle: list[dg.DagsterInstance] = []
_open = ExitStack()
atexit.register(_open.close)


@contextmanager
def instance_in_memory() -> Iterator[dg.DagsterInstance]:
    """Dagster's storage in memory, empty. One that is emptied is given again: making one takes ten times as long."""
    instance = _idle.pop() if _idle else _open.enter_context(dg.DagsterInstance.ephemeral())
    yield instance
    instance.wipe()
    _idle.append(instance)


@contextmanager
def instance_in(home: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage in a home, as the project's `dagster.yaml` has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCADIA_HOME", str(home))
        patch.setenv("DAGSTER_HOME", str(ROOT))
        with dg.DagsterInstance.get() as instance:
            yield instance


class Project:
    """The program in a temporary home."""

    def __init__(self, home: Path, *, sandbox: RunningSandbox | None = None, **environ: str) -> None:
        self.home = home
        self.inbox = home / "inbox"
        self.inbox.mkdir(parents=True, exist_ok=True)
        self.sandbox = sandbox
        self.environ = {"ARCADIA_HOME": str(home), "ARCADIA_SETTLE_SECONDS": "0", **environ}
        self.finance = FinanceResource()
        if sandbox is not None:
            self.finance = FinanceResource(
                base_url=sandbox.url, sandbox_url=sandbox.url, secret=SECRET, retry_delays=[0.01, 0.01]
            )
        self.warehouse = new_warehouse(home)

    def definitions(self) -> dg.Definitions:
        return build_defs(environ=self.environ, resource_overrides={"finance": self.finance})

    def drop(self, name: str, content: bytes) -> Path:
        """Put a file into the inbox at once, as a careful program does."""
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.part")
        temporary.write_bytes(content)
        temporary.rename(path)
        return path

    def describe(self, **descriptions: str) -> None:
        """Describe formats, by the names of their files; without any, those count that come with the program."""
        folder = self.home / "formats"
        folder.mkdir(exist_ok=True)
        for name, text in descriptions.items():
            (folder / f"{name}.toml").write_text(text, encoding="utf-8")

    def drop_copy(self, source: Path, name: str | None = None) -> Path:
        return self.drop(name or source.name, source.read_bytes())

    def run(
        self, months: Iterable[date] | None = None, *, instance: dg.DagsterInstance | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run the job for the months; else, as `arcadia ingest` does, land the inbox and run it for what is new.

        Where nothing is new it runs for the present month, so that there is always a run to look at.
        """
        if instance is None:
            with instance_in_memory() as own:
                return self.run(months, instance=own)
        wanted = self.new_months() if months is None else list(months)
        return ingest(self.definitions(), instance, wanted, prefix=load(self.environ).prefix)[-1]

    @property
    def formats(self) -> Formats | None:
        """The formats with what the home describes; None where it describes none."""
        folder = self.home / "formats"
        return Formats.of(folder) if folder.exists() else None

    def build(self) -> None:
        """Land, build and deliver everything that is new without Dagster around it, which takes thrice as long."""
        limits = Limits.parse(self.environ.get("ARCADIA_APPROVE_OVER", ""))
        build(self.warehouse, formats=self.formats, approve_over=limits)
        if self.finance.is_configured:
            self.push()

    def push(self) -> Delivered:
        """Deliver what is ready, and nothing that something is wrong with."""
        return self.finance.deliver(self.warehouse, barred=lambda: barred(self.warehouse, archive_of(self.warehouse)))

    def report_checks(self, instance: dg.DagsterInstance, *, close_day: int) -> None:
        """Evaluate the checks that a person's command may have settled, as commands do."""
        warehouse = WarehouseResource(path=str(self.warehouse.path))
        checks.report(instance, warehouse, self.finance, close_day=close_day, form=Form(UI_URL))

    def landed_problems(self) -> dict[str, str]:
        """What a landing says of the inbox's files that it could not take, by path."""
        return land_only(self.warehouse, formats=self.formats).problems

    def new_months(self) -> list[date]:
        """The months that have something new once the inbox is landed; the present one where none has."""
        landing = Resources.of(load(self.environ)).landing
        try:
            landing.land(self.warehouse)
        finally:
            landing.get_reader(self.warehouse).close()
        present = datetime.now(UTC).date().replace(day=1)
        with self.warehouse.read() as connection:
            new = [month for month in stale(connection) if date(2018, 1, 1) <= month <= present]
        return new or [present]

    def settle(self, decision: Decision, external_id: str, *, by: str = "ann") -> set[date]:
        """What a person decides of an invoice by its id, for the version that there is; the months that it touches."""
        invoice = self.invoice(external_id)
        return decide(
            self.warehouse,
            archive_of(self.warehouse),
            decision=decision,
            document_sha256=invoice["document_sha256"],
            invoice=InvoiceKey(invoice["source"], invoice["account_id"], external_id),
            reason="looked at",
            by=by,
            now=datetime.now(UTC),
            formats=self.formats,
        )

    def release_as_stated(self, external_id: str, *, reason: str = "looked at") -> set[date]:
        """A person has what the invoice states pushed, and not what its lines come to."""
        invoice = self.invoice(external_id)
        with self.warehouse.read() as connection:
            figures = stated_figures(connection, InvoiceKey(invoice["source"], invoice["account_id"], external_id))
        return decide(
            self.warehouse,
            archive_of(self.warehouse),
            decision="release",
            document_sha256=invoice["document_sha256"],
            invoice=InvoiceKey(invoice["source"], invoice["account_id"], external_id),
            reason=reason,
            by="ann",
            now=datetime.now(UTC),
            as_stated=figures,
            formats=self.formats,
        )

    def decide(
        self,
        decision: Decision,
        number: str = "1001",
        *,
        file_name: str | None = None,
        invoice: tuple[str, str, str] | None = None,
        reason: str = "asked the provider",
        by: str = "ann",
        now: datetime | None = None,
    ) -> set[date]:
        """What a person decides of an invoice, or of the document that it came in; the months that it touches."""
        document = self.document(file_name or invoice_name(number=number))
        return decide(
            self.warehouse,
            archive_of(self.warehouse),
            decision=decision,
            document_sha256=document["document_sha256"],
            invoice=None if decision == "dismiss" else InvoiceKey(*(invoice or ("digitalocean", "77", number))),
            reason=reason,
            by=by,
            now=now or datetime.now(UTC),
            formats=self.formats,
        )

    def query(self, query: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
        with self.warehouse.read() as connection:
            result = connection.execute(query, parameters or [])
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def change(self, *statements: str) -> None:
        """Change rows of the warehouse as a person does with a program of their own."""
        with duckdb.connect(str(self.warehouse.path)) as connection:
            for statement in statements:
                connection.execute(statement)

    def document(self, name: str) -> dict[str, Any]:
        [found] = self.query("SELECT * FROM documents WHERE file_name = ?", [name])
        return found

    def invoice(self, external_id: str = "1001") -> dict[str, Any]:
        [found] = self.query("SELECT * FROM tax_split_totals WHERE external_id = ?", [external_id])
        return found

    def lines(self, external_id: str = "1001") -> list[dict[str, Any]]:
        return self.query("SELECT * FROM cost_lines WHERE external_id = ? ORDER BY line_number", [external_id])

    def forget_warehouse(self) -> None:
        """Delete the warehouse and all that lies beside it, as a person who wants to rebuild it does."""
        for path in self.home.glob("arcadia.duckdb*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """The checks of a run, by name."""
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


JOB = INGEST
