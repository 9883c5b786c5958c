r"""The keys that people may use to describe a format in a TOML file, and the errors for wrong ones.

name = "examplecloud"          # how the documents table calls the format
source = "examplecloud"        # who issued the invoices, as finance knows it
vendor = "Examplecloud GmbH"   # the vendor's name; may be left out
currency = "EUR"               # of all amounts, unless a column says it
account = "8812"               # the account, unless a column or the file's name says it; may be left out
header = true                  # false: no header, and columns are numbers from 1
first_line = 5                 # where the table begins: the header's line, or "header" for wherever it is; default: 1
width = 8                      # how many columns there are; only without a header
delimiter = ";"                # default: a comma
decimal_mark = ","             # default: a point
thousands_mark = "."           # default: whichever is clear, as in 1'036.29; "" for none
date_format = "%d.%m.%Y"       # default: %Y-%m-%d; a list of several, of which each value has one; times are in UTC
end = "inclusive"              # the last day counts; default: exclusive
file_name = '(?P<account>\d+)-(?P<invoice>\d+)'   # what the name tells, without its extension; may be left out
parts = true                   # the files of one folder may state an invoice together; default: each file is whole
blank_invoice = "not invoiced" # lines without an invoice's id belong to none yet; default: such a line is an error

[columns]                      # what is read, and the column that has it; all but the amount may be left out
amount = "Net"
start = "From"

[tax]                          # one of:
column = "Kind"                #   the lines of which this column
values = ["VAT"]               #   has one of these values, or matches `pattern`, are tax
amount = "VAT"                 #   each line has its tax in this column
stated = "Invoice VAT"         #   each line repeats its invoice's tax in this column
none = "not due"               #   there is no tax; or "not stated": the document does not tell it

[total]                        # lines that are no charges but their sums; may be left out
column = "Kind"                # those of which this column
values = ["Total"]             # has one of these values, or matches `pattern`, state the total of the invoice, or of the file
subtotals = ["Subtotal"]       # and those with one of these values are passed over

[category]                     # the charge category of a line, by this column's value; may be left out
column = "Kind"
Usage = ["usage", "overage"]   # Purchase, Credit, Adjustment and Tax likewise; Tax in place of [tax]
other = "Usage"                # of any other value; default: it is in doubt, and holds its invoice
"""

import difflib
import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.billing.tax import CATEGORIES
from arcadia_dagster.reading.pattern import groups_of
from arcadia_dagster.toml_file import TomlError, read_toml, shown, shown_key

FIELDS = (
    *("amount", "description", "service", "project", "resource_id", "resource_name", "start", "end", "month"),
    *("quantity", "unit", "currency", "account", "invoice", "total", "total_tax"),
)
"""What a column may be read as."""

MOST_BYTES = 64 * 1024
"""A larger file is no description: all that one may say comes to half of it."""

_MOST_COLUMNS = 1000
_MOST_TOLD = 5
"""How many errors of one file are shown."""

_MOST_PREAMBLE = 1000
_DIRECTIVES = {"%Y", "%m", "%d", "%H", "%M", "%S", "%f", "%b", "%B"}
_GROUPS = {"account", "invoice", "month"}


_EXPECTED = {
    "name": "lower-case letters, digits and _, such as examplecloud_csv, with a letter first",
    "source": "lower-case letters, digits and -, such as examplecloud",
    "width": "a number of columns from 2 to 1000",
    "delimiter": 'one of "," ";" "|" "\\t"',
    "decimal_mark": '"." or ","',
    "thousands_mark": 'one of "." "," " " "\'", or "" for none',
    "end": '"inclusive" or "exclusive"',
    "date_format": 'a format such as "%d.%m.%Y", or a list of up to five of them',
    "blank_invoice": '"not invoiced"',
    "tax": "a table, [tax]",
    "tax.none": '"not due" or "not stated"',
    "total": "a table, [total]",
    "category": "a table, [category]",
    "category.other": f"one of {', '.join(CATEGORIES)}",
    **dict.fromkeys(
        ("tax.values", "total.values", "total.subtotals", *(f"category.{name}" for name in CATEGORIES)),
        'a list of one to a hundred texts, such as ["VAT"]',
    ),
}
"""What is expected of a key whose value is of the wrong kind, in words."""

