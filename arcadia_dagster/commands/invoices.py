"""`arcadia explain`, `push`, `reconcile`, `release`, `approve`, `dismiss`, `void`, `end`: what people do about invoices."""

import argparse
import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from arcadia_dagster import text_table
from arcadia_dagster.commands.common import (
    FAILED,
    MISUSED,
    OK,
    CommandError,
    complaints,
    harmless,
    line_name,
    new_console,
    parse_months,
    print_json,
    progress,
)
from arcadia_dagster.commands.documents import explain_file, opened_by
from arcadia_dagster.commands.home import Home
from arcadia_dagster.commands.person import person
from arcadia_dagster.how_many import how_many
from arcadia_dagster.reports import findings
from arcadia_dagster.reports.explain import (
    NoInvoiceError,
    UnknownInvoiceError,
    explain,
    find,
    hold_reasons,
    why_not_ready,
)
from arcadia_dagster.warehouse import Warehouse
from arcadia_dagster.warehouse.keys import InvoiceKey

if TYPE_CHECKING:
    from arcadia_dagster.decisions.taking import AboutInvoice, Taken, Taking
    from arcadia_dagster.finance.delivery import Delivered
    from arcadia_dagster.finance.reconcile import Difference

_LINES_SHOWN = 40

# Findings that an explanation tells with its totals, and with what finance has.
_TOLD_ELSEWHERE = frozenset({findings.HELD.name, findings.UNAPPROVED.name, findings.MISSING.name})


def explain_invoice(options: argparse.Namespace) -> int:
    """Print all that is known of an invoice, from finance's record back to the lines of the file; else of a document."""
    home = Home.open()
    warehouse = home.existing_warehouse
    with complaints(UnknownInvoiceError):
        try:
            invoice = find(warehouse, options.what)
        except NoInvoiceError:
            return explain_file(options, home, warehouse, home.archive)
        shown = None if options.json else _LINES_SHOWN
        formats = home.formats()
        explanation = explain(
            warehouse, home.archive, invoice, max_lines=shown, formats=formats, recipient=home.recipient
        )
    if options.json:
        print_json(explanation)
    else:
        _print_explanation(explanation, home)
    return OK


def push(options: argparse.Namespace) -> int:
    """Push a month's or an invoice's to finance; `--again` also what finance has already."""
    # Before the definitions are imported, which read the settings too.
    home = Home.open()
    from arcadia_dagster.stages.barring import barred

    resources = home.resources
    finance = resources.finance
    if not finance.is_configured:
        raise CommandError(home.not_configured, MISUSED)
    warehouse = home.existing_warehouse
    with complaints():
        resources.landing.assert_can_deliver(warehouse)
    months, invoice = None, None
    if re.fullmatch(r"\d{4}-\d{2}(\.\.\d{4}-\d{2})?", options.what):
        months = parse_months(options.what, home.settings)
    else:
        with complaints(UnknownInvoiceError):
            invoice = find(warehouse, options.what)
    invoices = None if invoice is None else [invoice]
    with home.finance_complaints(), progress("push", new_console(stderr=True)) as advance:
        delivered = finance.deliver(
            warehouse,
            months=months,
            invoices=invoices,
            again=options.again,
            barred=lambda: barred(warehouse, home.archive, months),
            progress=advance,
        )
    home.show_changes()
    if invoice is not None:
        _assert_was_ready(warehouse, invoice, delivered)
    return _report(delivered, as_json=options.json)


def reconcile(options: argparse.Namespace) -> int:
    """Compare what finance lists with what is on record; exit 1 where they differ."""
    home = Home.open()
    finance = home.resources.finance
    if not finance.is_configured:
        raise CommandError(home.not_configured, MISUSED)
    warehouse = home.existing_warehouse
    with home.finance_complaints():
        differences = finance.reconcile(warehouse)
    home.show_changes()
    if options.json:
        print_json({"differences": [asdict(difference) for difference in differences]})
    elif not differences:
        print("finance has what is on record here, to the minor unit")
    for difference in [] if options.json else differences:
        print(f"{_of_tenant(difference)}: {difference.what}\n  {difference.advice}")
    return FAILED if differences else OK


def _of_tenant(difference: "Difference") -> str:
    return f"{difference.source} {difference.external_id} of tenant {difference.tenant_id}"


def release(options: argparse.Namespace) -> int:
    """Let a held invoice go to finance, for this version of it: as its lines are, or as it is stated."""
    return _decide_invoice(options, "release")


