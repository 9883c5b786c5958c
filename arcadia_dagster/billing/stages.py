"""From the register to totals: the three stages of an invoice, each replacing its months in one transaction.

`raw_invoices` says which version of each invoice is current, `cost_lines` has its lines, `tax_split_totals` its totals and
whether it may be pushed. Running a stage again changes nothing; a crash leaves what was there before.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import duckdb

from arcadia_dagster.billing.currency import exponents_sql, to_minor_sql
from arcadia_dagster.billing.matching import matches_sql
from arcadia_dagster.billing.readiness import reasons, reasons_sql
from arcadia_dagster.formats.reader import Reader
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.warehouse import Warehouse, WarehouseError, schema
from arcadia_dagster.warehouse.months import month_list, replace, stale, versions

_RESTAGES = 10


@dataclass(frozen=True, slots=True)
class MonthRange:
    """The months that have a partition.

    Attributes:
        first: The first one, from ARCADIA_FIRST_MONTH.
        last: The present month (UTC).
    """

    first: date
    last: date

    def __contains__(self, month: date) -> bool:
        """Whether the month has a partition."""
        return self.first <= month <= self.last


def with_strays(connection: duckdb.DuckDBPyConnection, months: Collection[date], range_: MonthRange) -> set[date]:
    """The months, and those without a partition that have something new: no run would ever be for them."""
    return {*months, *(month for month in stale(connection) if month not in range_)}


def build_raw_invoices(warehouse: Warehouse, months: Collection[date], range_: MonthRange) -> set[date]:
    """Replace the months of `raw_invoices` by what the register says now.

    Returns:
        The months that were built: those asked for, and stray ones.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.write`.
    """
    with warehouse.write() as connection:
        wanted = with_strays(connection, months, range_)
        replace(
            connection,
            schema.RAW_INVOICES,
            wanted,
            _raw_invoices_sql(wanted),
            built_from=versions(connection, schema.DOCUMENT_INVOICES.name, wanted),
        )
    return wanted


def build_cost_lines(
    warehouse: Warehouse, archive: Archive, reader: Reader, months: Collection[date], range_: MonthRange
) -> set[date]:
    """Replace the months of `cost_lines` by the lines of their current documents.

    Documents are read without the lock. Under it the versions are compared: where another run has replaced one of the
    months meanwhile, what is missing is read and the comparison made again.

    Returns:
        The months that were built: those asked for, and stray ones.

    Raises:
        WarehouseError: A document that was accepted cannot be read any more, or other runs kept replacing the months.
        LockTimeoutError: See `Warehouse.write`.
    """
    for _ in range(_RESTAGES):
        with warehouse.read() as connection:
            wanted = with_strays(connection, months, range_)
            seen = versions(connection, schema.RAW_INVOICES.name, wanted)
            documents = _current_documents(connection, wanted)
        _stage(archive, reader, documents)
        with warehouse.write() as connection:
            if versions(connection, schema.RAW_INVOICES.name, wanted) != seen:
                continue
            connection.execute(_staged_lines_sql(reader, documents, wanted))
            replace(connection, schema.COST_LINES, wanted, _cost_lines_sql(), built_from=seen)
            connection.execute("DROP TABLE temp.staged_line")
            return wanted
    raise WarehouseError(f"cost_lines: other runs replaced the same months {_RESTAGES} times; run it again")


def build_tax_split_totals(warehouse: Warehouse, months: Collection[date], range_: MonthRange) -> set[date]:
    """Replace the months of `tax_split_totals` by the sums of their lines.

    Returns:
        The months that were built: those asked for, and stray ones.

    Raises:
        LockTimeoutError, WarehouseError: See `Warehouse.write`; also where the totals do not add up, which is a defect.
    """
    with warehouse.write() as connection:
        wanted = with_strays(connection, months, range_)
        replace(
            connection,
            schema.TAX_SPLIT_TOTALS,
            wanted,
            _totals_sql(wanted, range_),
            built_from=versions(connection, schema.COST_LINES.name, wanted),
        )
        if unequal := unreconciled(connection, wanted):
            raise WarehouseError(f"tax_split_totals: {unequal[0]}; nothing was written. This is a defect: report it")
    return wanted


def unreconciled(connection: duckdb.DuckDBPyConnection, months: Collection[date] | None = None) -> list[str]:
    """The invoices whose totals do not add up to their lines, each in a sentence; of all months where none are given.

    They can only differ by a defect of ours: net and tax must sum to gross, lines to the unrounded sums, and the lines be
    as many as the document states.
    """
    where = (
        "" if months is None else f"WHERE coalesce(total.invoice_month, line.invoice_month) IN ({month_list(months)})"
    )
    rows = connection.execute(
        f"""
        WITH line AS (
          SELECT source, account_id, external_id, invoice_month, count(*) AS line_count, sum(amount) AS amount,
            count(DISTINCT currency) AS currencies
          FROM cost_lines GROUP BY ALL
        ), stated AS (
          SELECT source, account_id, external_id, sum(line_count) AS line_count
          FROM raw_invoices WHERE status = 'current' GROUP BY ALL
        )
        SELECT coalesce(total.external_id, line.external_id), total.amount_gross_minor, total.amount_net_minor,
          total.amount_tax_minor, total.line_count, line.line_count, stated.line_count, total.amount_gross, line.amount
        FROM tax_split_totals AS total
        FULL JOIN line USING (source, account_id, external_id, invoice_month)
        LEFT JOIN stated
          ON stated.source = total.source AND stated.account_id = total.account_id
          AND stated.external_id = total.external_id
        {where}
        QUALIFY coalesce(total.line_count, -1) <> coalesce(line.line_count, -1)
          OR coalesce(total.line_count, -1) <> coalesce(stated.line_count, -1)
          OR (line.currencies = 1 AND total.amount_gross IS DISTINCT FROM line.amount)
          OR total.amount_gross_minor <> total.amount_net_minor + total.amount_tax_minor
        """.replace("QUALIFY", "AND" if where else "WHERE")
    ).fetchall()
    return [
        f"invoice {external_id}: gross {gross}, net {net}, tax {tax} minor units; {counted} lines in its totals, {lines} in "
        f"cost_lines, {stated} stated; unrounded {unrounded} against {summed}"
        for external_id, gross, net, tax, counted, lines, stated, unrounded, summed in rows
    ]


def _raw_invoices_sql(months: Collection[date]) -> str:
    """Every version of the months' invoices. The newest of an invoice is current, in whatever month it is."""
    return f"""
    SELECT invoice.*, document.file_name,
      CASE WHEN row_number() OVER (
        PARTITION BY invoice.source, invoice.account_id, invoice.external_id
        ORDER BY invoice.received_at DESC, length(document.file_name) DESC, document.file_name DESC,
          invoice.document_sha256 DESC
      ) = 1 THEN 'current' ELSE 'superseded' END AS status
    FROM document_invoices AS invoice
    JOIN documents AS document USING (document_sha256)
    SEMI JOIN (SELECT * FROM document_invoices WHERE invoice_month IN ({month_list(months)})) AS concerned
      ON concerned.source = invoice.source AND concerned.account_id = invoice.account_id
      AND concerned.external_id = invoice.external_id
    QUALIFY invoice.invoice_month IN ({month_list(months)})
    """


def _current_documents(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> list[str]:
    rows = connection.execute(
        "SELECT DISTINCT document_sha256 FROM raw_invoices "
        f"WHERE status = 'current' AND invoice_month IN ({month_list(months)}) ORDER BY document_sha256"
    ).fetchall()
    return [sha256 for (sha256,) in rows]


def _stage(archive: Archive, reader: Reader, documents: Collection[str]) -> None:
    missing = [archive.examine(sha256) for sha256 in documents if not reader.has(sha256)]
    for sha256, reading in reader.read(missing).items():
        if reading.reason is not None:
            raise WarehouseError(
                f"document {sha256}, accepted before, cannot be read any more ({reading.reason}); "
                "move the warehouse away and run `arcadia ingest` to rebuild it from the archive"
            )


def _staged_lines_sql(reader: Reader, documents: Collection[str], months: Collection[date]) -> str:
    """The lines of the months' current invoices, in a table of the connection's own."""
    return f"""
    CREATE TEMP TABLE staged_line AS
    SELECT line.*, raw.source, raw.account_id, raw.external_id, raw.invoice_month
    FROM ({reader.lines_sql(documents)}) AS line
    JOIN raw_invoices AS raw
      ON raw.document_sha256 = line.document_sha256 AND raw.invoice_ordinal = line.invoice_ordinal
      AND raw.status = 'current' AND raw.invoice_month IN ({month_list(months)})
    """


def _cost_lines_sql() -> str:
    return f"""
    SELECT line.* EXCLUDE (invoice_ordinal), match.matched_resource_id, match.match_method
    FROM temp.staged_line AS line
    JOIN ({matches_sql("temp.staged_line", "cloud_resources")}) AS match USING (document_sha256, line_number)
    """


def _totals_sql(months: Collection[date], range_: MonthRange) -> str:
    """One row an invoice. Rounding happens here, once: gross = round(all), tax = round(tax lines), net = gross - tax."""
    months_ = month_list(months)
    found = reasons(first_month=range_.first, last_month=range_.last)
    return f"""
    WITH line AS (
      SELECT source, account_id, external_id, invoice_month, count(*) AS line_count,
        list_sort(list(DISTINCT currency)) AS currencies, sum(amount) AS amount_gross,
        coalesce(sum(amount) FILTER (charge_category = 'Tax'), 0) AS amount_tax
      FROM cost_lines WHERE invoice_month IN ({months_}) GROUP BY ALL
    ), first_seen AS (
      SELECT source, account_id, external_id, min(received_at) AS received_at FROM document_invoices GROUP BY ALL
    ), conflict AS (
      SELECT own.source, own.account_id, own.external_id, min(other.account_id) AS conflicting_account
      FROM first_seen AS own JOIN first_seen AS other
        ON other.source = own.source AND other.external_id = own.external_id AND other.account_id <> own.account_id
        AND (other.received_at, other.account_id) < (own.received_at, own.account_id)
      GROUP BY ALL
    ), raw AS (
      SELECT * FROM raw_invoices WHERE status = 'current' AND invoice_month IN ({months_})
    ), duplicate AS ({_duplicates_sql(months_)}
    ), release AS (
      SELECT DISTINCT source, account_id, external_id, document_sha256 FROM decisions WHERE decision = 'release'
    ), void AS (
      SELECT source, account_id, external_id, arg_max(decided_by, decided_at) AS void_by,
        arg_max(reason, decided_at) AS void_reason
      FROM decisions WHERE decision = 'void' GROUP BY ALL
    ), exact AS MATERIALIZED (
      SELECT line.* EXCLUDE (amount_gross, amount_tax), raw.document_sha256, raw.is_final, raw.month_basis,
        raw.lines_month, raw.stated_total, raw.stated_tax, raw.stated_problem, conflict.conflicting_account,
        duplicate.duplicate_of, void.void_by, void.void_reason, release.document_sha256 IS NOT NULL AS is_released,
        CASE WHEN len(line.currencies) = 1 THEN line.currencies[1] END AS currency,
        CASE WHEN len(line.currencies) = 1 THEN line.amount_gross END AS amount_gross,
        CASE WHEN len(line.currencies) = 1 THEN line.amount_tax END AS amount_tax
      FROM line
      JOIN raw USING (source, account_id, external_id, invoice_month)
      LEFT JOIN conflict USING (source, account_id, external_id)
      LEFT JOIN duplicate USING (source, account_id, external_id)
      LEFT JOIN void USING (source, account_id, external_id)
      LEFT JOIN release
        ON release.source = line.source AND release.account_id = line.account_id
        AND release.external_id = line.external_id AND release.document_sha256 = raw.document_sha256
    ), rounded AS MATERIALIZED (  -- else its expressions are copied into every reason below
      SELECT exact.*, iso.exponent,
        {to_minor_sql("amount_gross", "iso.exponent")} AS amount_gross_minor,
        {to_minor_sql("amount_tax", "iso.exponent")} AS amount_tax_minor,
        amount_gross_minor - amount_tax_minor AS amount_net_minor
      FROM exact LEFT JOIN {exponents_sql()} AS iso USING (currency)
    ), judged AS MATERIALIZED (
      SELECT *, {reasons_sql(found, can_release=False)} AS bars, {reasons_sql(found, can_release=True)} AS doubts
      FROM rounded
    )
    SELECT source, account_id, external_id, invoice_month, currency, amount_gross_minor, amount_net_minor,
      amount_tax_minor, amount_gross, amount_tax, line_count, document_sha256,
      bars || CASE WHEN is_released THEN CAST([] AS VARCHAR[]) ELSE doubts END AS hold_reasons,
      CASE WHEN is_released THEN doubts ELSE CAST([] AS VARCHAR[]) END AS released_reasons,
      CASE WHEN len(hold_reasons) = 0 THEN 'ready' ELSE 'held' END AS status
    FROM judged
    """


def _duplicates_sql(months: str) -> str:
    """Invoices with mostly the lines of an earlier one of the month, where one of the two has no id of the provider's.

    Without the provider's id nothing else would keep the same invoice from being pushed twice. The one that came later is
    the one in doubt.
    """
    return f"""
      SELECT later.source, later.account_id, later.external_id, min(earlier.external_id) AS duplicate_of
      FROM (SELECT raw.*, first_seen.received_at AS first_received_at
        FROM raw JOIN first_seen USING (source, account_id, external_id)) AS later
      JOIN (SELECT raw.*, first_seen.received_at AS first_received_at
        FROM raw JOIN first_seen USING (source, account_id, external_id)) AS earlier
        ON earlier.source = later.source AND earlier.invoice_month = later.invoice_month
        AND (earlier.account_id = later.account_id OR 'unknown' IN (earlier.account_id, later.account_id))
        AND 'derived' IN (earlier.id_basis, later.id_basis)
        AND (earlier.first_received_at, earlier.external_id) < (later.first_received_at, later.external_id)
      JOIN (
        SELECT a.document_sha256 AS earlier_sha256, b.document_sha256 AS later_sha256,
          sum(least(a.occurrences, b.occurrences)) AS shared
        FROM {_line_occurrences(months)} AS a
        JOIN {_line_occurrences(months)} AS b ON a.line_hash = b.line_hash AND a.document_sha256 <> b.document_sha256
        GROUP BY ALL
      ) AS overlap ON overlap.earlier_sha256 = earlier.document_sha256 AND overlap.later_sha256 = later.document_sha256
      WHERE overlap.shared * 2 > least(earlier.line_count, later.line_count)
      GROUP BY ALL"""


def _line_occurrences(months: str) -> str:
    """Equal lines of the documents of months that have an invoice without the provider's id, with their number."""
    return f"""(
          SELECT document_sha256, hash(service_name, description, amount, charge_period_start) AS line_hash,
            count(*) AS occurrences
          FROM cost_lines
          WHERE invoice_month IN (SELECT invoice_month FROM raw WHERE id_basis = 'derived' GROUP BY ALL)
            AND invoice_month IN ({months})
          GROUP BY ALL)"""
