"""What a month comes to that is not invoiced yet, what was accrued of it, and what its invoices differ by from that.

What is known of an account decides, in this order: its open invoices (previews, open billing periods) and held ones, as far as
they go; else, if the account is expected to have an invoice (see `reports.close`), the price of its last month, without the
resources that a newer inventory lists no more. What is ready to be exported as a bill is not accrued.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb

from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.billing.services import service_name_sql
from arcadia_dagster.billing.vendors import vendor_sql
from arcadia_dagster.books import record
from arcadia_dagster.books.accounts import Accounts
from arcadia_dagster.books.accruals import Accrued, changes, entry, repeated, with_reversals
from arcadia_dagster.books.bill import Bill, Charge
from arcadia_dagster.books.layouts import Layout, files
from arcadia_dagster.books.record import Booked, Export, Written
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.reports.booked import read_exports
from arcadia_dagster.reports.booking import put_on_record
from arcadia_dagster.reports.close import EXPECTED_FOR_MONTHS, Account, close
from arcadia_dagster.reports.close import accounts as accounts_seen
from arcadia_dagster.store.query import fetch, text_literal
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.months import next_month

_BOOKS: Final = "accruals"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was accrued of an account, and what it was invoiced since, net, in minor units.

    Attributes:
        booked: The accrual on record.
        invoiced_minor: The ready invoices of the month; None: none has come.
    """

    booked: Booked
    invoiced_minor: int | None

    @property
    def difference_minor(self) -> int | None:
        """The invoices less the accrual; None before they come."""
        return None if self.invoiced_minor is None else self.invoiced_minor - self.booked.bill.net_minor


@dataclass(frozen=True, slots=True)
class Accruals:
    """The accruals of a month.

    Attributes:
        entries: As they are now.
        compared: Those on record, beside the invoices.
        written: What was written now; nothing where it is on record already.
        paths: The files.
    """

    entries: tuple[Bill, ...]
    compared: tuple[Comparison, ...]
    written: tuple[Bill, ...] = ()
    paths: tuple[Path, ...] = ()


def show_accruals(warehouse: Warehouse, archive: Archive, month: date, accounts: Accounts) -> Accruals:
    """The accruals of a month; nothing is written.

    Raises:
        RecordError: A record of an earlier export cannot be read.
        LockTimeoutError, WarehouseError: See `Warehouse.read`.
        OSError: The archive cannot be read.
    """
    return _accruals(warehouse, month, accounts, read_exports(warehouse, archive))


def export_accruals(
    warehouse: Warehouse,
    archive: Archive,
    *,
    month: date,
    layout: Layout,
    accounts: Accounts,
    folder: Path,
    by: str,
    now: datetime,
    again: bool = False,
) -> Accruals:
    """Write the month's accruals as a journal, each with its reversal, and put them on record; what is on record is not written.

    Args:
        warehouse: Where the invoices are.
        archive: Where it is on record what was accrued.
        month: The month, its first day (UTC).
        layout: `journal` or `beancount`.
        accounts: The accounts of the books.
        folder: Where the file goes; it exists.
        by: Who accrues.
        now: When, with its time zone.
        again: Whether to write what is on record again, such as in another layout, before what has changed; the record notes it.

    Raises:
        RecordError, LockTimeoutError, WarehouseError: See `show_accruals`.
        OSError: The archive or a file cannot be read or written.
    """
    with warehouse.hold("landing", path=archive.lock_path):
        exports = read_exports(warehouse, archive)
        found = _accruals(warehouse, month, accounts, exports)
        known = [one.booked for one in found.compared]
        written: list[tuple[Bill, Written]] = [(bill, "again") for bill in repeated(known, month)] if again else []
        written += [(bill, "bill") for bill in changes(found.entries, known)]
        if not written:
            return found
        bills = [bill for bill, _ in written]
        texts = files(layout, with_reversals(bills), accounts)
        made = Export(now, by, _BOOKS, (), tuple(written))
        paths = put_on_record(warehouse, archive, len(exports) + 1, made, folder / f"accruals-{month:%Y-%m}", texts)
    return Accruals(found.entries, found.compared, tuple(bills), paths)