def approve(options: argparse.Namespace) -> int:
    """Let an invoice of a large amount go to finance, as another person than the one who has released it."""
    return _decide_invoice(options, "approve")


def void(options: argparse.Namespace) -> int:
    """Stop all further pushes of an invoice."""
    return _decide_invoice(options, "void")


def dismiss(options: argparse.Namespace) -> int:
    """Take a document out: its invoices go, and an older version of each is current again."""
    from arcadia_dagster.decisions.decision import DecisionError

    home = Home.open()
    with complaints(DecisionError):
        return _tell_taken(home, _taking(home, options).dismiss(options.document), as_json=options.json)


def mend(options: argparse.Namespace) -> int:
    """Write a damaged record anew from what is still known; invoices of which something is lost wait for a person."""
    from arcadia_dagster.decisions.decision import DecisionError
    from arcadia_dagster.decisions.mending import mend as mend_record
    from arcadia_dagster.decisions.subjects import document_by_name
    from arcadia_dagster.landing.descriptions import assert_usable

    home = Home.open()

    warehouse = home.existing_warehouse
    formats = home.formats()
    with complaints(DecisionError):
        assert_usable(warehouse, formats)
        with warehouse.read() as connection:
            sha256, name = document_by_name(connection, options.document)
        months, lost = mend_record(
            warehouse,
            home.archive,
            document_sha256=sha256,
            reason=options.reason,
            by=person(),
            now=datetime.now(UTC),
            formats=formats,
        )
    message = f"the record of {name} is mended"
    if lost:
        message += (
            "; some of its lines are lost, so that each of its invoices is held until it is released or voided. Lost: "
            + " | ".join(lost)
        )
    _tell(harmless(message), sorted(f"{month:%Y-%m}" for month in months), as_json=options.json, document_sha256=sha256)
    return OK


def retire(options: argparse.Namespace) -> int:
    """Take out what was read by a description; where it is gone, what another format reads is read by that."""
    from arcadia_dagster.decisions.decision import DecisionError
    from arcadia_dagster.decisions.retiring import retire as retire_description

    home = Home.open()
    warehouse = home.existing_warehouse
    formats = home.formats()
    if not formats.is_described(options.name):
        raise CommandError(f"{options.name} is the program's own format: only a described format can be retired")
    described = formats.described(options.name)
    with complaints(DecisionError):
        retired = retire_description(
            warehouse,
            home.archive,
            name=options.name,
            reason=options.reason,
            by=person(),
            now=datetime.now(UTC),
            formats=formats,
        )
    pushed, dismissed = retired.in_finance, retired.dismissed
    months = sorted(f"{month:%Y-%m}" for month in retired.months)
    message = f"{options.name}: {how_many(len(dismissed), 'document')} dismissed"
    if retired.read_otherwise:
        message += f", {len(retired.read_otherwise)} read by another format from now on"
    if described is not None and not described.comes_with_the_program:
        message += f"; {described.path} may be removed now"
    if pushed:
        message += f"; finance has {', '.join(pushed)}: remove {'it' if len(pushed) == 1 else 'them'} there by hand"
    if options.json:
        print_json(
            {"message": message, "months": months, "dismissed": dismissed, "read_otherwise": retired.read_otherwise}
        )
    else:
        print(message)
        _print_months(months)
    if not months:
        home.show_changes()
    return OK


def end(options: argparse.Namespace) -> int:
    """Say that an account has ended: nothing is awaited of it any more, unless an invoice of a later month comes."""
    from arcadia_dagster.decisions.decision import DecisionError

    home = Home.open()
    with complaints(DecisionError):
        taken = _taking(home, options).end(options.account)
    _tell(taken.message, list(taken.months), as_json=options.json, document_sha256=taken.document_sha256)
    home.report_checks()
    return OK


def _decide_invoice(options: argparse.Namespace, decision: "AboutInvoice") -> int:
    from arcadia_dagster.decisions.decision import DecisionError
    from arcadia_dagster.decisions.taking import SeveralReasonsError
    from arcadia_dagster.stages.stated import NotStatedError

    home = Home.open()
    as_stated, is_all = (decision == "release" and getattr(options, name) for name in ("as_stated", "all"))
    with complaints(DecisionError, NotStatedError, UnknownInvoiceError):
        invoice = find(home.existing_warehouse, options.invoice)
        try:
            taken = _taking(home, options).about_invoice(
                decision,
                invoice,
                home.settings.approve_over,
                reasons=hold_reasons(home.existing_warehouse, invoice),
                as_stated=as_stated,
                is_all=is_all,
            )
        except SeveralReasonsError as error:
            option = "--as-stated " if as_stated else ""
            command = (
                f"arcadia release {shlex.quote(invoice.name)} {option}--all --reason {shlex.quote(options.reason)}"
            )
            raise CommandError(f"{error}\nIf none of them is right: {command}") from error
    return _tell_taken(home, taken, as_json=options.json)


