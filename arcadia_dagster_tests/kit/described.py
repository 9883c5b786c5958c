"""A format that people describe, Examplecloud's, and its documents; and documents of Hetzner's, which comes with the program."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from arcadia_dagster.formats.registry import Formats

GOOD = """
name = "examplecloud"
source = "examplecloud"
vendor = "Examplecloud GmbH"
currency = "EUR"
account = "8812"
delimiter = ";"
decimal_mark = ","
thousands_mark = "."
date_format = "%d.%m.%Y"
end = "inclusive"
file_name = '(?P<invoice>R-\\d+)( of (?P<month>\\d{4}-\\d{2}))?'

[columns]
amount = "Netto"
description = "Text"
service = "Produkt"
start = "Von"
end = "Bis"
quantity = "Menge"
unit = "Einheit"

[tax]
column = "Produkt"
values = ["USt.", "MwSt."]
"""

HEADER = ("Produkt", "Text", "Von", "Bis", "Menge", "Einheit", "Netto")
SERVER = ("Server", "web-01", "01.04.2026", "30.04.2026", "720", "Stunden", "1.234,56")
VAT = ("USt.", "19 %", "", "", "", "", "234,57 €")

# Its files have no header.
HETZNER = (
    ("CX22", 'Server #12 "web"\nUsage: 720 h', "2026-04-01", "2026-04-30", "1", "3.2900", "3.29", ""),
    ("Backup", 'Backup of "web", 20 %', "2026-04-01", "2026-04-30", "1", "0.6580", "0.658", "693280"),
)


def as_csv(*rows: Sequence[str], header: Sequence[str] = HEADER, delimiter: str = ";") -> bytes:
    """The rows below the header, if there is one."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerows([header, *rows] if header else rows)
    return file.getvalue().encode()


def described(folder: Path, **files: str) -> Formats:
    """The program's formats and those that these texts describe, by the names of their files."""
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return Formats.of(folder)
