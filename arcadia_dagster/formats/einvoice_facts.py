"""An electronic invoice in any syntax: the business terms of EN 16931, and the lines that they make.

Amounts are as the document states them, exact, in major units of its currency, without the sign that a credit note gives them.
Source: EN 16931-1 (semantic data model; BT and BG are its business terms and groups), and its code list of document types, which
is a part of UNTDID 1001.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, localcontext

from arcadia_dagster.billing.currency import EXPONENTS, to_minor
from arcadia_dagster.billing.vendors import VENDORS, source_of
from arcadia_dagster.reading.format import UnreadableError
from arcadia_dagster.reading.statements import InvoiceStatement, Kind, StatedTax
from arcadia_dagster.reading.xml_document import Element

CREDIT_NOTES = frozenset({"81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "532"})
"""The document types (BT-3) that give back what they state."""

_CORRECTED = "384"
"""A corrected invoice, which takes the place of an earlier one: it is owed as it states."""

_PROFORMA = "325"

_INVOICES = frozenset(
    {
        *(
            "71",
            "80",
            "82",
            "84",
            "102",
            "130",
            "202",
            "203",
            "204",
            "211",
            "218",
            "219",
            "295",
            "326",
            "331",
            "380",
            "382",
        ),
        *(
            "383",
            "385",
            "386",
            "387",
            "388",
            "389",
            "390",
            "393",
            "394",
            "395",
            "456",
            "457",
            "527",
            "553",
            "575",
            "623",
        ),
        *("633", "751", "780", "817", "870", "875", "876", "877", "935"),
    }
)

CATEGORIES = {
    "S": "standard rate",
    "Z": "zero rate",
    "E": "exempt",
    "AE": "reverse charge",
    "K": "intra-community supply",
    "G": "export",
    "O": "outside the scope of tax",
    "L": "Canary Islands",
    "M": "Ceuta and Melilla",
}
"""The categories of tax (BT-118, UNCL 5305), in words."""

_UNTAXED = frozenset({"Z", "E", "AE", "K", "G", "O"})
"""The categories whose tax is 0 (BR-Z-9, BR-E-9, BR-AE-9, BR-IC-9, BR-G-9, BR-O-9)."""

_TOLERATED = 1
"""What tax and taxable amounts may differ by, and less: tax may be rounded line by line. The official rules tolerate as much."""

_UNITS = {
    "HUR": "Hours",
    "DAY": "Days",
    "MON": "Months",
    "ANN": "Years",
    "MIN": "Minutes",
    "SEC": "Seconds",
    "C62": "Units",
    "H87": "Units",
    "EA": "Units",
    "XPP": "Units",
    "E34": "GB",
    "E35": "TB",
    "4L": "MB",
}
"""The units that clouds bill in (UN/ECE Recommendation 20 and 21), in words; of others the code is kept."""

_PRECISION = 60
_ONE_DAY = timedelta(days=1)
_MOST_REASON = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the invoice (BG-25), or what it charges or allows as a whole (BG-20, BG-21).

    Attributes:
        what: Which of these it is: `line`, `allowance` or `charge`.
        amount: What it comes to without tax (BT-131, BT-92, BT-99); an allowance is positive here.
        name: What is charged (BT-153).
        description: Its words (BT-154, BT-127, BT-97, BT-104).
        quantity: How much (BT-129).
        unit: The code of its unit (BT-130).
        start: The first day of its period (BT-134).
        end: The last one, inclusive (BT-135).
    """

    what: str
    amount: Decimal
    name: str | None = None
    description: str | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    start: date | None = None
    end: date | None = None

    @property
    def signed(self) -> Decimal:
        """The amount as it counts towards what the invoice comes to."""
        return -self.amount if self.what == "allowance" else self.amount


@dataclass(frozen=True, slots=True)
class Tax:
    """A row of the tax breakdown (BG-23).

    Attributes:
        scheme: The kind of tax, such as VAT or GST.
    """

    amount: Decimal
    category: str | None = None
    rate: Decimal | None = None
    taxable: Decimal | None = None
    reason: str | None = None
    scheme: str = "VAT"

    @property
    def words(self) -> str:
        """The tax in words, such as `VAT 19% (standard rate)`."""
        rate = "" if self.rate is None else f" {self.rate.normalize():f}%"
        about = [CATEGORIES.get(self.category or "", self.category), self.reason]
        said = ": ".join(part for part in about if part)[:_MOST_REASON]
        return f"{self.scheme}{rate}" + (f" ({said})" if said else "")