def _taking(home: Home, options: argparse.Namespace) -> "Taking":
    from arcadia_dagster.decisions.taking import Taking

    return Taking(
        warehouse=home.existing_warehouse,
        archive=home.archive,
        formats=home.formats(),
        reason=options.reason,
        by=person(),
        now=datetime.now(UTC),
    )


def _tell_taken(home: Home, taken: "Taken", *, as_json: bool) -> int:
    _tell(taken.message, list(taken.months), as_json=as_json, document_sha256=taken.document_sha256)
    if not taken.months:
        # Otherwise the run that builds the months evaluates the checks and makes the statements.
        home.show_changes()
    return OK


def _tell(message: str, months: list[str], *, as_json: bool, document_sha256: str) -> None:
    if as_json:
        print_json({"message": message, "months": months, "document_sha256": document_sha256})
        return
    print(message)
    _print_months(months)


def _print_months(months: list[str]) -> None:
    if months:
        print(f"run `arcadia ingest` to bring {', '.join(months)} up to date; a running deployment does it by itself")


def _assert_was_ready(warehouse: Warehouse, invoice: InvoiceKey, delivered: "Delivered") -> None:
    if delivered.synthetic:
        raise CommandError(f"{invoice.external_id} is a sample: it goes to a sandbox only, see ARCADIA_SANDBOX_URL")
    tried = (delivered.created, delivered.updated, delivered.deferred, delivered.refused, delivered.abandoned)
    if any(tried) or delivered.unchanged or delivered.given_up or delivered.barred or delivered.failure:
        return
    raise CommandError(f"{invoice.external_id} was not pushed: it is {why_not_ready(warehouse, invoice)}")


def _report(delivered: "Delivered", *, as_json: bool) -> int:
    failures = {
        "deferred": ("left for a later delivery", delivered.deferred),
        "refused": ("refused", delivered.refused),
        "abandoned": ("abandoned", delivered.abandoned),
        "given_up": ("not tried, because it needs a person; `--again` tries it", delivered.given_up),
        "barred": ("not pushed", delivered.barred),
    }
    failed = bool(delivered.failure) or any(errors for _, errors in failures.values())
    if as_json:
        print_json(
            {
                "created": [key.external_id for key in delivered.created],
                "updated": [key.external_id for key in delivered.updated],
                "unchanged": delivered.unchanged,
                **{
                    name: {key.external_id: error for key, error in errors.items()}
                    for name, (_, errors) in failures.items()
                },
                "kept_from_target": delivered.synthetic,
                "stopped": delivered.stopped,
            }
        )
        return FAILED if failed else OK
    print(
        f"{len(delivered.created)} created, {len(delivered.updated)} updated, {delivered.unchanged} unchanged and not sent"
    )
    if delivered.synthetic:
        print(
            f"{how_many(delivered.synthetic, 'sample invoice')} not sent: the target is no sandbox (ARCADIA_SANDBOX_URL)"
        )
    if delivered.stopped is not None:
        print(f"ended early, because finance is away: {delivered.stopped}; the rest is due at once")
    for what, errors in failures.values():
        for key, error in errors.items():
            print(harmless(f"{key.external_id}: {what}: {error}"))
    return FAILED if failed else OK


def _print_explanation(explanation: dict[str, Any], home: Home) -> None:
    for text in (
        *_invoice_lines(explanation),
        *_finding_lines(explanation),
        *_finance_lines(explanation),
        *_export_lines(explanation),
        *_file_lines(explanation, home),
    ):
        print(harmless(text))
    rows: list[tuple[str, ...]] = [("line", "amount", "category", "service", "description", "resource")]
    for line in explanation["lines"]:
        category = line["charge_category"] + (f" ({line['tax_basis']})" if line["tax_basis"] else "")
        cells = (
            line_name(line["file_line"], line["line_number"]),
            _exact(line["amount"], line["currency"]),
            category,
            line["service_name"],
            line["description"],
            line["matched_resource_id"],
        )
        rows.append(tuple(harmless(cell or "") for cell in cells))
    print("Lines")
    for row in text_table.lines(rows, right=(0, 1), width=text_table.window_width()):
        print(row)
    if explanation["totals"] and (more := explanation["totals"]["line_count"] - len(explanation["lines"])) > 0:
        print(f"and {more} more lines: use --json")


