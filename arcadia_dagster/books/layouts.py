"""Bills as files: for Xero, for QuickBooks Online, for any other program, and as a journal.

| layout | source | columns |
|---|---|---|
| `xero` | Xero Central, *Import bills*: the template that Xero gives to download (as it was on 2026-11-29) | `XERO` |
| `quickbooks` | Intuit, *Import bills to QuickBooks Online*: the sample file (as it was on 2026-11-29) | `QUICKBOOKS` |
| `bills` | our own | `BILLS` |
| `journal` | our own: one row a posting, debit and credit | `JOURNAL` |
| `beancount` | Beancount's language, version 3 | |

A `*` before a column's name is the vendor's: the column must be filled in. Xero imports a bill below 0 as a credit note.
QuickBooks Online refuses one: what is below 0 is in a file of its own, with the signs turned, to be imported as vendor credits.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Final, Literal, get_args

from arcadia_dagster.billing.currency import from_minor
from arcadia_dagster.books.accounts import Accounts
from arcadia_dagster.books.bill import Bill, Row, plain, taxed_rows
from arcadia_dagster.books.cells import Cell, as_csv, defused, kept, unique_number

Layout = Literal["xero", "quickbooks", "bills", "journal", "beancount"]
LAYOUTS: Final[tuple[Layout, ...]] = get_args(Layout)

XERO: Final = (
    *("*ContactName", "EmailAddress", "POAddressLine1", "POAddressLine2", "POAddressLine3", "POAddressLine4"),
    *("POCity", "PORegion", "POPostalCode", "POCountry", "*InvoiceNumber", "*InvoiceDate", "*DueDate", "Total"),
    *("InventoryItemCode", "Description", "*Quantity", "*UnitAmount", "*AccountCode", "*TaxType", "TaxAmount"),
    *("TrackingName1", "TrackingOption1", "TrackingName2", "TrackingOption2", "Currency"),
)
QUICKBOOKS: Final = (
    *("*BillNo", "*Supplier", "*BillDate", "*DueDate", "Terms", "Location", "Memo", "*Account", "LineDescription"),
    *("*LineAmount", "*LineTaxCode", "LineTaxAmount", "Currency"),
)
_LONGEST_BILL_NO: Final = 21
"""QuickBooks Online's DocNumber takes 21 characters; the whole number is in the memo."""

BILLS: Final = (
    *("invoice", "number", "kind", "vendor", "seller", "seller_tax_id", "seller_country", "date", "due", "terms"),
    *("purchase_order", "refers_to", "month", "row", "what", "project", "tenant", "account", "tax_type", "amount"),
    *("currency", "bill_net", "bill_tax", "bill_gross", "payment_currency", "payment_amount", "payment_rate"),
    "document",
)
JOURNAL: Final = (
    *("entry", "date", "account", "debit", "credit", "currency", "description", "vendor", "number", "invoice", "kind"),
    *("what", "project", "tenant", "due", "payment_currency", "payment_amount", "payment_rate", "document"),
)

_ROOTS: Final = {"expense": "Expenses", "tax": "Assets", "payable": "Liabilities"}
_ROOT_NAMES: Final = ("Assets", "Liabilities", "Equity", "Income", "Expenses")
_DATE_FORMATS: Final = {"DD/MM/YYYY": "%d/%m/%Y", "MM/DD/YYYY": "%m/%d/%Y", "YYYY-MM-DD": "%Y-%m-%d"}


def files(layout: Layout, bills: Sequence[Bill], accounts: Accounts) -> dict[str, str]:
    """The text of each file of a layout, by the ending of its name: `.csv`, or `-credits.csv` beside it.

    Args:
        layout: The layout.
        bills: The bills, in the order in which they are written.
        accounts: The accounts of the books.
    """
    return _FILES[layout](bills, accounts)


