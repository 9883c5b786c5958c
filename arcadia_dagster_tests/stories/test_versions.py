"""What the UI shows as stale: asked of Dagster's own resolver, which its web server asks too."""

import ast
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from arcadia_dagster.definitions import build_defs
from arcadia_dagster.defs.assets import versions
from arcadia_dagster.defs.assets.versions import FOLDER, PACKAGE, code_version, parts_of
from arcadia_dagster.defs.partitions import key_of
from arcadia_dagster_tests.kit.project import Project, digitalocean, instance_in_memory, invoice_name, line, tax

MONTHLY = ("raw_invoices", "cost_lines", "tax_split_totals", "finance_records", "focus_export", "monthly_statement")
APRIL, MAY, JUNE = (date(2026, month, 1) for month in (4, 5, 6))


class Ui:
    """A project with a Dagster instance, and what the UI shows of it."""

    def __init__(self, project: Project, instance: dg.DagsterInstance) -> None:
        self.project, self.instance = project, instance
        self.definitions = project.definitions()

    def materialize(self, *assets: str, months: tuple[date, ...] = (APRIL,)) -> None:
        """As by the UI's button: these assets alone, for months in one run."""
        job = self.definitions.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection={dg.AssetKey(asset) for asset in assets}, asset_check_selection=set()
        )
        ends = {"start": key_of(months[0]), "end": key_of(months[-1])}
        tags = {f"dagster/asset_partition_range_{which}": month for which, month in ends.items()}
        assert job.execute_in_process(
            instance=self.instance, tags=tags if assets != ("cloud_resources",) else {}
        ).success

    def all(self, *months: date) -> None:
        self.project.run(months, instance=self.instance)

    def status(self, month: date = APRIL) -> dict[str, str]:
        resolver = CachingStaleStatusResolver(
            self.instance, self.definitions.resolve_asset_graph(), LoadingContextForTest(self.instance)
        )
        return {asset: resolver.get_status(dg.AssetKey(asset), key_of(month)).value.lower() for asset in MONTHLY}

    def stale(self, month: date = APRIL) -> set[str]:
        return {asset for asset, status in self.status(month).items() if status != "fresh"}

    def metadata(self, asset: str, month: date) -> dict[str, Any]:
        """What the UI shows of a month."""
        record = self.instance.get_latest_data_version_record(dg.AssetKey(asset), partition_key=key_of(month))
        assert record is not None
        assert record.asset_materialization is not None
        return {name: value.value for name, value in record.asset_materialization.metadata.items()}

    def version(self, asset: str, month: date = APRIL) -> str:
        [record] = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key_of(month)]), limit=1
        ).records
        assert record.asset_materialization is not None
        return str((record.asset_materialization.tags or {})["dagster/data_version"])


@pytest.fixture
def ui(project_without_finance: Project) -> Iterator[Ui]:
    project = project_without_finance
    with instance_in_memory() as instance:
        yield Ui(project, instance)


def drop(project: Project, month: date, number: str, amount: str = "$6.00") -> None:
    charged = line(amount=amount, start=f"{month} 00:00:00 +0000", end=f"{month.replace(day=28)} 23:59:59 +0000")
    project.drop(invoice_name(f"{month:%Y %b}", number), digitalocean(charged, tax()))


def test_what_comes_after_a_month_that_has_changed_is_stale_until_it_is_made_of_it(ui: Ui) -> None:
    for month, number in ((APRIL, "1001"), (MAY, "1002"), (JUNE, "1003")):
        drop(ui.project, month, number)
    ui.all(APRIL, MAY, JUNE)
    assert ui.stale() == ui.stale(MAY) == ui.stale(JUNE) == set()

    drop(ui.project, MAY, "1002", "$7.00")
    ui.materialize("documents", "raw_invoices", months=(APRIL, MAY, JUNE))
    assert ui.stale(MAY) == {*MONTHLY} - {"raw_invoices"}
    assert ui.stale(APRIL) == ui.stale(JUNE) == set()

    left = [*MONTHLY][1:]
    for asset in list(left):
        ui.materialize(asset, months=(MAY,))
        left.remove(asset)
        # An export of lines whose totals are older is not fresh either, although it is newer than the invoices.
        assert ui.stale(MAY) == {*left}, asset
    assert ui.stale(APRIL) == ui.stale(JUNE) == set()


