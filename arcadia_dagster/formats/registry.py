"""The formats there are. A document belongs to the first that recognises it."""

import hashlib
import inspect
import sys
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path

from arcadia_dagster.billing.rules import Rules
from arcadia_dagster.formats import described
from arcadia_dagster.formats.aws_cur import AwsCur
from arcadia_dagster.formats.aws_invoice_summaries import AwsInvoiceSummaries
from arcadia_dagster.formats.aws_manifest import AwsManifest
from arcadia_dagster.formats.azure_invoices import AzureInvoices
from arcadia_dagster.formats.azure_manifest import AzureManifest
from arcadia_dagster.formats.cost_table import CostTable, CostTableLayout, with_ids
from arcadia_dagster.formats.described import NONE, DescribedFormat, Descriptions
from arcadia_dagster.formats.digitalocean_csv import DigitalOceanCsv, DigitalOceanCsvLayout
from arcadia_dagster.formats.digitalocean_json import DigitalOceanJson
from arcadia_dagster.formats.einvoice import EInvoices
from arcadia_dagster.formats.evidence import Evidence
from arcadia_dagster.formats.focus import Focus
from arcadia_dagster.formats.focus_invoices import FocusBillingPeriod, FocusInvoiceDetail
from arcadia_dagster.formats.gcp_cost_table import GcpCostTable
from arcadia_dagster.formats.inventory import InventoryCsv, InventoryJson
from arcadia_dagster.formats.linode import Linode
from arcadia_dagster.formats.listings import Listing
from arcadia_dagster.formats.ovhcloud import OvhCloud
from arcadia_dagster.formats.own_exports import OwnExports
from arcadia_dagster.formats.scaleway import Scaleway
from arcadia_dagster.reading import semicolons, unread
from arcadia_dagster.reading.format import (
    Format,
    Head,
    NameFacts,
    Recognised,
    Refusal,
)

FORMATS: tuple[Format, ...] = (
    OwnExports(),
    DigitalOceanCsv(),
    DigitalOceanJson(),
    FocusInvoiceDetail(),
    FocusBillingPeriod(),
    Focus(),
    AwsCur(),
    GcpCostTable(),
    Linode(),
    OvhCloud(),
    Scaleway(),
    AwsInvoiceSummaries(),
    AzureInvoices(),
    EInvoices(),
    AwsManifest(),
    AzureManifest(),
    Listing(),
    InventoryCsv(),
    InventoryJson(),
    Evidence(),
)


_NOT_READ = frozenset({OwnExports.name, Listing.name, Evidence.name})
"""The formats that only say why nothing is read."""

_OWN_NAMES = frozenset(format_.name for format_ in FORMATS)

_RULES_MARK = "+"
"""What stands before the rules for ids in the text of what read a document."""


