"""Documents as they lie in the archive, for tests that read them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from arcadia_dagster.formats.reader import Reader
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.reading.content import ArchivedDocument, Examiner
from arcadia_dagster.reading.format import BillingPeriod, InventoryRow, StatedInvoice
from arcadia_dagster.reading.statements import InvoiceStatement
from arcadia_dagster.warehouse import Warehouse

HEADER = ("product", "group_description", "description", "hours", "start", "end", "USD", "project_name", "category")
MAX_BYTES = 100 << 20
START, END = "2026-04-01 00:00:00 +0000", "2026-04-30 23:59:59 +0000"


def line(
    description: str = "web-01 (s-1vcpu-1gb)",
    amount: str = "$6.00",
    *,
    product: str = "Droplets",
    hours: str = "720",
    start: str = START,
    end: str = END,
    group: str = "",
) -> tuple[str, ...]:
    """The values of a line in the order of HEADER."""
    return (product, group, description, hours, start, end, amount, "shop", "iaas")


def csv_text(
    rows: Iterable[Sequence[str]], *, header: Sequence[str] = HEADER, newline: str = "\n", quote_all: bool = False
) -> str:
    """RFC 4180, with any line end. The csv module would leave a line end that is not its own without quotes."""

    def quoted(value: str) -> str:
        must_be = quote_all or any(character in value for character in ',"\r\n')
        return '"' + value.replace('"', '""') + '"' if must_be else value

    return "".join(",".join(map(quoted, row)) + newline for row in (header, *rows))


class Stated(NamedTuple):
    """What became of one document."""

    format: str | None
    reason: str | None
    invoices: tuple[StatedInvoice, ...]
    inventory: tuple[InventoryRow, ...]
    lines: list[tuple[Any, ...]]
    statements: tuple[InvoiceStatement, ...] = ()
    periods: tuple[BillingPeriod, ...] = ()


def invoices_of(document: Stated) -> list[tuple[object, ...]]:
    """Of each invoice: source, account, id, month, whether it may be pushed, and the sum of its lines."""
    return [
        (one.source, one.account_id, one.external_id, one.month, one.is_final, one.lines_total)
        for one in document.invoices
    ]


class Desk:
    """Archives documents and reads them, all at once."""

    def __init__(self, folder: Path, formats: Formats | None = None) -> None:
        self.folder = folder
        self.warehouse = Warehouse(folder / "arcadia.duckdb")
        self.reader = Reader(folder / "stages", self.warehouse.stage, formats)

    def archive(self, content: str | bytes, *, chunk: int = 1 << 20) -> ArchivedDocument:
        content = content.encode() if isinstance(content, str) else content
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.folder / sha256
        path.write_bytes(content)
        examiner = Examiner(max_bytes=MAX_BYTES)
        for start in range(0, len(content), chunk):
            examiner.update(content[start : start + chunk])
        return ArchivedDocument(sha256, path, len(content), *examiner.finish(path))

    def read(self, *contents: str | bytes, columns: str = "line_number, description, amount") -> list[Stated]:
        documents = [self.archive(content) for content in contents]
        readings = self.reader.read(documents)
        lines: dict[str, list[tuple[Any, ...]]] = {document.document_sha256: [] for document in documents}
        staged = [sha256 for sha256 in lines if self.reader.has(sha256)]
        for sha256, *values in self.lines(*staged, columns=f"document_sha256, {columns}") if staged else []:
            lines[sha256].append(tuple(values))
        found = []
        for document in documents:
            reading = readings[document.document_sha256]
            assert reading.document_sha256 == document.document_sha256
            assert (reading.document_sha256 in staged) == (
                reading.reason is None and any(not invoice.is_statement for invoice in reading.invoices)
            )
            stated = lines[document.document_sha256]
            found.append(
                Stated(
                    reading.format,
                    reading.reason,
                    reading.invoices,
                    reading.inventory,
                    stated,
                    reading.statements,
                    reading.periods,
                )
            )
        return found

    def read_cases(self, contents: Mapping[str, str | bytes], **options: str) -> dict[str, Stated]:
        """All of these documents at once, by their case."""
        return dict(zip(contents, self.read(*contents.values(), **options), strict=True))

    def lines(self, *documents: str, columns: str) -> list[tuple[Any, ...]]:
        with self.warehouse.stage() as connection:
            sql = f"SELECT {columns} FROM ({self.reader.lines_sql(documents)}) ORDER BY document_sha256, line_number"
            return connection.execute(sql).fetchall()
