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
from arcadia_dagster.toml_file import TomlError, did_you_mean, read_toml, shown, shown_key

_MOST_BYTES: Final = 1 << 20
_MOST_CHARACTERS: Final = 200
_MOST_DAYS: Final = 400
_TEXTS: Final = ("accrued", "suspense", "no_tax_type")
_KEYS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "expense": ("provider", "service", "project", "tenant", "account", "tax_type"),
    "tax": ("provider", "tenant", "code", "account", "tax_type"),
    "payable": ("provider", "account"),
}
_TOP: Final = (*_TEXTS, "date_format", "due_days", *_KEYS)


class AccountsError(ValueError):
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
        table = read_toml(path, max_bytes=_MOST_BYTES)
    except FileNotFoundError as error:
        if must_exist:
            raise AccountsError(f"{path} does not exist; ARCADIA_ACCOUNTS names it") from error
        return None
    except TomlError as error:
        raise AccountsError(str(error)) from error
    if unknown := sorted(table.keys() - set(_TOP)):
        near = did_you_mean(unknown[0], _TOP)
        raise AccountsError(f"{path}: {shown_key(unknown[0])}: there is no such key; expected {', '.join(_TOP)}{near}")
    values: dict[str, Any] = {key: _text(table[key], f"{path}: {key}") for key in _TEXTS if key in table}
    if "date_format" in table:
        values["date_format"] = _date_format(table["date_format"], path)
    if "due_days" in table:
        values["due_days"] = _days(table["due_days"], path)
    rules = [rule for kind in _KEYS for rule in _rules(kind, table.get(kind, []), path)]
    if (places := twice([rule for rule, _ in rules])) is not None:
        later, earlier = (rules[place][1] for place in places)
        raise AccountsError(f"{later}: it names the same as {earlier}; leave one of them out")
    return Accounts(tuple(rule for rule, _ in rules), **values)


def _rules(kind: Kind, stated: object, path: Path) -> list[tuple[AccountRule, str]]:
    """The rules of a kind, each with what messages call it."""
    if not isinstance(stated, list) or not all(isinstance(entry, dict) for entry in stated):
        raise AccountsError(f"{path}: {kind}: expected [[{kind}]], in two brackets, above each rule")
    rules = []
    for number, entry in enumerate(stated, start=1):
        where = f"{path}, {kind} {number}"
        if unknown := sorted(entry.keys() - set(_KEYS[kind])):
            near = did_you_mean(unknown[0], _KEYS[kind])
            raise AccountsError(
                f"{where}: {shown_key(unknown[0])}: there is no such key; expected {', '.join(_KEYS[kind])}{near}"
            )
        if "account" not in entry:
            raise AccountsError(f"{where}: account is missing")
        rules.append(
            (AccountRule(kind, **{key: _text(value, f"{where}: {key}") for key, value in entry.items()}), where)
        )
    return rules


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise AccountsError(f"{where} = {shown(value)}: expected text in quotes")
    if not value or value != value.strip() or not value.isprintable() or len(value) > _MOST_CHARACTERS:
        raise AccountsError(f"{where} = {shown(value)}: expected text without blanks around it")
    return value


def _date_format(value: object, path: Path) -> DateFormat:
    for known in get_args(DateFormat):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise AccountsError(f"{path}: date_format = {shown(value)}: expected one of {', '.join(get_args(DateFormat))}")


def _days(value: object, path: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_DAYS:
        raise AccountsError(f"{path}: due_days = {shown(value)}: expected a number of days, {_MOST_DAYS} at most")
    return value
