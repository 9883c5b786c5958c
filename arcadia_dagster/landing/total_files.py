"""The control totals in the inbox: `<file>.total` beside a file states the total that its lines must sum to."""

from collections.abc import Mapping, Sequence

import duckdb

from arcadia_dagster.landing.inbox import CONTROL_TOTAL_SUFFIX, Arriving, Inbox, Look
from arcadia_dagster.store.query import text_list
from arcadia_dagster.warehouse import Warehouse

_MAX_BYTES = 100_000


def text_of(file: Arriving) -> str:
    """What a control total says, as text.

    Raises:
        StillChangingError: It is gone.
        NotTakenError: It cannot be read.
    """
    beginning = next(file.content(), b"")[:_MAX_BYTES]
    return beginning.decode("utf-8-sig", "replace").strip()


def totals_of_replaced_files(inbox: Inbox, in_inbox: Look[Arriving], documents: Mapping[str, str]) -> list[Arriving]:
    """Unchanged control totals beside a file that holds another document now.

    Args:
        inbox: Where files arrive.
        in_inbox: What a look at it found.
        documents: The document that each file holds, by its path.
    """
    looked_at = {file.inbox_path for file in (*in_inbox.complete, *in_inbox.waiting)}
    paths = [
        path
        for path, sha256 in documents.items()
        if path.lower().endswith(CONTROL_TOTAL_SUFFIX)
        and path not in looked_at
        and documents.get(path[: -len(CONTROL_TOTAL_SUFFIX)], sha256) != sha256
    ]
    return [file for path in paths if (file := inbox.file_at(path)) is not None]


def stated_by_files(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """The documents that lie in the inbox with a total beside them: the path, and what stated the total."""
    rows: list[tuple[str, str]] = connection.execute(
        "SELECT DISTINCT inbox_path, stated_by FROM inbox_files JOIN document_invoices USING (document_sha256) "
        "WHERE problem IS NULL AND stated_by IS NOT NULL AND contains(lower(stated_by), lower(inbox_path)) ORDER BY ALL"
    ).fetchall()
    return rows


def totals_taken_away(stated: Sequence[tuple[str, str]], inbox: Inbox) -> dict[str, str]:
    """Control totals that are gone while their documents still lie in the inbox, by path: a sentence that they still count.

    If the document is gone too, somebody has cleared the inbox, which takes nothing back.

    Args:
        stated: See `stated_by_files`.
        inbox: The inbox.
    """
    suffixes = (CONTROL_TOTAL_SUFFIX, CONTROL_TOTAL_SUFFIX.upper())
    return {
        f"{path}{CONTROL_TOTAL_SUFFIX}": "it was deleted, but what it stated still counts: put it back; or, to take back what "
        "it stated, put a file with the word none there; then run `arcadia ingest`"
        for path, stated_by in stated
        if f"{path}{CONTROL_TOTAL_SUFFIX}".lower() in stated_by.lower().split(" and ")
        and inbox.file_at(path) is not None
        and all(inbox.file_at(f"{path}{suffix}") is None for suffix in suffixes)
    }


def documents_last_at(warehouse: Warehouse, paths: Sequence[str]) -> dict[str, str]:
    """The documents that came under these paths last, of files that are gone from the inbox since; by path."""
    if not paths:
        return {}
    with warehouse.read() as connection:
        return dict(
            connection.execute(
                "SELECT inbox_path, arg_max(document_sha256, (received_at, document_sha256)) FROM document_names "
                f"WHERE inbox_path IN ({text_list(paths)}) GROUP BY inbox_path"
            ).fetchall()
        )
