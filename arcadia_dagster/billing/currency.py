"""Currencies and minor units (ISO 4217), in SQL for the warehouse and in Python for people's eyes.

An amount is a `DECIMAL(38,18)` in SQL or a `decimal.Decimal` in Python, never a float. It becomes an integer number of
minor units once per invoice, rounded half away from zero (A New Tax System (Goods and Services Tax) Act 1999 s 9-90).
"""

from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

AMOUNT_TYPE = "DECIMAL(38,18)"
"""The SQL type of every amount: 20 digits before the decimal point and 18 after it."""

AMOUNT_DECIMALS = 18

# ISO 4217, list one (current currencies and funds), without the codes that have no minor unit (XAU, XTS, XXX ...).
_TWO = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP
COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR
JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN
NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL
THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
"""
_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"

EXPONENTS: dict[str, int] = {
    code: exponent for exponent, codes in ((0, _ZERO), (2, _TWO), (3, _THREE), (4, _FOUR)) for code in codes.split()
}
"""How many decimals the minor unit of each ISO 4217 currency has: JPY 0, USD 2, KWD 3, CLF 4."""

# One decimal context for all arithmetic of ours: wide enough for DECIMAL(38,18) times any exponent, and it says so
# (Inexact is not trapped, since rounding to minor units is meant to be inexact).
_CONTEXT = Context(prec=60, rounding=ROUND_HALF_UP)


def to_minor(amount: Decimal, currency: str) -> int:
    """The amount in minor units of the currency, rounded half away from zero.

    Args:
        amount: The exact amount in major units.
        currency: An ISO 4217 code.

    Raises:
        KeyError: The currency is not in ISO 4217.
    """
    with localcontext(_CONTEXT):
        return int(amount.scaleb(EXPONENTS[currency]).quantize(Decimal(1)))


def from_minor(minor: int, currency: str) -> Decimal:
    """The amount in major units, with as many decimals as the currency has: 8692 USD is 86.92.

    Raises:
        KeyError: The currency is not in ISO 4217.
    """
    return _CONTEXT.scaleb(Decimal(minor), Decimal(-EXPONENTS[currency]))


def format_minor(minor: int | None, currency: str | None) -> str:
    """The amount as a person reads it, `1,234.56 USD`; empty where there is none."""
    if minor is None or currency is None:
        return ""
    if currency not in EXPONENTS:
        return f"{minor} minor units of {currency}"
    return f"{from_minor(minor, currency):,} {currency}"


def format_exact(amount: Decimal, currency: str | None) -> str:
    """An amount as a person reads it, not rounded: `7.90 USD`, `12.0125 EUR`, `900 JPY`; the number alone without a currency."""
    decimals = EXPONENTS.get(currency or "", 0)
    text = f"{amount:,f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(decimals, "0")
    number = f"{whole}.{fraction}" if fraction else whole
    return f"{number} {currency}" if currency else number


def exponents_sql() -> str:
    """SQL: ISO 4217 as a relation of `currency` and `exponent`, to be joined: a CASE of 160 codes is slow to plan."""
    rows = ", ".join(f"('{code}', {exponent})" for code, exponent in EXPONENTS.items())
    return f"(SELECT * FROM (VALUES {rows}) AS iso_4217 (currency, exponent))"


def plain_sql(amount: str) -> str:
    """SQL: a DECIMAL with decimals as text, without the zeros that only its type gives it: `100.50` stays `100.5`."""
    return f"rtrim(rtrim(CAST({amount} AS VARCHAR), '0'), '.')"


def minor_text_sql(minor: str, exponent: str) -> str:
    """SQL: minor units as decimal text in major units, with as many decimals as the currency has: 790 USD is `7.90`."""
    exact = f"CAST({minor} AS DECIMAL(38,0))"
    arms = " ".join(
        f"WHEN {digits} THEN CAST(CAST({exact} * {Decimal(1).scaleb(-digits)} AS DECIMAL(38,{digits})) AS VARCHAR)"
        for digits in sorted(set(EXPONENTS.values()))
    )
    return f"CASE {exponent} {arms} END"


def to_minor_sql(amount: str, exponent: str) -> str:
    """SQL: a `DECIMAL(38,18)` in minor units (BIGINT), rounded half away from zero; NULL where the exponent is NULL.

    DuckDB's `round` on a DECIMAL rounds half away from zero; rounding comes before scaling, so that no digit is lost.
    """
    arms = " ".join(
        f"WHEN {digits} THEN CAST(round({amount}, {digits}) * {10**digits} AS BIGINT)"
        for digits in sorted(set(EXPONENTS.values()))
    )
    return f"CASE {exponent} {arms} END"


def rounding_bound_sql(lines: str) -> str:
    """SQL: what a sum is off by at most, where so many of its amounts (BIGINT) were rounded at the 18th: a `DECIMAL(38,18)`.

    Each is off by half a unit of the 18th decimal at most; together they are off by no more than this whole number of units.
    """
    unit = f"{Decimal(1).scaleb(-AMOUNT_DECIMALS):f}"
    return f"(CAST(({lines} + 1) // 2 AS DECIMAL(20,0)) * CAST('{unit}' AS DECIMAL(18,18)))"


def from_minor_sql(minor: str, exponent: str) -> str:
    """SQL: minor units as a `DECIMAL(38,4)` in major units, exactly (DuckDB's `/` would make a DOUBLE)."""
    arms = " ".join(
        f"WHEN {digits} THEN CAST(CAST({minor} AS DECIMAL(38,0)) * {Decimal(1).scaleb(-digits)} AS DECIMAL(38,4))"
        for digits in sorted(set(EXPONENTS.values()))
    )
    return f"CASE {exponent} {arms} END"


def exact_minor_sql(amount: str, exponent: str) -> str:
    """SQL: a `DECIMAL(38,18)` in minor units of the same type, not rounded; NULL where the type has too few digits for it."""
    arms = " ".join(
        f"WHEN {digits} THEN TRY(CAST({amount} * CAST({10**digits} AS DECIMAL(5,0)) AS {AMOUNT_TYPE}))"
        for digits in sorted(set(EXPONENTS.values()))
    )
    return f"CASE {exponent} {arms} END"
