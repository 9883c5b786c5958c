"""Standing rules: what a person knows of a source or an account, as they write it, and as archive and warehouse have it.

It is a TOML file: who we are, and a table for each source, or account of a source:

    buyer_tax_ids = ["DE123456789"]

    [oci]
    invoice_id = "account and month"
    final_after = "5d"
    reason = "OCI's cost reports name no invoice; its invoices are one a month"

    ["aws/012345678901"]
    tolerance = 0.05
    reason = "AWS rounds its invoices a service at a time"

The archive keeps each version of the file (`archive/sources/`), so that a rebuilt warehouse has the same rules. The warehouse
keeps the rules that its documents were registered by; after a change of the file, the landing registers the documents that it
concerns anew.
"""

import json
import re
import zoneinfo
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol, Self

import duckdb

from arcadia_dagster.billing.rules import (
    ACCOUNT_AND_MONTH,
    HOLD,
    KEYS,
    PUSH,
    TAX_EXPECTED,
    TAX_NOT_STATED,
    Rule,
    Rules,
    comparable_tax_id,
)
from arcadia_dagster.kept_names import name_of, number_of, pattern_of
from arcadia_dagster.landing.issuers import OWN_SOURCE
from arcadia_dagster.landing.reasons import EXPECTED, is_reason
from arcadia_dagster.settings_file import SettingsFileError
from arcadia_dagster.store.query import fetch, text_literal
from arcadia_dagster.toml_file import (
    TomlError,
    did_you_mean,
    lines_of_keys,
    parse_toml,
    shown,
    shown_key,
)
from arcadia_dagster.toml_tables import read_if_there
from arcadia_dagster.warehouse import schema
from arcadia_dagster.warehouse.months import touch
from arcadia_dagster.warehouse.rows import insert

KEPT_IN: Final = "sources"
"""The folder of the archive with each version of the file."""

BUYERS: Final = "buyer_tax_ids"
"""What stands above all tables: our tax ids. An electronic invoice that is addressed to another one is held."""

_TAX_ID: Final = re.compile(r"[^\W_]*\d[^\W_]*")
_MOST_CHARACTERS: Final = 200
_MOST_DAYS: Final = 400
_MOST_TOLERATED: Final = Decimal(100)
_MOST_DECIMALS: Final = 4
_SOURCE = re.compile(r"[^\W_A-Z]+(-[^\W_A-Z]+)*")
_SPAN = re.compile(r"(\d{1,4})([dh])")
_ENDING: Final = "toml"
KEPT_NAME: Final = pattern_of(_ENDING)
"""What each version is called: its number, from 1, and the beginning of its SHA-256."""


class RulesError(SettingsFileError):
    """The rules cannot be right; the message names the file, the line and what is allowed. Nothing is done by half of them."""


def read_rules(path: Path, *, must_exist: bool = False) -> Rules:
    """The rules of a file; none where there is no such file.

    Args:
        path: The file.
        must_exist: Whether a person has named the file: that it is missing is then a mistake.

    Raises:
        RulesError: It is not what it should be.
    """
    try:
        text = read_if_there(path, named_by="ARCADIA_SOURCES" if must_exist else "")
    except TomlError as error:
        raise RulesError(str(error)) from error
    return Rules() if text is None else parse_rules(text, path)


def parse_rules(text: str, path: Path) -> Rules:
    """The rules that a text says, which is that of the file.

    Raises:
        RulesError: It is not what it should be.
    """
    try:
        tables = parse_toml(text, path)
    except TomlError as error:
        twice = "; each name may occur only once: put all its keys into one table" if "Cannot" in str(error) else ""
        raise RulesError(f"{error}{twice}") from error
    places = _Places(path, lines_of_keys(text))
    buyers = _buyers(tables.pop(BUYERS, None), places)
    rules = Rules(tuple(_rule(name, table, places) for name, table in tables.items()), text, buyers)
    for rule in rules.rules:
        _assert_final_after(rule, rules, places)
    return rules


