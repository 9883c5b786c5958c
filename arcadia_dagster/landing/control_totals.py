"""What the file `<document>.total` states of a document's invoices: the total of each, and the tax in it.

    EUR 41.06
    41.06 EUR tax 6.56
    G000001001 EUR 119.52 tax 19.08

The currency may be left out. Where a document has several invoices, each line begins with the id, or the number, of one. The
word `none` takes back what the file stated before; deleting the file does not, for people clear the inbox. A document may lie
at several places, with such a file at each: files with the same figures count once, and files with different figures hold the
invoice.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from arcadia_dagster.billing.currency import EXPONENTS

_AMOUNT = r"-?\d{1,14}(?:\.\d{1,18})?"
_LINE = re.compile(
    rf"(?:(?P<first>[A-Z]{{3}})\s+)?\$?(?P<total>{_AMOUNT})(?:\s+(?P<second>[A-Z]{{3}}))?"
    rf"(?:\s+tax\s+(?:(?P<third>[A-Z]{{3}})\s+)?\$?(?P<tax>{_AMOUNT})(?:\s+(?P<fourth>[A-Z]{{3}}))?)?"
)
_WITH_ID = re.compile(rf"(?P<id>\S.*?):?\s+(?P<rest>{re.sub(r'[?]P<[a-z]+>', '?:', _LINE.pattern)})")
_EXPECTED = "expected a total such as 86.92 or USD 86.92, or a total with its tax, such as USD 86.92 tax 7.90"
_NONE = "none"
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class ControlTotal:
    """What is stated of one invoice.

    Attributes:
        total: What it comes to, in major units; None where nothing is stated.
        tax: The tax in it; None where nothing is said of it.
        currency: ISO 4217 code; None where it is left out.
        stated_by: The file, by its path below the inbox; None where nothing is stated.
        problem: Why what is stated cannot be used; else None.
    """

    total: Decimal | None = None
    tax: Decimal | None = None
    currency: str | None = None
    stated_by: str | None = None
    problem: str | None = None

    def problem_for(self, currency: str | None) -> str | None:
        """Why it cannot be used for an invoice in this currency; None where it can."""
        if self.currency is not None and currency is not None and self.currency != currency:
            return (
                f"the control total is in {self.currency}, the invoice in {currency} ({self.stated_by}): "
                f"{correct(self.stated_by)}"
            )
        return self.problem

    @property
    def shown(self) -> str:
        """What is stated, as its file has it."""
        amounts = [f"{amount.normalize():f}" for amount in (self.total, self.tax) if amount is not None]
        return " ".join([*([self.currency] if self.currency else []), " tax ".join(amounts)])


def correct(file: str | None) -> str:
    """What a person does about a file that states something wrong."""
    return f"correct it, or write the word none into {file}, to take back what it states"


ONE_IS_WRONG = (
    "a total is that of the whole invoice, beside any of its files: write the word none into the one that is wrong"
)
"""What a person does where files state different totals of one invoice."""


NOTHING = ControlTotal()


@dataclass(frozen=True, slots=True)
class ControlTotals:
    """What a file states of a document's invoices.

    Attributes:
        by_id: By the id that a line begins with; by None where it begins with none.
        file_name: The file, by its path below the inbox.
        problem: Why the file cannot be read; else None.
    """

    by_id: Mapping[str | None, ControlTotal] = field(default_factory=dict)
    file_name: str = ""
    problem: str | None = None

    @classmethod
    def of(cls, text: str, file_name: str) -> "ControlTotals":
        """What the text of the file states."""
        if text.strip().lower() == _NONE:
            return cls()
        totals: dict[str | None, ControlTotal] = {}
        for line in filter(None, map(str.strip, text.splitlines())) if text.strip() else [""]:
            named, match = None, _LINE.fullmatch(line)
            with_id = _WITH_ID.fullmatch(line) if match is None else None
            if with_id is not None and with_id["id"].split()[0] not in EXPONENTS:
                named, match = with_id["id"], _LINE.fullmatch(with_id["rest"])
            codes = _codes(match)
            if match is None or codes is None:
                return cls(problem=f"{file_name}: {line[:_SHOWN]!r}; {_EXPECTED}: {correct(file_name)}")
            if named in totals:
                return cls(
                    problem=f"{file_name}: {line[:_SHOWN]!r}; expected one line for each invoice: {correct(file_name)}"
                )
            totals[named] = ControlTotal(
                Decimal(match["total"]),
                None if match["tax"] is None else Decimal(match["tax"]),
                codes[0] if codes else None,
                file_name,
            )
        return cls(totals, file_name)

    def of_invoice(self, names: Collection[str], others: Collection[str]) -> ControlTotal:
        """What is stated of one of the document's invoices.

        Args:
            names: Its id, and its number where it has one.
            others: The ids and numbers of all invoices of the document, its own too.
        """
        if self.problem is not None:
            return ControlTotal(problem=self.problem)
        if strange := [named for named in self.by_id if named is not None and named not in others]:
            return ControlTotal(
                problem=f"{self.file_name}: no invoice of its document has the id {strange[0]!r:.60}; expected "
                f"{', '.join(sorted(others)[:3])}: {correct(self.file_name)}"
            )
        if None in self.by_id and not set(others) <= set(names):
            return ControlTotal(
                problem=f"{self.file_name}: it has one total, but its document has several invoices; expected a line for each "
                f"invoice that begins with its id, such as {min(names)} USD 86.92 tax 7.90: {correct(self.file_name)}"
            )
        return self.by_id.get(None) or next((self.by_id[name] for name in names if name in self.by_id), NOTHING)


def totals_of(events: Iterable[Mapping[str, Any]]) -> list[ControlTotals]:
    """What the files with totals beside a document state, each as it was last.

    Args:
        events: The events of a document's record that tell of them, in their order. Earlier versions noted no path.
    """
    texts: dict[tuple[bool, str], str] = {}
    for event in events:
        path = event.get("inbox_path")
        if path is not None:
            texts.pop((False, event["file_name"]), None)
        texts[path is not None, path or event["file_name"]] = event["text"]
    return [ControlTotals.of(text, file) for (_, file), text in sorted(texts.items())]


def stated_of(files: Sequence[ControlTotals], names: Collection[str], others: Collection[str]) -> ControlTotal:
    """What the files beside a document state together of one of its invoices: see `ControlTotals.of_invoice`."""
    stated = [own for file in files if (own := file.of_invoice(names, others)) != NOTHING]
    if len(stated) <= 1:
        return stated[0] if stated else NOTHING
    if problems := [own.problem for own in stated if own.problem is not None]:
        return ControlTotal(problem="; ".join(problems))
    totals, taxes, currencies = (
        {getattr(own, name) for own in stated} - {None} for name in ("total", "tax", "currency")
    )
    if max(len(totals), len(taxes), len(currencies)) > 1:
        said = ", ".join(f"{own.stated_by} states {own.shown}" for own in stated)
        return ControlTotal(problem=f"{said}: {ONE_IS_WRONG}")
    return ControlTotal(
        stated[0].total,
        next(iter(taxes), None),
        next(iter(currencies), None),
        " and ".join(str(own.stated_by) for own in stated),
    )


def _codes(match: re.Match[str] | None) -> list[str] | None:
    """The currency of a line, where it has one; None where it has several, or one of no currency."""
    if match is None or (match["first"] and match["second"]) or (match["third"] and match["fourth"]):
        return None
    codes = sorted({match[name] for name in ("first", "second", "third", "fourth")} - {None})
    return codes if len(codes) <= 1 and set(codes) <= EXPONENTS.keys() else None
