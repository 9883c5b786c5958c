"""Formats that people describe in TOML files: CSV, read as the description says (docs/describing-a-format.md).

A document is recognised by the columns that the description names. Without a header, it is recognised by its number of columns,
and by the amount and the times in its first record. A description that names the columns of a header comes before the program's
own formats; one without a header comes after those that can read the document. Lines with a negative amount are credits. After
a change of a description its documents are read anew.
"""

import csv
import hashlib
import io
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from arcadia_dagster.formats.described_layout import DescribedLayout
from arcadia_dagster.formats.described_values import bare_number, is_time, month_of, number_pattern
from arcadia_dagster.formats.description import Description, DescriptionError, read_description
from arcadia_dagster.reading import ids
from arcadia_dagster.reading.csv_reader import MAX_LINE_BYTES
from arcadia_dagster.reading.format import Head, NameFacts, Refusal
from arcadia_dagster.reading.pattern import full_matches

SHIPPED = Path(__file__).parent / "descriptions"
"""Descriptions that come with the program. One of a person's own with the same name takes its place."""

_EXTENSION = re.compile(r"\.[A-Za-z]{1,8}(\.(gz|zip|zst))?$")
_COPY_NUMBER = re.compile(r" \(\d{1,2}\)$")
_MOST_PREAMBLE = 1000
_LONGEST_NUMBER = 100
"""No amount or time is longer. Python's regular expressions take quadratic time for some that are."""


class DescribedFormat:
    """A format as a person described it."""

    reading = 7

    def __init__(self, description: Description, path: Path) -> None:
        """The description is right in itself; whether it fits documents shows when one comes."""
        self.description = description
        self.path = path
        self.name = description.name
        self.digest = description.digest
        self.comes_with_the_program = path.parent == SHIPPED

    def recognise(self, head: Head) -> "DescribedLayout | Refusal | None":
        """Known by its columns."""
        return self._by_header(head) if self.description.header else self._by_first_record(head)

    def why_not(self, head: Head) -> str:
        """Why a document that is not recognised is not, for whoever writes the description."""
        description = self.description
        if not head.text.strip():
            return "the file is empty; expected an invoice"
        if description.first_line == "header" and self._table(head) is None:
            return f"none of the first lines has the columns {', '.join(self._named())}; expected one with all of them"
        line, record = self._table(head) or (description.first_line, [])
        if not record:
            return f"line {line}: it cannot be read as CSV with this delimiter; expected values between {description.delimiter!r}"
        values = [value.strip() for value in record]
        if description.header:
            names = {value.casefold() for value in values}
            missing = [name for name in self._named() if name.strip().casefold() not in names]
            text = f"line {line}: column {', '.join(missing)} is missing; found {description.delimiter.join(values)!r:.200}"
            return f"{text}; {hint}" if (hint := self.below(head)) else text
        if len(values) != description.width:
            return f"line {line}: {len(values)} columns; expected width = {description.width}"
        return (
            f"line {line}: {values!r:.300}: its amount or its times are not written as described; expected a decimal_mark, a "
            "thousands_mark and a time_format that fit them"
        )

    def below(self, head: Head) -> str | None:
        """In words, the line of the described header, if it is not the described line; None where no line has it."""
        if not self.description.header or head.columns is not None:
            return None
        line = self._line_of_header(head)
        if line is None or line == self.description.first_line:
            return None
        return (
            f"line {line} has the columns that {self.name} names: say first_line = {line} in {self.path.name}, or "
            'first_line = "header" where that changes'
        )

    def facts_from_name(self, file_name: str) -> NameFacts | None:
        """What the description's pattern finds in the name without its extension."""
        return self.facts_from_names([file_name]).get(file_name)

    def facts_from_names(self, file_names: Collection[str]) -> dict[str, NameFacts]:
        """The same for many names, which one query matches; without those in which it finds nothing."""
        pattern = self.description.file_name
        if pattern is None or not file_names:
            return {}
        # A browser numbers what it has downloaded before: it is the same invoice.
        stems = {name: (stem := _EXTENSION.sub("", name), _COPY_NUMBER.sub("", stem)) for name in file_names}
        matches = full_matches(pattern, [stem for both in stems.values() for stem in both])
        facts_of = {
            name: next((_facts(matches[stem]) for stem in both if stem in matches), None)
            for name, both in stems.items()
        }
        return {name: facts for name, facts in facts_of.items() if facts is not None}

    def _named(self) -> list[str]:
        """The columns that are named, each once."""
        return list(dict.fromkeys(str(name) for name in self.description.all_columns.values()))

    def _table(self, head: Head) -> tuple[int, list[str]] | None:
        """The line in which the table begins, and its first record; None where there is none."""
        line = self.description.first_line
        if line == "header":
            line = self._line_of_header(head) or 0
        rest = head.text.split(head.newline, int(line) - 1)[int(line) - 1 :] if line else []
        first = _records(rest[0], self.description.delimiter, 1) if rest else []
        return (int(line), first[0]) if first else None

    def _line_of_header(self, head: Head) -> int | None:
        """The first line that has all columns that are named."""
        wanted = {name.strip().casefold() for name in self._named()}
        for number, line in enumerate(head.text.split(head.newline, _MOST_PREAMBLE)[:_MOST_PREAMBLE], start=1):
            first = _records(line, self.description.delimiter, 1)
            if first and wanted <= {name.strip().casefold() for name in first[0]}:
                return number
        return None

    def _by_header(self, head: Head) -> "DescribedLayout | Refusal | None":
        table = None if head.columns is not None else self._table(head)
        if table is None:
            return None
        line, first = table
        names = [name.strip().casefold() for name in first]
        wanted = {key: str(column).strip().casefold() for key, column in self.description.all_columns.items()}
        if not set(wanted.values()) <= set(names):
            return None
        if twice := sorted({name for name in wanted.values() if names.count(name) > 1}):
            return Refusal(f"line {line}: column {', '.join(twice)} occurs more than once; expected each once")
        positions = tuple((key, names.index(name)) for key, name in wanted.items())
        return DescribedLayout(self.name, self.digest, len(names), positions, line, description=self.description)

    def _by_first_record(self, head: Head) -> "DescribedLayout | None":
        description = self.description
        table = None if head.columns is not None else self._table(head)
        if table is None or len(table[1]) != description.width:
            return None
        line, first = table
        values = {key: first[int(column) - 1].strip() for key, column in description.all_columns.items()}
        if any(
            len(values.get(key, "")) > _LONGEST_NUMBER for key in ("columns.amount", "columns.start", "columns.end")
        ):
            return None
        has_times = all(
            any(is_time(values[key], format_) for format_ in description.date_format)
            for key in ("columns.start", "columns.end")
            if values.get(key)
        )
        if not has_times or re.search(r"\d", values["columns.amount"]) is None:
            return None
        if re.fullmatch(number_pattern(description), bare_number(values["columns.amount"], description)) is None:
            return None
        positions = tuple((key, int(column) - 1) for key, column in description.all_columns.items())
        return DescribedLayout(self.name, self.digest, len(first), positions, line, description=description)


