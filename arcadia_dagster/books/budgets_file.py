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
from arcadia_dagster.toml_file import TomlError, did_you_mean, read_toml, shown, shown_key

_MOST_BYTES: Final = 1 << 20
_MOST_CHARACTERS: Final = 200
_MOST: Final = Decimal(10) ** 15
_MOST_DECIMALS: Final = 4
_TEXTS: Final = ("provider", "project", "tenant")
_KEYS: Final = (*_TEXTS, "month", "amount", "currency")


class BudgetsError(ValueError):
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
        table = read_toml(path, max_bytes=_MOST_BYTES)
    except FileNotFoundError as error:
        if must_exist:
            raise BudgetsError(f"{path} does not exist; ARCADIA_BUDGETS names it") from error
        return ()
    except TomlError as error:
        raise BudgetsError(str(error)) from error
    if unknown := sorted(table.keys() - {"budget"}):
        raise BudgetsError(f"{path}: {shown_key(unknown[0])}: expected nothing but [[budget]]")
    stated = table.get("budget", [])
    if not isinstance(stated, list) or not all(isinstance(entry, dict) for entry in stated):
        raise BudgetsError(f"{path}: budget: expected [[budget]], in two brackets, above each budget")
    budgets: dict[tuple[object, ...], int] = {}
    found = []
    for number, entry in enumerate(stated, start=1):
        where = f"{path}, budget {number}"
        budget = _budget(entry, where)
        earlier = budgets.setdefault((*budget.scope, budget.month), number)
        if earlier != number:
            raise BudgetsError(f"{where}: it is for the same as budget {earlier}; leave one of them out")
        found.append(budget)
    return tuple(found)


def _budget(entry: Mapping[str, Any], where: str) -> Budget:
    if unknown := sorted(entry.keys() - set(_KEYS)):
        near = did_you_mean(unknown[0], _KEYS)
        raise BudgetsError(f"{where}: {shown_key(unknown[0])}: there is no such key; expected {', '.join(_KEYS)}{near}")
    if missing := [key for key in ("amount", "currency") if key not in entry]:
        raise BudgetsError(f"{where}: {missing[0]} is missing")
    currency = entry["currency"]
    if currency not in EXPONENTS:
        raise BudgetsError(f"{where}: currency = {shown(currency)}: expected a code of ISO 4217, such as USD")
    return Budget(
        _amount(entry["amount"], where),
        currency,
        **{key: _text(entry[key], f"{where}: {key}") for key in _TEXTS if key in entry},
        month=_month(entry["month"], where) if "month" in entry else None,
    )


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise BudgetsError(f"{where} = {shown(value)}: expected text in quotes")
    if not value or value != value.strip() or not value.isprintable() or len(value) > _MOST_CHARACTERS:
        raise BudgetsError(f"{where} = {shown(value)}: expected text without blanks around it")
    return value


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