class Formats:
    """All that reading depends on: the program's formats, people's descriptions, and the rules for sources.

    Args:
        descriptions: What people have described.
        rules: What people know of sources, such as which column of their tables has an invoice's id.
    """

    def __init__(self, descriptions: Descriptions = NONE, rules: Rules | None = None) -> None:
        """The formats above come first."""
        self.descriptions = descriptions
        self.rules = Rules() if rules is None else rules
        self._formats: tuple[Format, ...] = (*FORMATS, *descriptions.formats)
        self._by_name = {format_.name: format_ for format_ in self._formats}

    @classmethod
    def of(cls, folder: Path, rules: Rules | None = None, *, must_exist: bool = False) -> "Formats":
        """With the descriptions of a folder, those that come with the program, and what people know of sources.

        See `Descriptions.of`.
        """
        return cls(Descriptions.of(folder, taken=_OWN_NAMES, must_exist=must_exist), rules)

    def with_rules(self, rules: Rules) -> "Formats":
        """The same formats, with what people know of sources."""
        return Formats(self.descriptions, rules)

    def recognise(self, head: Head) -> tuple[str | None, Recognised]:
        """The format's name and how to read the document; no name and a refusal where none recognises it.

        A description that names the columns of its header comes before the program's own formats: a person wrote it for such
        files.
        """
        described = [(format_, layout) for format_ in self.descriptions.formats if (layout := format_.recognise(head))]
        readable = [(format_, layout) for format_, layout in described if not isinstance(layout, Refusal)]
        own = _own_format(head)
        if own is not None:
            own = own[0], with_ids(own[1], self.rules.id_columns)
        if own is not None and isinstance(own[1], Refusal) and own[1].stands:
            return own
        if own is not None and not isinstance(own[1], Refusal):
            readable = [(format_, layout) for format_, layout in readable if format_.description.header]
            if not readable:
                return own
        # A document that a format of the program recognises and cannot read may be of a described format.
        candidates = readable if own is not None else described
        if len(candidates) > 1:
            names = " and ".join(format_.name for format_, _ in candidates)
            return None, Refusal(
                f"{names} both describe it; expected one description: let each name a column that only its own documents have"
            )
        if candidates:
            return candidates[0][0].name, candidates[0][1]
        if own is not None:
            return own
        hints = [hint for format_ in self.descriptions.formats if (hint := format_.below(head)) is not None]
        return None, Refusal(
            "; ".join(
                [
                    _what_it_seems(head, [format_.name for format_ in self._formats if format_.name not in _NOT_READ]),
                    *hints,
                ]
            )
        )

    def passed_over(self, head: Head) -> str | None:
        """The program's own format that would read the document if no description did; None where none would."""
        own = _own_format(head)
        return None if own is None or isinstance(own[1], Refusal) else own[0]

    def passed_over_by(self, described: DescribedFormat) -> list[str]:
        """The program's own formats whose usual header has all columns of a description: that reads their files."""
        usual = {
            format_.name: format_.usual_columns
            for format_ in FORMATS
            if isinstance(format_, CostTable | DigitalOceanCsv)
        }
        delimiter = described.description.delimiter
        return [
            name
            for name, columns in usual.items()
            if described.description.header
            and described.recognise(Head(text=delimiter.join(columns) + "\n", newline="\n")) is not None
        ]

    def facts_from_names(self, format_name: str | None, file_names: Collection[str]) -> dict[str, NameFacts]:
        """What the provider's file names tell; without those that are not the provider's.

        A description's pattern is matched here, by a query: never while a lock is held.
        """
        format_ = self._by_name.get(format_name or "")
        if isinstance(format_, DescribedFormat):
            return format_.facts_from_names(file_names)
        if format_ is None:
            return {}
        return {name: facts for name in file_names if (facts := format_.facts_from_name(name)) is not None}

    def read_by(self, format_name: str | None, *, is_rejected: bool) -> str:
        """A text that stands for the present reading of the format: its version, and what people say where it matters.

        For a rejected or described document all descriptions matter, for any new or changed one may fit it. For one of the
        program's own formats only the descriptions that come before it matter. For a rejected document the versions of all
        formats count. For a cost table all rules count that name the column of an id: they are for the lines of a provider or an
        issuer, of which a document may name several.
        """
        is_own = not is_rejected and not self.is_described(format_name)
        digest = self.descriptions.digest_of_headers if is_own else self.descriptions.digest
        return f"{self._reading(format_name, is_rejected=is_rejected)} {digest}".rstrip()

    def has_other_reading(self, format_name: str | None, read_by: str, *, is_rejected: bool) -> bool:
        """Whether a document was read by another version of the reading than the present one, see `read_by`."""
        return read_by.partition(" ")[0] != self._reading(format_name, is_rejected=is_rejected)

    def changed_since(self, format_name: str | None, read_by: str) -> str:
        """What has changed since an accepted document was read, in words; one thing where more have changed, see `read_by`."""
        if not read_by:
            return "what is decided about its invoices"
        if self.has_other_id_rules(format_name, read_by):
            return "a rule for ids in the file of ARCADIA_SOURCES"
        if self.has_other_reading(format_name, read_by, is_rejected=False):
            return "the program"
        return "a description of a format"

    def has_other_id_rules(self, format_name: str | None, read_by: str) -> bool:
        """Whether an accepted document was read by other rules for ids than the present ones, see `read_by`."""
        rules = read_by.partition(" ")[0].partition(_RULES_MARK)[2]
        return rules != self._reading(format_name, is_rejected=False).partition(_RULES_MARK)[2]

    def _reading(self, format_name: str | None, *, is_rejected: bool) -> str:
        if is_rejected or format_name is None:
            # Versions only rise, so that a sum tells.
            return f"any-{sum(format_.reading for format_ in FORMATS) + DescribedFormat.reading}{self._id_rules}"
        if self.is_described(format_name):
            return str(DescribedFormat.reading)
        format_ = self._by_name[format_name]
        return f"{format_.reading}{self._id_rules if isinstance(format_, CostTable) else ''}"

    @cached_property
    def _id_rules(self) -> str:
        """What stands for the rules that name the columns of ids; nothing where there are none."""
        columns = self.rules.id_columns
        return f"{_RULES_MARK}{hashlib.sha256(repr(columns).encode()).hexdigest()[:16]}" if columns else ""

    @property
    def own_names(self) -> frozenset[str]:
        """The names of the program's own formats."""
        return _OWN_NAMES

    def described(self, format_name: str | None) -> DescribedFormat | None:
        """The description of that name; None where there is none now."""
        format_ = self._by_name.get(format_name or "")
        return format_ if isinstance(format_, DescribedFormat) else None

    def is_described(self, format_name: str | None) -> bool:
        """Whether people describe the format, or did so once: it is none of the program's own."""
        return format_name not in _OWN_NAMES


