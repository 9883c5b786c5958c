"""Amounts as people and providers write them, read in SQL without guessing a digit.

Read: `3.11`, `$3.11`, `1,234.56`, `($5.00)`, `-$5.00`, `$-5.00`, `5.00-`, U+2212 as minus, `1.81E-8`. Everything that
could mean two things (`1.234,56`, `1,234`) and everything that is no number yields NULL, and so does a number of more than
20 digits before the decimal point. One of more than 18 decimals, as Azure's exports have them, is rounded at the 18th, half away
from zero: that moves it by at most half a unit of the 18th decimal. The reader counts the rounded amounts, so that
`billing.readiness` can bound the error of an invoice.
"""

from arcadia_dagster.billing.currency import AMOUNT_DECIMALS, AMOUNT_TYPE

EXPECTED = "an amount such as 1234.56, $1,234.56 or ($5.00), with at most 20 digits before the decimal point"
EXPECTED_PLAIN = (
    "an amount such as 1234.56 or (5.00), without a currency's sign, with at most 20 digits before the decimal point"
)
"""Where `amount_sql` is not told the currency."""

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
SYMBOLS = "$" + "".join(sorted(set(_SYMBOLS.values())))
"""All of them, one after the other."""

_DOLLAR = "$"
"""Every currency without a symbol of its own here may be written with a dollar sign, as DigitalOcean does."""

# Plain amounts that fit 9 digits on each side: the narrow type casts six times faster than the wide one.
_NARROW = r"-?\d{1,9}(\.\d{1,9})?"
# The same for the small amounts with many decimals that usage is billed in by the hour.
_FINE = r"-?\d{1,4}\.\d{10,14}"
# What Azure's exports have; a plain number that is cast to the wide type is rounded half away from zero.
_LONG = r"-?\d{1,20}\.\d{15,}"
_GROUPED = r"-?\d{1,3}(,\d{3})+\.\d+"
_NUMBER = r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"


def symbol_of(currency: str) -> str:
    """The symbol that may stand beside an amount in the currency; empty where none may."""
    return _SYMBOLS.get(currency, _DOLLAR)


def symbol_of_sql(currency: str) -> str:
    """SQL: the same, of a currency that an expression tells."""
    arms = " ".join(f"WHEN '{code}' THEN '{symbol}'" for code, symbol in _SYMBOLS.items())
    return f"CASE {currency} {arms} ELSE '{_DOLLAR}' END"


def amount_sql(text: str, currency: str | None = None) -> str:
    """SQL: the amount in the text as DECIMAL(38,18), rounded at the 18th decimal; NULL where it is none, unclear or too large.

    Args:
        text: The SQL expression of the text.
        currency: The ISO 4217 code whose symbol may stand beside the number; no symbol is read where it is None.
    """
    symbol = "" if currency is None else symbol_of(currency)
    fast = f"regexp_full_match({text}, '{_optional(symbol)}{_NARROW}')"
    bare = f"ltrim({text}, '{symbol}')" if symbol else text
    number = (
        f"list_transform([{_number_sql(_sign_first_sql(text, symbol))}], lambda x: TRY_CAST(x AS {AMOUNT_TYPE}))[1]"
    )
    return (
        f"CASE WHEN {fast} THEN CAST(TRY_CAST({bare} AS DECIMAL(18,9)) AS {AMOUNT_TYPE}) "
        f"WHEN regexp_full_match({text}, '{_FINE}') THEN CAST(TRY_CAST({text} AS DECIMAL(18,14)) AS {AMOUNT_TYPE}) "
        f"WHEN regexp_full_match({text}, '{_LONG}') THEN TRY_CAST({text} AS {AMOUNT_TYPE}) "
        f"ELSE {number} END"
    )


def is_rounded_sql(text: str, currency: str | None = None) -> str:
    """SQL: whether `amount_sql` rounds the amount in the text: it has a digit beyond the 18th decimal. Not NULL."""
    symbol = "" if currency is None else symbol_of(currency)
    # A text this short has no 19 decimals unless it has an exponent: for most amounts this check is enough.
    is_short = f"length({text}) < {AMOUNT_DECIMALS + 2} AND NOT contains({text}, 'e') AND NOT contains({text}, 'E')"
    return (
        f"CASE WHEN {text} IS NULL OR ({is_short}) THEN false "
        f"WHEN regexp_full_match({text}, '{_LONG}') THEN {_is_long(text)} "
        f"ELSE coalesce(list_transform([{_number_sql(_sign_first_sql(text, symbol))}], lambda x: {_is_long('x')})[1], false) END"
    )


