"""The figures of a tax return: net, tax and gross of a period's invoices by seller, country, tax id, kind and rate.

Only ready invoices count, as in the statement: that is what finance has or will have. What waits stands beside it. Every amount
is one that a document states or that its lines come to: where no rate is stated, none is made up. The rows add up to the totals
of the invoices in `tax_split_totals`, to the minor unit.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Any

import duckdb

from arcadia_dagster.billing.currency import EXPONENTS, to_minor
from arcadia_dagster.billing.tax_kinds import (
    HIGHEST_RATE,
    TaxKind,
    category_name,
    country_of_tax_id,
    kind_of,
    rates_of,
)
from arcadia_dagster.reports.amounts import amounts_as_json
from arcadia_dagster.reports.figures import vendor_name
from arcadia_dagster.reports.findings import DOUBTFUL_TAX, TAX_RATE, Kind, find
from arcadia_dagster.store.query import fetch
from arcadia_dagster.warehouse.keys import InvoiceKey
from arcadia_dagster.warehouse.months import month_list


@dataclass(frozen=True, slots=True)
class StatedTax:
    """A row of the tax that a document states (EN 16931, BG-23), in major units."""

    category: str | None
    rate: Decimal | None
    taxable: Decimal | None
    tax: Decimal | None


@dataclass(frozen=True, slots=True)
class Share:
    """The part of an invoice that is taxed in one way, in minor units.

    Attributes:
        kind: In which way.
        category: Why there is no tax, in words, where a category says so; else empty.
        rate: In per cent, as a document states it; None where none does.
        net: Without tax.
        tax: The tax.
    """

    kind: TaxKind
    category: str
    rate: Decimal | None
    net: int
    tax: int


@dataclass(frozen=True, slots=True)
class TaxedInvoice:
    """An invoice with what is known of its tax; amounts are in minor units.

    Attributes:
        key: Which invoice.
        number: The number printed on it, or its id.
        month: Its invoice month (first day, UTC).
        currency: ISO 4217.
        seller: The seller's legal name, where a document states it; else the vendor's name.
        country: The seller's country (ISO 3166-1 alpha-2), where it is stated; else empty.
        tax_id: The seller's tax id, where it is stated; else empty.
        is_credit_note: Whether it credits.
        waits: Whether it is held, so that it is not counted.
        shares: Its parts; they add up to the invoice.
        doubts: Why its tax may not be what can be claimed, each a sentence.
    """

    key: InvoiceKey
    number: str
    month: date
    currency: str
    seller: str
    country: str
    tax_id: str
    is_credit_note: bool
    waits: bool
    shares: tuple[Share, ...]
    doubts: tuple[str, ...] = ()

    @property
    def net(self) -> int:
        """Without tax."""
        return sum(share.net for share in self.shares)

    @property
    def tax(self) -> int:
        """The tax."""
        return sum(share.tax for share in self.shares)

    @property
    def gross(self) -> int:
        """With tax."""
        return self.net + self.tax


@dataclass(frozen=True, slots=True)
class TaxRow:
    """What invoices come to that one seller has taxed in one way, in minor units.

    Attributes:
        month: Their month, where the return is by month; else None.
        currency: ISO 4217.
        is_credit_note: Whether they credit.
        seller: See `TaxedInvoice`; and so on.
        invoices: The invoices, each with its share.
    """

    month: date | None
    currency: str
    is_credit_note: bool
    seller: str
    country: str
    tax_id: str
    kind: TaxKind
    category: str
    rate: Decimal | None
    invoices: tuple[tuple[TaxedInvoice, Share], ...]

    @property
    def net(self) -> int:
        """Without tax."""
        return sum(share.net for _, share in self.invoices)

    @property
    def tax(self) -> int:
        """The tax."""
        return sum(share.tax for _, share in self.invoices)

    @property
    def gross(self) -> int:
        """With tax."""
        return self.net + self.tax

    @property
    def shown_kind(self) -> str:
        """The kind, with the category where that says why there is no tax."""
        return self.category or str(self.kind)

    @property
    def shown_rate(self) -> str:
        """The rate as it is stated; `not stated` with what the tax is of the net, named so, where there is tax without one."""
        if self.rate is not None:
            return f"{self.rate.normalize():f} %"
        effective = effective_rate(self.net, self.tax)
        if self.kind is not TaxKind.CHARGED:
            return ""
        return "not stated" + ("" if effective is None else f" (effective {effective} %)")


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """What a currency's invoices come to, in minor units: invoices and credit notes together."""

    currency: str
    invoices: int
    net: int
    tax: int

    @property
    def gross(self) -> int:
        """With tax."""
        return self.net + self.tax