def _own_format(head: Head) -> tuple[str, Recognised] | None:
    """The program's own format that reads the document, also with semicolons."""
    heads = [head, replace(head, delimiter=semicolons.DELIMITER)] if semicolons.has_semicolons(head) else [head]
    for part in heads:
        for format_ in FORMATS:
            layout = format_.recognise(part)
            if part.delimiter != head.delimiter and isinstance(layout, CostTableLayout | DigitalOceanCsvLayout):
                layout = semicolons.semicolon_table(part, layout, layout.numbers)
            if layout is not None:
                return format_.name, layout
    return None


def _what_it_seems(head: Head, names: Iterable[str]) -> str:
    known = ", ".join(names)
    if head.columns is not None:
        return unread.columns(tuple(head.columns), known)
    if (words := unread.text(head.text)) is not None:
        return words
    if head.json_problem is not None:
        return f"{head.json_problem}; expected a whole document of one of: {known}"
    if head.text.lstrip().startswith(("{", "[")):
        return f"line 1: it is JSON of an unknown shape, perhaps an error answer; expected one of: {known}"
    first = head.text.partition(head.newline)[0][:120]
    described = "or describe it (docs/describing-a-format.md)"
    return f"line 1: {first!r} is the header of no known format; expected one of: {known}; {described}"


def month_of_name(file_name: str) -> date | None:
    """The month that a provider's file name tells, whatever its format; None where it tells none."""
    named = (format_.facts_from_name(file_name) for format_ in FORMATS)
    return next((facts.month for facts in named if facts is not None), None)


def as_markdown() -> str:
    """All formats, as docs/formats.md has them: the docstrings of their modules."""
    parts = [
        "# Formats",
        "",
        "The program recognises a document by its content, never by its name. Any document may be packed with gzip or Zstandard,",
        "or be the only file of a ZIP archive. The column `format` of the table `documents` has the format that was recognised.",
        "If the program cannot read a file, it says what the file is and what to do instead. CSV of these formats may have",
        "semicolons, as spreadsheets write it. It may have decimal commas if its numbers prove them: `12,5` and `1.234,56` do,",
        "`1.234` and `1,234` do not.",
        "",
    ]
    modules: dict[str, list[str]] = {}
    for format_ in FORMATS:
        modules.setdefault(type(format_).__module__, []).append(format_.name)
    for module, names in modules.items():
        parts += [f"## {', '.join(f'`{name}`' for name in names)}", "", inspect.getdoc(sys.modules[module]) or "", ""]
        for table in (format_ for format_ in FORMATS if isinstance(format_, CostTable) and format_.name in names):
            parts += ["| what is read | its column | mandatory |", "|---|---|---|"]
            parts += [
                f"| {field.replace('_', ' ')} | {' or '.join(f'`{name}`' for name in columns)} | "
                f"{'yes' if field in table.layout.required else ''} |"
                for field, columns in table.layout.names.items()
            ]
            parts.append("")
    shipped = ", ".join(f"`{format_.name}`" for format_ in Descriptions.of(described.SHIPPED).formats)
    parts += [
        "## Described formats",
        "",
        inspect.getdoc(described) or "",
        "",
        f"The program brings descriptions of: {shipped}.",
        "",
    ]
    return "\n".join(parts)
