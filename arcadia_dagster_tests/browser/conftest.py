"""Debian's chromium, and pages for it. `make test-browser` runs these; `make test` needs Python alone and leaves them out."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from arcadia_dagster.demo import SAMPLE
from arcadia_dagster.reports.tax import tax_return
from arcadia_dagster.reports.tenants import tenant_month
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.statement.pages import index_path, year_path
from arcadia_dagster.statement.tax import write_tax_page
from arcadia_dagster.statement.tenant import write_tenant_page
from arcadia_dagster_tests.browser.scenes import APRIL, QUARTER, empty, hostile, many, sample
from arcadia_dagster_tests.kit.project import SECRET, Project
from arcadia_dagster_tests.kit.statement_pages import made

LEADS_HERE = "evil.example"
"""A name of somebody else's that was made to lead to this machine."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser, without its own network traffic."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is missing: install it (apt-get install chromium), then run `make test-browser` again")
    # Its sandbox needs a user other than root, which a build has not.
    arguments = [f"--host-resolver-rules=MAP {LEADS_HERE} 127.0.0.1", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """A home in each scene, by the scene's name."""
    found = {}
    for scene in (sample, hostile, many, empty):
        folder = tmp_path_factory.mktemp(scene.__name__)
        with RunningSandbox(database=folder / "finance.sqlite", secret=SECRET) as sandbox:
            project = Project(folder / "home", sandbox=sandbox)
            scene(project, SAMPLE)
            found[scene.__name__] = project
    return found


@pytest.fixture(scope="session")
def statements(projects: dict[str, Project]) -> dict[str, Path]:
    """The statement of April 2026 in each scene, by the scene's name."""
    return {scene: made(project, APRIL)[APRIL].path for scene, project in projects.items()}


@pytest.fixture(scope="session")
def other_pages(projects: dict[str, Project], statements: dict[str, Path]) -> dict[tuple[str, str], Path]:
    """The pages beside the statement, by the scene and what they are."""
    found = {}
    for scene, statement in statements.items():
        folder, project = statement.parent, projects[scene]
        with project.warehouse.read() as connection:
            taxes = tax_return(connection, QUARTER, by_month=True)
            borne = tenant_month(connection, APRIL, project.finance.tenant_id)
        found[scene, "year"] = year_path(folder, APRIL.year)
        found[scene, "index"] = index_path(folder)
        found[scene, "tax"] = write_tax_page(folder, "2026-Q2", QUARTER, taxes)
        found[scene, "tenant"] = write_tenant_page(folder, borne, company="Example Pty Ltd")
    return found