def test_months_that_are_made_again_with_the_same_content_leave_all_fresh_however_they_are_grouped(ui: Ui) -> None:
    for month, number in ((APRIL, "1001"), (MAY, "1002")):
        drop(ui.project, month, number)
    ui.all(APRIL, MAY)
    before = {(asset, month): ui.version(asset, month) for asset in MONTHLY for month in (APRIL, MAY)}
    assert before["raw_invoices", APRIL] != before["raw_invoices", MAY]
    for months in ((MAY,), (APRIL, MAY, JUNE)):
        for asset in MONTHLY:
            ui.materialize(asset, months=months)
            assert ui.stale(APRIL) == ui.stale(MAY) == set(), (asset, months)
    ui.all(APRIL)
    assert {(asset, month): ui.version(asset, month) for asset, month in before} == before


def test_a_warehouse_that_is_rebuilt_from_the_archive_has_the_versions_that_it_had(ui: Ui) -> None:
    drop(ui.project, APRIL, "1001")
    ui.all(APRIL)
    before = {asset: ui.version(asset) for asset in MONTHLY}
    ui.project.forget_warehouse()
    ui.materialize("documents")
    for asset in MONTHLY:
        ui.materialize(asset)
        assert ui.stale() == set()
    assert {asset: ui.version(asset) for asset in MONTHLY} == before


def test_the_page_of_a_month_is_stale_when_finance_has_answered_anew(project_with_finance: Project) -> None:
    with instance_in_memory() as instance:
        ui = Ui(project_with_finance, instance)
        drop(ui.project, APRIL, "1001")
        ui.all(APRIL)
        drop(ui.project, APRIL, "1001", "$7.00")
        ui.materialize(
            "documents", "raw_invoices", "cost_lines", "tax_split_totals", "focus_export", "monthly_statement"
        )
        assert ui.stale() == {"finance_records"}
        ui.materialize("finance_records")
        assert ui.stale() == {"monthly_statement"}
        ui.materialize("monthly_statement")
        ui.materialize("finance_records")
        assert ui.stale() == set()


def test_lines_are_stale_when_an_inventory_changes_what_they_are_matched_by(ui: Ui) -> None:
    drop(ui.project, APRIL, "1001")
    inventory = b"id,name,type,account,project\n7,web-01,droplet,77,%s\n"
    ui.project.drop("inventory.csv", inventory % b"shop")
    ui.all(APRIL)
    ui.project.drop("later.csv", inventory % b"blog")
    ui.materialize("documents", "cloud_resources")
    assert ui.stale() == set()
    ui.project.drop("changed.csv", (inventory % b"blog").replace(b"web-01", b"web-02"))
    ui.materialize("documents", "cloud_resources")
    assert ui.stale() == {"cost_lines"}
    ui.materialize("cost_lines")
    # No line has its resource any more, and so has no line of the export.
    assert ui.stale() == {"tax_split_totals", "finance_records", "focus_export", "monthly_statement"}


def test_both_months_are_stale_where_an_invoice_has_moved_from_one_to_the_other(ui: Ui) -> None:
    drop(ui.project, APRIL, "1001")
    drop(ui.project, APRIL, "1002", "$5.00")
    ui.all(APRIL, MAY)
    ui.project.drop(invoice_name("2026 May", "1002"), digitalocean(line(amount="$7.00"), tax()))
    ui.materialize("documents", "raw_invoices", months=(MAY,))
    assert ui.stale(APRIL) == ui.stale(MAY) == {*MONTHLY} - {"raw_invoices"}
    ui.materialize("cost_lines", "tax_split_totals", months=(MAY,))
    assert ui.stale(APRIL) == ui.stale(MAY) == {"finance_records", "focus_export", "monthly_statement"}
    shown = ui.metadata("tax_split_totals", APRIL)
    assert (shown["invoices"], shown["gross_USD"]) == (1, 6.6)
    ui.all(APRIL, MAY)
    assert ui.stale(APRIL) == ui.stale(MAY) == set()


def test_a_month_is_stale_where_an_invoice_of_it_is_held_for_one_of_another_month(ui: Ui) -> None:
    may = line(start="2026-05-01 00:00:00 +0000", end="2026-05-31 23:59:59 +0000")
    ui.project.drop(invoice_name("2026 May", "1001", account="55"), digitalocean(may, tax()))
    ui.project.drop(invoice_name("2026 Apr", "1001", account="77"), digitalocean(line(), tax()))
    ui.all(APRIL)
    assert (ui.project.invoice()["status"], ui.stale()) == ("ready", set())
    # Finance, which knows no accounts, would take it for the one that came first.
    ui.materialize("documents", "raw_invoices", "cost_lines", "tax_split_totals", months=(MAY,))
    [april] = ui.project.query("FROM tax_split_totals WHERE account_id = '77'")
    assert april["status"] == "held"
    assert ui.stale() == {"finance_records", "focus_export", "monthly_statement"}
    assert ui.metadata("tax_split_totals", APRIL)["held"] == 1