@dataclass(frozen=True, slots=True)
class Totals:
    """What the document states in sum.

    Attributes:
        gross: With tax (BT-112).
        net: Without tax (BT-109).
        tax: The tax (BT-110).
        lines: The sum of its lines (BT-106).
        allowances: The sum of what it allows as a whole (BT-107).
        charges: The sum of what it charges as a whole (BT-108).
        prepaid: What has been paid (BT-113).
        rounding: What its payment is rounded by (BT-114).
        payable: What is left to pay (BT-115).
    """

    gross: Decimal
    net: Decimal | None = None
    tax: Decimal | None = None
    lines: Decimal | None = None
    allowances: Decimal | None = None
    charges: Decimal | None = None
    prepaid: Decimal | None = None
    rounding: Decimal | None = None
    payable: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Party:
    """Seller or buyer.

    Attributes:
        name: The legal name (BT-27, BT-44), else the one it trades under.
        trade_name: The name it trades under (BT-28, BT-45).
        tax_id: Its VAT, GST or tax number (BT-31, BT-32, BT-48).
        country: ISO 3166-1 alpha-2 (BT-40, BT-55).
        number: The number that the seller knows it by, of the buyer (BT-46).
    """

    name: str | None
    trade_name: str | None = None
    tax_id: str | None = None
    country: str | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EInvoice:
    """An electronic invoice.

    Attributes:
        number: BT-1.
        type_code: BT-3.
        is_credit: Whether it gives back what it states.
        issued_on: BT-2.
        due_on: BT-9.
        currency: BT-5.
        seller: BG-4.
        buyer: BG-7.
        lines: BG-25, BG-20 and BG-21, in this order.
        taxes: BG-23.
        totals: BG-22.
        period_start: BT-73.
        period_end: BT-74, inclusive.
        delivered_on: BT-72.
        terms: BT-20.
        purchase_order: BT-13.
        preceding: BT-25: the invoices that it refers to.
        payment_currency: In which it is paid, where that is stated.
        payment_amount: What is paid in that currency, where it is another one.
        payment_rate: Units of it for one of the currency.
        is_test: Whether it says that it is a test.
    """

    number: str
    type_code: str
    is_credit: bool
    issued_on: date
    currency: str
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    taxes: tuple[Tax, ...]
    totals: Totals
    due_on: date | None = None
    period_start: date | None = None
    period_end: date | None = None
    delivered_on: date | None = None
    terms: str | None = None
    purchase_order: str | None = None
    preceding: tuple[str, ...] = field(default=())
    payment_currency: str | None = None
    payment_amount: Decimal | None = None
    payment_rate: Decimal | None = None
    is_test: bool = False

    @property
    def has_lines(self) -> bool:
        """Whether it states what it charges for, and not its totals alone."""
        return any(line.what == "line" for line in self.lines)

    @property
    def source(self) -> str:
        """Who issued it, as finance knows it.

        Raises:
            UnreadableError: It names no seller.
        """
        names = [name for name in (self.seller.name, self.seller.trade_name) if name]
        sources = [source for name in names if (source := source_of(name)) is not None]
        if not sources:
            raise UnreadableError("it names no seller (BT-27); expected its legal name")
        # A provider's company may be called otherwise than its brand.
        return next((source for source in sources if source in VENDORS), sources[0])

    @property
    def kind(self) -> Kind:
        """Invoice or credit note, by its sum: a correction with a negative sum is a credit note."""
        is_given_back = self.is_credit or (self.type_code == _CORRECTED and self.totals.gross < 0)
        return "credit_note" if is_given_back else "invoice"

    @property
    def refers_to(self) -> str | None:
        """The invoice that it gives back from."""
        return next(iter(self.preceding), None) if self.kind == "credit_note" else None

    @property
    def open_as(self) -> str | None:
        """Why it is no invoice yet; None where it is one."""
        if self.is_test:
            return "a test"
        return "a proforma invoice" if self.type_code == _PROFORMA else None

    @property
    def tax(self) -> Decimal:
        """The tax that it states, else the sum of its tax breakdown."""
        if self.totals.tax is not None:
            return self.totals.tax
        if self.taxes or self.totals.net is None:
            return _sum(tax.amount for tax in self.taxes)
        return _sum((self.totals.gross, -self.totals.net))

    def signed(self, amount: Decimal) -> Decimal:
        """An amount as it counts."""
        return -amount if self.is_credit and amount else amount

    def statement(self) -> InvoiceStatement:
        """What it states of itself.

        Raises:
            UnreadableError: See `source`.
        """
        totals = self.totals
        net = _sum((totals.gross, -self.tax)) if totals.net is None else totals.net
        is_paid = bool(totals.gross) and totals.payable is not None and not totals.payable
        is_paid_otherwise = self.payment_currency not in {None, self.currency}
        return InvoiceStatement(
            source=self.source,
            external_id=self.number,
            invoice_number=self.number,
            account_id=self.buyer.number,
            currency=self.currency,
            kind=self.kind,
            status="paid" if is_paid else "issued",
            gross=self.signed(totals.gross),
            net=self.signed(net),
            tax=self.signed(self.tax),
            taxes=tuple(
                StatedTax(
                    category=tax.category,
                    rate=tax.rate,
                    taxable=None if tax.taxable is None else self.signed(tax.taxable),
                    amount=self.signed(tax.amount),
                    reason=tax.reason,
                )
                for tax in self.taxes
            ),
            issued_on=self.issued_on,
            due_on=self.due_on,
            period_start=self.period_start,
            period_end=self.period_end,
            terms=self.terms,
            purchase_order=self.purchase_order,
            seller_name=self.seller.name or self.seller.trade_name,
            seller_tax_id=self.seller.tax_id,
            seller_country=self.seller.country,
            buyer_name=self.buyer.name or self.buyer.trade_name,
            buyer_tax_id=self.buyer.tax_id,
            refers_to=self.refers_to,
            payment_currency=self.payment_currency if is_paid_otherwise else None,
            payment_amount=None
            if not is_paid_otherwise or self.payment_amount is None
            else self.signed(self.payment_amount),
            payment_rate=self.payment_rate if is_paid_otherwise else None,
            doubts=tuple(self.doubts()),
        )

    def records(self) -> list[dict[str, str | None]]:
        """Its lines, and its tax by category and rate, as `api_json.ApiLayout` reads them: fields of text.

        They sum to its total with tax (BT-112). What is prepaid, and the rounding of the payment, are no part of that.

        Raises:
            UnreadableError: See `source`.
        """
        same = {
            "source": self.source,
            "vendor": self.seller.name or self.seller.trade_name,
            "account": self.buyer.number,
            "external_id": self.number,
            "invoice_number": self.number,
            "month": self._month(),
            "issued": self.issued_on.isoformat(),
            "total": _plain(self.signed(self.totals.gross)),
            "tax": _plain(self.signed(self.tax)),
            "currency": self.currency,
            "draft": self.open_as,
            "refers_to": self.refers_to,
            "doubt": "; ".join(self.doubts()) or None,
        }
        return [same | fields for fields in (*map(self._line, self.lines), *self._taxes())]

    def doubts(self) -> Iterator[str]:
        """What has to be looked at by a person before it is pushed, each a sentence."""
        if self.is_credit and self.totals.gross < 0:
            yield (
                f"it is a credit note of {_plain(self.totals.gross)} {self.currency}. By EN 16931 a credit note states what it "
                "gives back without a minus sign, so this amount is owed. If it gives money back, void it, and ask its sender "
                "for one without the sign"
            )
        if self.type_code == _CORRECTED and self.totals.gross > 0:
            about = ", ".join(self.preceding) or "an earlier one"
            yield f"it is a corrected invoice (384), which replaces {about}: void that one, unless both are owed"
        if self.type_code not in CREDIT_NOTES | _INVOICES | {_CORRECTED, _PROFORMA}:
            yield f"its type {self.type_code[:20]!r} is not in EN 16931 (BT-3), so it counts as {self.kind.replace('_', ' ')}"
        # What is paid whole, as by card, is no advance payment unless it refers to an invoice of one.
        is_in_part = self.totals.prepaid is not None and 0 < self.totals.prepaid < self.totals.gross
        if self.kind == "invoice" and self.totals.prepaid and (self.preceding or is_in_part):
            referred = f", and it refers to {', '.join(self.preceding)}" if self.preceding else ""
            yield (
                f"{_plain(self.totals.prepaid)} {self.currency} of it is paid in advance{referred}: an invoice of the advance "
                "payment counts too. Void that one, or release this one if both are owed in full"
            )
        yield from self._sums_that_differ()
        yield from self._taxes_that_differ()

    def _taxes_that_differ(self) -> Iterator[str]:
        """The taxes that are not what their category, rate and taxable amount say (BR-CO-17, BR-AE-9 and its like, BR-S-8)."""
        for tax in self.taxes:
            said = f"{_plain(tax.amount)} {self.currency} of {tax.scheme}"
            if tax.category in _UNTAXED and tax.amount:
                yield (
                    f"it states {said} in the category {tax.category}, {CATEGORIES[tax.category]}, which has none: ask its "
                    "sender for a right one"
                )
            elif tax.rate is not None and tax.taxable is not None:
                taxable, rate = tax.taxable, tax.rate
                with localcontext(prec=_PRECISION):
                    due = taxable * rate / 100
                    differs = abs(due - tax.amount) >= _TOLERATED
                if differs:
                    yield (
                        f"it states {said} at {_plain(rate)} % on {_plain(taxable)} {self.currency}, which comes to "
                        f"{_plain(due.normalize())}: ask its sender for a right one"
                    )
        net = _sum((self.totals.gross, -self.tax))
        taxable_amounts = tuple(tax.taxable for tax in self.taxes if tax.taxable is not None)
        # Several kinds of tax may be on one amount.
        is_of_one_kind = len({tax.scheme for tax in self.taxes}) == 1 and len(taxable_amounts) == len(self.taxes)
        if is_of_one_kind and abs(_sum((*taxable_amounts, -net))) >= _TOLERATED:
            yield (
                f"its taxable amounts (BT-116) come to {_plain(_sum(taxable_amounts))} {self.currency}, and its total without "
                f"tax to {_plain(net)}: ask its sender for a right one"
            )

    def _sums_that_differ(self) -> Iterator[str]:
        """The sums that differ from their parts, except total and tax, which the stages compare."""
        totals = self.totals
        own = _sum((*(line.signed for line in self.lines), *(tax.amount for tax in self.taxes)))
        if self.currency not in EXPONENTS or not self._is_same(totals.gross, own):
            return
        parts = {
            what: _sum(line.amount for line in self.lines if line.what == what)
            for what in ("line", "allowance", "charge")
        }
        stated = {
            "the sum of its lines (BT-106)": (totals.lines, parts["line"] if self.has_lines else None),
            "the sum of its allowances (BT-107)": (totals.allowances, parts["allowance"]),
            "the sum of its charges (BT-108)": (totals.charges, parts["charge"]),
            "the total without tax (BT-109)": (totals.net, _sum((totals.gross, -self.tax))),
            "what is due (BT-115)": (
                totals.payable,
                _sum((totals.gross, -(totals.prepaid or Decimal(0)), totals.rounding or Decimal(0))),
            ),
        }
        for what, (said, summed) in stated.items():
            if said is not None and summed is not None and not self._is_same(said, summed):
                yield f"{what} is {_plain(said)} {self.currency}, its parts come to {_plain(summed)}"

    def _is_same(self, one: Decimal, other: Decimal) -> bool:
        """Whether two amounts are the same to the minor unit."""
        return to_minor(one, self.currency) == to_minor(other, self.currency)

    def _month(self) -> str | None:
        """The month of what was delivered on a day, where nothing has a period."""
        if self.delivered_on is None or self.period_start is not None or any(line.start for line in self.lines):
            return None
        return self.delivered_on.replace(day=1).isoformat()

    def _line(self, line: Line) -> dict[str, str | None]:
        start, end = (line.start, line.end) if line.start or line.end else (self.period_start, self.period_end)
        start = start or end
        end = end if start is None or end is None or end >= start else start
        amount = self.signed(line.signed)
        kinds = {"allowance": "Allowance", "charge": "Charge"}
        words = [line.name, line.description if line.description != line.name else None]
        return {
            "category": "Credit" if amount < 0 or self.kind == "credit_note" else "Usage",
            "service": line.name or kinds.get(line.what),
            "description": ": ".join(word for word in words if word) or kinds.get(line.what),
            "start": None if start is None else start.isoformat(),
            "end": None if end is None or end == date.max else (end + _ONE_DAY).isoformat(),
            "quantity": None if line.quantity is None else _plain(line.quantity),
            "unit": _UNITS.get(line.unit, line.unit) if line.unit else None,
            "amount": _plain(amount),
        }

    def _taxes(self) -> Iterator[dict[str, str | None]]:
        taxes = self.taxes or (Tax(self.tax),)
        for tax in taxes:
            yield {
                "category": "Tax",
                "service": "Tax",
                "description": tax.words,
                "amount": _plain(self.signed(tax.amount)),
            }


def _sum(amounts: "Iterator[Decimal] | tuple[Decimal, ...]") -> Decimal:
    """The exact sum."""
    with localcontext(prec=_PRECISION):
        return sum(amounts, Decimal(0))


def _plain(amount: Decimal) -> str:
    return f"{amount:f}"


def money_of(element: Element, currency: str) -> Decimal:
    """The amount of an element, which may name its currency.

    Raises:
        UnreadableError: It is in another currency than the invoice, or no amount.
    """
    if element.attributes.get("currencyID", currency) != currency:
        raise UnreadableError(
            f"line {element.line}, {element.name}: it is in {element.attributes['currencyID'][:20]}; "
            f"expected {currency[:20]}, the invoice's currency"
        )
    return element.amount()
