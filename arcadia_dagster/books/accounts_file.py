"""`accounts.toml`: the accounts of the books, as a person writes them.

    accrued = "2100"                # what is accrued; default: Accrued Liabilities
    suspense = "9999"               # what no rule matches; default: Suspense
    no_tax_type = "BAS Excluded"    # what the books call a row on which no tax was charged
    date_format = "DD/MM/YYYY"      # in the files for Xero and QuickBooks Online; or MM/DD/YYYY, YYYY-MM-DD
    due_days = 30                   # where no document tells when a bill is due

    [[expense]]                     # each key but account may be left out
    provider = "digitalocean"
    service = "Droplets"
    project = "shop"
    tenant = "acme"
    account = "6100"

    [[tax]]
    code = "GST Australia (10.00%)" # the words of the tax line
    account = "1200"
    tax_type = "GST on Expenses"

    [[payable]]                     # what is owed to providers; default: Accounts Payable
    account = "2000"

`books.accounts` says which rule wins.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

from arcadia_dagster.books.accounts import AccountRule, Accounts, DateFormat, Kind, twice
from arcadia_dagster.settings_file import SettingsFileError
from arcadia_dagster.toml_file import TomlError, parse_toml, shown
from arcadia_dagster.toml_tables import assert_known, read_if_there, tables_of, text_of

_MOST_DAYS: Final = 400
_TEXTS: Final = ("accrued", "suspense", "no_tax_type")
_KEYS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "expense": ("provider", "service", "project", "tenant", "account", "tax_type"),
    "tax": ("provider", "tenant", "code", "account", "tax_type"),
    "payable": ("provider", "account"),
}
_TOP: Final = (*_TEXTS, "date_format", "due_days", *_KEYS)


class AccountsError(SettingsFileError):
    """The file cannot be right; the message names it, the rule and the key. Nothing is booked by half of it."""


def read_accounts(path: Path, *, must_exist: bool = False) -> Accounts | None:
    """The accounts of a file; None where there is no such file.

    Args:
        path: The file.
        must_exist: Whether a person has named the file: that it is missing is then a mistake.

    Raises:
        AccountsError: It is not what it should be.
    """
    try:
        text = read_if_there(path, named_by="ARCADIA_ACCOUNTS" if must_exist else "")
        return None if text is None else _accounts(parse_toml(text, path), path)
    except TomlError as error:
        raise AccountsError(str(error)) from error


def _accounts(table: Mapping[str, Any], path: Path) -> Accounts:
    assert_known(table.keys(), _TOP, str(path))
    values: dict[str, Any] = {key: text_of(table[key], f"{path}: {key}") for key in _TEXTS if key in table}
    if "date_format" in table:
        values["date_format"] = _date_format(table["date_format"], path)
    if "due_days" in table:
        values["due_days"] = _days(table["due_days"], path)
    rules = [
        (_rule(kind, rule, where), where) for kind in _KEYS for rule, where in tables_of(table, kind, "rule", path)
    ]
    if (places := twice([rule for rule, _ in rules])) is not None:
        later, earlier = (rules[place][1] for place in places)
        raise AccountsError(f"{later}: it names the same as {earlier}; leave one of them out")
    return Accounts(tuple(rule for rule, _ in rules), **values)


def _rule(kind: Kind, stated: Mapping[str, Any], where: str) -> AccountRule:
    assert_known(stated.keys(), _KEYS[kind], where)
    if "account" not in stated:
        raise AccountsError(f"{where}: account is missing")
    return AccountRule(kind, **{key: text_of(value, f"{where}: {key}") for key, value in stated.items()})


def _date_format(value: object, path: Path) -> DateFormat:
    for known in get_args(DateFormat):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise AccountsError(f"{path}: date_format = {shown(value)}: expected one of {', '.join(get_args(DateFormat))}")


def _days(value: object, path: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_DAYS:
        raise AccountsError(f"{path}: due_days = {shown(value)}: expected a number of days, {_MOST_DAYS} at most")
    return value
