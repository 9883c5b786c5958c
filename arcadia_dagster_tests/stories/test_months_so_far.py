"""A month so far, and the invoice that it became: what states mostly the same charges is never pushed beside the invoice.

All trials share a home: each has a month, an account or a source of its own, and nothing in common with the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import pytest

from arcadia_dagster.warehouse.months import next_month
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line
from arcadia_dagster_tests.kit.project import tax as digitalocean_tax
from arcadia_dagster_tests.kit.sandboxes import empty_sandbox

GROWN = "a draft that has grown, and its invoice?"
OPEN = "its billing period was open until"
SERVICES = ("Servers", "Volumes", "Storage", "Databases", "Balancers", "Traffic")
BY_SERVICE = """
name = "{name}"
source = "{name}"
currency = "USD"

[columns]
description = "{name} item"
amount = "Amount"
start = "Date"

[tax]
column = "{name} item"
pattern = "^VAT"
"""

Amounts = Sequence[float]


class Trial(NamedTuple):
    """Files, one after another.

    Attributes:
        files: What is put into the inbox, by its path there.
        held: What is held in the end, each with words of the reason.
        pushed: What finance has in the end of these.
    """

    files: Mapping[str, bytes]
    held: Mapping[str, str]
    pushed: Mapping[str, int]


def focus(
    account: str, invoice: str, amounts: Amounts, services: Sequence[str] = SERVICES, issuer: str = "Alphacloud"
) -> bytes:
    """A charge for the month for each service, which names no resource."""
    return as_csv(
        *(
            charge(
                InvoiceId=invoice,
                BillingAccountId=account,
                InvoiceIssuerName=issuer,
                ProviderName=issuer,
                ServiceName=service,
                ChargeDescription=service,
                BilledCost=f"{amount:.2f}",
                ResourceId=None,
                ResourceName=None,
                ChargePeriodEnd="2026-05-01T00:00:00Z",
            )
            for service, amount in zip(services, amounts, strict=True)
        )
    )


def droplets(month: str, through: int, *, taxed: bool = False) -> bytes:
    """Droplets of a month until a day, by the hour; without the provider's name the account is not known."""
    until = f"{month}-{through:02} 23:59:59 +0000"
    return digitalocean(
        *(
            line(
                description=f"web-{n}", amount=f"${n * through / 5:.2f}", start=f"{month}-01 00:00:00 +0000", end=until
            )
            for n in (1, 2, 3)
        ),
        *([digitalocean_tax(amount="$3.60")] if taxed else []),
    )


def listed(name: str, amounts: Amounts, day: str = "2026-01-01") -> bytes:
    """A table with a line for each service, and neither invoice nor account."""
    rows = (f"{name} {service},{amount:.2f},{day}" for service, amount in zip(SERVICES, amounts, strict=True))
    return "\n".join((f"{name} item,Amount,Date", *rows, "")).encode()


def two(first: tuple[str, bytes], second: tuple[str, bytes], *, turned: bool) -> dict[str, bytes]:
    return dict((second, first) if turned else (first, second))


HALF: Amounts = (50, 10, 2.5, 30, 6, 1.65)
WHOLE: Amounts = (100, 25, 5, 60, 12, 4)
MIXED: Amounts = (20, 90, 5, 70, 1, 9)
THIS_MONTH = datetime.now(UTC).date().replace(day=1)


