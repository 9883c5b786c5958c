"""Electronic invoices beside other documents of the same invoice: one record, whichever comes first."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest

from arcadia_dagster.reports import findings
from arcadia_dagster_tests.kit.api_documents import money, scaleway, scaleway_invoice, written
from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.einvoices import Facts, Line, Tax, cii, ubl, zugferd
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.outcomes import hold_reasons, pushed
from arcadia_dagster_tests.kit.project import Project, digitalocean, invoice_name, line
from arcadia_dagster_tests.kit.project import tax as do_tax

ASKED = "in another format and under another number: one invoice twice?"
UUID = "3f4f8da2-e4c6-4998-8c70-d11b2193{:04}"


def of_scaleway(euros: int, **fields: object) -> bytes:
    """An invoice of that many euros before tax, as Scaleway's API gives it, under its UUID."""
    stated: dict[str, object] = {
        "total_untaxed": money(euros),
        "total_undiscount": money(euros),
        "total_tax": money(euros // 5),
    }
    stated |= {"total_taxed": money(euros + euros // 5), "id": UUID.format(euros), "number": 400_000 + euros}
    return written(scaleway(scaleway_invoice(**stated | fields)))


def as_sent(euros: int, **changes: object) -> Facts:
    """The same as an electronic invoice, under the number that is printed on it."""
    stated = Facts(
        number=f"SCW-2026-04-{euros}",
        seller="Scaleway SAS",
        issued="2026-05-03",
        due=None,
        start="2026-04-01",
        end="2026-04-30",
        lines=(Line(f"{euros}.00", "Instances"),),
        taxes=(Tax(f"{euros // 5}.00", f"{euros}.00", "20"),),
        buyer_number=None,
    )
    return stated.with_(**changes)


ONE: Mapping[str, tuple[bytes, bytes]] = {
    "UBL": (of_scaleway(100), ubl(as_sent(100))),
    "CII": (of_scaleway(110), cii(as_sent(110))),
    "ZUGFeRD": (of_scaleway(120), zugferd(as_sent(120))),
    "with the account": (of_scaleway(130), ubl(as_sent(130, buyer_number="org-1"))),
    "without a period": (of_scaleway(140), ubl(as_sent(140, start=None, end=None))),
    "only stated by the day of delivery": (
        of_scaleway(150),
        ubl(as_sent(150, start=None, end=None, delivered="2026-05-03")),
    ),
    "of the last day": (
        of_scaleway(160, issued_date="2026-04-30T00:00:00Z"),
        ubl(as_sent(160, start=None, end=None, issued="2026-04-30")),
    ),
}
TWO: Mapping[str, tuple[bytes, bytes]] = {
    "two accounts": (of_scaleway(200), ubl(as_sent(200, buyer_number="org-2"))),
    "another tax": (of_scaleway(210), ubl(as_sent(210, taxes=(Tax("0.00", "210.00", "0", "AE"),)))),
    "another currency": (of_scaleway(220), ubl(as_sent(220, currency="USD"))),
    "another period": (of_scaleway(230), ubl(as_sent(230, start="2026-05-01", end="2026-05-31", issued="2026-05-31"))),
    "another month of issue": (of_scaleway(240), ubl(as_sent(240, start=None, end=None, issued="2026-06-03"))),
    "another seller": (of_scaleway(250), ubl(as_sent(250, seller="Eine Cloud GmbH"))),
}


def drop(project: Project, worlds: Mapping[str, tuple[bytes, bytes]], kind: int) -> None:
    for name, documents in worlds.items():
        is_pdf = documents[kind].startswith(b"%PDF")
        project.drop(f"{name}.{'json' if kind == 0 else 'pdf' if is_pdf else 'xml'}", documents[kind])


@case("165")
@pytest.mark.parametrize("order", [(0, 1), (1, 0), None], ids=["lines first", "lines last", "at once"])
def test_one_invoice_in_two_formats_under_two_numbers_is_pushed_once(
    project: Project, order: tuple[int, int] | None
) -> None:
    for kind in order or (0, 1):
        drop(project, ONE, kind)
        drop(project, TWO, kind)
        if order is not None:
            project.build()
    found = pushed(project)
    held = {
        row["external_id"]: " ".join(row["hold_reasons"])
        for row in project.query("SELECT external_id, hold_reasons FROM tax_split_totals WHERE status = 'held'")
    }
    numbers = [100 + 10 * ordinal for ordinal in range(len(ONE))]
    for number in numbers:
        uuid, printed = UUID.format(number), f"SCW-2026-04-{number}"
        first, later = (printed, uuid) if order == (1, 0) else (uuid, printed)
        assert (found.get(first), found.get(later)) == (number * 120, None), number
        assert held[later].startswith(f"it comes to the same as {first} ("), number
        assert f"/{first} --reason" in held[later], number
    assert len(held) == len(numbers)
    assert len(found) == len(numbers) + 2 * len(TWO)
    project.forget_warehouse()
    assert pushed(project) == found, "a rebuild does not know what finance has"


@case("165")
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["lines first", "lines last"])
def test_accounts_that_only_one_of_the_two_formats_names_do_not_tell_two_invoices_apart(
    project: Project, order: tuple[int, int]
) -> None:
    """Scaleway's API names the organisation by its UUID, and what is sent to it the customer's number."""
    documents = (of_scaleway(100), ubl(as_sent(100, buyer_number="K-10021")))
    for kind in order:
        drop(project, {"one": documents}, kind)
        project.build()
    assert list(pushed(project).values()) == [12000]
    of_march = as_sent(300, buyer_number="org-1", start="2026-03-01", end="2026-03-31", issued="2026-04-03")
    drop(project, {"another": (b"", ubl(of_march))}, 1)
    project.build()
    assert sorted(pushed(project).values()) == [12000, 12000, 36000], "org-1 is named by both: they are two accounts"


def test_each_way_on_leaves_what_was_decided_also_after_a_rebuild(project: Project) -> None:
    numbers = {"void": 100, "release": 110, "void other": 140}
    for number in numbers.values():
        drop(project, {str(number): (b"", ubl(as_sent(number, start=None, end=None)))}, 1)
    assert len(pushed(project)) == len(numbers)
    for number in numbers.values():
        drop(project, {str(number): (of_scaleway(number), b"")}, 0)
    assert len(pushed(project)) == len(numbers)
    project.settle("void", UUID.format(100))
    project.settle("release", UUID.format(110))
    project.settle("void", "SCW-2026-04-140")
    wanted = {"SCW-2026-04-100": 12000, "SCW-2026-04-110": 13200, UUID.format(110): 13200, UUID.format(140): 16800}
    assert pushed(project) == wanted | {"SCW-2026-04-140": 16800}, "what finance has already is taken out there by hand"
    project.forget_warehouse()
    assert pushed(project) == wanted | {"SCW-2026-04-140": 16800}
    ready = project.query("SELECT external_id FROM tax_split_totals WHERE status = 'ready'")
    assert {row["external_id"] for row in ready} == set(wanted)


def test_an_invoice_that_came_in_both_formats_is_not_taken_for_another_one_of_its_price(project: Project) -> None:
    """A subscription: each month comes to the same, and its electronic invoice comes while the lines of the last one come."""
    for month in (4, 5, 6):
        days = {"start": f"2026-0{month}-01", "end": f"2026-0{month}-28", "issued": f"2026-0{month}-28"}
        project.drop(f"{month}.xml", ubl(as_sent(300, number=f"{400_000 + month}", **days)))
        billed = {"start_date": f"2026-0{month - 1}-01T00:00:00Z", "stop_date": f"2026-0{month - 1}-28T00:00:00Z"}
        billed |= {"billing_period": f"2026-0{month - 1}", "issued_date": f"2026-0{month - 1}-28T00:00:00Z"}
        lines = of_scaleway(300, id=UUID.format(month - 1), number=400_000 + month - 1, **billed)
        project.drop(f"{month - 1}.json", lines)
        assert len(pushed(project)) == month - 2
    rows = project.query("SELECT account_id, status FROM tax_split_totals ORDER BY invoice_month")
    assert [(row["account_id"], row["status"]) for row in rows] == [("org-1", "ready")] * 3 + [("unknown", "ready")]


def sent(number: str, cents: int, **changes: object) -> bytes:
    """An electronic invoice of AWS without an account."""
    net, vat = f"{cents / 100:.2f}", f"{cents / 1000:.2f}"
    days = {"issued": "2026-05-01", "due": None, "start": "2026-04-01", "end": "2026-04-30"}
    of_aws = Facts(number=number, seller="Amazon Web Services EMEA SARL", currency="USD", buyer_number=None)
    return ubl(of_aws.with_(lines=(Line(net),), taxes=(Tax(vat, net, "10"),), **days | changes))


def lined(number: str, cents: int, account: str) -> bytes:
    """Its lines, with the account."""
    of_account = {"InvoiceId": number, "BillingAccountId": account}
    net, vat = f"{cents / 100:.2f}", f"{cents / 1000:.2f}"
    return as_csv(charge(BilledCost=net, **of_account), tax(BilledCost=vat, **of_account))


ORDERS = {"lines last": "ela", "lines first": "lea", "the other account first": "eal", "lines between": "lae"}
"""In which order come the electronic invoice, its lines, and lines of another account with its number."""


@case("166")
def test_an_electronic_invoice_without_its_account_is_one_with_its_lines(project: Project) -> None:
    worlds = {f"I-{number}": (100_000 * number, order) for number, order in enumerate(ORDERS.values(), start=1)}
    worlds |= {"I-8": (800_000, "e.l"), "I-9": (900_000, "l.e")}
    for step in range(3):
        for number, (cents, order) in worlds.items():
            of_what = {
                "e": sent(number, cents),
                "l": lined(number, cents, "111"),
                "a": lined(number, cents, "222"),
            }
            if order[step] in of_what:
                project.drop(f"{number}-{order[step]}.{'xml' if order[step] == 'e' else 'csv'}", of_what[order[step]])
        assert pushed(project) == {number: cents * 11 // 10 for number, (cents, _) in worlds.items()}
    stood = {
        (row["external_id"], row["account_id"]): (row["status"], row["line_count"])
        for row in project.query("FROM tax_split_totals")
    }
    for number, (_, order) in worlds.items():
        first, other = ("222", "111") if order == "eal" else ("111", "222")
        assert stood.pop((number, first)) == ("ready", 2)
        assert "." in order or stood.pop((number, other))[0] == "held"
    assert stood == {}
    records = project.query("SELECT external_id, account_id, state, action FROM finance_records")
    for row in records:
        order = worlds[row["external_id"]][1]
        assert (row["account_id"], row["state"]) == ("222" if order == "eal" else "111", "delivered")
        assert order[0] == "l" or row["action"] == "updated"
    assert len(records) == len(worlds)
    project.forget_warehouse()
    assert pushed(project) == {number: cents * 11 // 10 for number, (cents, _) in worlds.items()}
    assert project.finance.reconcile(project.warehouse) == []


@case("166")
def test_an_account_that_is_routed_elsewhere_is_never_pushed_to_a_second_tenant(project: Project) -> None:
    route = '[[route]]\nsource = "aws"\naccount = "111"\ntenant = "acme"\n'
    (project.home / "tenants.toml").write_text(route, encoding="utf-8")
    project.drop("e.xml", sent("INV-1", 600))
    assert pushed(project) == {}
    project.settle("release", "INV-1")
    assert pushed(project) == {"INV-1": 660}
    project.drop("l.csv", lined("INV-1", 600, "111"))
    assert pushed(project) == {"INV-1": 660}
    assert project.sandbox is not None
    [only] = project.sandbox.invoices()
    assert only["tenant_id"] == "platform-admin"
    [missing] = found(project, findings.MISSING)
    assert "platform-admin" in missing.what


@case("166")
def test_a_number_that_was_sent_first_leaves_the_lines_their_account(project: Project) -> None:
    """Scaleway's JSON has an id of its own beside the number; routes lead its account to a tenant."""
    route = '[[route]]\nsource = "scaleway"\naccount = "org-1"\ntenant = "acme"\n'
    (project.home / "tenants.toml").write_text(route, encoding="utf-8")
    project.drop("e.xml", ubl(as_sent(100, number="400100")))
    assert pushed(project) == {}
    project.drop("s.json", of_scaleway(100))
    assert pushed(project) == {UUID.format(100): 12000}
    assert project.query("SELECT account_id, status FROM tax_split_totals") == [
        {"account_id": "org-1", "status": "ready"}
    ]


@case("199")
@pytest.mark.parametrize("order", ["el", "le"], ids=["lines last", "lines first"])
def test_an_electronic_invoice_without_a_period_is_one_with_its_lines_of_the_month_before(
    project: Project, order: str
) -> None:
    documents = {
        "e": {
            "1.xml": sent("INV-1", 600, start=None, end=None, buyer_number="111"),
            "2.xml": sent("INV-2", 700, start=None, end=None),
        },
        "l": {"1.csv": lined("INV-1", 600, "111"), "2.csv": lined("INV-2", 700, "111")},
    }
    for kind in order:
        for name, content in documents[kind].items():
            project.drop(name, content)
        assert pushed(project) == {"INV-1": 660, "INV-2": 770}
    rows = project.query("SELECT external_id, status, invoice_month FROM tax_split_totals ORDER BY external_id")
    assert [(row["status"], row["invoice_month"]) for row in rows] == [("ready", date(2026, 4, 1))] * 2
    # Numbers that begin anew each month: the lines of June are no invoice of May's issue.
    june = {"BillingPeriodStart": "2026-06-01T00:00:00Z", "ChargePeriodStart": "2026-06-01T00:00:00Z"}
    june["ChargePeriodEnd"] = "2026-06-02T00:00:00Z"
    project.drop("6.csv", as_csv(charge(InvoiceId="INV-1", BillingAccountId="111", **june)))
    project.build()
    assert project.invoice("INV-1-2026-06")["status"] == "held"
    project.forget_warehouse()
    assert pushed(project) == {"INV-1": 660, "INV-2": 770}


UNLIKE: Mapping[str, dict[str, object]] = {
    "a cent": {"lines": (Line("100.01"),), "taxes": (Tax("20.00", "100.01", "20"),)},
    "another currency": {"currency": "USD"},
    "a credit": {"lines": (Line("90.00"),), "taxes": (Tax("18.00", "90.00", "20"),)},
}
"""How an electronic invoice of 100 euros differs from its lines."""


@case("198")
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["lines first", "lines last"])
def test_an_electronic_invoice_that_differs_from_the_only_lines_of_its_month_is_never_pushed_beside_them(
    project: Project, order: tuple[int, int]
) -> None:
    months = dict(enumerate(UNLIKE, start=1))
    for kind in order:
        for month, what in months.items():
            days = {
                "start": f"2026-{3 * month:02}-01",
                "end": f"2026-{3 * month:02}-28",
                "issued": f"2026-{3 * month:02}-28",
            }
            billed = {"start_date": f"{days['start']}T00:00:00Z", "stop_date": f"{days['end']}T00:00:00Z"}
            billed |= {"billing_period": f"2026-{3 * month:02}", "issued_date": f"{days['issued']}T00:00:00Z"}
            lines = of_scaleway(100, id=UUID.format(month), number=month, **billed)
            drop(project, {what: (lines, ubl(as_sent(100, number=f"S-{month}", **days | UNLIKE[what])))}, kind)
        found = pushed(project)
        assert len(found) == len(months)
    for month in months:
        numbers = [UUID.format(month), f"S-{month}"]
        first, later = (numbers[kind] for kind in order)
        assert first in found
        [reason] = hold_reasons(project, later)
        assert f", and {first} comes to " in reason
        assert ASKED in reason


@case("198")
def test_a_person_tells_a_contract_beside_usage_apart_once_for_its_account(project: Project) -> None:
    def deliver(month: int) -> None:
        first, last = f"2026-0{month}-01", f"2026-0{month}-28"
        billed = {"start_date": f"{first}T00:00:00Z", "stop_date": f"{last}T00:00:00Z", "billing_period": first[:7]}
        lines = of_scaleway(100 + 10 * month, id=UUID.format(month), issued_date=f"{last}T00:00:00Z", **billed)
        project.drop(f"{month}.json", lines)
        project.build()
        days = {"start": first, "end": last, "issued": last}
        project.drop(f"{month}.xml", ubl(as_sent(50, number=f"SUPPORT-{month}", **days)))

    deliver(3)
    assert len(pushed(project)) == 1
    project.settle("release", "SUPPORT-3")
    assert len(pushed(project)) == 2
    deliver(4)
    assert len(pushed(project)) == 4
    # A difference of a cent is a doubt all the same.
    cent = {"lines": (Line("140.01"),), "taxes": (Tax("28.00", "140.01", "20"),)}
    project.drop("5.xml", ubl(as_sent(140, number="S-5", **cent)))
    assert len(pushed(project)) == 4


def test_lines_that_come_with_electronic_invoices_of_their_number_show_that_another_number_is_another_invoice(
    project: Project,
) -> None:
    project.drop("1.csv", lined("INV-1", 600, "111"))
    project.drop("1.xml", sent("INV-1", 600))
    project.drop("2.csv", lined("INV-2", 700, "111"))
    project.drop("3.xml", sent("INV-3", 900))
    assert pushed(project) == {"INV-1": 660, "INV-2": 770, "INV-3": 990}


def found(project: Project, kind: findings.Kind) -> list[findings.Finding]:
    with project.warehouse.read() as connection:
        return findings.find(connection, kind, project.finance.recipient)


@case("167")
def test_an_invoice_of_two_tax_rates_has_a_plausible_tax(project: Project) -> None:
    lines = (Line("60.00"), Line("40.00", "Book"))
    of_two = Facts(number="T-1", seller="A GmbH", lines=lines, taxes=(Tax("11.40", "60.00"), Tax("2.80", "40.00", "7")))
    # As much as both rates of all of it, which only one of two kinds of tax on one amount may be.
    summed = of_two.with_(number="T-2", seller="B GmbH", taxes=(Tax("19.00", "60.00"), Tax("7.00", "40.00", "7")))
    project.drop("1.xml", ubl(of_two))
    project.drop("2.xml", cii(summed))
    by_lines = {"1": ("11.40", "2.80"), "2": ("19.00", "7.00"), "3": ("1.40", "2.80"), "4": ("19.00", "2.80")}
    for number, (high, low) in by_lines.items():
        taxes = (do_tax("VAT (19%)", f"${high}"), do_tax("VAT (7%)", f"${low}"))
        rows = (line(amount="$100.00", description=number), *taxes)
        project.drop(invoice_name(number=number), digitalocean(*rows))
    project.build()
    named = {finding.subject.rpartition("/")[2]: finding.what for finding in found(project, findings.TAX_RATE)}
    assert named == {
        "T-2": "tax 26.00 EUR, by its rates 14.20 EUR",
        "3": "tax 4.20 USD, by its rates 26.00 USD",
        "4": "tax 21.80 USD, by its rates 26.00 USD",
    }
    assert hold_reasons(project, "T-1") == []
    assert Decimal(project.invoice("T-1")["amount_tax"]) == Decimal("14.20")
