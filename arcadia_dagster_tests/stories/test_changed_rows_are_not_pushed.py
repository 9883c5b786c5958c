"""Somebody changes a row of the warehouse with a program of their own: no invoice that depends on it reaches finance."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from arcadia_dagster.ledger.agreement import attempts_changed, disagreeing
from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.stages.due import MonthRange
from arcadia_dagster.stages.raw_invoices import build_raw_invoices
from arcadia_dagster.stages.tax_split_totals import build_tax_split_totals
from arcadia_dagster.store.table import Column
from arcadia_dagster.warehouse import WarehouseError, schema
from arcadia_dagster.warehouse.seals import changed_months, changed_tables, seal_views
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.past import home_with_a_past
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line, tax
from arcadia_dagster_tests.kit.shell import Shell

MAY = {"start": "2026-05-01 00:00:00 +0000", "end": "2026-05-31 23:59:59 +0000"}
IN_MAY = invoice_name("2026 May", "2001")
ADVICE = (
    "somebody has changed a table of the warehouse, and `arcadia rebuild` makes a new one; or it is a defect: report it"
)
OF_APRIL = {
    "a held invoice is made ready": (
        "UPDATE tax_split_totals SET status = 'ready', hold_reasons = [], can_release = false WHERE status = 'held'",
        "tax_split_totals of 2026-04",
    ),
    "usage is made tax, and the totals too": (
        """
        UPDATE cost_lines SET charge_category = 'Tax' WHERE external_id = '1001';
        UPDATE tax_split_totals SET amount_tax = amount_gross, amount_tax_minor = amount_gross_minor, amount_net_minor = 0
        WHERE external_id = '1001';
        UPDATE allocations SET amount_tax_minor = amount_gross_minor, amount_net_minor = 0 WHERE external_id = '1001'
        """,
        "cost_lines of 2026-04",
    ),
    "another currency everywhere": (
        """
        UPDATE cost_lines SET currency = 'AUD' WHERE external_id = '1001';
        UPDATE tax_split_totals SET currency = 'AUD' WHERE external_id = '1001';
        UPDATE allocations SET currency = 'AUD' WHERE external_id = '1001'
        """,
        "cost_lines of 2026-04",
    ),
    "the last column of two rows": (
        "UPDATE allocations SET line_count = 99 WHERE external_id IN ('1001', '1002')",
        "tax_split_totals of 2026-04",
    ),
    "another tenant": ("UPDATE allocations SET tenant_id = 'another'", "tax_split_totals of 2026-04"),
    "another vendor": ("UPDATE raw_invoices SET vendor_name = 'another'", "raw_invoices of 2026-04"),
    "another service": ("UPDATE cost_lines SET service_name = 'Taxes'", "cost_lines of 2026-04"),
}
OF_REGISTER = {
    "a void is forgotten": ("DELETE FROM decisions WHERE decision = 'void'", "decisions"),
    "a release is made up": ("UPDATE decisions SET decision = 'release' WHERE decision = 'void'", "decisions"),
    "another total is stated": ("UPDATE document_invoices SET stated_total = 1", "document_invoices"),
    "a due date is stated": (
        """
        INSERT INTO stated_invoices BY NAME
        SELECT document_sha256, invoice_ordinal, 'invoice' AS kind, DATE '2026-05-05' AS due_on FROM document_invoices
        """,
        "stated_invoices",
    ),
    "the last column of all rows": ("UPDATE document_invoices SET unnamed_issuer = 'x'", "document_invoices"),
    "a view": (
        """
        CREATE OR REPLACE VIEW invoice_parts AS SELECT * EXCLUDE (external_id, tenant_id), 'another' AS tenant_id,
          external_id AS invoice_external_id, finance_external_id AS external_id FROM allocations
        """,
        "views",
    ),
    "a view, and its seal": (
        """
        DELETE FROM seals WHERE subject = 'views';
        CREATE OR REPLACE VIEW invoice_parts AS SELECT * EXCLUDE (external_id)
          REPLACE (amount_gross_minor + 100 AS amount_gross_minor), external_id AS invoice_external_id,
          finance_external_id AS external_id FROM allocations
        """,
        "views",
    ),
    "seals are removed": ("DELETE FROM seals WHERE subject = 'documents'", "documents"),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Of April an invoice that is ready, one that is held, and one that is void. Nothing is pushed yet."""
    project = Project(tmp_path_factory.mktemp("changed") / "home")
    project.drop(invoice_name(), digitalocean(line(), tax()))
    project.drop(invoice_name(number="1002"), digitalocean(line(amount="$9.00")))
    project.drop("focus.csv", as_csv(charge(BillingCurrency="EUR", ChargeDescription="in Europe"), charge()))
    project.build()
    project.settle("void", "1002")
    project.build()
    return project