def so_far(turned: bool) -> dict[str, Trial]:
    key = "later" if turned else "earlier"
    account = f"A-{key}"
    unnamed, month = (f"droplets {key} 10", "2025-10" if turned else "2025-09")
    preview, number = f"unknown-{month}-{unnamed}", f"9{int(turned)}1"
    named = invoice_name(f"2025 {'Oct' if turned else 'Sep'}", number, "77")
    first, last = f"table{key}", f"usage {key}"
    return {
        f"services without resources, {key}": Trial(
            two(
                (f"{key}/p.csv", focus(account, f"P-{key}", HALF)),
                (f"{key}/i.csv", focus(account, f"I-{key}", WHOLE)),
                turned=turned,
            ),
            {f"P-{key}": GROWN, f"I-{key}": GROWN},
            {(f"I-{key}" if turned else f"P-{key}"): 20600 if turned else 10015},
        ),
        # A provider's number tells the invoice from what has none, unless finance has that already.
        f"droplets without a resource or an account, {key}": Trial(
            two((f"{unnamed}.csv", droplets(month, 10)), (named, droplets(month, 30, taxed=True)), turned=turned),
            {preview: GROWN} if turned else {preview: GROWN, number: GROWN},
            {number: 3960} if turned else {preview: 1200},
        ),
        f"a table with a line for each service, {key}": Trial(
            two(
                (f"{first} 2026-01-15.csv", listed("plain", HALF)),
                (f"{first} 2026-02-01.csv", listed("plain", WHOLE)),
                turned=turned,
            )
            if not turned
            else two(
                (f"{last} 15.csv", listed("other", HALF)), (f"{last} 31.csv", listed("other", WHOLE)), turned=True
            ),
            {f"unknown-2026-01-{first} 2026-01-15": GROWN, f"unknown-2026-01-{first} 2026-02-01": GROWN}
            if not turned
            else {f"unknown-2026-01-{last} 15": GROWN, f"unknown-2026-01-{last} 31": GROWN},
            {f"unknown-2026-01-{last} 31": 20600} if turned else {f"unknown-2026-01-{first} 2026-01-15": 10015},
        ),
    }