class _Places:
    """Where in the file something is said, for messages."""

    def __init__(self, path: Path, lines: Mapping[tuple[str, ...], int]) -> None:
        self._path, self._lines = path, lines

    def error(self, name: str, key: str | None, what: str) -> RulesError:
        """What is wrong with a rule, or with what it says under a key."""
        # A dotted key has no line of its own for its first part.
        wanted = (name,) if key is None else (name, key)
        line = min((at for at_path, at in self._lines.items() if at_path[: len(wanted)] == wanted), default=1)
        return RulesError(f"{self._path}, line {line}: {shown_key(name)}: {what}")


def _buyers(value: object, places: _Places) -> tuple[str, ...]:
    """Our tax ids, as they are compared."""
    if value is None:
        return ()
    texts = value if isinstance(value, list) else []
    ids = [comparable_tax_id(text) for text in texts if _is_plain(text)]
    if not texts or len(ids) < len(texts) or not all(_TAX_ID.fullmatch(one) for one in ids):
        raise places.error(
            BUYERS, None, f'{_shown(value)}: expected our tax ids, in quotes and brackets: {BUYERS} = ["DE123456789"]'
        )
    return tuple(sorted(set(ids)))


def _rule(name: str, table: object, places: _Places) -> Rule:
    source, _, account_id = name.partition("/")
    if not _SOURCE.fullmatch(source) or ("/" in name and not _is_plain(account_id)):
        raise places.error(
            name,
            None,
            'expected a source in small letters, such as [oci], or one of its accounts, such as ["oci/12345678"], as `arcadia '
            "explain INVOICE` names them",
        )
    if not isinstance(table, dict):
        raise places.error(name, None, f"{shown(table)}: expected a table: [{name}], and below it what is known")
    if unknown := next((key for key in table if key not in {*KEYS, "reason"}), None):
        # The reason that holds an invoice gives a whole rule in one line, which must stand above all tables.
        is_rule = isinstance(table[unknown], dict) or unknown == BUYERS
        near = did_you_mean(unknown, [*KEYS, "reason"])
        advice = "put this line at the top of the file, above every [...]" if is_rule else f"expected {_ALLOWED}{near}"
        raise places.error(name, unknown, f"{shown_key(unknown)}: there is no such key; {advice}")
    if "reason" not in table:
        raise places.error(name, None, 'reason is missing: expected why this is so, such as reason = "agreed with ..."')
    if len(table) == 1:
        raise places.error(name, None, f"it says nothing but its reason; expected {_ALLOWED}")
    values = {}
    for key, value in table.items():
        expected, read = _READ[key]
        if (parsed := read(value)) is None:
            near = did_you_mean(value, _NEAR[key]()) if isinstance(value, str) and key in _NEAR else ""
            raise places.error(name, key, f"{key} = {_shown(value)}: expected {expected}{near}")
        values[key] = parsed
    return Rule(source, account_id if "/" in name else None, **values)


def _assert_final_after(rule: Rule, rules: Rules, places: _Places) -> None:
    """Check that an invoice by account and month has a day on which it is final, and that the day is one of such an invoice."""
    ruling = rules.of(rule.source, rule.account_id or "")
    is_by_month = ruling["invoice_id"] == ACCOUNT_AND_MONTH
    if rule.invoice_id == ACCOUNT_AND_MONTH and ruling["final_after"] is None:
        raise places.error(
            rule.name,
            "invoice_id",
            'final_after is missing: expected how long after its month such an invoice is final, such as final_after = "5d"',
        )
    if rule.final_after is not None and not is_by_month:
        others = [other for other in rules.rules if other.source == rule.source]
        if rule.account_id is not None or not any(other.invoice_id == ACCOUNT_AND_MONTH for other in others):
            raise places.error(
                rule.name,
                "final_after",
                f'final_after: it is for invoices by account and month: expected invoice_id = "{ACCOUNT_AND_MONTH}" too',
            )