def _accruals(warehouse: Warehouse, month: date, accounts: Accounts, exports: Sequence[Export]) -> Accruals:
    last_day = next_month(month) - timedelta(days=1)
    known = [booked for booked in record.booked(exports, _BOOKS).values() if booked.bill.month == month]
    with warehouse.read() as connection:
        entries = [entry(accrued, month, last_day, accounts) for accrued in accrued_of(connection, month)]
        invoiced = {
            (source, account_id, currency): net
            for source, account_id, currency, net in connection.execute(
                "SELECT source, account_id, currency, sum(amount_net_minor)::BIGINT FROM standing_invoices "
                f"WHERE standing = 'ready' AND invoice_month = DATE '{month}' GROUP BY ALL"
            ).fetchall()
        }
    return Accruals(
        tuple(one for one in entries if one.rows),
        tuple(
            Comparison(one, invoiced.get((one.bill.source, one.bill.account_id, one.bill.currency)))
            for one in known
            if one.bill.rows
        ),
    )


def accrued_of(connection: duckdb.DuckDBPyConnection, month: date) -> list[Accrued]:
    """What is not invoiced yet of a month, by account and currency."""
    found = (*_open(connection, month), *_expected(connection, month))
    return [accrued for accrued in found if accrued.currency in EXPONENTS]


def _open(connection: duckdb.DuckDBPyConnection, month: date) -> Iterator[Accrued]:
    """Open and held invoices, as far as they go."""
    days = (next_month(month) - month).days
    for row in fetch(
        connection,
        _charges_sql(f"line.invoice_month = DATE '{month}' AND standing.standing = 'held'"),
    ):
        bases = sorted(
            f"held invoice {one['id']}"
            if one["is_final"]
            else f"open invoice, by a document of {one['came']} ({_days(one['came'], month)} of {days} days)"
            for one in row["invoices"]
        )
        yield _accrued(row, "; ".join(dict.fromkeys(bases)))


def _days(came: date, month: date) -> int:
    """How many days of the month there were when a document came."""
    return min(max((came - month).days + 1, 0), (next_month(month) - month).days)


def _expected(connection: duckdb.DuckDBPyConnection, month: date) -> Iterator[Accrued]:
    """Accounts of which an invoice is expected and nothing has come: the price of their last month."""
    # On the first of the next month the close looks at this one.
    of_close = close(accounts_seen(connection), today=next_month(month), close_day=1)
    missing = [standing for standing in of_close.standings if standing.state == "missing"]
    nets = _nets_before(connection, month) if missing else {}
    for standing in missing:
        account, last = standing.account, standing.last_month
        for currency, of_months in sorted(nets.get((account.source, account.account_id), {}).items()):
            priced = price_month(of_months, last)
            if priced is not None:
                yield from _at_price(connection, account, currency, month, priced, last)


def price_month(nets: Mapping[date, Decimal], last: date) -> date | None:
    """The month whose price an account has, by the nets of its months; None where no month is a price.

    A month below 0 is none: what is credited once is not expected again. Then it is the newest month before that is above 0.

    Args:
        nets: The ready invoices of each month, net, in one currency.
        last: The last month of the account.
    """
    if last not in nets or nets[last] >= 0:
        return last if last in nets else None
    return max((month for month, net in nets.items() if month < last and net > 0), default=None)


def _nets_before(
    connection: duckdb.DuckDBPyConnection, month: date
) -> dict[tuple[str, str], dict[str, dict[date, Decimal]]]:
    """The net of the ready invoices in each of the months by which an account is expected, by account and currency."""
    rows = connection.execute(
        f"""
        SELECT line.source, line.account_id, line.currency, line.invoice_month, sum(line.amount) FROM {_LINES}
        WHERE standing.standing = 'ready' AND line.charge_category <> 'Tax' AND line.invoice_month < DATE '{month}'
          AND line.invoice_month >= DATE '{month}' - INTERVAL {EXPECTED_FOR_MONTHS} MONTH
        GROUP BY ALL
        """
    ).fetchall()
    found: dict[tuple[str, str], dict[str, dict[date, Decimal]]] = {}
    for source, account_id, currency, of, net in rows:
        found.setdefault((source, account_id), {}).setdefault(currency, {})[of] = net
    return found


