"""Amounts as programs read them."""

from collections.abc import Mapping

from arcadia_dagster.billing.currency import EXPONENTS, from_minor


def major_units(minor: int | None, currency: str | None) -> str | None:
    """An amount as exact decimal text in major units; None where there is none, or ISO 4217 does not know the currency."""
    return None if minor is None or currency not in EXPONENTS else str(from_minor(minor, currency))


def amounts_as_json(amounts: Mapping[str, int | None], currency: str | None) -> dict[str, int | str | None]:
    """Amounts by their names: `net_minor` as an integer in minor units, and `net` as decimal text in major units.

    Args:
        amounts: In minor units, by name.
        currency: ISO 4217; None, or another code: nobody knows its major units.
    """
    return {
        **{f"{name}_minor": minor for name, minor in amounts.items()},
        **{name: major_units(minor, currency) for name, minor in amounts.items()},
    }
