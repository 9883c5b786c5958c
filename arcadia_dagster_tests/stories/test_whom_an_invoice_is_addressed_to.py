"""An electronic invoice for another buyer than us is held, once somebody has said who we are; and a buyer that changes."""

import itertools

import pytest

from arcadia_dagster_tests.kit.bad_input import case
from arcadia_dagster_tests.kit.einvoices import Facts, Line, Tax, cii, ubl, zugferd
from arcadia_dagster_tests.kit.focus import as_csv, charge
from arcadia_dagster_tests.kit.outcomes import hold_reasons, pushed
from arcadia_dagster_tests.kit.pasted import take, ways_in
from arcadia_dagster_tests.kit.project import Project
from arcadia_dagster_tests.kit.shell import Shell

OURS = Facts(number="R-1")
OTHERS = Facts(number="R-2", buyer="Somebody Else AG", buyer_tax_id="ATU99999999", buyer_number="K9")
REASON = (
    "it is addressed to Somebody Else AG (ATU99999999), and buyer_tax_ids in sources.toml has no such tax id: if it is not "
    'ours, arcadia void hetzner/K9/R-2 --reason "..."; if that is us too, write this in place of the line in sources.toml: '
    'buyer_tax_ids = ["DE123456789", "ATU99999999"]; if we owe it all the same: arcadia release hetzner/K9/R-2 --reason "..."'
)


def say(project: Project, *tax_ids: str) -> None:
    listed = ", ".join(f'"{one}"' for one in tax_ids)
    project.drop("../sources.toml", f"buyer_tax_ids = [{listed}]\n".encode())


@case("157")
@pytest.mark.parametrize("write", [ubl, cii, zugferd])
def test_an_invoice_to_another_buyer_is_held_and_ours_is_pushed(project: Project, write: object) -> None:
    assert callable(write)
    say(project, "DE123456789")
    project.drop("ours.xml", write(OURS))
    project.drop("others.xml", write(OTHERS))
    assert pushed(project) == {"R-1": 11900}
    assert hold_reasons(project, "R-2") == [REASON]


@case("205")
def test_an_invoice_that_we_have_sent_is_not_pushed(project: Project) -> None:
    sold = Facts(
        number="R-3", seller="Example GmbH", seller_tax_id="DE 123456789", buyer="Customer", buyer_tax_id="FR1"
    )
    project.drop("bought.xml", ubl(OURS))
    project.drop("sold.xml", ubl(sold))
    assert pushed(project) == {"R-1": 11900}
    [reason] = hold_reasons(project, "R-3")
    assert reason.startswith(
        "its seller is Example GmbH (DE 123456789), whom invoices of others are addressed to: an invoice that we have sent? If it"
    )
    say(project, "DE123456789", "FR1")
    assert pushed(project) == {"R-1": 11900}
    [reason] = hold_reasons(project, "R-3")
    assert "whom buyer_tax_ids in sources.toml has: an invoice that we have sent?" in reason


@pytest.mark.parametrize("ours", ["de 123 456 789", "DE-123.456.789", "123456789"])
def test_a_tax_id_is_the_same_however_it_is_written(project: Project, ours: str) -> None:
    say(project, "FR1", ours)
    project.drop("ours.xml", ubl(OURS))
    project.drop("swiss.xml", ubl(OTHERS.with_(buyer_tax_id="CHE-123.456.788 MWST")))
    assert pushed(project) == {"R-1": 11900}
    say(project, "FR1", ours, "CHE123456788")
    assert pushed(project) == {"R-1": 11900, "R-2": 11900}


def test_the_same_digits_of_another_country_are_another_buyer(project: Project) -> None:
    say(project, "AT123456789")
    project.drop("ours.xml", ubl(OURS))
    assert pushed(project) == {}


def test_an_invoice_that_states_no_tax_id_is_not_held_for_it(project: Project) -> None:
    say(project, "ATU99999999")
    document = ubl(OURS)
    without = document.replace(b"<cbc:CompanyID>DE123456789</cbc:CompanyID>", b"")
    assert without != document
    project.drop("lines.csv", as_csv(charge()))
    project.drop("ours.xml", without)
    assert pushed(project) == {"R-1": 11900, "INV-1": 600}


