"""What kind of tax an invoice states, by its category, and whether a rate is one that a country has.

Categories are the codes of UNCL 5305 that EN 16931 takes (BT-118). Rates are those of the Member States (Council Directive
2006/112/EC, articles 96 to 99; European Commission, VAT rates applied in the Member States) and of some other countries, with
those of the last years, for a return may be of an earlier one. They only say which invoice a person should look at: no amount
is computed from them.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final


class TaxKind(StrEnum):
    """How an amount is taxed."""

    CHARGED = "tax charged"
    REVERSE_CHARGE = "reverse charge"
    EXEMPT = "no tax, by its category"
    NOT_STATED = "none stated"


_REVERSE_CHARGE: Final = "AE"
_WITHOUT_TAX: Final = {
    "Z": "zero rated",
    "E": "exempt",
    "G": "export",
    "K": "intra-Community supply",
    "O": "out of scope",
}


def kind_of(category: str | None, tax: Decimal | int) -> TaxKind:
    """The kind of an amount with this category and this tax.

    Args:
        category: The code that its document states, or None.
        tax: The tax, in any unit.
    """
    if tax:
        return TaxKind.CHARGED
    if category == _REVERSE_CHARGE:
        return TaxKind.REVERSE_CHARGE
    return TaxKind.EXEMPT if category in _WITHOUT_TAX else TaxKind.NOT_STATED


def category_name(category: str | None) -> str:
    """The category in words where it says why there is no tax: `exempt`; empty of every other one."""
    return _WITHOUT_TAX.get(category or "", "")


_RATES: Final[dict[str, str]] = {
    "AT": "20 13 10",
    "AU": "10",
    "BE": "21 12 6",
    "BG": "20 9",
    "CH": "8.1 3.8 2.6",
    "CY": "19 9 5 3",
    "CZ": "21 12",
    "DE": "19 7",
    "DK": "25",
    "EE": "24 22 13 9 5",
    "EL": "24 13 6",
    "ES": "21 10 4",
    "FI": "25.5 14 13.5 10",
    "FR": "20 10 5.5 2.1",
    "GB": "20 5",
    "HR": "25 13 5",
    "HU": "27 18 5",
    "IE": "23 13.5 9 4.8",
    "IT": "22 10 5 4",
    "LT": "21 12 9 5",
    "LU": "17 14 8 3",
    "LV": "21 12 5",
    "MT": "18 12 7 5",
    "NL": "21 9",
    "NO": "25 15 12",
    "NZ": "15",
    "PL": "23 8 5",
    "PT": "23 13 6",
    "RO": "21 19 11 9 5",
    "SE": "25 12 6",
    "SG": "9",
    "SI": "22 9.5 5",
    "SK": "23 20 19 10 5",
}
_SAME: Final = {"GR": "EL", "UK": "GB", "XI": "GB"}

HIGHEST_RATE: Final = Decimal(27)
"""The highest rate of any country in the table, Hungary's: more tax of the net than this is doubtful, whatever is stated."""


def country_of_tax_id(tax_id: str | None) -> str | None:
    """The country that a VAT number names: its first two letters; None where it names none, as an ABN does."""
    prefix = "".join((tax_id or "").split())[:2].upper()
    country = _SAME.get(prefix, prefix)
    return country if country in _RATES else None


def rates_of(countries: Iterable[str | None]) -> set[Decimal]:
    """The rates of these countries, in per cent; none where no country is known."""
    codes = {_SAME.get(country, country) for country in countries if country}
    return {Decimal(rate) for code in codes for rate in _RATES.get(code, "").split()}
