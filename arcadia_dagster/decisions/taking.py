"""Taking a decision, and what to tell the person who took it: the same on the command line and in the UI."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from arcadia_dagster.billing.approval import Limits
from arcadia_dagster.decisions.approving import must_be_approved
from arcadia_dagster.decisions.decision import Decision, DecisionError, decide
from arcadia_dagster.decisions.subjects import (
    current_document,
    document_by_name,
    invoices_in_finance,
    last_invoice,
)
from arcadia_dagster.formats.registry import Formats
from arcadia_dagster.how_many import how_many
from arcadia_dagster.landing.archive import Archive
from arcadia_dagster.landing.descriptions import assert_usable
from arcadia_dagster.ledger.ledger import is_on_record
from arcadia_dagster.stages.stated import stated_figures
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.keys import InvoiceKey

AboutInvoice = Literal["release", "approve", "void"]

_EFFECTS = {
    "release": "it may go to finance",
    "approve": "it is approved, and may go to finance",
    "void": "it is not pushed any more",
}


class SeveralReasonsError(DecisionError):
    """Several reasons hold the invoice, and nobody has said that all of them are meant; the message has them, but no way on."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A decision that is on record.

    Attributes:
        message: What it does, for the person.
        months: The months to build again, as `2026-04`.
        document_sha256: The document whose record has it.
    """

    message: str
    months: tuple[str, ...]
    document_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Who decides, when and why, and where it is put on record.

    Attributes:
        warehouse: Where the documents are registered.
        archive: Where their records are.
        formats: The formats that documents are read by.
        reason: Why, in the person's words.
        by: Who.
        now: When, with its time zone.
    """

    warehouse: Warehouse
    archive: Archive
    formats: Formats
    reason: str
    by: str
    now: datetime

    def about_invoice(
        self,
        decision: AboutInvoice,
        invoice: InvoiceKey,
        limits: Limits,
        *,
        reasons: Sequence[str],
        as_stated: bool = False,
        is_all: bool = False,
    ) -> Taken:
        """Decide about the current version of an invoice.

        Args:
            decision: What.
            invoice: Which.
            limits: Which invoices a second person must approve.
            reasons: All that holds it now, in the words that the person has seen.
            as_stated: With a release: finance is to have the total that is stated.
            is_all: With a release: all reasons that hold the invoice are meant.

        Raises:
            DecisionError, LockTimeoutError, OSError, WarehouseError: See `decide`.
            FormatsError: A description that documents were read by cannot be right, or is gone.
            NotStatedError: No total is stated that finance could have.
            SeveralReasonsError: Several reasons hold the invoice, and `is_all` is not said.
        """
        is_release = decision == "release"
        with self.warehouse.read() as connection:
            sha256 = current_document(connection, invoice)
            is_pushed = is_on_record(connection, invoice)
        if is_release and not is_all:
            _assert_one_reason(reasons, invoice, as_stated=as_stated)
        with self.warehouse.read() as connection:
            stated = stated_figures(connection, invoice) if is_release and as_stated else None
            gross = stated[0] if stated else None
            waits = is_release and must_be_approved(connection, invoice, limits, gross=gross)
        months = self._decided(decision, sha256, invoice, as_stated=stated)
        effect = _EFFECTS[decision] + (" with its stated total" if stated else "")
        message = f"{invoice.external_id}: {effect}{', once another person has approved it' if waits else ''}"
        if decision == "void" and is_pushed:
            message += "; finance has it: remove it there by hand"
        return Taken(message, months, sha256)

    def dismiss(self, document: str) -> Taken:
        """Take a document out: its invoices go, and an older version of each is current again.

        Args:
            document: Its file name, or the beginning of its SHA-256.

        Raises:
            DecisionError, LockTimeoutError, OSError, WarehouseError: See `decide`; or the name means no document, or several.
        """
        with self.warehouse.read() as connection:
            sha256, name = document_by_name(connection, document)
            pushed = invoices_in_finance(connection, sha256)
        months = self._decided("dismiss", sha256, None)
        message = f"{name} is dismissed"
        if pushed:
            message += (
                f"; finance has {', '.join(pushed)}: unless an older version takes its place, remove it there by hand"
            )
        return Taken(message, months, sha256)

    def end(self, account: str) -> Taken:
        """Say that an account has ended: nothing is awaited of it any more, unless an invoice of a later month comes.

        Args:
            account: Its id, or `source/account`.

        Raises:
            DecisionError, LockTimeoutError, OSError, WarehouseError: See `decide`; or the name means no account, or several.
            FormatsError: A description that documents were read by cannot be right, or is gone.
        """
        with self.warehouse.read() as connection:
            last = last_invoice(connection, account)
        months = self._decided("end", last.document_sha256, last.key)
        source, account_id, external_id = last.key
        message = f"{source}/{account_id} has ended: its last invoice is {external_id} of {last.month:%Y-%m}"
        return Taken(message, months, last.document_sha256)

    def _decided(
        self,
        decision: Decision,
        document_sha256: str,
        invoice: InvoiceKey | None,
        *,
        as_stated: tuple[Decimal, Decimal | None] | None = None,
    ) -> tuple[str, ...]:
        if decision != "dismiss":
            # A document that is taken out need not be read: by that a description that is gone can be given up.
            assert_usable(self.warehouse, self.formats)
        months = decide(
            self.warehouse,
            self.archive,
            decision=decision,
            document_sha256=document_sha256,
            invoice=invoice,
            reason=self.reason,
            by=self.by,
            now=self.now,
            formats=self.formats,
            as_stated=as_stated,
        )
        return tuple(f"{month:%Y-%m}" for month in sorted(months))


def _assert_one_reason(reasons: Sequence[str], invoice: InvoiceKey, *, as_stated: bool) -> None:
    """A release overrules all that holds the invoice, and each reason tells the way to it: the others must have been read too.

    Raises:
        SeveralReasonsError: Something else holds the invoice too.
    """
    # What differs from the stated figures is settled by pushing these, whatever else differs from them.
    others = [reason for reason in reasons if "--as-stated" not in reason] if as_stated else reasons
    if len(reasons) <= 1 or not others:
        return
    told = "\n".join(f"  {number}. {reason}" for number, reason in enumerate(reasons, start=1))
    raise SeveralReasonsError(
        f"{invoice.external_id} is held for {how_many(len(reasons), 'reason')}, and a release overrules all of them:\n{told}"
    )