@pytest.fixture
def project(kept: Project, sandbox: RunningSandbox, tmp_path: Path) -> Project:
    """A copy of it, with a finance service, and an invoice of May that nothing is wrong with."""
    shutil.copytree(kept.home, tmp_path / "home")
    return Project(tmp_path / "home", sandbox=sandbox)


def changed(project: Project) -> list[tuple[str, date]]:
    with project.warehouse.read() as connection:
        return changed_months(connection)


def reasons(project: Project) -> dict[str, str]:
    """What is not pushed, by the invoice's id, and why."""
    return {invoice.external_id: reason for invoice, reason in project.push().barred.items()}


def test_where_nothing_was_changed_nothing_is_kept_back(project: Project, sandbox: RunningSandbox) -> None:
    assert reasons(project) == {}
    assert [row["external_id"] for row in sandbox.invoices()] == ["1001"]


@pytest.mark.parametrize(("statements", "subject"), OF_APRIL.values(), ids=OF_APRIL)
def test_of_a_month_that_was_changed_nothing_is_pushed_and_the_others_are(
    project: Project, sandbox: RunningSandbox, statements: str, subject: str
) -> None:
    project.change(statements)
    project.drop(IN_MAY, digitalocean(line(**MAY)))
    project.build()
    assert [row["external_id"] for row in sandbox.invoices()] == ["2001"]
    assert reasons(project)["1001"] == f"{subject} is not what was written: {ADVICE}"


@pytest.mark.parametrize(("statements", "table"), OF_REGISTER.values(), ids=OF_REGISTER)
def test_where_the_register_was_changed_nothing_is_pushed_whatever_is_built_of_it(
    project: Project, sandbox: RunningSandbox, statements: str, table: str
) -> None:
    project.change(statements)
    project.drop(IN_MAY, digitalocean(line(**MAY)))
    project.build()
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$8.00")))
    project.build()
    assert sandbox.invoices() == []
    with project.warehouse.read() as connection:
        assert changed_tables(connection) == [table]
    assert reasons(project)["2001"] == f"{table} {'are' if table == 'views' else 'is'} not what was written: {ADVICE}"


OF_DEFINITIONS = {
    "a column more": "ALTER TABLE documents ADD COLUMN somebodys INTEGER",
    "an index": "CREATE UNIQUE INDEX somebodys ON decisions (decision)",
}
OF_WHAT_IT_IS_BUILT = {
    "tenant_routes": ("UPDATE tenant_routes SET tenant_id = 'another'", "tax_split_totals"),
    "decisions": ("DELETE FROM decisions", "tax_split_totals"),
    "cost_lines": ("UPDATE cost_lines SET currency = 'AUD'", "tax_split_totals"),
    "document_invoices": ("UPDATE document_invoices SET vendor_name = 'another'", "raw_invoices"),
}


