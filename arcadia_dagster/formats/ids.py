"""Ids that a program has changed on their way: a spreadsheet's exponent notation, characters that nobody sees.

Such a text is no id: two invoices become one, or one becomes two. The provider's own file has the ids as they are.
Source: a spreadsheet keeps 15 digits of a number, shows long ones as 2.1E+09, and takes zeros from their beginning; an account of
AWS has twelve digits (AWS Account Management, "View AWS account identifiers").
"""

EXPECTED = (
    "an id as the provider writes it; a spreadsheet or an editor has rewritten this one: export the file again, and drop it "
    "without opening it in a spreadsheet"
)

# A sign after the E, for `12E4` may be an id. Byte order mark, zero width, no-break and soft hyphen.
_EXPONENT = r"^[+-]?\d+([.,]\d+)?[eE][+-]\d+$"
_UNSEEN = r"[\x{FEFF}\x{200B}-\x{200F}\x{2060}\x{00A0}\x{202F}\x{00AD}]"

AWS_ACCOUNT_WITHOUT_ZEROS = r"\d{9,11}"
"""An AWS account's twelve digits without the zeros that a spreadsheet has taken from its beginning."""


def is_mangled_sql(text: str) -> str:
    """SQL: whether the id was changed by a program on its way; NULL where it is NULL. Cheap for all others."""
    return (
        f"((contains({text}, 'E+') OR contains({text}, 'e+') OR contains({text}, 'E-') OR contains({text}, 'e-')) "
        f"AND regexp_matches({text}, '{_EXPONENT}') "
        f"OR strlen({text}) <> length({text}) AND regexp_matches({text}, '{_UNSEEN}'))"
    )