def _is_plain(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= _MOST_CHARACTERS and text == text.strip() and text.isprintable()


def _text(value: object) -> str | None:
    return str(value) if _is_plain(value) else None


def _reason(value: object) -> str | None:
    text = _text(value)
    return text if text is not None and is_reason(text) else None


def _id_column(value: object) -> str | None:
    """The column, or the phrase: what is nearly the phrase names no column."""
    text = _text(value)
    return None if text is not None and text != ACCOUNT_AND_MONTH and did_you_mean(text, [ACCOUNT_AND_MONTH]) else text


def _yes_or_no(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _one_of(*words: str) -> Callable[[object], str | None]:
    return lambda value: value if isinstance(value, str) and value in words else None


def _span(value: object) -> timedelta | None:
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    number = int(match[1])
    span = timedelta(days=number) if match[2] == "d" else timedelta(hours=number)
    return span if span <= timedelta(days=_MOST_DAYS) else None


def _amount(value: object) -> Decimal | None:
    """The amount, exactly as it is written: TOML's numbers are read as decimals."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    amount = Decimal(value)
    if not amount.is_finite() or not 0 < amount <= _MOST_TOLERATED or amount != round(amount, _MOST_DECIMALS):
        return None
    return amount


def _zone(value: object) -> str | None:
    # A name with `..` or of a folder is a path for zoneinfo.
    return value if isinstance(value, str) and value in zoneinfo.available_timezones() else None


_READ: Final[dict[str, tuple[str, Callable[[object], Any]]]] = {
    "reason": (EXPECTED, _reason),
    "invoice_id": (
        f'the column that has the invoice\'s id, such as "x_InvoiceId", or "{ACCOUNT_AND_MONTH}"',
        _id_column,
    ),
    "final_after": (f'days or hours after the end of the month, such as "5d" or "36h", {_MOST_DAYS}d at most', _span),
    "tax": (f'"{TAX_NOT_STATED}" or "{TAX_EXPECTED}"', _one_of(TAX_NOT_STATED, TAX_EXPECTED)),
    "rows_are_not_invoices_to_us": ("true or false, without quotes", _yes_or_no),
    "issuer": ('the vendor\'s name, such as "Snowflake Inc."', _text),
    "time_zone": ('a time zone of the IANA database, such as "Europe/Berlin"', _zone),
    "tolerance": (
        f"an amount in major units, above 0 and {_MOST_TOLERATED} at most, without quotes, such as 0.05",
        _amount,
    ),
    "tax_may_stand_alone": ("true or false, without quotes", _yes_or_no),
    "only_stated": (f'"{PUSH}" or "{HOLD}"', _one_of(PUSH, HOLD)),
    "open_period": (f'"{PUSH}" or "{HOLD}"', _one_of(PUSH, HOLD)),
}
"""What each key must be, in words, and the function that reads it, which returns None for a wrong value."""

_NEAR: Final[dict[str, Callable[[], Iterable[str]]]] = {
    "invoice_id": lambda: [ACCOUNT_AND_MONTH],
    "tax": lambda: [TAX_NOT_STATED, TAX_EXPECTED],
    "only_stated": lambda: [PUSH, HOLD],
    "open_period": lambda: [PUSH, HOLD],
    "time_zone": zoneinfo.available_timezones,
}
"""A hint for a wrong value, by key: what it may be meant for."""

_ALLOWED: Final = ", ".join((*KEYS, "reason"))


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else shown(value)


def said(rule: Rule) -> dict[str, str]:
    """What a rule says, by its keys, as its file has it."""
    values = {key: getattr(rule, key) for key in KEYS}
    return {key: _as_toml(value) for key, value in values.items() if value is not None}


def _as_toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case timedelta():
            return f'"{_span_text(value)}"'
        case Decimal():
            return f"{value.normalize():f}"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _span_text(span: timedelta) -> str:
    hours, _ = divmod(int(span.total_seconds()), 3600)
    return f"{hours}h" if hours % 24 or not hours else f"{hours // 24}d"


def known_rules(connection: duckdb.DuckDBPyConnection) -> Rules:
    """The rules that the warehouse's documents were registered by; none before the first were landed."""
    return Rules(
        tuple(
            Rule(**{**row, "final_after": _span(row["final_after"])})
            for row in fetch(connection, f"SELECT {schema.SOURCE_RULES.column_names} FROM source_rules")
        ),
        buyer_tax_ids=tuple(
            tax_id for (tax_id,) in connection.execute("SELECT tax_id FROM own_tax_ids ORDER BY tax_id").fetchall()
        ),
    )


def note_rules(connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Put these rules into the warehouse, in place of the earlier ones."""
    connection.execute("DELETE FROM source_rules")
    rows = [
        {
            **{key: getattr(rule, key) for key in ("source", "account_id", "reason", *KEYS)},
            "final_after": None if rule.final_after is None else _span_text(rule.final_after),
        }
        for rule in rules.rules
    ]
    insert(connection, schema.SOURCE_RULES, rows)
    connection.execute("DELETE FROM own_tax_ids")
    insert(connection, schema.OWN_TAX_IDS, [{"tax_id": tax_id} for tax_id in rules.buyer_tax_ids])


_RULED: Final = f"""(
  SELECT document_sha256, source, account_id, invoice_month FROM document_invoices
  UNION ALL
  SELECT document_sha256, {OWN_SOURCE}, account_id, invoice_month FROM document_invoices WHERE unnamed_issuer IS NOT NULL
)"""
"""SQL: the invoices of documents, under each source whose rules are for them.

One that names no issuer is placed by the rules for its provider, even if another document names its issuer (`landing.issuers`).
"""


def months_ruled_otherwise(connection: duckdb.DuckDBPyConnection, rules: Rules) -> set[date]:
    """The months with an invoice for which these rules differ from the rules in the warehouse."""
    known = known_rules(connection)
    if known == rules:
        return set()
    rows = connection.execute(f"SELECT DISTINCT source, account_id, invoice_month FROM {_RULED}").fetchall()
    months = {
        month for source, account_id, month in rows if known.of(source, account_id) != rules.of(source, account_id)
    }
    if known.buyer_tax_ids != rules.buyer_tax_ids:
        addressed = "(FROM stated_invoices WHERE buyer_tax_id IS NOT NULL)"
        months.update(
            month
            for (month,) in connection.execute(
                f"SELECT DISTINCT invoice_month FROM document_invoices SEMI JOIN {addressed} USING (document_sha256)"
            ).fetchall()
        )
    return months


def documents_ruled_otherwise(connection: duckdb.DuckDBPyConnection, rules: Rules) -> list[str]:
    """The documents with such an invoice: its id or its month may have changed."""
    known = known_rules(connection)
    if known == rules:
        return []
    accounts = connection.execute(f"SELECT DISTINCT source, account_id FROM {_RULED}").fetchall()
    concerned = [account for account in accounts if known.of(*account) != rules.of(*account)]
    if not concerned:
        return []
    values = ", ".join(f"({text_literal(source)}, {text_literal(account_id)})" for source, account_id in concerned)
    rows = connection.execute(
        f"""
        SELECT DISTINCT document_sha256 FROM {_RULED}
        SEMI JOIN (VALUES {values}) AS concerned (source, account_id) USING (source, account_id) ORDER BY document_sha256
        """
    ).fetchall()
    return [sha256 for (sha256,) in rows]


def becoming_final(connection: duckdb.DuckDBPyConnection, now: datetime) -> set[date]:
    """The months with an invoice by account and month that is final by now, and not yet in the warehouse.

    Args:
        connection: An open warehouse.
        now: The time, in UTC without an offset.
    """
    rows = connection.execute(
        "SELECT DISTINCT invoice_month FROM document_invoices WHERE NOT is_final AND final_from <= ?", [now]
    ).fetchall()
    return {month for (month,) in rows}


@dataclass(frozen=True, slots=True)
class RulesNews:
    """What is to be done about the present rules.

    Attributes:
        is_known: Whether the warehouse has them.
        documents: The documents that they concern, for those to be registered anew.
        months: The months that they concern.
        final: The months with an invoice that is final by now.
    """

    is_known: bool
    documents: Sequence[str]
    months: Collection[date]
    final: Collection[date]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, rules: Rules, now: datetime) -> Self:
        """What an open warehouse needs.

        Args:
            connection: The warehouse.
            rules: The rules.
            now: The time, in UTC without an offset.
        """
        return cls(
            known_rules(connection) == rules,
            documents_ruled_otherwise(connection, rules),
            months_ruled_otherwise(connection, rules),
            becoming_final(connection, now),
        )

    @property
    def is_none(self) -> bool:
        """Whether nothing is to be done."""
        return self.is_known and not self.documents and not self.final


def note_final(connection: duckdb.DuckDBPyConnection, now: datetime) -> set[date]:
    """Note which invoices are final by now, within the caller's transaction; the months as `becoming_final` gives them."""
    months = becoming_final(connection, now)
    connection.execute("UPDATE document_invoices SET is_final = true WHERE NOT is_final AND final_from <= ?", [now])
    touch(connection, schema.DOCUMENT_INVOICES.name, months)
    return months


class Kept(Protocol):
    """Where files are kept beside the documents: the archive."""

    def last_kept(self, folder: str, pattern: re.Pattern[str]) -> tuple[str, str] | None:
        """The name and the text of the last file that was kept in a folder."""

    def names_kept(self, folder: str, pattern: re.Pattern[str]) -> list[str]:
        """The names of all files that were kept in a folder."""

    def bytes_kept(self, folder: str, names: Iterable[str]) -> dict[str, bytes]:
        """The bytes of files that were kept in a folder, by name."""

    def copy_command(self, folder: str, name: str, path: Path) -> str:
        """What a person types to have a file that was kept."""


def assert_not_lost(archive: Kept, path: Path, rules: Rules) -> None:
    """Check that a missing file is not taken for one without rules: pushed invoices would be held, or change.

    Args:
        archive: The archive.
        path: The file.
        rules: What it says.

    Raises:
        RulesError: There is no file, and the archive has one with rules.
    """
    if rules.text is not None or (last := archive.last_kept(KEPT_IN, KEPT_NAME)) is None:
        return
    name, text = last
    if parse_rules(text, Path(KEPT_IN) / name).says_anything:
        raise RulesError(
            f"{path} is gone, but it had rules: bring it back ({archive.copy_command(KEPT_IN, name, path)}); if there are no "
            "rules any more, put an empty file there"
        )


def earlier_rules(archive: Kept) -> list[Rules]:
    """What each version of the file says that the archive keeps, the last first; then no rules.

    A version that cannot be read any more is left out.
    """
    earlier = []
    names = sorted(archive.names_kept(KEPT_IN, KEPT_NAME), key=number_of, reverse=True)
    for name, content in archive.bytes_kept(KEPT_IN, names).items():
        with suppress(RulesError, UnicodeDecodeError):
            earlier.append(parse_rules(content.decode(), Path(KEPT_IN) / name))
    return [*earlier, Rules()]


def version_to_keep(archive: Kept, rules: Rules) -> tuple[str, str] | None:
    """The name by which the archive is to keep the file, and its text; None where its last version there is the same."""
    last = archive.last_kept(KEPT_IN, KEPT_NAME)
    if rules.text is None or (last is not None and last[1] == rules.text):
        return None
    if last is None and not rules.says_anything:
        return None
    number = 1 if last is None else number_of(last[0]) + 1
    return name_of(number, rules.text, _ENDING), rules.text