@dataclass(frozen=True, slots=True)
class Descriptions:
    """The descriptions of a folder, and those that come with the program.

    Attributes:
        formats: What they describe, in the order of the names of their files.
        problems: What is wrong with those that cannot be used, by the file's name.
    """

    formats: tuple[DescribedFormat, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, *, taken: frozenset[str] = frozenset(), must_exist: bool = False) -> "Descriptions":
        """Read the descriptions: every file of the folder that ends with `.toml`. Nothing that is wrong with one raises.

        Args:
            folder: The folder.
            taken: The names of the program's own formats.
            must_exist: Whether a person has named the folder: that it is missing is then a mistake.
        """
        formats: dict[str, DescribedFormat] = {}
        problems: dict[str, str] = {}
        files: dict[str, Path] = {}
        try:
            own = _files(folder)
        except FileNotFoundError:
            own = []
            if must_exist:
                problems[folder.name] = f"{folder} does not exist; ARCADIA_FORMATS names it"
        except OSError as error:
            own = []
            problems[folder.name] = f"{folder} cannot be read: {error.strerror}; expected a folder with descriptions"
        for path in (*_files(SHIPPED), *own):
            try:
                description = read_description(path)
            except DescriptionError as error:
                problems[path.name] = str(error)
                continue
            name = description.name
            if name in taken:
                problems[path.name] = f"{path}: name = {name!r}: the program has a format of that name"
            elif name in files and files[name].parent == path.parent:
                problems[path.name] = f"{path}: name = {name!r}: {files[name].name} has that name too"
            else:
                files[name] = path
                formats[name] = DescribedFormat(description, path)
        return cls(tuple(formats.values()), problems)

    @property
    def digest(self) -> str:
        """A hash of these descriptions; empty where there are none."""
        if not self.formats:
            return ""
        return hashlib.sha256(" ".join(format_.digest for format_ in self.formats).encode()).hexdigest()[:16]

    @property
    def digest_of_headers(self) -> str:
        """A hash of the descriptions that come before the program's own formats: people's own that name columns of a header."""
        digests = [
            format_.digest for format_ in self.formats if format_.description.header and format_.path.parent != SHIPPED
        ]
        return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:16] if digests else ""


def _files(folder: Path) -> list[Path]:
    """The files of the folder that are descriptions: without hidden ones, which editors leave beside what they edit.

    Raises:
        OSError: The folder cannot be read.
    """
    with os.scandir(folder) as entries:
        return sorted(
            Path(entry.path) for entry in entries if entry.name.endswith(".toml") and not entry.name.startswith(".")
        )


def _records(text: str, delimiter: str, most: int) -> list[list[str]]:
    """The first records of a text; none where it is no CSV."""
    csv.field_size_limit(MAX_LINE_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    records: list[list[str]] = []
    try:
        for record in reader:
            if record:
                records.append(record)
            if len(records) >= most:
                break
    except csv.Error:
        return []
    return records


def _facts(groups: Mapping[str, str]) -> NameFacts | None:
    """What the groups of `file_name` tell; None where they tell no invoice, or no month where they should."""
    month = month_of(groups.get("month"))
    if "invoice" not in groups or ids.says_not_yet(groups["invoice"]) or ("month" in groups and month is None):
        return None
    return NameFacts(groups.get("account"), groups["invoice"], month)


NONE = Descriptions()
"""No description, not even those that come with the program."""