def _exact(amount: str, currency: str | None) -> str:
    from arcadia_dagster.billing.currency import format_exact

    return format_exact(Decimal(amount), currency)


def _invoice_lines(explanation: dict[str, Any]) -> Iterator[str]:
    invoice, totals = explanation["invoice"], explanation["totals"]
    yield f"Invoice {invoice['external_id']} of {invoice['source']}, account {invoice['account_id']}"
    if totals is None:
        yield f"  {_why_no_totals(explanation)}"
        return
    yield f"  month {totals['invoice_month'][:7]}, {how_many(totals['line_count'], 'line')}, {totals['status']}"
    yield f"  {_amounts(totals)}"
    for compared in explanation["agreement"]:
        yield f"  {compared['words']}" + (f" ({compared['target']})" if compared["target"] else "")
    for stated in explanation["stated"]:
        yield f"  stated by {stated['file_name']}: {_terms(stated)}"
        yield from (f"    {_tax(tax, stated['currency'])}" for tax in stated["taxes"] if tax["category"] or tax["rate"])
    yield from _relations(explanation)
    for rule in explanation["rules"]:
        yield f"  by sources.toml, {rule['of']}: {rule['key']} = {rule['value']} ({rule['reason']})"
    for line in explanation["added_lines"]:
        amount = _exact(line["amount"], line["currency"])
        yield f"  added to reach the stated total: {line['service_name'].lower()} of {amount}, for {line['added_by']}"
    for reason in totals["hold_reasons"]:
        yield f"  held: {reason}"
    if totals["can_release"]:
        yield f"  to let it go to finance as it is: arcadia release {shlex.quote('/'.join(invoice.values()))} --reason ..."
    for reason in totals["released_reasons"]:
        yield f"  released though: {reason}"


_FINDINGS_SHOWN = 20
"""How many findings of a kind are listed: an invoice of 300,000 lines had 27,000 doubtful ones (2026-12-01)."""


def _finding_lines(explanation: dict[str, Any]) -> Iterator[str]:
    told: dict[str, list[dict[str, Any]]] = {}
    for finding in explanation["findings"]:
        if finding["kind"] not in _TOLD_ELSEWHERE:
            told.setdefault(finding["kind"], []).append(finding)
    for kind, of_kind in told.items():
        for finding in of_kind[:_FINDINGS_SHOWN]:
            yield f"  {': '.join(filter(None, (kind, finding['what'], finding['advice'])))}"
        if (more := len(of_kind) - _FINDINGS_SHOWN) > 0:
            yield f"  {kind}: and {more:,} more: use --json"


_WRITTEN = {"bill": "", "correction": ", as a correction", "again": ", once more"}


def _export_lines(explanation: dict[str, Any]) -> Iterator[str]:
    """When it was written for the books."""
    from arcadia_dagster.billing.currency import format_minor

    if explanation["exports_problem"]:
        yield f"  exports to the books: {explanation['exports_problem']}"
    for export in explanation["exports"]:
        amount = format_minor(export["gross_minor"], export["currency"])
        when = f"{export['exported_at'][:16].replace('T', ' ')} UTC by {export['exported_by']}"
        what = f"{export['number']} of {amount}{_WRITTEN[export['written']]}"
        yield f"  exported to the books, {export['books']}, at {when}: {what}, in {', '.join(export['files'])}"


def _relations(explanation: dict[str, Any]) -> Iterator[str]:
    """Who bears it, and which invoices it is about."""
    for part in explanation["allocations"]:
        yield f"  borne by {part['tenant_id']}: {_amounts(part)}"
    for original in sorted({version["refers_to"] for version in explanation["versions"] if version["refers_to"]}):
        yield f"  credit note of {original}"
    for credit in explanation["credit_notes"]:
        yield f"  credited by {credit['external_id']}: {_amounts(credit)}"


_TERMS = {
    "status": "{}",
    "due_on": "due {}",
    "purchase_order": "order {}",
    "seller_name": "seller {}",
    "seller_tax_id": "tax id {}",
    "refers_to": "refers to {}",
    "replaced_by": "replaced by {}",
}


