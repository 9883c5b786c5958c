"""The ledger of one finance service. All that writes `finance_records` and `finance_attempts` is here.

Everything here runs in a transaction of the caller's.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from arcadia_dagster.ledger import states
from arcadia_dagster.ledger.states import MAY_PASS, Outcome, State
from arcadia_dagster.store.query import registered, text_list, text_literal
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.keys import DELIVERY_KEY_COLUMNS, DeliveryKey, InvoiceKey, key_condition, listed
from arcadia_dagster.warehouse.relations import SETTLED_PAYLOAD
from arcadia_dagster.warehouse.rows import arrow_table, insert
from arcadia_dagster.warehouse.seals import sealed_ledger


@dataclass(frozen=True, slots=True)
class Ledger:
    """What one finance service is on record to have.

    Attributes:
        target: The finance service, as `finance.target.target_of` names it.
    """

    target: str

    @property
    def is_own_sql(self) -> str:
        """SQL: whether a record or an attempt is about this finance service."""
        return f"(target = {text_literal(self.target)})"

    @contextmanager
    def writing(self, connection: duckdb.DuckDBPyConnection, keys: Sequence[DeliveryKey]) -> Iterator[None]:
        """Within the block, `intend` and `answer` may write what is on record of these parts: it is sealed anew, once for both.

        Args:
            connection: An open write transaction.
            keys: The parts.
        """
        with listed(connection, keys) as are_listed, sealed_ledger(connection, f"{self.is_own_sql} AND {are_listed}"):
            yield

    def intend(
        self,
        connection: duckdb.DuckDBPyConnection,
        records: Sequence[Mapping[str, Any]],
        attempts: Sequence[Mapping[str, Any]],
    ) -> None:
        """Write attempts that have no answer yet, and the records with them.

        Args:
            connection: An open write transaction, within `writing`.
            records: Rows of `finance_records`, of this target, in place of what was known before.
            attempts: Rows of `finance_attempts`, of the same parts.

        Raises:
            IllegalStepError: A state would follow one that it cannot follow: a defect.
        """
        self._replace(connection, records)
        insert(connection, schema.FINANCE_ATTEMPTS, attempts)

    def answer(
        self,
        connection: duckdb.DuckDBPyConnection,
        records: Sequence[Mapping[str, Any]],
        answers: Sequence[Mapping[str, Any]],
    ) -> None:
        """Complete attempts with their answers, and the records with them.

        Args:
            connection: An open write transaction.
            records: As in `intend`.
            answers: What changes in the attempts, each with its `attempt_id`.

        Raises:
            IllegalStepError: See `intend`.
        """
        self._replace(connection, records)
        columns = [column for column in schema.FINANCE_ATTEMPTS.columns if column.name in answers[0]]
        changes = ", ".join(f"{one.name} = answer.{one.name}" for one in columns if one.name != "attempt_id")
        with registered(connection, "answers", arrow_table(columns, answers)):
            connection.execute(
                f"UPDATE finance_attempts SET {changes} FROM answers AS answer "
                "WHERE finance_attempts.attempt_id = answer.attempt_id"
            )

    def settle(
        self, connection: duckdb.DuckDBPyConnection, keys: Sequence[DeliveryKey], note: str, *, is_gone: bool
    ) -> None:
        """Count what finance should not have as removed: if it is wanted again, it is pushed again.

        Args:
            connection: An open write transaction.
            keys: Which records.
            note: Why, for `last_error`.
            is_gone: Whether finance does not list it any more, so that its id there is void.
        """
        forget_id = "finance_invoice_id = NULL, " if is_gone else ""
        with sealed_ledger(connection, self._of(keys)):
            connection.execute(
                f"UPDATE finance_records SET {forget_id}payload_sha256 = '{SETTLED_PAYLOAD}', "
                f"last_error = {text_literal(note)} WHERE {self._of(keys)}"
            )

    def name_account(self, connection: duckdb.DuckDBPyConnection, key: DeliveryKey, account_id: str) -> None:
        """Note the account of an invoice that was pushed before its account was known: finance has the same row as before.

        Args:
            connection: An open write transaction, while no other delivery runs: it would look for the record under its key.
            key: Which record. There must be none with the new account.
            account_id: The account.
        """
        with sealed_ledger(connection, self._of([key, replace(key, account_id=account_id)])):
            for table in (schema.FINANCE_RECORDS, schema.FINANCE_ATTEMPTS):
                connection.execute(
                    f"UPDATE {table.name} SET account_id = {text_literal(account_id)} WHERE {self._of([key])}"
                )

    def failing(
        self, connection: duckdb.DuckDBPyConnection, keys: Sequence[DeliveryKey]
    ) -> dict[tuple[DeliveryKey, str], tuple[int, datetime]]:
        """How often, and since when (UTC), the payloads of invoices have failed in a row; by key and the payload's hash.

        A row begins after an attempt with another payload, after an outcome that time does not mend, and when a person asks for
        a push. An intent that was not sent is no attempt.
        """
        if not keys:
            return {}
        rows = connection.execute(
            f"""
            WITH own AS (
              SELECT * FROM finance_attempts
              WHERE {self._of(keys)} AND outcome IS DISTINCT FROM '{Outcome.NOT_SENT}'
            ), numbered AS (
              SELECT *, count(*) FILTER (is_forced OR NOT may_pass OR payload_sha256 <> payload_before) OVER
                (PARTITION BY {DELIVERY_KEY_COLUMNS} ORDER BY intended_at) AS row_number
              FROM (
                SELECT *, outcome IN ({text_list(sorted(MAY_PASS))}) AS may_pass,
                  lag(payload_sha256) OVER (PARTITION BY {DELIVERY_KEY_COLUMNS} ORDER BY intended_at) AS payload_before
                FROM own)
            ), latest AS (
              SELECT {DELIVERY_KEY_COLUMNS}, max(row_number) AS row_number FROM numbered GROUP BY ALL
            )
            SELECT {DELIVERY_KEY_COLUMNS}, payload_sha256, count(*), min(intended_at)
            FROM numbered SEMI JOIN latest USING ({DELIVERY_KEY_COLUMNS}, row_number)
            WHERE may_pass GROUP BY ALL
            """
        ).fetchall()
        return {(DeliveryKey(*key), sha256): (failures, since) for *key, sha256, failures, since in rows}

    def _replace(self, connection: duckdb.DuckDBPyConnection, records: Sequence[Mapping[str, Any]]) -> None:
        """Write records in place of what was known before, as nothing else changes a state."""
        with registered(connection, "arriving_records", arrow_table(schema.FINANCE_RECORDS.columns, records)):
            known = (
                f"FROM finance_records WHERE {self.is_own_sql} "
                f"AND ({DELIVERY_KEY_COLUMNS}) IN (SELECT ({DELIVERY_KEY_COLUMNS}) FROM arriving_records)"
            )
            rows = connection.execute(f"SELECT {DELIVERY_KEY_COLUMNS}, state {known}").fetchall()
            states_before = {DeliveryKey(*key): State(state) for *key, state in rows}
            for record in records:
                states.assert_step(states_before.get(DeliveryKey.of(record)), State(record["state"]))
            connection.execute(f"DELETE {known}")
            connection.execute("INSERT INTO finance_records BY NAME FROM arriving_records")

    def _of(self, keys: Sequence[DeliveryKey]) -> str:
        return f"{self.is_own_sql} AND {key_condition(keys)}"


def invoices_on_record(connection: duckdb.DuckDBPyConnection) -> set[InvoiceKey]:
    """The invoices that some finance service has, or may have."""
    rows = connection.execute("SELECT DISTINCT source, account_id, invoice_external_id FROM finance_records").fetchall()
    return {InvoiceKey(*row) for row in rows}


def is_on_record(connection: duckdb.DuckDBPyConnection, invoice: InvoiceKey) -> bool:
    """Whether some finance service has an invoice, or may have it."""
    of_account = f"source = {text_literal(invoice.source)} AND account_id = {text_literal(invoice.account_id)}"
    row = connection.execute(
        f"SELECT 1 FROM finance_records WHERE {of_account} AND invoice_external_id = {text_literal(invoice.external_id)} LIMIT 1"
    ).fetchone()
    return row is not None