def _xero(bills: Sequence[Bill], accounts: Accounts) -> dict[str, str]:
    def rows() -> Iterator[list[Cell]]:
        for bill in bills:
            number = unique_number(bill.number, bill.source)
            for place, taxed in enumerate(taxed_rows(bill, accounts)):
                cells: dict[str, Cell] = {
                    "*ContactName": defused(bill.vendor_name),
                    "*InvoiceNumber": number,
                    "*InvoiceDate": _day(bill.dated, accounts),
                    "*DueDate": _day(bill.due(accounts), accounts),
                    "Total": _major(bill.gross_minor, bill),
                    "Description": defused(_description(bill, taxed.row, with_order=not place)),
                    "*Quantity": 1,
                    "*UnitAmount": _major(taxed.net_minor, bill),
                    "*AccountCode": defused(taxed.row.account),
                    "*TaxType": defused(taxed.tax_type),
                    "TaxAmount": _major(taxed.tax_minor, bill),
                    "Currency": bill.currency,
                }
                yield [cells.get(column) for column in XERO]

    return {".csv": as_csv(XERO, rows())}


def _quickbooks(bills: Sequence[Bill], accounts: Accounts) -> dict[str, str]:
    def rows(of: Iterable[Bill], sign: int) -> Iterator[list[Cell]]:
        for bill in of:
            for taxed in taxed_rows(bill, accounts):
                cells: dict[str, Cell] = {
                    "*BillNo": unique_number(bill.number, bill.source, most=_LONGEST_BILL_NO),
                    "*Supplier": defused(bill.vendor_name),
                    "*BillDate": _day(bill.dated, accounts),
                    "*DueDate": _day(bill.due(accounts), accounts),
                    "Terms": defused(_line(bill.terms.terms)),
                    "Memo": defused(_memo(bill)),
                    "*Account": defused(taxed.row.account),
                    "LineDescription": defused(_description(bill, taxed.row)),
                    "*LineAmount": _major(sign * taxed.net_minor, bill),
                    "*LineTaxCode": defused(taxed.tax_type),
                    "LineTaxAmount": _major(sign * taxed.tax_minor, bill),
                    "Currency": bill.currency,
                }
                yield [cells.get(column) for column in QUICKBOOKS]

    owed = [bill for bill in bills if bill.gross_minor >= 0]
    credit = [bill for bill in bills if bill.gross_minor < 0]
    written = {".csv": as_csv(QUICKBOOKS, rows(owed, 1))} if owed else {}
    return written | ({"-credits.csv": as_csv(QUICKBOOKS, rows(credit, -1))} if credit else {})


def _bills(bills: Sequence[Bill], accounts: Accounts) -> dict[str, str]:
    def rows() -> Iterator[list[Cell]]:
        for bill in bills:
            terms = bill.terms
            for row in bill.rows:
                cells: dict[str, Cell] = {
                    "invoice": kept(bill.name),
                    "number": kept(bill.number),
                    "kind": _kind(bill),
                    "vendor": kept(bill.vendor_name),
                    "seller": kept(_line(terms.seller_name)),
                    "seller_tax_id": kept(_line(terms.seller_tax_id)),
                    "seller_country": kept(_line(terms.seller_country)),
                    "date": bill.dated.isoformat(),
                    "due": "" if terms.due_on is None and accounts.due_days is None else bill.due(accounts).isoformat(),
                    "terms": kept(_line(terms.terms)),
                    "purchase_order": kept(_line(terms.purchase_order)),
                    "refers_to": kept(_line(terms.refers_to or (bill.own_number if bill.corrects else None))),
                    "month": f"{bill.month:%Y-%m-%d}",
                    "row": row.key.kind,
                    "what": kept(_line(row.key.what)),
                    "project": kept(_line(row.key.project)),
                    "tenant": kept(row.key.tenant_id),
                    "account": kept(row.account),
                    # On a row without tax, only where none of the bill's has some.
                    "tax_type": kept(row.tax_type) if row.key.kind == "tax" or not bill.tax_minor else "",
                    "amount": _major(row.amount_minor, bill),
                    "currency": bill.currency,
                    "bill_net": _major(bill.net_minor, bill),
                    "bill_tax": _major(bill.tax_minor, bill),
                    "bill_gross": _major(bill.gross_minor, bill),
                    **_payment(bill),
                    "document": f"sha256:{bill.document_sha256}" if bill.document_sha256 else "",
                }
                yield [cells[column] for column in BILLS]

    return {".csv": as_csv(BILLS, rows())}


