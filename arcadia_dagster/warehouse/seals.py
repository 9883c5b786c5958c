"""Seals: what tables came to when the program last wrote them, so that a row that somebody else has changed is known.

A seal counts rows and hashes them. It is written in the transaction that writes the rows: one for each table of the register,
which documents and decisions make, and of what people say in their files, one for each month of each stage and of what is on
record of finance, one for what was built of what (`stage_versions`), and one for all views. What is built of changed rows is not
sealed, so it counts as changed too, even if somebody has changed those rows back. DuckDB's hash may be another one in another
version of it: what another version has sealed is sealed anew by the next landing, and says nothing until then.

It is no signature: who changes rows on purpose can change the seal too. `arcadia verify --full` finds that.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Final

import duckdb

from arcadia_dagster.store.query import has_row, text_list, text_literal
from arcadia_dagster.store.table import Table
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.digests import NO_ROWS, contents, digests, digests_by_month, moved
from arcadia_dagster.warehouse.months import month_list, touch
from arcadia_dagster.warehouse.rows import insert

OF_A_RECORDS_FILE: Final = ("record_bytes", "record_changed_ns")
"""The columns of `documents` that are no fact of the document: how long its record was, and when its file was changed."""

OF_DOCUMENTS: Final = (
    schema.DOCUMENT_NAMES,
    schema.DOCUMENT_INVOICES,
    schema.DOCUMENT_CONTENTS,
    schema.BOOK_EXPORTS,
    schema.STATED_INVOICES,
    schema.STATED_TAXES,
    schema.INVOICE_EVIDENCE,
    schema.BILLING_PERIODS,
    schema.DELIVERY_FILES,
    schema.DECISIONS,
    schema.INVOICE_ALIASES,
    schema.INVENTORIES,
)
"""The tables beside `documents` that landing fills with what documents state and people decide, and what is in the books."""

REGISTER: Final = (
    # The stage `cost_lines` notes lost bytes as well.
    schema.DOCUMENTS.without(("bytes_damage", *OF_A_RECORDS_FILE)),
    *OF_DOCUMENTS,
    # What is counted as seen is not taken.
    schema.INBOX_FILES,
)
"""The tables that landing fills with what documents state and people decide, and with the files that it has seen."""

SAID: Final = (
    schema.TENANT_ROUTES,
    schema.SOURCE_RULES,
    schema.OWN_TAX_IDS,
    schema.APPROVAL_LIMITS,
    schema.BUDGETS,
)
"""The tables that landing fills with what people's files and settings say."""

STAGES: Final[Mapping[str, tuple[Table, ...]]] = {
    schema.RAW_INVOICES.name: (schema.RAW_INVOICES,),
    # What a line is matched to is decided anew with each inventory, and finance is not told.
    schema.COST_LINES.name: (schema.COST_LINES.without(("matched_resource_id", "match_method")),),
    schema.TAX_SPLIT_TOTALS.name: (schema.TAX_SPLIT_TOTALS, schema.ALLOCATIONS),
}
"""The tables that each stage makes."""

LEDGER: Final[Mapping[str, tuple[Table, ...]]] = {
    schema.FINANCE_RECORDS.name: (schema.FINANCE_RECORDS,),
    schema.FINANCE_ATTEMPTS.name: (schema.FINANCE_ATTEMPTS,),
}
"""The tables of what is on record of finance, as in `STAGES`."""

_BY_MONTH: Final = {**STAGES, **LEDGER}
"""What is sealed by month."""

VIEWS: Final = "views"
"""The subject of the seal of all views."""

_VERSIONS: Final = {
    # A page that somebody should have made anew is no wrong figure in finance.
    schema.STAGE_VERSIONS.name: (
        "stage, invoice_month, version, built_from",
        "stage_versions WHERE stage <> 'monthly_statement'",
    )
}
"""The versions that figures were built of: the columns that count, and the rows."""

_WHOLE: Final = {**{table.name: (table.column_names, table.name) for table in (*REGISTER, *SAID)}, **_VERSIONS}
"""What is sealed as a whole, likewise."""

_VIEWS: Final = {
    VIEWS: (
        "view_name, sql",
        "system.main.duckdb_views() WHERE database_name = system.main.current_database() AND NOT internal",
    )
}
"""All views, likewise: their names and definitions."""


