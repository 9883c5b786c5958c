"""Ids that a program has changed on their way: a spreadsheet's exponent notation, characters that nobody sees, cells.

Such a text is no id: it would make one invoice of two, or two of one. The provider's own file has the right ids. Nor is a text an
id that says that there is no invoice yet (`Estimated`, `Not invoiced`, `(blank)`, `0`): it is as good as none.
Source: a spreadsheet keeps 15 digits of a number, shows long ones as 2.1E+09, and takes zeros from their beginning; an account of
AWS has twelve digits (AWS Account Management, "View AWS account identifiers").
"""

import re

EXPECTED = (
    "an id as the provider writes it; a spreadsheet or an editor has rewritten this one: export the file again, and drop it "
    "without opening it in a spreadsheet"
)

# A sign after the E, for `12E4` may be an id. Byte order mark, zero width, no-break and soft hyphen.
_EXPONENT = r"^[+-]?\d+([.,]\d+)?[eE][+-]\d+$"
_UNSEEN = r"[\x{FEFF}\x{200B}-\x{200F}\x{2060}\x{00A0}\x{202F}\x{00AD}]"

_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_NO_VALUE = ("nan", "none", "null", "nil", "n/a", "#n/a", "#value!", "#ref!", "undefined", "-", r"\n")
"""How programs write that there is no value, in small letters; `\\N` is that of databases."""

_SEPARATOR = "[ _-]*"
_NOT_YET = "|".join(
    (
        *(
            "estimated?",
            "pending",
            "tb[acd]",
            "to be (added|announced|assigned|billed|confirmed|determined|invoiced|issued)",
        ),
        "(not|un|none)( yet)? ?(assigned|available|billed|finali[sz]ed|final|invoiced|issued|posted)( yet)?",
        *(
            "awaiting( invoice| billing)?",
            "(in progress|accruals?|accrued|forecast|provisional|preliminary|open|drafts?)",
        ),
        *("blank", "empty", "no (id|invoice|number|value)( yet)?", "missing", "unknown", "not set", "unassigned"),
        *("offen", "ausstehend", "entwurf", "vorl[aä]ufig", "noch nicht (berechnet|fakturiert|in rechnung gestellt)"),
        *(
            "en attente",
            "brouillon",
            "provisoire",
            "non factur[eé]e?",
            "pendiente",
            "borrador",
            "sin facturar",
            "no facturado",
        ),
        "0+",
    )
).replace(" ", _SEPARATOR)
_SAYS_NOT_YET = rf"(?i)\s*[\[(<*#]*({_NOT_YET})[\])>*#.]*\s*"
_LONGEST_NOT_YET = 40

AWS_ACCOUNT_WITHOUT_ZEROS = r"\d{9,11}"
"""An AWS account's twelve digits without the zeros that a spreadsheet has taken from its beginning."""


def is_mangled_sql(text: str) -> str:
    """SQL: whether the id was changed by a program on its way; NULL where it is NULL. Cheap for all others."""
    return f"({_is_rewritten_sql(text)} OR {_is_a_cell_sql(text)})"


def of_invoice_sql(text: str) -> str:
    """SQL: the id of an invoice; NULL where it says that there is none yet."""
    # A list, for its function sees the text once made.
    return (
        f"list_transform([{text}], lambda id: CASE WHEN strlen(id) <= {_LONGEST_NOT_YET} "
        f"AND regexp_full_match(id, '{_SAYS_NOT_YET}') THEN NULL ELSE id END)[1]"
    )


def says_not_yet(text: str) -> bool:
    """Whether the id says that there is no invoice yet."""
    return re.fullmatch(_SAYS_NOT_YET, text) is not None


def _is_rewritten_sql(text: str) -> str:
    return (
        f"((contains({text}, 'E+') OR contains({text}, 'e+') OR contains({text}, 'E-') OR contains({text}, 'e-')) "
        f"AND regexp_matches({text}, '{_EXPONENT}') "
        f"OR strlen({text}) <> length({text}) AND regexp_matches({text}, '{_UNSEEN}'))"
    )


def _is_a_cell_sql(text: str) -> str:
    """SQL: whether a program that keeps tables has written it as a number, a formula, a day, or as no value."""
    words = ", ".join(f"'{word}'" for word in _NO_VALUE)
    return (
        rf"(ends_with({text}, '.0') AND regexp_matches({text}, '^\d{{4,}}\.0$') "
        rf"OR left({text}, 1) IN ('=', '''') OR starts_with({text}, '###') "
        rf"OR contains({text}, ',') AND regexp_matches({text}, '^\d{{1,3}}(,\d{{3}}){{2,}}$') "
        rf"OR strlen({text}) = 6 AND regexp_matches({text}, '^(?i)({_MONTHS})-\d\d$') "
        rf"OR strlen({text}) <= 9 AND lower({text}) IN ({words}))"
    )