def test_what_is_said_later_lets_go_and_holds_what_is_there_already(project: Project) -> None:
    project.drop("ours.xml", ubl(OURS))
    project.drop("others.xml", ubl(OTHERS))
    assert pushed(project) == {"R-1": 11900, "R-2": 11900}
    say(project, "DE123456789")
    project.build()
    assert hold_reasons(project, "R-2") == [REASON]
    assert project.invoice("R-1")["status"] == "ready"
    project.drop("../sources.toml", b"")
    project.build()
    assert hold_reasons(project, "R-2") == []


def of_month(month: int, **changes: object) -> bytes:
    days = {"issued": f"2026-{month:02}-28", "start": f"2026-{month:02}-01", "end": f"2026-{month:02}-28"}
    lines = (Line(f"{month}.00", f"Server {month}"),)
    tax = (Tax(f"{month * 19 / 100:.2f}", f"{month}.00"),)
    facts = Facts(number=f"R-{month}", due=None, lines=lines, taxes=tax)
    return ubl(facts.with_(**(days | changes)))


SOMEBODY_ELSE = {"buyer": "Somebody Else AG", "buyer_tax_id": "ATU99999999"}
MONTHS = {1: of_month(1), 2: of_month(2), 3: of_month(3, **SOMEBODY_ELSE)}


@case("157")
def test_an_account_whose_buyer_changes_is_asked_about_once_in_whatever_order_files_arrive(project: Project) -> None:
    # Each order in an account of its own.
    orders = {f"K{number}": order for number, order in enumerate(itertools.permutations(MONTHS))}

    def drop(account: str, month: int, **changes: object) -> None:
        document = of_month(month, number=f"R-{month}-{account}", buyer_number=account, **changes)
        project.drop(f"{month}-{account}.xml", document)

    def of_each(gross: dict[str, int]) -> dict[str, int]:
        return {f"{number}-{account}": amount for account in orders for number, amount in gross.items()}

    for account, order in orders.items():
        for month in order:
            drop(account, month, **(SOMEBODY_ELSE if month == 3 else {}))
    assert pushed(project) == of_each({"R-1": 119, "R-2": 238})
    for account in orders:
        [reason] = hold_reasons(project, f"R-3-{account}")
        assert reason == (
            "it is addressed to Somebody Else AG (ATU99999999), and invoices of its account to Arcadia Example GmbH "
            f'(DE123456789): if it is not ours, arcadia void hetzner/{account}/R-3-{account} --reason "..."; if it is: '
            f'arcadia release hetzner/{account}/R-3-{account} --reason "..."; or say who we are, at the top of '
            'sources.toml: buyer_tax_ids = ["DE123456789", "ATU99999999"]'
        )
        project.settle("release", f"R-3-{account}")
        drop(account, 4, **SOMEBODY_ELSE)
    assert pushed(project) == of_each({"R-1": 119, "R-2": 238, "R-3": 357, "R-4": 476})


def test_a_buyer_that_changes_is_settled_by_saying_who_we_are(project: Project, arcadia: Shell) -> None:
    for month, document in MONTHS.items():
        project.drop(f"{month}.xml", document)
        project.build()
    [*_, line] = ways_in(hold_reasons(project, "R-3")[0])
    take(arcadia, project, line)
    assert pushed(project) == {"R-1": 119, "R-2": 238, "R-3": 357}


def test_two_accounts_of_one_seller_may_have_two_buyers_and_so_may_invoices_that_name_no_account(
    project: Project,
) -> None:
    project.drop("1.xml", of_month(1))
    project.drop("2.xml", of_month(2, buyer_number="K9", buyer_tax_id="ATU99999999"))
    project.drop("3.xml", of_month(3, buyer_number=None))
    project.drop("4.xml", of_month(4, buyer_number=None, buyer_tax_id="ATU99999999"))
    assert pushed(project) == {"R-1": 119, "R-2": 238, "R-3": 357, "R-4": 476}