def seal_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Seal everything as it is: what an earlier version of the program has written, or another version of DuckDB has sealed."""
    connection.execute("DELETE FROM seals")
    _insert(connection, {(subject, None): content for subject, content in _of_register(connection).items()})
    _seal_all_months(connection, _BY_MONTH)


def seal_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Seal the views as they are: those that the program has just made."""
    _seal(connection, digests(connection, _VIEWS))


def seal_ledger(connection: duckdb.DuckDBPyConnection) -> None:
    """Seal what is on record of finance as it is: what another warehouse has handed over."""
    connection.execute(f"DELETE FROM seals WHERE subject IN ({text_list(LEDGER)})")
    _seal_all_months(connection, LEDGER)


def _seal_all_months(connection: duckdb.DuckDBPyConnection, by_month: Mapping[str, tuple[Table, ...]]) -> None:
    """Seal all months of these, which have no seals."""
    for subject, tables in by_month.items():
        _insert(connection, {(subject, month): content for month, content in contents(connection, tables).items()})


@contextmanager
def building(
    connection: duckdb.DuckDBPyConnection, stage: str, months: Collection[date], built_from: Mapping[date, int]
) -> Iterator[None]:
    """Within the block, a stage builds months. They are counted as built, and sealed if what they are built of was not changed.

    Args:
        connection: A connection of `Warehouse.write`.
        stage: The stage.
        months: The months.
        built_from: See `months.touch`.
    """
    changed = _changed_before(connection)
    before = [*STAGES][: [*STAGES].index(stage)]
    is_sound = not changed and not any(_changed_of(connection, one, months) for one in before)
    yield
    touch(connection, stage, months, built_from)
    if is_sound:
        _seal_months(connection, stage, months)
    if schema.STAGE_VERSIONS.name not in changed:
        _seal(connection, digests(connection, _VERSIONS))


def _seal(connection: duckdb.DuckDBPyConnection, contents_by_subject: Mapping[str, str]) -> None:
    """Seal these subjects with what they come to."""
    if contents_by_subject:
        connection.execute(f"DELETE FROM seals WHERE subject IN ({text_list(contents_by_subject)})")
        _insert(connection, {(subject, None): content for subject, content in contents_by_subject.items()})


def _seal_months(connection: duckdb.DuckDBPyConnection, stage: str, months: Collection[date]) -> None:
    """Seal the months of a stage as they are."""
    connection.execute(
        f"DELETE FROM seals WHERE subject = {text_literal(stage)} AND invoice_month IN ({month_list(months)})"
    )
    found = contents(connection, STAGES[stage], months)
    _insert(connection, {(stage, month): content for month, content in found.items()})


def changed_months(
    connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None
) -> list[tuple[str, date]]:
    """The stages and months whose rows are not those that were built, and then the ledger's that no delivery wrote, in order.

    Args:
        connection: An open warehouse.
        months: The months to look at; None: all.
    """
    if not _are_of_now(connection):
        return []
    return [(subject, month) for subject in _BY_MONTH for month in _changed_of(connection, subject, months)]


def changed_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables of the register whose rows are not those that landing wrote; `views` where those are not the program's."""
    if not _are_of_now(connection):
        return []
    sealed = _sealed(connection)
    now = _of_register(connection)
    # What has no seal has no rows: nothing was written yet.
    return [subject for subject, content in now.items() if sealed.get(subject, NO_ROWS) != content]