_EXPECTED_TYPES = {
    "string_type": 'a text in quotes, such as "EUR"',
    "string_too_short": "a text that is not empty",
    "string_too_long": "a text of at most 200 characters",
    "bool_type": "true or false",
}


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{shown(text)}: expected characters that show, and no line break")
    return text


_Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]


class DescriptionError(ValueError):
    """A description cannot be right; the message names the file and the key."""


def _column(value: object) -> object:
    """A column's name or number."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_COLUMNS
    if not is_number and not (isinstance(value, str) and value.strip()):
        raise ValueError(f"{shown(value)}: expected a column: its name, or its number from 1 where there is no header")
    return value


def _first_line(value: object) -> object:
    """The number of a line, or that it is to be looked for."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_PREAMBLE
    if not is_number and value != "header":
        raise ValueError(f'{shown(value)}: expected a number of a line from 1 to {_MOST_PREAMBLE}, or "header"')
    return value


def _listed(value: object) -> object:
    """A list of one for a text alone."""
    return [value] if isinstance(value, str) else value


_Column = Annotated[str | int, BeforeValidator(_column)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Texts = Annotated[list[_Text], Field(max_length=100)]
_TextsOrBlank = Annotated[
    list[Annotated[str, Field(max_length=200), AfterValidator(_printable)]], Field(max_length=100)
]
"""The same, where "" stands for a blank value."""


class Marked(_Strict):
    """Records that a column marks: it has one of the values, or matches the pattern."""

    column: _Column | None = None
    values: _Texts = []
    pattern: _Text | None = None

    @field_validator("pattern")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            groups_of(pattern)
        return pattern


class Tax(Marked):
    """What is tax."""

    amount: _Column | None = None
    stated: _Column | None = None
    none: Literal["not due", "not stated"] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        ways = [self.column is not None, self.amount is not None, self.stated is not None, self.none is not None]
        if sum(ways) != 1:
            raise ValueError("expected one of: column, amount, none, stated")
        if (self.column is None) != (not self.values and self.pattern is None):
            raise ValueError("column: expected values or a pattern with it, and neither without it")
        return self


class Total(Marked):
    """What is a total of other lines."""

    column: _Column
    values: _TextsOrBlank = []
    subtotals: _TextsOrBlank = []

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.values and self.pattern is None and not self.subtotals:
            raise ValueError("expected values, a pattern or subtotals with the column")
        return self


class Category(_Strict):
    """What kind of charge a line is."""

    column: _Column
    Usage: _Texts = []
    Purchase: _Texts = []
    Tax: _Texts = []
    Credit: _Texts = []
    Adjustment: _Texts = []
    other: Literal["Usage", "Purchase", "Tax", "Credit", "Adjustment"] | None = None

    @model_validator(mode="after")
    def _says_each_once(self) -> Self:
        values = [value.strip().lower() for values in self.by_category.values() for value in values]
        if not values:
            raise ValueError(f"expected a list of values for one of {', '.join(CATEGORIES)}")
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(f"{twice[0]!r}: it is there twice; expected each value once")
        return self

    @property
    def by_category(self) -> dict[str, list[str]]:
        """The values of each category."""
        return {name: getattr(self, name) for name in CATEGORIES}


class Description(_Strict):
    """A description; see the module."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
    source: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")]
    vendor: _Text | None = None
    currency: str | None = None
    account: _Text | None = None
    header: bool = True
    first_line: Annotated[int | str, BeforeValidator(_first_line)] = 1
    width: Annotated[int, Field(ge=2, le=1000)] | None = None
    delimiter: Literal[",", ";", "|", "\t"] = ","
    decimal_mark: Literal[".", ","] = "."
    thousands_mark: Literal["", ".", ",", " ", "'"] | None = None
    date_format: Annotated[list[_Text], Field(min_length=1, max_length=5), BeforeValidator(_listed)] = ["%Y-%m-%d"]
    end: Literal["inclusive", "exclusive"] = "exclusive"
    file_name: _Text | None = None
    parts: bool = False
    blank_invoice: Literal["not invoiced"] | None = None
    columns: dict[str, str | int]
    tax: Tax | None = None
    total: Total | None = None
    category: Category | None = None

    @field_validator("columns", mode="before")
    @classmethod
    def _are_columns(cls, columns: object) -> object:
        if not isinstance(columns, dict):
            raise ValueError("expected a table, [columns]")  # noqa: TRY004 - what pydantic tells of
        for field, value in columns.items():
            if field not in FIELDS:
                raise ValueError(
                    f"{shown_key(field)}: there is no such field{_near(field, FIELDS)}; expected one of {', '.join(FIELDS)}"
                )
            try:
                _column(value)
            except ValueError as error:
                raise ValueError(f"{field} = {error}") from error
        return columns

    @field_validator("currency")
    @classmethod
    def _is_currency(cls, currency: str | None) -> str | None:
        if currency is not None and currency not in EXPONENTS:
            raise ValueError(f"{shown(currency)} is not in ISO 4217; expected a code such as EUR")
        return currency

    @field_validator("date_format")
    @classmethod
    def _are_date_formats(cls, formats: list[str]) -> list[str]:
        for text in formats:
            _check_date_format(text)
        for first, second in itertools.combinations(formats, 2):
            if (day := _read_otherwise(first, second)) is not None:
                raise ValueError(
                    f"{first} and {second} read {day} as different days; expected formats that are told apart"
                )
        return formats

    @field_validator("file_name")
    @classmethod
    def _is_file_name(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        groups = {name for name in groups_of(pattern) if name is not None}
        if "invoice" not in groups or not groups <= _GROUPS:
            raise ValueError("expected a group (?P<invoice>...), and none besides but account and month")
        return pattern

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if "amount" not in self.columns:
            raise ValueError("columns.amount: missing; expected the column that has each line's amount")
        if (self.currency is None) == ("currency" not in self.columns):
            raise ValueError("currency: expected either a code for all amounts, or columns.currency")
        if self.thousands_mark == self.decimal_mark:
            raise ValueError("thousands_mark: expected another mark than decimal_mark")
        month_in_name = self.file_name is not None and "(?P<month>" in self.file_name
        if not ({"start", "month"} & self.columns.keys() or month_in_name):
            raise ValueError(
                "columns.start: missing; expected it, columns.month, or a month in file_name: what tells the month"
            )
        return self

    @model_validator(mode="after")
    def _fits_its_header(self) -> Self:
        if self.header and self.width is not None:
            raise ValueError("width: expected only where header = false")
        if not self.header and self.width is None:
            raise ValueError("width: missing; expected how many columns there are, since there is no header")
        if self.first_line == "header" and not self.header:
            raise ValueError('first_line = "header": expected a number of a line, since there is no header')
        if self.blank_invoice is not None and "invoice" not in self.columns:
            raise ValueError("blank_invoice: expected only with columns.invoice")
        for key, column in self.all_columns.items():
            if self.header != isinstance(column, str):
                what = "a name of the header" if self.header else f"a number from 1 to {self.width}"
                raise ValueError(f"{key} = {shown(column)}: expected {what}")
            if isinstance(column, int) and self.width is not None and column > self.width:
                raise ValueError(f"{key} = {column}: expected a number from 1 to {self.width}")
        return self

    @model_validator(mode="after")
    def _tells_what_is_tax(self) -> Self:
        by_category = self.category is not None and (bool(self.category.Tax) or self.category.other == "Tax")
        if self.tax is None and not by_category:
            raise ValueError("tax: missing; expected a table, [tax], or Tax in [category]: what is tax")
        if self.tax is not None and by_category:
            raise ValueError("tax: expected either [tax] or Tax in [category], not both")
        amount = str(self.columns.get("amount")).strip().casefold()
        for key, what in (("amount", "before tax"), ("stated", "of one line")):
            column = None if self.tax is None else getattr(self.tax, key)
            if column is not None and str(column).strip().casefold() == amount:
                raise ValueError(f"tax.{key}: expected another column than columns.amount, which is {what}")
        return self

    @property
    def all_columns(self) -> dict[str, str | int]:
        """Every column that is named, by its key."""
        columns: dict[str, str | int] = {f"columns.{field}": column for field, column in self.columns.items()}
        tax, total, category = self.tax or Tax(none="not due"), self.total, self.category
        others = {
            "tax.column": tax.column,
            "tax.amount": tax.amount,
            "tax.stated": tax.stated,
            "total.column": None if total is None else total.column,
            "category.column": None if category is None else category.column,
        }
        return columns | {key: column for key, column in others.items() if column is not None}

    @property
    def lacks_tax(self) -> bool:
        """Whether amounts are before tax, and the document does not tell the tax."""
        return self.tax is not None and self.tax.none == "not stated"

    @property
    def digest(self) -> str:
        """A hash of what it says, whatever its layout and comments."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


_TABLES: dict[str, type[_Strict]] = {"tax": Tax, "total": Total, "category": Category}


def read_description(path: Path) -> Description:
    """The description in a file.

    Raises:
        DescriptionError: It is none, or cannot be right.
    """
    try:
        table = read_toml(path, max_bytes=MOST_BYTES)
    except FileNotFoundError as error:
        raise DescriptionError(f"{path} cannot be read: {error.strerror}") from error
    except TomlError as error:
        raise DescriptionError(str(error)) from error
    try:
        return Description.model_validate(table)
    except ValidationError as error:
        errors = error.errors()
        sentences = [_error_words(invalid) for invalid in errors[:_MOST_TOLD]]
        more = [f"and {len(errors) - _MOST_TOLD} more"] if len(errors) > _MOST_TOLD else []
        raise DescriptionError(f"{path}: {'; '.join(sentences + more)}") from error


def _error_words(error: Mapping[str, Any]) -> str:
    """One thing that is wrong, in our words: the key, what was found, and what was expected."""
    key = ".".join(shown_key(part) for part in error["loc"])
    match error["type"]:
        case "extra_forbidden":
            known = _TABLES.get(str(error["loc"][0]), Description) if len(error["loc"]) > 1 else Description
            return f"{key}: there is no such key{_near(str(error['loc'][-1]), known.model_fields)}"
        case "missing":
            return f"{key}: missing"
        case "value_error":
            text = str(error["ctx"]["error"])
            if key == "columns":
                return f"columns.{text}" if isinstance(error["input"], dict) else f"columns: {text}"
            return f"{key}: {text}" if key else text
        case kind:
            expected = _EXPECTED.get(key) or _EXPECTED_TYPES.get(kind)
            message = str(error["msg"])
            words = f"expected {expected}" if expected else f"{message[:1].lower()}{message[1:]}"
            return f"{key} = {shown(error['input'])}: {words}"


def _check_date_format(text: str) -> None:
    """Check that a date format can be one.

    Raises:
        ValueError: It cannot.
    """
    directives = re.findall(r"%.?", text)
    if unknown := sorted(set(directives) - _DIRECTIVES):
        raise ValueError(f"{unknown[0]}: expected only {', '.join(sorted(_DIRECTIVES))}")
    if (
        not {"%Y", "%d"} <= set(directives)
        or not {"%m", "%b", "%B"} & set(directives)
        or len(directives) != len(set(directives))
    ):
        raise ValueError("expected a year (%Y), a month (%m, %b or %B) and a day (%d), each once")
    if "%f" in directives and "%S.%f" not in text:
        raise ValueError("%f: expected the fraction of a second behind its point, %S.%f")


def _read_otherwise(first: str, second: str) -> str | None:
    """A day in the first format that the second format reads as another day; None where there is none."""
    for day in (datetime(2026, 3, 4, 5, 6, 7), datetime(2026, 11, 12, 1, 2, 3)):  # noqa: DTZ001 - no point in time
        for one, other in ((first, second), (second, first)):
            text = day.strftime(one)
            try:
                if datetime.strptime(text, other).date() != day.date():  # noqa: DTZ007 - as above
                    return text
            except ValueError:
                continue
    return None


def _near(name: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""