def _at_price(
    connection: duckdb.DuckDBPyConnection, account: Account, currency: str, month: date, priced: date, last: date
) -> Iterator[Accrued]:
    """An account at the price of an earlier month, without the resources that a newer inventory lists no more."""
    where = (
        f"line.invoice_month = DATE '{priced}' AND standing.standing = 'ready' AND line.currency = {text_literal(currency)} "
        f"AND line.source = {text_literal(account.source)} AND line.account_id = {text_literal(account.account_id)}"
    )
    gone = f"""
    line.matched_resource_id IN (
      SELECT resource_id FROM cloud_resources AS resource
      WHERE resource.account_id IN (line.account_id, 'unknown') AND resource.last_seen_at < DATE '{month}'
        AND (SELECT max(last_seen_at) FROM cloud_resources AS other WHERE other.account_id = resource.account_id)
          >= DATE '{month}')"""
    for row in fetch(connection, _charges_sql(f"{where} AND NOT coalesce({gone}, false)")):
        left_out = connection.execute(
            f"SELECT count(DISTINCT line.matched_resource_id) FROM {_LINES} WHERE {where} AND {gone}"
        ).fetchone()
        without = f", without {left_out[0]} resources that inventory lists no more" if left_out and left_out[0] else ""
        below = "" if priced == last else f" and {last:%Y-%m} comes to less than 0"
        yield _accrued(row, f"price of {priced:%Y-%m}, for nothing of {month:%Y-%m} has come{below}{without}")


_LINES: Final = """cost_lines AS line
    JOIN current_invoices AS raw USING (source, account_id, external_id, document_sha256)
    JOIN standing_invoices AS standing
      ON standing.source = line.source AND standing.account_id = line.account_id
      AND standing.external_id = line.external_id"""


def _charges_sql(where: str) -> str:
    """SQL: the lines that are not tax, by account and currency: `charges` by tenant, service and project, and `invoices`."""
    service = service_name_sql(
        "line.service_name", category="line.charge_category", vendor=vendor_sql("line.source", "NULL")
    )
    return f"""
    SELECT source, account_id, currency, any_value(vendor_name) AS vendor_name,
      list(struct_pack(tenant := tenant, what := what, project := project, amount := amount) ORDER BY ALL) AS charges,
      list_distinct(flatten(list(invoices))) AS invoices
    FROM (
      SELECT line.source, line.account_id, line.currency, coalesce(part.tenant_id, '') AS tenant, {service} AS what,
        nullif(trim(line.project), '') AS project, sum(line.amount) AS amount,
        any_value({vendor_sql("line.source", "raw.vendor_name", "raw.vendor_by_rule")}) AS vendor_name,
        list(DISTINCT struct_pack(id := line.external_id, is_final := raw.is_final, came := CAST(raw.received_at AS DATE)))
          AS invoices
      FROM {_LINES}
      LEFT JOIN invoice_parts AS part
        ON part.source = line.source AND part.account_id = line.account_id
        AND part.invoice_external_id = line.external_id
        AND (len(part.projects) = 0 OR list_contains(part.projects, trim(coalesce(line.project, ''))))
      WHERE {where} AND line.charge_category <> 'Tax'
      GROUP BY ALL
    )
    GROUP BY ALL ORDER BY ALL
    """


def _accrued(row: Mapping[str, Any], basis: str) -> Accrued:
    charges = tuple(
        (one["tenant"], Charge(is_tax=False, what=one["what"], project=one["project"], amount=one["amount"]))
        for one in row["charges"]
    )
    return Accrued(row["source"], row["account_id"], row["currency"], row["vendor_name"], charges, basis)