def changed_subjects(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """What somebody else has changed, in words: the tables of the register, and the stages of months."""
    months = (f"{stage} of {month:%Y-%m}" for stage, month in changed_months(connection))
    return [*changed_tables(connection), *months]


def not_as_written(subject: str) -> str:
    """The words for a subject that somebody else has changed."""
    return f"{subject} {'are' if subject == VIEWS else 'is'} not what was written"


@contextmanager
def sealed_anew(connection: duckdb.DuckDBPyConnection, stage: str) -> Iterator[None]:
    """Within the block, rows of any month may be written. Months that somebody else has changed before keep their seal.

    Args:
        connection: A connection of `Warehouse.write`.
        stage: The stage whose tables are written.
    """
    sealed, before = _sealed_months(connection, stage, None), contents(connection, STAGES[stage])
    yield
    after = contents(connection, STAGES[stage])
    changed = _differing(stage, sealed, before)
    written = _differing(stage, before, after)
    _seal_months(connection, stage, [month for month in written if month not in changed])


@contextmanager
def sealed_ledger(connection: duckdb.DuckDBPyConnection, where: str) -> Iterator[None]:
    """Within the block, rows of the ledger may be written that a condition names, before or after, and no others.

    A month's seal changes by what these rows change: so what somebody else has changed in them, or in others, stays known.

    Args:
        connection: A connection of `Warehouse.write`.
        where: SQL over both tables of the ledger: the condition.
    """
    tables = [table for tables in LEDGER.values() for table in tables]
    before = digests_by_month(connection, tables, where)
    yield
    after = digests_by_month(connection, tables, where)
    written = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    # What another version of DuckDB has sealed says nothing: the next landing seals it.
    if not written or not _are_of_now(connection):
        return
    which = f"subject IN ({text_list(LEDGER)}) AND invoice_month IN ({month_list({month for _, month in written})})"
    rows = connection.execute(f"SELECT subject, invoice_month, content FROM seals WHERE {which}").fetchall()
    sealed = {(subject, month): content for subject, month, content in rows}
    none = (0, 0)
    anew = {key: moved(sealed.get(key, NO_ROWS), before.get(key, none), after.get(key, none)) for key in written}
    connection.execute(f"DELETE FROM seals WHERE {which}")
    # Nothing is no month.
    _insert(connection, {key: content for key, content in {**sealed, **anew}.items() if content != NO_ROWS})


@contextmanager
def sealed_register(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Within the block, tables of the register, and of what people say, may be written.

    Those that somebody else has changed before keep their seal.

    Args:
        connection: A connection of `Warehouse.write`.
    """
    changed = _changed_before(connection)
    yield
    sealed = _sealed(connection)
    _seal(
        connection,
        {
            subject: content
            for subject, content in _of_tables(connection).items()
            if subject not in changed and sealed.get(subject) != content
        },
    )


def _changed_before(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """What somebody else has changed before a write; what another version of DuckDB has sealed is sealed anew, as it is."""
    if not _are_of_now(connection):
        seal_all(connection)
    return changed_tables(connection)


def _are_of_now(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether this version of DuckDB has sealed the warehouse, or nothing has. It seals everything before it seals anything."""
    return has_row(
        connection, f"SELECT 1 FROM seals HAVING count(*) = 0 OR bool_or(sealed_by = '{duckdb.__version__}')"
    )


def _sealed(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(connection.execute("SELECT subject, content FROM seals WHERE invoice_month IS NULL").fetchall())


def _changed_of(connection: duckdb.DuckDBPyConnection, stage: str, months: Collection[date] | None) -> list[date]:
    """The months of one stage whose rows are not those that were built, in order."""
    return _differing(stage, _sealed_months(connection, stage, months), contents(connection, _BY_MONTH[stage], months))


def _differing(stage: str, before: Mapping[date, str], after: Mapping[date, str]) -> list[date]:
    """The months in which a stage comes to something else, in order; a month that is not there has no rows."""
    nothing = " ".join("0" for _ in _BY_MONTH[stage])
    return [m for m in sorted({*before, *after}) if before.get(m, nothing) != after.get(m, nothing)]


def _sealed_months(
    connection: duckdb.DuckDBPyConnection, stage: str, months: Collection[date] | None
) -> dict[date, str]:
    where = "IS NOT NULL" if months is None else f"IN ({month_list(months)})"
    return dict(
        connection.execute(
            f"SELECT invoice_month, content FROM seals WHERE subject = {text_literal(stage)} AND invoice_month {where}"
        ).fetchall()
    )


def _of_register(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What the tables that are sealed as a whole, and the views, come to as they are now."""
    return digests(connection, {**_WHOLE, **_VIEWS})


def _of_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The same of the tables alone."""
    return digests(connection, _WHOLE)


def _insert(connection: duckdb.DuckDBPyConnection, seals: Mapping[tuple[str, date | None], str]) -> None:
    rows = [
        {"subject": subject, "invoice_month": month, "content": content, "sealed_by": duckdb.__version__}
        for (subject, month), content in seals.items()
    ]
    insert(connection, schema.SEALS, rows)
