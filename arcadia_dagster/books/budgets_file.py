"""`budgets.toml`: what a provider, a project or a tenant may cost in a month, as a person writes it.

[[budget]]
provider = "digitalocean"   # provider, project and tenant may each be left out
project = "shop"
tenant = "acme"
month = "2026-11"           # may be left out: each month
amount = 500                # net, in major units
currency = "USD"
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.books.budgets import Budget
from arcadia_dagster.settings_file import SettingsFileError
from arcadia_dagster.toml_file import TomlError, parse_toml, shown, shown_key
from arcadia_dagster.toml_tables import assert_known, read_if_there, tables_of, text_of

_MOST: Final = Decimal(10) ** 15
_MOST_DECIMALS: Final = 4
_TEXTS: Final = ("provider", "project", "tenant")
_KEYS: Final = (*_TEXTS, "month", "amount", "currency")


class BudgetsError(SettingsFileError):
    """The file cannot be right; the message names it, the budget and the key."""


def read_budgets(path: Path, *, must_exist: bool = False) -> tuple[Budget, ...]:
    """The budgets of a file; none where there is no such file.

    Args:
        path: The file.
        must_exist: Whether a person has named the file: that it is missing is then a mistake.

    Raises:
        BudgetsError: It is not what it should be.
    """
    try:
        text = read_if_there(path, named_by="ARCADIA_BUDGETS" if must_exist else "")
        return () if text is None else _budgets(parse_toml(text, path), path)
    except TomlError as error:
        raise BudgetsError(str(error)) from error


def _budgets(table: Mapping[str, Any], path: Path) -> tuple[Budget, ...]:
    if unknown := sorted(table.keys() - {"budget"}):
        raise BudgetsError(f"{path}: {shown_key(unknown[0])}: expected nothing but [[budget]]")
    numbers: dict[tuple[object, ...], int] = {}
    budgets = []
    for number, (entry, where) in enumerate(tables_of(table, "budget", "budget", path), start=1):
        budget = _budget(entry, where)
        earlier = numbers.setdefault((*budget.scope, budget.month), number)
        if earlier != number:
            raise BudgetsError(f"{where}: it is for the same as budget {earlier}; leave one of them out")
        budgets.append(budget)
    return tuple(budgets)


def _budget(entry: Mapping[str, Any], where: str) -> Budget:
    assert_known(entry.keys(), _KEYS, where)
    if missing := [key for key in ("amount", "currency") if key not in entry]:
        raise BudgetsError(f"{where}: {missing[0]} is missing")
    currency = entry["currency"]
    if currency not in EXPONENTS:
        raise BudgetsError(f"{where}: currency = {shown(currency)}: expected a code of ISO 4217, such as USD")
    return Budget(
        _amount(entry["amount"], where),
        currency,
        **{key: text_of(entry[key], f"{where}: {key}") for key in _TEXTS if key in entry},
        month=_month(entry["month"], where) if "month" in entry else None,
    )


def _amount(value: object, where: str) -> Decimal:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        amount = Decimal(value)
        if amount.is_finite() and 0 <= amount <= _MOST and amount == round(amount, _MOST_DECIMALS):
            return amount
    raise BudgetsError(
        f"{where}: amount = {shown(value)}: expected an amount in major units, without quotes, such as 500"
    )


def _month(value: object, where: str) -> date:
    try:
        return datetime.strptime(value if isinstance(value, str) else "", "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise BudgetsError(f"{where}: month = {shown(value)}: expected a month such as 2026-11") from error
