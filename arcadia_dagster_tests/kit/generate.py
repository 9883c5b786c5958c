"""Invoices made to measure, with sums known in advance: for tests and benchmarks.

The same arguments give the same bytes, on any machine. Amounts are integer minor units until they are written.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

HEADER = ("product", "group_description", "description", "hours", "start", "end", "USD", "project_name", "category")
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
CAP_HOURS = 672
# ISO 4217: decimals of the currencies that have other than two.
MINOR_DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "BHD": 3, "KWD": 3, "TND": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a generated file states. `line_count` counts every data row, the tax line included."""

    file_name: str
    gross: Decimal
    net: Decimal
    tax: Decimal
    line_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedInvoice(Totals):
    """A generated invoice and its bytes."""

    content: bytes
    month: date
    account: str
    number: str
    currency: str


class _Product(NamedTuple):
    """How one product's lines look: a name, a size, and a price in minor units per size."""

    product: str
    group: str
    description: str
    price: int
    sizes: tuple[int, ...]
    states_hours: bool
    ends_inclusive: bool
    category: str
    weight: int


_PRODUCTS = (
    _Product("Droplets", "", "{name} (s-{size}vcpu-{size}gb)", 600, (1, 2, 4, 8), True, False, "iaas", 40),
    _Product("Droplets", "", "{name} (gpu-h100x{size}-80gb)", 227_808, (1, 8), True, False, "iaas", 1),
    _Product("Droplet Backups", "", "{name} (Weekly Backup Services)", 120, (1, 2, 4), False, False, "iaas", 20),
    _Product("Volumes", "", "{name} (syd1) {size}GB", 10, (10, 20, 100, 500), True, True, "iaas", 12),
    _Product("Droplet Snapshots", "", "{name} (syd1) {size}GB Droplet Snapshot", 6, (2, 5, 25), True, True, "iaas", 8),
    _Product("Load Balancers", "", "{name} ({size} node)", 1_200, (1,), True, False, "iaas", 4),
    _Product("Database Clusters", "{name}", "1 node - {size} GB / 1 vCPU", 1_515, (1, 2, 4), True, False, "paas", 5),
    _Product("Kubernetes Clusters", "{name}", "{size} nodes - 2 GB / 1 vCPU", 1_200, (2, 3), True, False, "paas", 5),
    _Product("Bandwidth", "", "Bandwidth overage of {name} ({size} GiB)", 1, (3, 40), False, True, "iaas", 5),
)
_WEIGHTS = tuple(product.weight for product in _PRODUCTS)
_NAMES = ("web", "api", "taxi-api", "gstreamer", "worker", "tax-service", "cache, eu", 'the "old" one', "café", "media")
_PROJECTS = ("platform", "taxi", "ci", "")
_SLOT = "@name@"


def file_name(month: date, account: str, number: str) -> str:
    """The provider's own name for an invoice file, whatever the locale."""
    return f"DigitalOcean Invoice {month.year} {MONTH_NAMES[month.month - 1]} ({account}-{number}).csv"


def digitalocean_invoice(
    *,
    seed: int,
    month: date,
    lines: int,
    account: str = "6173678",
    number: str | None = None,
    currency: str = "USD",
    header: Literal[8, 9] = 9,
    tax_rate: Decimal | None = Decimal("0.10"),
) -> GeneratedInvoice:
    """Make one invoice of exactly `lines` data rows: with a `tax_rate`, the last of them is the tax.

    About every twentieth line is a small credit. Without a `number`, it follows from seed and month.
    """
    charges = _charges(lines, taxed=tax_rate is not None)
    number = number or str(400_000_000 + seed % 100_000 * 1_000 + _month_index(month) % 1_000)
    # A text seed is hashed with SHA-512: the same everywhere, whatever PYTHONHASHSEED says.
    random = Random(f"{seed}/{month:%Y-%m}/{account}/{number}/{lines}")
    rows: list[list[str]] = []
    net = tax = 0
    for ordinal in range(charges):
        name = f"{random.choice(_NAMES)}-{random.randint(1, 99):02d}"
        row, amount = _charge(random, month, name, currency, credit=ordinal > 0 and random.random() < 0.05)
        rows.append(row)
        net += amount
    if tax_rate is not None:
        tax = _rounded(net * tax_rate)
        rows.append(_tax(month, tax_rate, tax, currency))

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([currency if name == "USD" else name for name in HEADER[:header]])
    writer.writerows(row[:header] for row in rows)
    return GeneratedInvoice(
        file_name=file_name(month, account, number),
        gross=_major(net + tax, currency),
        net=_major(net, currency),
        tax=_major(tax, currency),
        line_count=len(rows),
        content=text.getvalue().encode(),
        month=month.replace(day=1),
        account=account,
        number=number,
        currency=currency,
    )