@pytest.mark.parametrize("table", OF_WHAT_IT_IS_BUILT)
def test_what_is_built_of_changed_rows_is_not_pushed_even_if_they_are_changed_back(
    project: Project, sandbox: RunningSandbox, table: str
) -> None:
    statement, stage = OF_WHAT_IT_IS_BUILT[table]
    with duckdb.connect(str(project.warehouse.path)) as connection:
        before = connection.execute(f"FROM {table}").to_arrow_table()
    project.change(statement)
    with project.warehouse.write() as connection:
        months = [date(2026, 4, 1)], MonthRange.since(date(2026, 1, 1))
        if stage == "raw_invoices":
            build_raw_invoices(connection, *months)
        else:
            build_tax_split_totals(connection, *months)
    with duckdb.connect(str(project.warehouse.path)) as connection:
        connection.execute(f"DELETE FROM {table}")
        connection.register("before", before)
        connection.execute(f"INSERT INTO {table} FROM before")
    assert before.num_rows > 0
    assert changed(project) == [(stage, date(2026, 4, 1))]
    assert reasons(project) != {}
    assert sandbox.invoices() == []


def test_a_correction_is_not_hidden_by_a_changed_version(project: Project, sandbox: RunningSandbox) -> None:
    project.push()
    project.drop("newer/" + invoice_name(), digitalocean(line(amount="$70.00"), tax()))
    project.landed_problems()
    project.change(
        """
        UPDATE stage_versions SET built_from = (
          SELECT version FROM stage_versions WHERE stage = 'document_invoices' AND invoice_month = DATE '2026-04-01'
        ) WHERE stage = 'raw_invoices' AND invoice_month = DATE '2026-04-01'
        """
    )
    assert reasons(project)["1001"] == f"stage_versions is not what was written: {ADVICE}"
    with project.warehouse.read() as connection:
        assert changed_tables(connection) == ["stage_versions"]


def settled_and_built(project: Project) -> None:
    project.settle("void", "1001")
    project.build()


@pytest.mark.parametrize("statement", OF_DEFINITIONS.values(), ids=OF_DEFINITIONS)
def test_what_a_changed_definition_breaks_is_one_line_that_names_it_with_the_remedy(
    project: Project, statement: str
) -> None:
    project.change(statement)
    with pytest.raises(WarehouseError, match=r"which is not the program's\): run `arcadia rebuild`"):
        settled_and_built(project)


def test_a_month_that_was_never_built_is_known(project: Project, sandbox: RunningSandbox) -> None:
    copied = ("raw_invoices", "cost_lines", "tax_split_totals", "allocations")
    march = "SELECT * REPLACE (DATE '2026-03-01' AS invoice_month)"
    project.change(
        ";".join(f"INSERT INTO {name} BY NAME {march} FROM {name} WHERE external_id = '1001'" for name in copied),
    )
    assert {stage for stage, _ in changed(project)} == {"raw_invoices", "cost_lines", "tax_split_totals"}
    project.push()
    assert sandbox.invoices() == []


def test_a_function_in_the_warehouse_is_named_and_nothing_is_pushed(
    project: Project, sandbox: RunningSandbox, arcadia: Shell
) -> None:
    project.change("CREATE MACRO nullif(a, b) AS 'EVIL'", "CREATE MACRO concat_ws(a, b, c, d, e) AS '1'")
    said = arcadia("verify", code=1, ARCADIA_HOME=str(project.home)).stdout
    for name in ("concat_ws", "nullif"):
        assert f"the function {name} is not the program's, and may stand for one of DuckDB's" in said
    with pytest.raises(WarehouseError, match=r"the function concat_ws is not the program's.*run `arcadia rebuild`"):
        project.push()
    assert sandbox.invoices() == []


def test_a_changed_view_is_named_even_if_its_seal_was_changed_too(project: Project, arcadia: Shell) -> None:
    project.change(OF_REGISTER["a view"][0])
    with project.warehouse.write() as connection:
        seal_views(connection)
        assert changed_tables(connection) == []
    said = arcadia("verify", code=1, ARCADIA_HOME=str(project.home)).stdout
    assert "the view invoice_parts is not the program's; build it anew" in said


