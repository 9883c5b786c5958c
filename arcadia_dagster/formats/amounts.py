"""Amounts as people and providers write them, read in SQL without losing or guessing a digit.

Read: `3.11`, `$3.11`, `1,234.56`, `($5.00)`, `-$5.00`, `$-5.00`, `5.00-`, U+2212 as minus, `1.81E-8`. Everything that
could mean two things (`1.234,56`, `1,234`) and everything that is no number yields NULL, and so does a number that does
not fit 20 digits before and 18 after the decimal point: a cast would round it silently.
"""

from arcadia_dagster.billing.currency import AMOUNT_DECIMALS, AMOUNT_TYPE

EXPECTED = "an amount such as 1234.56, $1,234.56 or ($5.00), with at most 18 decimals"

_SYMBOLS: dict[str, str] = {
    "EUR": "€",
    "GBP": "£",
    "JPY": "¥",
    "CNY": "¥",
    "INR": "₹",
    "CHF": "",
    "KRW": "₩",
    "BRL": "",
}
_DOLLAR = "$"
"""Every currency without a symbol of its own here may be written with a dollar sign, as DigitalOcean does."""

# Plain amounts that fit 9 digits on each side: the narrow type casts six times faster than the wide one.
_NARROW = r"-?\d{1,9}(\.\d{1,9})?"
# The same for the small amounts with many decimals that usage is billed in by the hour.
_FINE = r"-?\d{1,4}\.\d{10,14}"
_GROUPED = r"-?\d{1,3}(,\d{3})+\.\d+"
_NUMBER = r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"


def symbol_of(currency: str) -> str:
    """The symbol that may stand beside an amount in the currency; empty where none may."""
    return _SYMBOLS.get(currency, _DOLLAR)


def amount_sql(text: str, currency: str | None = None) -> str:
    """SQL: the amount in the text as DECIMAL(38,18), NULL where it is none, is ambiguous or does not fit.

    Args:
        text: The SQL expression of the text.
        currency: The ISO 4217 code whose symbol may stand beside the number; no symbol is read where it is None.
    """
    symbol = "" if currency is None else symbol_of(currency)
    fast = f"regexp_full_match({text}, '{_optional(symbol)}{_NARROW}')"
    bare = f"ltrim({text}, '{symbol}')" if symbol else text
    return (
        f"CASE WHEN {fast} THEN CAST(TRY_CAST({bare} AS DECIMAL(18,9)) AS {AMOUNT_TYPE}) "
        f"WHEN regexp_full_match({text}, '{_FINE}') THEN CAST(TRY_CAST({text} AS DECIMAL(18,14)) AS {AMOUNT_TYPE}) "
        f"ELSE {_number_sql(_plain_sql(text, symbol))} END"
    )


def rounded_amount_sql(text: str) -> str:
    """SQL: the same, but a number of more than 18 decimals is rounded: for what is no money, or a binary fraction."""
    # DuckDB 1.5 rounds 6E-20 up to 1E-18.
    is_less = f"abs(TRY_CAST({text} AS DECIMAL(38,28))) < 0.0000000000000000005"
    rounded = f"CASE WHEN {is_less} THEN 0 ELSE TRY_CAST({text} AS {AMOUNT_TYPE}) END"
    return f"coalesce({amount_sql(text)}, CASE WHEN regexp_full_match({text}, '{_NUMBER}') THEN {rounded} END)"


def binary_amount_sql(number: str) -> str:
    """SQL: the shortest decimal that stands for the same binary fraction, to the 18th decimal.

    Most have few digits, and are told from their text as others are only where a decimal of 15 digits is not the same number.
    """
    decimal = f"TRY_CAST({number} AS DECIMAL(18,10))"
    return (
        f"CASE WHEN abs({number}) < 1e5 AND {decimal} = {number} THEN CAST({decimal} AS {AMOUNT_TYPE}) "
        f"ELSE {rounded_amount_sql(f'CAST({number} AS VARCHAR)')} END"
    )


def quantity_sql(text: str) -> str:
    """SQL: a number of units as DECIMAL(38,18), read like an amount without a currency."""
    return amount_sql(text)


def _plain_sql(text: str, symbol: str) -> str:
    """SQL: sign first, no symbol, no parentheses, no grouping; whatever else there is stays and fails later."""
    trimmed = f"replace(trim({text}), '\N{MINUS SIGN}', '-')"
    unsigned = f"regexp_replace({trimmed}, '^\\((.*)\\)$', '-\\1')"
    leading = f"regexp_replace({unsigned}, '^([^-]*[0-9.])-$', '-\\1')"
    bare = leading
    if symbol:
        escaped = f"\\{symbol}" if symbol == _DOLLAR else symbol
        bare = f"regexp_replace({leading}, '^(-?){escaped} ?(-?)', '\\1\\2')"
    positive = f"regexp_replace({bare}, '^\\+([0-9.])', '\\1')"
    return (
        f"CASE WHEN regexp_full_match({positive}, '{_GROUPED}') THEN replace({positive}, ',', '') ELSE {positive} END"
    )


def _number_sql(plain: str) -> str:
    """SQL: the number, where it is one and has no digit beyond the 18th decimal."""
    mantissa = "regexp_extract(x, '^([^eE]*)', 1)"
    exponent = "coalesce(TRY_CAST(regexp_extract(x, '[eE](.*)$', 1) AS INTEGER), 0)"
    fraction = f"length(rtrim(regexp_extract({mantissa}, '\\.(\\d*)', 1), '0'))"
    return (
        f"list_transform([{plain}], lambda x: CASE WHEN regexp_full_match(x, '{_NUMBER}') "
        f"AND {fraction} - {exponent} <= {AMOUNT_DECIMALS} THEN TRY_CAST(x AS {AMOUNT_TYPE}) END)[1]"
    )


def _optional(symbol: str) -> str:
    if not symbol:
        return ""
    return f"\\{symbol}?" if symbol == _DOLLAR else f"{symbol}?"