def write_months(
    folder: Path, *, first: date, months: int, lines: int = 33, invoices_per_month: int = 1, seed: int = 1
) -> list[GeneratedInvoice]:
    """Write invoices for consecutive months into `folder`, each appearing complete and under its final name."""
    folder.mkdir(parents=True, exist_ok=True)
    invoices = []
    for ordinal in range(months * invoices_per_month):
        index = _month_index(first) + ordinal // invoices_per_month
        month = date(index // 12, index % 12 + 1, 1)
        number = str(500_000_000 + seed % 400 * 1_000_000 + ordinal)
        invoice = digitalocean_invoice(seed=seed, month=month, lines=lines, number=number)
        _write(folder / invoice.file_name, [invoice.content])
        invoices.append(invoice)
    return invoices


def write_large(path: Path, *, lines: int, month: date, seed: int) -> Totals:
    """Write one invoice of `lines` data rows, the last of them 10% tax: a million take about a second.

    A few hundred shapes of a line take turns, and each row names its own resource.
    """
    charges = _charges(lines, taxed=True)
    random = Random(f"large/{seed}/{month:%Y-%m}")
    shapes: list[tuple[str, str]] = []
    amounts: list[int] = []
    for ordinal in range(499):
        row, amount = _charge(random, month, _SLOT, "USD", credit=ordinal % 20 == 19)
        before, _, after = _line(row).partition(_SLOT)
        shapes.append((before, after))
        amounts.append(amount)
    rounds, rest = divmod(charges, len(shapes))
    net = rounds * sum(amounts) + sum(amounts[:rest])
    tax = _rounded(net * Decimal("0.10"))

    def chunks() -> Iterator[bytes]:
        yield _line(HEADER).encode()
        numbered = enumerate(islice(cycle(shapes), charges), start=1)
        while chunk := [f"{before}node-{ordinal:08d}{after}" for ordinal, (before, after) in islice(numbered, 50_000)]:
            yield "".join(chunk).encode()
        yield _line(_tax(month, Decimal("0.10"), tax, "USD")).encode()

    _write(path, chunks())
    return Totals(
        file_name=path.name,
        gross=_major(net + tax, "USD"),
        net=_major(net, "USD"),
        tax=_major(tax, "USD"),
        line_count=lines,
    )


def _charge(random: Random, month: date, name: str, currency: str, *, credit: bool) -> tuple[list[str], int]:
    """One row that is not tax, and its amount in minor units."""
    if credit:
        amount = -random.randint(1, 99)
        return ["Credits", "", f"Credit for {name}", "", "", "", _stated(amount, currency), "", "iaas"], amount
    product = random.choices(_PRODUCTS, _WEIGHTS)[0]
    size = random.choice(product.sizes)
    start, end = _bounds(month)
    if product.states_hours and random.random() < 0.3:
        start += timedelta(seconds=random.randrange(27 * 24 * 3_600))
    hours = (end - start) // timedelta(hours=1)
    amount = product.price * size
    if product.states_hours:
        amount = _rounded(Decimal(amount * min(hours, CAP_HOURS)) / CAP_HOURS)
    row = [
        product.product,
        product.group.format(name=name),
        product.description.format(name=name, size=size),
        str(hours) if product.states_hours else "",
        _time(start),
        _time(end - timedelta(seconds=product.ends_inclusive)),
        _stated(amount, currency),
        random.choice(_PROJECTS),
        product.category,
    ]
    return row, amount


def _tax(month: date, rate: Decimal, amount: int, currency: str) -> list[str]:
    start, end = _bounds(month)
    dates = [_time(start), _time(end - timedelta(seconds=1))]
    description = f"GST ({(rate * 100).normalize():f}%)"
    return ["Taxes", "", description, "", *dates, _stated(amount, currency), "", "iaas"]


def _charges(lines: int, *, taxed: bool) -> int:
    charges = lines - taxed
    if charges < 1:
        message = f"{lines} lines leave none to charge for"
        raise ValueError(message)
    return charges


def _month_index(month: date) -> int:
    return month.year * 12 + month.month - 1


def _bounds(month: date) -> tuple[datetime, datetime]:
    following = _month_index(month) + 1
    return (
        datetime(month.year, month.month, 1, tzinfo=UTC),
        datetime(following // 12, following % 12 + 1, 1, tzinfo=UTC),
    )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} +0000"


def _rounded(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_HALF_UP))


def _major(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-MINOR_DIGITS.get(currency, 2))


def _stated(minor: int, currency: str) -> str:
    """As the provider states it: `$3.11`, `-$5.00`, `$1,234.56`; other currencies without a sign."""
    return f"{'-' if minor < 0 else ''}{'$' if currency == 'USD' else ''}{_major(abs(minor), currency):,}"


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.writelines(chunks)
    part.replace(path)