ON_RECORD = {
    "finance's id is forgotten": (
        "UPDATE finance_records SET finance_invoice_id = NULL",
        "finance's id for it is missing",
    ),
    "it is another invoice": ("UPDATE finance_records SET invoice_external_id = 'x'", "its record is about invoice x"),
}


@pytest.mark.parametrize(("statement", "said"), ON_RECORD.values(), ids=ON_RECORD)
def test_what_finance_has_is_pushed_to_no_other_tenant_where_its_record_was_changed(
    project: Project, sandbox: RunningSandbox, arcadia: Shell, statement: str, said: str
) -> None:
    assert reasons(project) == {}
    project.change(statement)
    assert said in arcadia("verify", code=1, ARCADIA_HOME=str(project.home)).stdout
    (project.home / "tenants.toml").write_text('[[route]]\nsource = "digitalocean"\ntenant = "acme"\n')
    arcadia("ingest", ARCADIA_HOME=str(project.home))
    assert said in reasons(project)["1001"]
    assert {row["tenant_id"] for row in sandbox.invoices()} == {"platform-admin"}


UNTOLD = {
    "the projects of a part": "UPDATE finance_records SET projects = ['shop']",
    "when it is tried again": "UPDATE finance_records SET not_before = TIMESTAMP '2099-01-01'",
    "who delivered": "UPDATE finance_attempts SET delivery_id = 'x'",
}


@pytest.mark.parametrize("statement", UNTOLD.values(), ids=UNTOLD)
def test_a_changed_record_that_its_attempts_do_not_tell_is_known_until_a_person_takes_it_over(
    project: Project, sandbox: RunningSandbox, arcadia: Shell, statement: str
) -> None:
    assert reasons(project) == {}
    project.change(statement)
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$8.00")))
    project.drop(IN_MAY, digitalocean(line(**MAY)))
    project.build()
    assert {row["external_id"] for row in sandbox.invoices()} == {"1001", "2001"}
    subject = f"{statement.split()[1]} of 2026-04"
    home = str(project.home)
    assert f"{subject}: it is not what deliveries wrote" in arcadia("verify", code=1, ARCADIA_HOME=home).stdout
    assert reasons(project)["1003"].startswith(
        f"{subject} is not what was written: somebody has changed what is on rec"
    )
    arcadia("rebuild", ARCADIA_HOME=home)
    assert reasons(project) == {}
    assert {row["external_id"] for row in sandbox.invoices()} == {"1001", "1003", "2001"}


SENT = {
    "another amount": "UPDATE finance_attempts SET payload = replace(payload, ':660,', ':999,')",
    "another document": "UPDATE finance_attempts SET document_sha256 = 'x'",
}


@pytest.mark.parametrize("statement", SENT.values(), ids=SENT)
def test_an_attempt_that_says_it_sent_something_else_is_doubted(
    project: Project, arcadia: Shell, statement: str
) -> None:
    assert reasons(project) == {}
    project.change(statement)
    assert "what it sent is" in arcadia("verify", code=1, ARCADIA_HOME=str(project.home)).stdout


def test_after_a_rebuild_what_is_right_is_pushed(project: Project, sandbox: RunningSandbox, arcadia: Shell) -> None:
    project.change(f"{OF_REGISTER['a void is forgotten'][0]};{OF_APRIL['a held invoice is made ready'][0]}")
    assert reasons(project)
    home = str(project.home)
    assert "decisions: it is not what landing wrote" in arcadia("verify", code=1, ARCADIA_HOME=home).stdout
    arcadia("rebuild", ARCADIA_HOME=home)
    assert reasons(project) == {}
    assert [row["external_id"] for row in sandbox.invoices()] == ["1001"]


def test_a_month_that_was_changed_is_right_once_it_is_built_again(project: Project, sandbox: RunningSandbox) -> None:
    project.change(OF_APRIL["usage is made tax, and the totals too"][0])
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$8.00")))
    project.build()
    assert {row["external_id"]: row["amount_tax_minor"] for row in sandbox.invoices()} == {"1001": 60, "1003": 0}