def binary_amount_sql(number: str) -> str:
    """SQL: the shortest decimal that stands for the same binary fraction (DOUBLE), rounded at the 18th decimal.

    Most have few digits: a decimal of 15 digits is the same number. Only the others are read from their text.
    """
    return (
        f"CASE WHEN {_is_short_binary(number)} THEN CAST(TRY_CAST({number} AS DECIMAL(18,10)) AS {AMOUNT_TYPE}) "
        f"ELSE {amount_sql(f'CAST({number} AS VARCHAR)')} END"
    )


def is_rounded_binary_sql(number: str) -> str:
    """SQL: whether `binary_amount_sql` rounds that decimal. Not NULL."""
    text = f"CAST({number} AS VARCHAR)"
    return f"CASE WHEN coalesce({_is_short_binary(number)}, false) THEN false ELSE {is_rounded_sql(text)} END"


def decimal_amount_sql(number: str) -> str:
    """SQL: a DECIMAL of any scale as an amount, rounded at the 18th decimal; NULL where it is too large."""
    return f"TRY_CAST({number} AS {AMOUNT_TYPE})"


def is_rounded_decimal_sql(number: str, type_: str) -> str:
    """SQL: whether `decimal_amount_sql` rounds the number, a DECIMAL of this type. Not NULL."""
    digits, decimals = (int(part) for part in type_.removeprefix("DECIMAL(").removesuffix(")").split(","))
    if decimals <= AMOUNT_DECIMALS:
        return "false"
    # A number near the largest of its type may round to one that the type cannot hold.
    wider = f"TRY_CAST({decimal_amount_sql(number)} AS DECIMAL({digits},{decimals}))"
    return f"({wider} IS DISTINCT FROM {number})"


def quantity_sql(text: str) -> str:
    """SQL: a number of units as DECIMAL(38,18), read like an amount without a currency."""
    return amount_sql(text)


def _sign_first_sql(text: str, symbol: str) -> str:
    """SQL: the text with its sign first and without symbol, parentheses and grouping; anything else stays and fails later."""
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
    """SQL: the number as plain text, without an exponent: DuckDB 1.5 rounds 6E-20 up to 1E-18; NULL where it is none."""
    parts = (
        "{'sign': regexp_extract(x, '^-?'), 'whole': regexp_extract(x, '^-?(\\d*)', 1), "
        "'decimals': regexp_extract(x, '\\.(\\d*)', 1), "
        "'exponent': coalesce(TRY_CAST(regexp_extract(x, '[eE](.*)$', 1) AS INTEGER), 0)}"
    )
    digits, point = "(n.whole || n.decimals)", "(length(n.whole) + n.exponent)"
    shifted = (
        f"CASE WHEN {point} <= 0 THEN '0.' || repeat('0', -{point}) || {digits} "
        f"WHEN {point} >= length({digits}) THEN {digits} || repeat('0', {point} - length({digits})) "
        f"ELSE left({digits}, {point}) || '.' || substr({digits}, {point} + 1) END"
    )
    return (
        f"list_transform([{plain}], lambda x: CASE WHEN NOT regexp_full_match(x, '{_NUMBER}') THEN NULL "
        f"WHEN contains(lower(x), 'e') THEN list_transform([{parts}], lambda n: n.sign || {shifted})[1] ELSE x END)[1]"
    )


def _is_long(plain: str) -> str:
    """SQL: whether a plain number has a digit other than 0 beyond the 18th decimal."""
    return f"(contains({plain}, '.') AND length(rtrim({plain}, '0')) - strpos({plain}, '.') > {AMOUNT_DECIMALS})"


def _is_short_binary(number: str) -> str:
    """SQL: whether a binary fraction is one that a decimal of 15 digits stands for."""
    return f"abs({number}) < 1e5 AND TRY_CAST({number} AS DECIMAL(18,10)) = {number}"


def _optional(symbol: str) -> str:
    if not symbol:
        return ""
    return f"\\{symbol}?" if symbol == _DOLLAR else f"{symbol}?"
