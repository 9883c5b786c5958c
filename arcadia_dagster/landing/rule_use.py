"""Rules of `sources.toml` that match no document: they are misspelt, or are older than the first file."""

from collections.abc import Iterable, Iterator

import duckdb

from arcadia_dagster.billing.rules import ACCOUNT_AND_MONTH, Rule, Rules
from arcadia_dagster.formats.cost_table import columns_of, has_column
from arcadia_dagster.formats.reader import head_at
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.reading.content import DAMAGED, encoding_of
from arcadia_dagster.reading.format import Head
from arcadia_dagster.store.query import text_literal
from arcadia_dagster.toml_file import did_you_mean

_MOST_LOOKED_AT = 20
_MAGIC_BYTES = 4


def of_nothing(connection: duckdb.DuckDBPyConnection, archive: Archive, rules: Rules, formats: Formats) -> list[str]:
    """The rules that match nothing in the documents: sentences that begin with the rule.

    Args:
        connection: An open warehouse.
        archive: Where the documents are.
        rules: The rules.
        formats: The formats that documents are read by.
    """
    accounts = connection.execute("SELECT DISTINCT source, account_id FROM document_invoices ORDER BY ALL").fetchall()
    idle = []
    for rule in rules.rules:
        of_source = [f"{source}/{account}" for source, account in accounts if source == rule.source]
        if rule.account_id is None and not of_source:
            idle.append(_of_nobody(rule, {source for source, _ in accounts}))
        elif rule.account_id is not None and rule.name not in of_source:
            idle.append(_of_nobody(rule, of_source or {source for source, _ in accounts}))
        elif rule.invoice_id not in {None, ACCOUNT_AND_MONTH}:
            idle += _of_no_column(connection, archive, rule, formats)
    return idle


def _of_nobody(rule: Rule, known: Iterable[str]) -> str:
    near = did_you_mean(rule.name, known).removeprefix(";")
    return f"{rule.name}: no document has stated it yet: is it written as documents have it?{near}"


def _of_no_column(
    connection: duckdb.DuckDBPyConnection, archive: Archive, rule: Rule, formats: Formats
) -> Iterator[str]:
    """That none of the newest documents of the rule's source or account has the column that it names."""
    column = str(rule.invoice_id)
    account = "" if rule.account_id is None else f"AND account_id = {text_literal(rule.account_id)}"
    rows = connection.execute(
        f"SELECT document_sha256 FROM document_invoices WHERE source = {text_literal(rule.source)} {account} "
        f"GROUP BY ALL ORDER BY max(received_at) DESC, document_sha256 LIMIT {_MOST_LOOKED_AT}"
    ).fetchall()
    columns: dict[str, None] = {}
    for (sha256,) in rows:
        columns |= dict.fromkeys(_columns(connection, archive, sha256, formats))
    if not has_column(columns, column):
        near = did_you_mean(column, [name for name in columns if "id" in name.lower()]) or did_you_mean(
            column, list(columns)
        )
        yield (
            f'{rule.name}: invoice_id = "{column}": no document of it has such a column, so that the rule does nothing'
            f"{near or ': write the name as the header of its documents has it'}"
        )


def _columns(
    connection: duckdb.DuckDBPyConnection, archive: Archive, document_sha256: str, formats: Formats
) -> tuple[str, ...]:
    """The columns of an archived document that a rule may name; none where there are none, or nobody can tell."""
    path = archive.path_of(document_sha256)
    try:
        with path.open("rb") as file:
            is_parquet = encoding_of(file.read(_MAGIC_BYTES)) == "parquet"
        if is_parquet:
            described = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({text_literal(str(path))})").fetchall()
            head = Head(text="", newline="", columns={name: type_ for name, type_, *_ in described})
        else:
            head = head_at(path)
    except (OSError, duckdb.Error, *DAMAGED):
        return ()
    return columns_of(formats.recognise(head)[1])