def test_a_seal_of_another_version_of_duckdb_says_nothing_and_the_next_is_of_this_one(
    project: Project, sandbox: RunningSandbox
) -> None:
    project.change(
        "UPDATE seals SET sealed_by = '0.1'",
    )
    assert reasons(project) == {}
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$8.00")))
    project.build()
    project.change(OF_REGISTER["a void is forgotten"][0])
    project.change(OF_APRIL["a held invoice is made ready"][0])
    with project.warehouse.read() as connection:
        assert changed_tables(connection) == ["decisions"]
        assert [stage for stage, _ in changed_months(connection)] == ["tax_split_totals"]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A home in which every table has rows."""
    return home_with_a_past(tmp_path_factory.mktemp("past"))


def noticed(connection: duckdb.DuckDBPyConnection) -> Iterator[object]:
    """What a verification that builds nothing finds of rows. Whoever wants to know whether it finds any waits for the first."""
    yield from changed_tables(connection)
    yield from changed_months(connection)
    yield from disagreeing(connection)
    yield from attempts_changed(connection)


def test_nothing_that_the_program_does_is_taken_for_a_change(past: Project) -> None:
    with past.warehouse.read() as connection:
        assert [*noticed(connection)] == []


OTHER_VALUES = {
    "VARCHAR": "coalesce({0}, '') || 'x'",
    "BOOLEAN": "NOT coalesce({0}, false)",
    "DATE": "coalesce({0}, DATE '2026-01-01') + 1",
    "TIMESTAMP": "coalesce({0}, TIMESTAMP '2026-01-01') + INTERVAL 1 SECOND",
}
PUT_RIGHT_BY_THE_NEXT_RUN = {
    "cloud_resources": "what inventories list",
}
COUNT_FOR_NOTHING = {
    "cost_lines": {"matched_resource_id", "match_method"},
    "documents": {"record_bytes", "record_changed_ns", "bytes_damage"},
    "seals": {"sealed_by"},
    "stage_versions": {"built_at"},
}
"""Columns that no figure, tenant or decision depends on, or that are compared otherwise."""


def other_value(column: Column) -> str:
    if column.type.endswith("[]"):
        return f"coalesce({column.name}, CAST([] AS {column.type})) || CAST([NULL] AS {column.type})"
    return OTHER_VALUES.get(column.type, "coalesce({0}, 0) + 1").format(column.name)


def test_another_value_in_any_column_is_known(past: Project) -> None:
    unknown = set()
    with duckdb.connect(str(past.warehouse.path)) as connection:
        for table in schema.TABLES:
            for column in table.columns if table.name not in PUT_RIGHT_BY_THE_NEXT_RUN else ():
                connection.execute("BEGIN")
                last = f"(SELECT max(rowid) FROM {table.name})"
                connection.execute(
                    f"UPDATE {table.name} SET {column.name} = {other_value(column)} WHERE rowid = {last}"
                )
                if not any(True for _ in noticed(connection)):
                    unknown.add(f"{table.name}.{column.name}")
                connection.execute("ROLLBACK")
    assert unknown == {f"{table}.{column}" for table, columns in COUNT_FOR_NOTHING.items() for column in columns}


def test_a_row_more_or_less_in_any_table_is_known(past: Project) -> None:
    unknown = set()
    with duckdb.connect(str(past.warehouse.path)) as connection:
        for table in {table.name for table in schema.TABLES} - PUT_RIGHT_BY_THE_NEXT_RUN.keys():
            last = f"WHERE rowid = (SELECT max(rowid) FROM {table})"
            for change in (f"DELETE FROM {table} {last}", f"INSERT INTO {table} FROM {table} {last}"):
                connection.execute("BEGIN")
                connection.execute(change)
                if not any(True for _ in noticed(connection)):
                    unknown.add(change.partition(" WHERE")[0])
                connection.execute("ROLLBACK")
    assert unknown == {"INSERT INTO seals FROM seals"}  # the same seal twice