def _journal(bills: Sequence[Bill], accounts: Accounts) -> dict[str, str]:  # noqa: ARG001 - all layouts are called alike
    def rows() -> Iterator[list[Cell]]:
        for bill in bills:
            for account, row, amount in postings(bill):
                cells: dict[str, Cell] = {
                    "entry": kept(f"{bill.name} {bill.number}"),
                    "date": bill.dated.isoformat(),
                    "account": kept(account),
                    "debit": _major(amount, bill) if amount > 0 else None,
                    "credit": _major(-amount, bill) if amount < 0 else None,
                    "currency": bill.currency,
                    "description": kept(_memo(bill) if row is None else _description(bill, row)),
                    "vendor": kept(bill.vendor_name),
                    "number": kept(bill.number),
                    "invoice": kept(bill.name),
                    "kind": "payable" if row is None else row.key.kind,
                    "what": "" if row is None else kept(_line(row.key.what)),
                    "project": "" if row is None else kept(_line(row.key.project)),
                    "tenant": "" if row is None else kept(row.key.tenant_id),
                    "due": "" if row is not None or bill.terms.due_on is None else bill.terms.due_on.isoformat(),
                    **(_payment(bill) if row is None else _NO_PAYMENT),
                    "document": f"sha256:{bill.document_sha256}" if bill.document_sha256 else "",
                }
                yield [cells[column] for column in JOURNAL]

    return {".csv": as_csv(JOURNAL, rows())}


def postings(bill: Bill) -> list[tuple[str, Row | None, int]]:
    """The postings of a bill: account, the row that is debited (None: what is owed is credited), amount in minor units.

    A debit is above 0, a credit below. They sum to 0; nothing is posted with an amount of 0.
    """
    owed = [(bill.payable, None, -bill.gross_minor)] if bill.gross_minor else []
    return [*((row.account, row, row.amount_minor) for row in bill.rows), *owed]


def _beancount(bills: Sequence[Bill], accounts: Accounts) -> dict[str, str]:  # noqa: ARG001
    blocks = [BEANCOUNT_HEAD]
    for bill in (one for one in bills if one.rows):
        terms = bill.terms
        meta: dict[str, str | None] = {
            "invoice": bill.name,
            "number": bill.number,
            "month": f"{bill.month:%Y-%m}",
            "document": bill.document_sha256,
            "due": None if terms.due_on is None else terms.due_on.isoformat(),
            "terms": terms.terms,
            "purchase_order": terms.purchase_order,
            "seller": terms.seller_name,
            "seller_tax_id": terms.seller_tax_id,
            "seller_country": terms.seller_country,
            "refers_to": terms.refers_to,
            **({name: _plain(cell) for name, cell in _payment(bill).items()}),
        }
        postings_of_bill: list[tuple[str, str, int, dict[str, str | None]]] = []
        for account, row, amount in postings(bill):
            about: dict[str, str | None] = {}
            if row is not None:
                about = {"what": row.key.what, "project": row.key.project, "tenant": row.key.tenant_id}
            postings_of_bill.append((account, "payable" if row is None else row.key.kind, amount, about))
        blocks.append(beancount_entry(bill.dated, bill.vendor_name, _memo(bill), bill.currency, meta, postings_of_bill))
    return {".beancount": "\n".join(blocks)}


BEANCOUNT_HEAD: Final = 'plugin "beancount.plugins.auto_accounts"\n'
"""What a file of entries begins with: its accounts count as open, for each of many files may name the same."""