@dataclass(frozen=True, slots=True)
class TaxReturn:
    """The figures of a period.

    Attributes:
        rows: What was charged, by currency; credit notes after invoices.
        totals: The same in one row for each currency.
        doubtful: The invoices whose tax a person should look at before claiming it.
        waiting: The invoices that are held, and counted nowhere above.
        unsummed: The names of the invoices that have no totals: their lines cannot be added.
    """

    rows: tuple[TaxRow, ...]
    totals: tuple[TaxTotal, ...]
    doubtful: tuple[TaxedInvoice, ...]
    waiting: tuple[TaxedInvoice, ...]
    unsummed: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values: amounts in minor units, and as decimal text in major units."""
        return {
            "rows": [
                {
                    "month": None if row.month is None else f"{row.month:%Y-%m}",
                    "currency": row.currency,
                    "is_credit_note": row.is_credit_note,
                    "seller": row.seller,
                    "country": row.country or None,
                    "tax_id": row.tax_id or None,
                    "kind": str(row.kind),
                    "category": row.category or None,
                    "rate": None if row.rate is None else f"{row.rate.normalize():f}",
                    **_amounts(row, row.currency),
                    "invoices": [
                        {"invoice": invoice.key.name, "number": invoice.number, **_amounts(share, row.currency)}
                        for invoice, share in row.invoices
                    ],
                }
                for row in self.rows
            ],
            "totals": [
                {"currency": total.currency, "invoices": total.invoices, **_amounts(total, total.currency)}
                for total in self.totals
            ],
            "doubtful": [
                {"invoice": invoice.key.name, "currency": invoice.currency, "doubts": list(invoice.doubts)}
                | _amounts(invoice, invoice.currency)
                for invoice in self.doubtful
            ],
            "waiting": [
                {"invoice": invoice.key.name, "currency": invoice.currency, **_amounts(invoice, invoice.currency)}
                for invoice in self.waiting
            ],
            "without_totals": list(self.unsummed),
        }


def _amounts(of: Any, currency: str) -> dict[str, int | str | None]:  # noqa: ANN401 - whatever has net and tax
    return amounts_as_json({"net": of.net, "tax": of.tax, "gross": of.net + of.tax}, currency)


def effective_rate(net: int, tax: int) -> Decimal | None:
    """What the tax is of the net, in per cent, to one decimal; None of a net of 0."""
    return None if net == 0 else (Decimal(tax) * 100 / Decimal(net)).quantize(Decimal("0.1"))


def tax_return(connection: duckdb.DuckDBPyConnection, months: Collection[date], *, by_month: bool = False) -> TaxReturn:
    """The figures of the months.

    Args:
        connection: An open warehouse.
        months: The months.
        by_month: Whether each month has rows of its own.
    """
    invoices, unsummed = _invoices(connection, months)
    counted = [invoice for invoice in invoices if not invoice.waits]
    return TaxReturn(
        rows=rows_of(counted, by_month=by_month),
        totals=totals_of(counted),
        doubtful=tuple(invoice for invoice in counted if invoice.doubts),
        waiting=tuple(invoice for invoice in invoices if invoice.waits),
        unsummed=tuple(unsummed),
    )


def rows_of(invoices: Iterable[TaxedInvoice], *, by_month: bool = False) -> tuple[TaxRow, ...]:
    """The rows of a return: the shares of the invoices, by all that tells one row from another.

    They add up to the invoices: each share is in one row.
    """
    grouped: dict[tuple[Any, ...], list[tuple[TaxedInvoice, Share]]] = {}
    for invoice in invoices:
        for share in invoice.shares:
            key = (
                *(invoice.month if by_month else None, invoice.currency, invoice.is_credit_note, invoice.seller),
                *(invoice.country, invoice.tax_id, share.kind, share.category, share.rate),
            )
            grouped.setdefault(key, []).append((invoice, share))
    rows = [TaxRow(*(*key, tuple(parts))) for key, parts in grouped.items()]
    return tuple(
        sorted(
            rows,
            key=lambda row: (
                *(row.month or date.min, row.currency, row.is_credit_note, row.seller.casefold(), row.country),
                *(row.tax_id, row.kind, row.category, row.rate is None, row.rate or Decimal(0)),
            ),
        )
    )


def totals_of(invoices: Collection[TaxedInvoice]) -> tuple[TaxTotal, ...]:
    """What invoices come to in each currency."""
    return tuple(
        TaxTotal(currency, len(own), sum(map(attrgetter("net"), own)), sum(map(attrgetter("tax"), own)))
        for currency in sorted({invoice.currency for invoice in invoices})
        for own in [[invoice for invoice in invoices if invoice.currency == currency]]
    )


def shares_of(
    net: int, tax: int, currency: str, stated: Sequence[StatedTax], line_rates: Collection[Decimal]
) -> tuple[tuple[Share, ...], str]:
    """The parts of an invoice that are taxed in one way each, and what is wrong with what is stated of them.

    Args:
        net: The invoice without tax, in minor units.
        tax: Its tax, in minor units.
        currency: ISO 4217.
        stated: What its document states of its tax, by category and rate.
        line_rates: The rates that its lines of tax name, each once.

    Returns:
        The parts, which add up to the invoice, whatever is stated; and a sentence, or nothing.
    """
    by: dict[tuple[str | None, Decimal | None], tuple[int, int]] = {}
    for row in stated:
        own_net, own_tax = (to_minor(amount or Decimal(0), currency) for amount in (row.taxable, row.tax))
        before_net, before_tax = by.get((row.category, row.rate), (0, 0))
        by[row.category, row.rate] = (before_net + own_net, before_tax + own_tax)
    if stated and tuple(map(sum, zip(*by.values(), strict=True))) == (net, tax):
        return tuple(_share(category, rate, *amounts) for (category, rate), amounts in by.items()), ""
    if len(by) == 1:
        [(category, rate)] = by
        return (_share(category, rate, net, tax),), ""
    if stated:
        return (
            (_share(None, None, net, tax),),
            "what its document states of its tax by rate does not come to its net and tax, so that no rate is shown",
        )
    rate = next(iter(line_rates)) if len(line_rates) == 1 and tax else None
    return (_share(None, rate, net, tax),), ""


def _share(category: str | None, rate: Decimal | None, net: int, tax: int) -> Share:
    kind = kind_of(category, tax)
    # A rate of 0 without a category says no more than that there is no tax.
    return Share(kind, category_name(category) if kind is TaxKind.EXEMPT else "", rate if tax else None, net, tax)


def doubts_of(
    shares: Iterable[Share], *, tax_id: str | None, country: str | None, buyer_tax_id: str | None
) -> Iterator[str]:
    """Why tax may not be what can be claimed, from what is stated of seller and buyer.

    Args:
        shares: The parts of an invoice.
        tax_id: The seller's.
        country: The seller's.
        buyer_tax_id: The buyer's.
    """
    shares = list(shares)
    is_charged = any(share.kind is TaxKind.CHARGED for share in shares)
    if is_charged and not tax_id:
        yield "no document states the seller's tax id"
    if not buyer_tax_id and any(share.kind is TaxKind.REVERSE_CHARGE for share in shares):
        yield "it is reverse charge, and no document states the buyer's tax id"
    # Tax of the buyer's country may be charged by a seller elsewhere, who has a tax id of that country.
    countries = {country_of_tax_id(tax_id), country, country_of_tax_id(buyer_tax_id)} - {None, ""}
    known = rates_of(countries)
    for share in shares:
        if share.kind is not TaxKind.CHARGED:
            continue
        if share.rate is not None and known and share.rate not in known:
            yield (
                f"its rate of {share.rate.normalize():f} % is none of {' or '.join(sorted(filter(None, countries)))} that is "
                "known here"
            )
        if (effective := effective_rate(share.net, share.tax)) is not None and abs(effective) > HIGHEST_RATE:
            yield f"its tax is {effective} % of its net, more than the highest rate of a country, {HIGHEST_RATE} %"


def _invoices(connection: duckdb.DuckDBPyConnection, months: Collection[date]) -> tuple[list[TaxedInvoice], list[str]]:
    """The invoices of the months that somebody awaits, and the names of those without totals."""
    stated: dict[InvoiceKey, list[StatedTax]] = {}
    for row in fetch(connection, _stated_sql(months)):
        stated.setdefault(InvoiceKey.of(row), []).append(
            StatedTax(row["category"], row["rate"], row["taxable_amount"], row["tax_amount"])
        )
    rates = {InvoiceKey.of(row): row["rates"] for row in fetch(connection, _line_rates_sql(months))}
    differing = _found(connection, TAX_RATE, months, "its tax differs from the rates that its lines state: {what}")
    doubtful = _found(
        connection,
        DOUBTFUL_TAX,
        months,
        "whether a line is tax is doubtful, and no document states the tax: {line}",
        # A droplet called taxi-api is none, and what the provider calls a tax is one.
        unless="is_clear_by_other_facts",
    )
    invoices, unsummed = [], []
    for row in fetch(connection, _invoices_sql(months)):
        key = InvoiceKey.of(row)
        if row["currency"] not in EXPONENTS or row["amount_net_minor"] is None:
            unsummed.append(key.name)
            continue
        net, tax = row["amount_net_minor"], row["amount_tax_minor"]
        shares, wrong = shares_of(net, tax, row["currency"], stated.get(key, []), rates.get(key, []))
        own = [
            *filter(None, [wrong]),
            *doubts_of(
                shares,
                tax_id=row["seller_tax_id"],
                country=row["seller_country"],
                buyer_tax_id=row["buyer_tax_id"],
            ),
            # A second witness settles what lines alone leave open.
            *((*differing.get(key.name, {}), *doubtful.get(key.name, {})) if row["stated_tax_minor"] != tax else ()),
            *(f"released though: {reason}" for reason in row["released_reasons"] if "tax" in reason.split()),
        ]
        invoices.append(
            TaxedInvoice(
                key=key,
                number=row["invoice_number"] or key.external_id,
                month=row["invoice_month"],
                currency=row["currency"],
                seller=row["seller_name"] or vendor_name(key.source, row["vendor_name"]),
                country=row["seller_country"] or "",
                tax_id=row["seller_tax_id"] or "",
                is_credit_note=row["kind"] == "credit_note" if row["kind"] else row["amount_gross_minor"] < 0,
                waits=row["standing"] == "held",
                shares=shares,
                doubts=tuple(own),
            )
        )
    return invoices, unsummed


def _found(
    connection: duckdb.DuckDBPyConnection, kind: Kind, months: Collection[date], words: str, *, unless: str = ""
) -> dict[str, dict[str, None]]:
    """What is found about the months' invoices, in these words, each once, by the invoice's name.

    Args:
        connection: An open warehouse.
        kind: What is looked for.
        months: The months.
        words: The words.
        unless: The fact for which a finding is passed over.
    """
    by_name: dict[str, dict[str, None]] = {}
    for finding in find(connection, kind, None, months=months):
        if finding.facts.get(unless) == str(True):
            continue
        said = words.format(what=finding.what, line=finding.facts.get("description", ""))
        by_name.setdefault(finding.invoice, {})[said] = None
    return by_name


def _own_sql(months: Collection[date]) -> str:
    """SQL: the documents of the current invoices of the months."""
    return (
        "SELECT DISTINCT source, account_id, external_id, document_sha256, invoice_ordinal, received_at, vendor_name, "
        f"invoice_number FROM current_invoices WHERE invoice_month IN ({month_list(months)})"
    )


def _invoices_sql(months: Collection[date]) -> str:
    newest = ", ".join(
        f"arg_max({name}, (received_at, document_sha256)) FILTER ({name} IS NOT NULL) AS {name}"
        for name in ("seller_name", "seller_tax_id", "seller_country", "buyer_tax_id")
    )
    return f"""
    SELECT total.*, terms.kind, fact.* EXCLUDE (source, account_id, external_id)
    FROM awaited_invoices AS total
    LEFT JOIN invoice_terms AS terms USING (source, account_id, external_id)
    LEFT JOIN (
      SELECT source, account_id, external_id, max(vendor_name) AS vendor_name, max(own.invoice_number) AS invoice_number, {newest}
      FROM ({_own_sql(months)}) AS own
      LEFT JOIN (SELECT document_sha256, invoice_ordinal, seller_name, seller_tax_id, seller_country, buyer_tax_id
        FROM stated_invoices) AS stated USING (document_sha256, invoice_ordinal)
      GROUP BY ALL
    ) AS fact USING (source, account_id, external_id)
    WHERE total.invoice_month IN ({month_list(months)}) AND total.standing IN ('ready', 'held')
    ORDER BY total.invoice_month, total.source, total.account_id, total.external_id
    """


def _stated_sql(months: Collection[date]) -> str:
    """SQL: what documents state of each invoice's tax, from the newest document that states any."""
    return f"""
    SELECT source, account_id, external_id, category, rate, taxable_amount, tax_amount
    FROM (
      SELECT own.source, own.account_id, own.external_id, tax.*, rank() OVER (
          PARTITION BY own.source, own.account_id, own.external_id
          ORDER BY own.received_at DESC, document_sha256 DESC, invoice_ordinal DESC) AS place
      FROM ({_own_sql(months)}) AS own JOIN stated_taxes AS tax USING (document_sha256, invoice_ordinal)
    )
    WHERE place = 1 ORDER BY source, account_id, external_id, tax_ordinal
    """


def _line_rates_sql(months: Collection[date]) -> str:
    """SQL: the rates that the tax lines of each invoice name, where all of them name one, as `GST (10%)` does."""
    return f"""
    SELECT source, account_id, external_id,
      list(DISTINCT TRY_CAST(regexp_extract(description, '(\\d{{1,2}}(?:\\.\\d{{1,4}})?)\\s*%', 1) AS DECIMAL(9,4))) AS rates
    FROM cost_lines WHERE charge_category = 'Tax' AND invoice_month IN ({month_list(months)})
    GROUP BY ALL HAVING bool_and(regexp_matches(coalesce(description, ''), '\\d\\s*%'))
    """
