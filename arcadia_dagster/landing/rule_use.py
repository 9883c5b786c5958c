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
from arcadia_dagster.warehouse import Warehouse

_MOST_LOOKED_AT = 20
_MAGIC_BYTES = 4


def of_nothing(warehouse: Warehouse, archive: Archive, rules: Rules, formats: Formats) -> list[str]:
    """The rules that match nothing in the documents: sentences that begin with the rule.

    Documents are read, of which the archive may be a bucket, while the warehouse is not open.

    Args:
        warehouse: Where they are registered.
        archive: Where the documents are.
        rules: The rules.
        formats: The formats that documents are read by.
    """
    with warehouse.read() as connection:
        accounts = connection.execute(
            "SELECT DISTINCT source, account_id FROM document_invoices ORDER BY ALL"
        ).fetchall()
        newest = {rule: _newest(connection, rule) for rule in rules.rules if _names_column(rule)}
    idle = []
    for rule in rules.rules:
        of_source = [f"{source}/{account}" for source, account in accounts if source == rule.source]
        if rule.account_id is None and not of_source:
            idle.append(_of_nobody(rule, {source for source, _ in accounts}))
        elif rule.account_id is not None and rule.name not in of_source:
            idle.append(_of_nobody(rule, of_source or {source for source, _ in accounts}))
        elif rule in newest:
            idle += _of_no_column(warehouse, archive, rule, newest[rule], formats)
    return idle


def _names_column(rule: Rule) -> bool:
    return rule.invoice_id not in {None, ACCOUNT_AND_MONTH}


def _of_nobody(rule: Rule, known: Iterable[str]) -> str:
    near = did_you_mean(rule.name, known).removeprefix(";")
    return f"{rule.name}: no document has this name yet: is it spelled as in the documents?{near}"


def _newest(connection: duckdb.DuckDBPyConnection, rule: Rule) -> list[str]:
    """The newest documents of the rule's source or account, by their SHA-256."""
    account = "" if rule.account_id is None else f"AND account_id = {text_literal(rule.account_id)}"
    rows = connection.execute(
        f"SELECT document_sha256 FROM document_invoices WHERE source = {text_literal(rule.source)} {account} "
        f"GROUP BY ALL ORDER BY max(received_at) DESC, document_sha256 LIMIT {_MOST_LOOKED_AT}"
    ).fetchall()
    return [sha256 for (sha256,) in rows]


def _of_no_column(
    warehouse: Warehouse, archive: Archive, rule: Rule, documents: Iterable[str], formats: Formats
) -> Iterator[str]:
    """That none of the documents has the column that the rule names."""
    column = str(rule.invoice_id)
    columns: dict[str, None] = {}
    with warehouse.stage() as connection:
        for sha256 in documents:
            columns |= dict.fromkeys(_columns(connection, archive, sha256, formats))
    if not has_column(columns, column):
        near = did_you_mean(column, [name for name in columns if "id" in name.lower()]) or did_you_mean(
            column, list(columns)
        )
        yield (
            f'{rule.name}: invoice_id = "{column}": no document of it has such a column, so the rule does nothing'
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