def beancount_entry(
    dated: date,
    payee: str,
    narration: str,
    currency: str,
    meta: Mapping[str, str | None],
    posted: Iterable[tuple[str, str, int, Mapping[str, str | None]]],
) -> str:
    """A transaction in Beancount's language.

    Args:
        dated: Its day.
        payee: The vendor.
        narration: What it is.
        currency: Of all amounts.
        meta: Metadata of the transaction; what is None or empty is left out.
        posted: Account, its kind, the amount in minor units, and metadata. Where Beancount allows no such name, the metadata also
            has the account as the books call it.
    """
    lines = [f"{dated.isoformat()} * {_quoted(payee)} {_quoted(narration)}", *_meta(meta, "  ")]
    for account, kind, amount, about in posted:
        name = beancount_account(account, kind)
        lines.append(f"  {name}  {from_minor(amount, currency):f} {currency}")
        lines += _meta({"account": account if name != account else None, **about}, "    ")
    return "\n".join(lines) + "\n"


def beancount_account(account: str, kind: str) -> str:
    """An account's name in Beancount: what has one of its five roots stays as it is, every other account is put below one.

    Two accounts have two names: where characters must be replaced, the name ends with some digits of a hash.
    """
    root, *parts = account.split(":")
    if root not in _ROOT_NAMES or not parts:
        root, parts = _ROOTS.get(kind, "Liabilities"), account.split(":")
    names = ["".join(c if c.isalpha() or c.isdecimal() else "-" for c in part) for part in parts]
    # A part begins with a capital letter or a digit.
    names = [name if name[:1].isupper() or name[:1].isdecimal() else f"X{name}" for name in names]
    changed = "" if names == parts else f"-{sha256(account.encode()).hexdigest()[:6]}"
    return ":".join((root, *names)) + changed


def _meta(values: Mapping[str, str | None], indent: str) -> list[str]:
    return [f"{indent}{name}: {_quoted(value)}" for name, value in values.items() if value]


def _quoted(text: str) -> str:
    escaped = _line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _line(text: str | None) -> str:
    """Text of a document on one line, without characters that do not show."""
    return "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text or "").strip()


def _plain(cell: Cell) -> str:
    return "" if cell is None else f"{cell}"


def _kind(bill: Bill) -> str:
    if bill.basis:
        return "accrual"
    if bill.corrects:
        return "correction"
    return "credit_note" if bill.gross_minor < 0 else "bill"


def _memo(bill: Bill) -> str:
    if bill.basis:
        return f"{_line(bill.number)}: {_line(bill.basis)}"
    what = {"bill": "Invoice", "credit_note": "Credit note", "correction": "Correction of invoice"}[_kind(bill)]
    order = f", purchase order {_line(bill.terms.purchase_order)}" if bill.terms.purchase_order else ""
    return f"{what} {_line(bill.own_number)}, {bill.month:%Y-%m}{order}"


def _description(bill: Bill, row: Row, *, with_order: bool = False) -> str:
    parts = [
        _line(row.key.what) or "Charges",
        *([_line(row.key.project)] if row.key.project else []),
        f"{bill.month:%Y-%m}",
    ]
    if with_order and bill.terms.purchase_order:
        parts.append(f"purchase order {_line(bill.terms.purchase_order)}")
    return ", ".join(parts)


def _payment(bill: Bill) -> dict[str, Cell]:
    payment = bill.terms.payment
    if payment is None:
        return dict(_NO_PAYMENT)
    return {
        "payment_currency": payment.currency,
        "payment_amount": None if payment.amount is None else plain(payment.amount),
        "payment_rate": None if payment.rate is None else plain(payment.rate),
    }


_NO_PAYMENT: Final[Mapping[str, Cell]] = {"payment_currency": "", "payment_amount": None, "payment_rate": None}


def _major(minor: int, bill: Bill) -> Decimal:
    return from_minor(minor, bill.currency)


def _day(day: date, accounts: Accounts) -> str:
    return day.strftime(_DATE_FORMATS[accounts.date_format])


_FILES: Final[Mapping[Layout, Callable[[Sequence[Bill], Accounts], dict[str, str]]]] = {
    "xero": _xero,
    "quickbooks": _quickbooks,
    "bills": _bills,
    "journal": _journal,
    "beancount": _beancount,
}