TRIALS = {
    **so_far(turned=False),
    **so_far(turned=True),
    "two numbers of one account": Trial(
        {
            invoice_name("2025 Aug", "900", "78"): droplets("2025-08", 10),
            invoice_name("2025 Aug", "901", "78"): droplets("2025-08", 30, taxed=True),
        },
        {"900": GROWN, "901": GROWN},
        {"900": 1200},
    ),
    "two invoices for other services": Trial(
        {
            "b/1.csv": focus("B", "B-1", HALF),
            "b/2.csv": focus("B", "B-2", WHOLE[:4], ("Seats", "Support", "Audit", "Traffic")),
        },
        {},
        {"B-1": 10015, "B-2": 19000},
    ),
    "two invoices of which each has what costs more": Trial(
        {"c/1.csv": focus("C", "C-1", HALF), "c/2.csv": focus("C", "C-2", MIXED)}, {}, {"C-1": 10015, "C-2": 19500}
    ),
    "two accounts with one list of services": Trial(
        {"d/1.csv": focus("D1", "D-1", HALF), "d/2.csv": focus("D2", "D-2", WHOLE)}, {}, {"D-1": 10015, "D-2": 20600}
    ),
    "a credit note": Trial(
        {"e/1.csv": focus("E", "E-1", WHOLE), "e/2.csv": focus("E", "E-2", [-amount for amount in HALF])},
        {},
        {"E-1": 20600, "E-2": -10015},
    ),
    "two teams whose account nothing tells": Trial(
        {"red.csv": listed("teams", HALF), "blue.csv": listed("teams", MIXED)},
        {},
        {"unknown-2026-01-red": 10015, "unknown-2026-01-blue": 19500},
    ),
    "two months": Trial(
        {"march 1.csv": listed("months", HALF, "2026-03-01"), "april 1.csv": listed("months", WHOLE, "2026-04-01")},
        {},
        {"unknown-2026-03-march 1": 10015, "unknown-2026-04-april 1": 20600},
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """All trials: the first file of each, then the second one of each."""
    with empty_sandbox() as sandbox:
        project = Project(tmp_path_factory.mktemp("world") / "home", sandbox=sandbox)
        project.describe(**{name: BY_SERVICE.format(name=name) for name in ("plain", "other", "teams", "months")})
        for turn in (0, 1):
            for trial in TRIALS.values():
                name, content = list(trial.files.items())[turn]
                project.drop(name, content)
            project.build()
        yield project


@case("170")
@pytest.mark.parametrize("name", TRIALS)
def test_what_has_grown_into_an_invoice_is_held_and_other_invoices_are_not(world: Project, name: str) -> None:
    trial = TRIALS[name]
    rows = world.query("SELECT external_id, hold_reasons FROM tax_split_totals WHERE status = 'held'")
    reasons = {row["external_id"]: " ".join(row["hold_reasons"]) for row in rows}
    assert world.sandbox is not None
    finance = {row["external_id"]: row["amount_gross_minor"] for row in world.sandbox.invoices()}
    for external_id in trial.held.keys() | trial.pushed.keys():
        assert trial.held.get(external_id, "") in reasons.get(external_id, "")
        assert (external_id in reasons) is (external_id in trial.held), reasons.get(external_id)
        assert finance.get(external_id) == trial.pushed.get(external_id)


def this_month(through: int) -> bytes:
    return droplets(f"{THIS_MONTH:%Y-%m}", through)


PREVIEWS = ("preview.csv", f"DigitalOcean Invoice {THIS_MONTH:%Y %b} (77-preview).csv")


@case("171")
def test_what_has_no_number_is_not_pushed_while_its_month_is_open(project: Project) -> None:
    for number, name in enumerate(PREVIEWS):
        project.drop(name, this_month(9 + number))
    project.build()
    rows = project.query("SELECT external_id, hold_reasons FROM tax_split_totals ORDER BY external_id")
    assert project.sandbox is not None
    assert project.sandbox.invoices() == []
    for row in rows:
        [reason] = row["hold_reasons"]
        assert reason.startswith(f"{OPEN} {next_month(THIS_MONTH)} 00:00 UTC")
    # A person may know that it is the invoice; then the invoice with its number is not pushed beside it.
    project.settle("release", f"unknown-{THIS_MONTH:%Y-%m}-preview")
    project.build()
    project.drop(invoice_name(f"{THIS_MONTH:%Y %b}", "1001"), this_month(28))
    project.build()
    assert [row["external_id"] for row in project.sandbox.invoices()] == [f"unknown-{THIS_MONTH:%Y-%m}-preview"]
    assert GROWN in " ".join(project.invoice("1001")["hold_reasons"])


@case("200")
@pytest.mark.parametrize("name", ["preview", "april"])
@pytest.mark.parametrize("lines", [1, 2])
def test_a_preview_of_a_line_or_two_that_comes_after_its_invoice_is_never_pushed(
    project: Project, name: str, lines: int
) -> None:
    so_far = [
        line(description=f"web-{number}", amount="$5.00", end="2026-04-25 00:00:00 +0000") for number in range(lines)
    ]
    project.drop(
        invoice_name(),
        digitalocean(*(line(description=f"web-{number}") for number in range(lines)), digitalocean_tax()),
    )
    project.build()
    project.drop(f"{name}.csv", digitalocean(*so_far))
    project.build()
    assert project.sandbox is not None
    assert [row["external_id"] for row in project.sandbox.invoices()] == ["1001"]
    [reason] = project.invoice(f"unknown-2026-04-{name}")["hold_reasons"]
    assert "1001" in reason
    # What is on no invoice of the month is one of its own.
    project.drop("other.csv", digitalocean(line(description="db-01", amount="$5.00")))
    project.build()
    assert len(project.sandbox.invoices()) == 2


def test_a_purchase_without_a_number_is_pushed_while_its_month_is_open(project: Project) -> None:
    project.describe(plain=BY_SERVICE.format(name="plain") + '\n[category]\ncolumn = "Kind"\nPurchase = ["Purchase"]\n')
    today = f"{date.today():%Y-%m-%d}"  # noqa: DTZ011 - any day of the month
    project.drop("shop.csv", f"plain item,Amount,Date,Kind\nDomain,12.00,{today},Purchase\n".encode())
    project.build()
    assert project.sandbox is not None
    assert [row["amount_gross_minor"] for row in project.sandbox.invoices()] == [1200]
