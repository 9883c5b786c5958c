"""Where a relation is about nothing, the short SELECT in its place has the same columns, and the same rows."""

from datetime import date

import pytest

from arcadia_dagster.stages.doubts import Scope
from arcadia_dagster.stages.known_of_invoices import known_of_invoices
from arcadia_dagster.store.query import has_row, temporary_tables
from arcadia_dagster_tests.kit.focus import as_csv, lines_of
from arcadia_dagster_tests.kit.project import Project

APRIL = date(2026, 4, 1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An invoice that states nothing beside its lines."""
    project = Project(tmp_path_factory.mktemp("known") / "home")
    project.drop("april.csv", as_csv(*lines_of("INV-1", 1, 2)))
    project.build()
    return project


@pytest.mark.parametrize("name", ["stated", "differing", "approval"])
def test_what_stands_for_a_relation_about_nothing_is_what_that_relation_would_be(project: Project, name: str) -> None:
    with project.warehouse.write() as connection, temporary_tables(connection) as make:
        for known in known_of_invoices(Scope([APRIL], has_manifests=False)):
            if known.name == name:
                assert not has_row(connection, known.needs)
                whole, short = (connection.sql(sql) for sql in (known.sql, known.nothing))
                assert (short.columns, short.types) == (whole.columns, whole.types)
                assert short.fetchall() == whole.fetchall()
                return
            make(known.name, known.sql)
    pytest.fail("there is no such relation")