def _terms(stated: dict[str, Any]) -> str:
    """What a document states of an invoice, in a line."""
    from arcadia_dagster.books.bill import Payment

    amounts = [
        f"{name} {_exact(value, stated['currency'])}"
        for name in ("gross", "net", "tax")
        if (value := stated[f"amount_{name}"]) is not None
    ]
    terms = [words.format(stated[name]) for name, words in _TERMS.items() if stated[name] is not None]
    if stated["payment_currency"] is not None:
        amount, rate = (
            None if (value := stated[f"payment_{name}"]) is None else Decimal(value) for name in ("amount", "rate")
        )
        terms.append(Payment(stated["payment_currency"], amount, rate).words(stated["currency"]))
    return ", ".join([stated["kind"].replace("_", " "), *amounts, *terms])


def _tax(tax: dict[str, Any], currency: str | None) -> str:
    """A row of the tax that a document states, in a line."""
    category = f" of category {tax['category']}" if tax["category"] else ""
    rate = f" at {tax['rate']} %" if tax["rate"] else ""
    amount = f": {_exact(tax['tax_amount'], currency)}" if tax["tax_amount"] else ""
    taxed = f" on {_exact(tax['taxable_amount'], currency)}" if tax["taxable_amount"] else ""
    return f"tax{category}{rate}{amount}{taxed}" + (f" ({tax['reason']})" if tax["reason"] else "")


def _why_no_totals(explanation: dict[str, Any]) -> str:
    if explanation["is_stated"]:
        if all(version["status"] == "superseded" for version in explanation["versions"] or [{"status": None}]):
            return "what came later of its account took its place: nothing is left to do"
        return "it is registered; its month is not built yet: run `arcadia ingest`"
    if explanation["unwanted"] is not None:
        return f"no document states it any more: {explanation['unwanted']}"
    return (
        "no document states it now, and nobody has decided that: leave it in finance. `arcadia formats` and `arcadia status` say "
        "what cannot be read; put that right and run `arcadia ingest`"
    )


def _finance_lines(explanation: dict[str, Any]) -> Iterator[str]:
    yield "Finance"
    if not explanation["finance"]:
        yield "; ".join(["  nothing was pushed", *dict.fromkeys(part["reason"] for part in explanation["waits"])])
    for record in explanation["finance"]:
        yield f"  {_finance_line(record)}"
    for attempt in explanation["attempts"]:
        answer = f"{attempt['outcome'] or 'no answer recorded'} {attempt['error'] or ''}".strip()
        yield f"  {attempt['intended_at'][:19]} UTC, {how_many(attempt['requests'] or 0, 'request')}: {answer}"


def _file_lines(explanation: dict[str, Any], home: Home) -> Iterator[str]:
    yield "Files"
    for version in explanation["versions"]:
        yield f"  {version['status']}: {version['file_name']}, received {version['received_at'][:19]} UTC"
        yield f"    SHA-256 {version['document_sha256']}"
        yield from (f"    in the inbox as {name['inbox_path']}" for name in version["names"] or [])
        yield from opened_by(home, version["document_sha256"])
    for evidence in explanation["evidence"]:
        yield f"  evidence: {evidence['file_name']}, received {evidence['received_at'][:19]} UTC"
        yield f"    SHA-256 {evidence['document_sha256']}"
        yield f"    kept in {evidence['archived_at']}"
        yield from opened_by(home, evidence["document_sha256"])
    for alias in explanation["aliases"]:
        yield f"  also known as {alias['alias_account_id']}/{alias['alias_external_id']}"
    for decision in explanation["decisions"]:
        when = decision["decided_at"][:19]
        figures = (
            f" of {decision['approved_gross']} {decision['approved_currency']}" if decision["approved_gross"] else ""
        )
        yield f"{decision['decision']}{figures} by {decision['decided_by']} at {when} UTC: {decision['reason']}"


def _amounts(totals: dict[str, Any]) -> str:
    from arcadia_dagster.billing.currency import format_minor

    if totals["amount_gross_minor"] is None:
        return "no totals: its lines cannot be summed"
    return ", ".join(
        f"{name} {format_minor(totals[f'amount_{name}_minor'], totals['currency'])}" for name in ("gross", "net", "tax")
    )


def _finance_line(record: dict[str, Any]) -> str:
    pushed = f", pushed {record['pushed_to_finance_at'][:19]} UTC" if record["pushed_to_finance_at"] else ""
    finance_id = (
        f", finance's id {record['finance_invoice_id']} ({record['action']})" if record["finance_invoice_id"] else ""
    )
    error = f": {record['last_error']}" if record["last_error"] else ""
    part = f" as {record['external_id']}" if record["external_id"] != record["invoice_external_id"] else ""
    return f"{record['state']} at {record['target']}, tenant {record['tenant_id']}{part}{finance_id}{pushed}{error}"