# The code.


def test_an_asset_whose_code_has_changed_is_stale(ui: Ui, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(ui.project, APRIL, "1001")
    ui.all(APRIL)
    changed = code_version
    monkeypatch.setattr(
        versions, "code_version", lambda asset, *others: f"{changed(asset, *others)}{asset == 'cost_lines' or ''}"
    )
    ui.definitions = ui.project.definitions()
    assert ui.stale() == {"cost_lines"}
    ui.materialize("cost_lines")
    assert ui.stale() == set()


OTHERS = {
    "finance_records": ("transport", "finance", "sample"),
    "focus_export": ("reports/__init__.py", "reports/focus.py"),
    "monthly_statement": ("finance", "reports", "sample", "statement"),
}
ASSETS = (*MONTHLY, "documents", "cloud_resources")
PAGES = ("statement", "finance", "reports", "sample")
# The UI links from these to the statement's server: their months' pages, and the documents that show an invoice.
NOT_CONTENT = {"raw_invoices": PAGES, "tax_split_totals": PAGES}


@pytest.mark.parametrize("asset", ASSETS)
def test_the_code_version_of_an_asset_is_that_of_all_that_makes_it(asset: str) -> None:
    graph = build_defs(environ={}).resolve_asset_graph()
    assert graph.get(dg.AssetKey(asset)).code_version == code_version(asset, *OTHERS.get(asset, ()))
    parts = (*parts_of(asset, *OTHERS.get(asset, ())), *NOT_CONTENT.get(asset, ()), "__init__.py")
    for module in imported_by(f"{FOLDER}/{asset}.py"):
        assert any(module == part or module.startswith(f"{part}/") for part in parts), (
            f"{module} makes it too: {FOLDER}/versions.py"
        )


def imported_by(module: str) -> set[str]:
    """The modules of the package that a module imports, and those that they import, by their paths in it."""
    found: set[str] = set()
    left = [module]
    while left:
        path = left.pop()
        if path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
                below = PACKAGE.joinpath(*(node.module or "").split(".")[1:])
                files = (
                    below.with_suffix(".py"),
                    below / "__init__.py",
                    *(below / f"{name.name}.py" for name in node.names),
                    *(below / name.name / "__init__.py" for name in node.names),
                )
                left += [file.relative_to(PACKAGE).as_posix() for file in files if file.is_file()]
    return found


def test_a_code_version_changes_with_every_byte_of_its_parts_and_with_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "package"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(versions, "PACKAGE", copy)

    def now() -> dict[str, str]:
        versions._digest.cache_clear()  # noqa: SLF001 - as in a new process
        return {asset: code_version(asset, *OTHERS.get(asset, ())) for asset in ASSETS}

    try:
        before = now()
        for path, concerned in {
            "stages/cost_lines.py": {*ASSETS},
            "billing/tax.py": {*ASSETS},
            "stages/raw_invoices.sql": {*ASSETS},
            "formats/descriptions/hetzner.toml": {*ASSETS},
            f"{FOLDER}/raw_invoices.py": {"raw_invoices"},
            "statement/statement.css": {"monthly_statement"},
            "reports/focus.py": {"focus_export", "monthly_statement"},
            "finance/client.py": {"finance_records", "monthly_statement"},
            "sample/__init__.py": {"finance_records", "monthly_statement"},
            "settings.py": {*ASSETS},
            "resources.py": set(),
            "cli.py": set(),
            "sandbox/server.py": set(),
        }.items():
            content = (copy / path).read_bytes()
            (copy / path).write_bytes(content + b"\n")
            assert {asset for asset, version in now().items() if version != before[asset]} == concerned, path
            (copy / path).write_bytes(content)
        (copy / "stages" / "__pycache__").mkdir()
        (copy / "stages" / "__pycache__" / "due.cpython-311.pyc").write_bytes(b"x")
        assert now() == before
        (copy / "reports" / "focus.sql").write_bytes(b"SELECT 1\n")
        assert {asset for asset, version in now().items() if version != before[asset]} == {
            "focus_export",
            "monthly_statement",
        }
        (copy / "reports" / "focus.sql").unlink()
        (copy / "stages" / "another.py").write_bytes(b"")
        assert all(version != before[asset] for asset, version in now().items())
    finally:
        versions._digest.cache_clear()  # noqa: SLF001
