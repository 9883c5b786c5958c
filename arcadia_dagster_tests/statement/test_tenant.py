"""A tenant's statement has what it bears, and nothing of anybody else; pages become PDF where a browser is there."""

from datetime import date
from pathlib import Path

import pytest

from arcadia_dagster.reports.tenants import TenantMonth, tenant_month, tenants_of
from arcadia_dagster.statement.pdf import NoBrowserError, write_pdf
from arcadia_dagster.statement.tenant import render_tenant, write_tenant_page
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.statement_pages import figures_of, parse

APRIL = date(2026, 4, 1)
ROUTES = """
[[route]]
source = "digitalocean"
account = "77"
project = "shop"
tenant = "acme"

[[route]]
source = "digitalocean"
account = "88"
tenant = "globex"
"""


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TenantMonth]:
    """What each tenant bears of April, by its id."""
    project = Project(tmp_path_factory.mktemp("tenants"))
    (project.home / "tenants.toml").write_text(ROUTES, encoding="utf-8")
    other = line(description="secret-db", amount="$30.00").replace(",shop,", ",vault,")
    project.drop(
        invoice_name(), digitalocean(line(amount="$10.00"), other, tax(amount="$4.01").replace(",shop,", ",,"))
    )
    project.drop(invoice_name(number="2001", account="88"), digitalocean(line(amount="$7.00")))
    project.drop(invoice_name(number="2002", account="88"), digitalocean(line(amount="$1.00"), tax(amount="$9.00")))
    project.build()
    with project.warehouse.read() as connection:
        return {tenant: tenant_month(connection, APRIL, tenant) for tenant in tenants_of(connection)}


def test_the_parts_of_all_tenants_add_up_to_the_ready_invoices(months: dict[str, TenantMonth]) -> None:
    assert months.keys() == {"acme", "globex", "platform-admin"}
    assert sum(part.gross for month in months.values() for part in month.parts) == 4401 + 700


def test_a_tenants_page_has_its_own_figures_and_no_word_of_other_tenants(months: dict[str, TenantMonth]) -> None:
    html = render_tenant(months["acme"], company="Arcadia")
    page = parse(html)
    [row] = page.one("tbody").all("tr")
    assert row.text == "DigitalOcean 1001:acme part of 1001: shop 10.00 1.00 11.00"
    assert [part["gross"] for part in figures_of(page)["parts"]] == [1100]
    for foreign in ("globex", "platform-admin", "2001", "vault", "secret-db", "30.00"):
        assert foreign not in html


def test_what_a_tenant_bears_and_is_held_is_counted_and_not_summed(months: dict[str, TenantMonth]) -> None:
    page = parse(render_tenant(months["globex"]))
    assert "1 invoice is held, and not in it yet" in page.text
    assert page.one("tfoot").text == "Together 7.00 0.00 7.00"


def test_a_tenant_whose_id_is_no_file_name_has_a_page_within_the_folder(tmp_path: Path) -> None:
    path = write_tenant_page(tmp_path, TenantMonth(APRIL, "../../etc/x", (), 0))
    assert path.parent == tmp_path
    assert path.is_file()


def test_without_a_browser_a_pdf_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoBrowserError, match="print it into a file, for which it has a style of its own"):
        write_pdf(tmp_path / "page.html")


def test_a_browser_that_makes_no_pdf_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(NoBrowserError, match="made no PDF"):
        write_pdf(tmp_path / "page.html")
    assert list(tmp_path.glob(".pdf-*")) == []
