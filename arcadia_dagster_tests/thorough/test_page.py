"""What a person reads on the page: whatever the files say, whatever the month has."""

import re
import shlex
from datetime import date
from pathlib import Path

import pytest

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.statement.page import percent, shown_text
from arcadia_dagster.statement.pages import Company, make_pages
from arcadia_dagster_tests.kit.focus import as_csv, charge, tax
from arcadia_dagster_tests.kit.plain import RANGE, archive_of
from arcadia_dagster_tests.kit.project import SECRET, Project, digitalocean, invoice_name, line
from arcadia_dagster_tests.kit.project import tax as digitalocean_tax
from arcadia_dagster_tests.kit.scripted_server import ScriptedServer, answer
from arcadia_dagster_tests.kit.statement_pages import Element, figures_of, made, page_of, parse

APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "\"><b onclick='x'>bold",
    "{{ 7*7 }}{% raw %}",
    "מחשוב \u202egnp.exe",
    "\N{ROCKET} rocket",
    "x" * 300,
)


def tasks(page: Element) -> list[str]:
    return [task.text for task in page.all("article", _class="task")]


def commands(page: Element) -> list[list[str]]:
    """The commands that the page says to run, as a shell would take them."""
    return [shlex.split(code.text) for code in page.all("code") if code.text.startswith("arcadia ")]


def test_names_from_files_are_text_and_nothing_else(tmp_path: Path) -> None:
    project = Project(tmp_path)
    rows = [
        charge(ResourceName=name, ServiceName=name, SubAccountName=name, ChargeDescription=name, BilledCost="1.00")
        for name in HOSTILE
    ]
    held = [
        charge(InvoiceId=HOSTILE[0], BillingAccountId=HOSTILE[2]),
        tax(InvoiceId=HOSTILE[0], BilledCost="7", BillingAccountId=HOSTILE[2]),
    ]
    issuer = charge(
        InvoiceId="I",
        InvoiceIssuerName=HOSTILE[1],
        ChargeCategory="Credit",
        BilledCost="-1",
        ChargeDescription=HOSTILE[3],
    )
    project.drop("export.csv", as_csv(*rows, *held, issuer))
    project.drop("DigitalOcean Invoice 2026 Apr (1-1).csv", f"<html>{HOSTILE[0]}".encode())
    project.build()
    html = made(project, APRIL)[APRIL].path.read_text(encoding="utf-8")
    page = page_of(project, APRIL)
    assert [script.attributes.get("type") for script in page.all("script")] == ["application/json"]
    assert page.all("img") == page.all("b") == []
    assert not [name for element in page.all("article") for name in element.attributes if name.startswith("on")]
    services = page.one("table", data_breakdown="services").text
    for name in HOSTILE:
        assert shown_text(name) in services
    assert "\u202e" not in html
    assert "\N{REPLACEMENT CHARACTER}gnp.exe" in services
    names = {row["name"] for row in figures_of(page)["currencies"]["USD"]["services"]["rows"]}
    assert set(HOSTILE) <= names
    assert ["arcadia", "explain", f"aws/{HOSTILE[2]}/{HOSTILE[0]}"] in commands(page)
    assert_asks_nobody(page, html)


def assert_asks_nobody(page: Element, html: str) -> None:
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert str(policy).startswith("default-src 'none'")
    assert [link.attributes["href"] for link in page.all("link")] == ["data:,"]
    # Only itself, and the pages beside it.
    for link in page.all("a"):
        assert re.fullmatch(r"#[\w-]+|\d{4}(-\d{2})?\.html|index\.html", str(link.attributes["href"]))
    assert not re.search(r"url\(|@import|<[^>]* src=", html)


def test_currencies_are_never_added_together(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.drop(
        "export.csv",
        as_csv(
            charge(BilledCost="1.10"),
            charge(InvoiceId="J", BillingCurrency="JPY", BilledCost="1000"),
            charge(InvoiceId="K", BillingCurrency="KWD", BilledCost="-2.5", ChargeCategory="Credit"),
            charge(InvoiceId="MIX", BilledCost="5"),
            charge(InvoiceId="MIX", BilledCost="6", BillingCurrency="EUR"),
            charge(InvoiceId="ODD", BillingCurrency="XXQ"),
        ),
    )
    project.build()
    page = page_of(project, APRIL)
    heroes = {
        str(one.attributes["data-currency"]): one.one("div", _class="total").text
        for one in page.all("article", _class="currency")
    }
    assert {currency: text.split(" March")[0] for currency, text in heroes.items()} == {
        "JPY": "Spend, with tax 1,000 JPY",
        "KWD": "Spend, with tax -2.500 KWD",
        "USD": "Spend, with tax 1.10 USD",
    }
    assert "never added together" in page.text
    assert [task.split(" ")[:6] for task in tasks(page)] == [
        ["Held", "Amazon", "Web", "Services", "MIX", "no"],
        ["Held", "Amazon", "Web", "Services", "ODD", "no"],
    ]
    assert "Ready 3 -2.500 KWD" not in page.text
    assert "3 invoices are ready: 1,000 JPY, -2.500 KWD, 1.10 USD." in page.text


def test_a_month_without_anything_says_so(tmp_path: Path) -> None:
    project = Project(tmp_path)
    page = page_of(project, APRIL)
    assert "No invoice of this month has arrived." in page.text
    assert "There is nothing to add up" in page.text
    assert figures_of(page)["currencies"] == {}
    assert "NaN" not in page.text


def test_the_month_after_the_last_invoice_shows_what_has_gone(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.drop("export.csv", as_csv(charge()))
    project.build()
    page = page_of(project, MAY)
    assert "No invoice of this month has arrived." in page.text
    assert (
        page.one("div", _class="total").text
        == "Spend, with tax 0.00 USD April 2026 6.00 -6.00 -100.0 % May 2025 no invoices"
    )


def test_what_is_held_void_or_rejected_is_shown_and_not_counted_with_what_to_do(project: Project) -> None:
    project.drop(invoice_name(), digitalocean(line(amount="$1.00"), digitalocean_tax(amount="$7.00")))
    project.drop(invoice_name(number="1002"), digitalocean(line(amount="$2.00")))
    project.drop(invoice_name(number="1003"), b"<html>")
    project.build()
    project.decide("void", "1002", reason="paid twice")
    project.build()
    page = page_of(project, APRIL)
    assert "0 invoices, and 1 held, and 1 void." in page.text
    assert page.one("div", _class="total").text.startswith("Held, with tax 8.00 USD")
    note = "No invoice in USD counts as spend yet: 1 held invoice waits for a person, and comes to 8.00 USD."
    assert page.one("p", _class="held-note").text == note
    held, rejected = tasks(page)
    assert held.startswith("Held DigitalOcean 1001 8.00 USD its tax of 7.00 USD is more than its net of 1.00 USD")
    assert rejected.startswith("Rejected DigitalOcean Invoice 2026 Apr (77-1003).csv line 1: it is a web page")
    document = project.document(invoice_name(number="1003"))["document_sha256"]
    assert commands(page)[:5] == [
        ["arcadia", "explain", "digitalocean/77/1001"],
        ["arcadia", "release", "digitalocean/77/1001", "--reason", "..."],
        ["arcadia", "void", "digitalocean/77/1001", "--reason", "..."],
        ["arcadia", "dismiss", project.invoice()["document_sha256"][:12], "--reason", "..."],
        ["arcadia", "dismiss", document[:12], "--reason", "..."],
    ]
    voided = page.one("li", data_invoice="digitalocean/77/1002")
    assert "Void" in voided.text


def test_a_rejected_file_of_no_known_month_is_on_the_month_it_came_in_and_the_one_before(project: Project) -> None:
    project.drop("broken.csv", b"<html>")
    project.build()
    arrived = project.document("broken.csv")["received_at"].date().replace(day=1)
    before = date(arrived.year - (arrived.month == 1), (arrived.month - 2) % 12 + 1, 1)
    for month in (arrived, before):
        assert [task.split(" ")[:2] for task in tasks(page_of(project, month))] == [["Rejected", "broken.csv"]]
    assert tasks(page_of(project, APRIL)) == []


def test_every_invoice_has_its_documents_hash_and_finances_id(
    project_with_finance: Project, sandbox: RunningSandbox
) -> None:
    project = project_with_finance
    project.drop(invoice_name(), digitalocean(line()))
    project.drop("a/part-1.csv", as_csv(charge()))
    project.drop("a/part-2.csv", as_csv(charge(ChargeDescription="another", BilledCost="1.5")))
    project.build()
    project.drop(invoice_name(number="1002"), digitalocean(line(amount="$3.00"), digitalocean_tax(amount="$0.30")))
    project.finance = type(project.finance)()
    project.build()
    page = page_of(project, APRIL)
    ids = {row["external_id"]: row["invoice_id"] for row in sandbox.invoices()}
    for name, external_id, documents in (
        ("digitalocean/77/1001", "1001", [invoice_name()]),
        ("aws/111/INV-1", "INV-1", ["part-1.csv", "part-2.csv"]),
    ):
        shown = page.one("li", data_invoice=name).text
        assert f"Finance {ids[external_id]} in finance, created " in shown
        for document in documents:
            assert project.document(document)["document_sha256"] in shown
    assert "waiting" in page.one("li", data_invoice="digitalocean/77/1002").text
    table = page.one("table", data_target=sandbox.url)
    assert [row.text.split(" ")[0] + " " + " ".join(row.text.split(" ")[-3:]) for row in table.all("tr")[1:]] == [
        "In 2 13.50 USD",
        "Waiting 1 3.30 USD",
        "Not taken 0 \N{EN DASH}",
        "Ready 3 16.80 USD",
    ]


def test_what_finance_refused_is_shown_with_its_words_and_the_command(tmp_path: Path) -> None:
    with ScriptedServer(answer(422, {"error": "<b>no such vendor</b>"})) as server:
        project = Project(tmp_path)
        project.finance = type(project.finance)(base_url=server.url, sandbox_url=server.url, secret=SECRET)
        project.drop(invoice_name(), digitalocean(line()))
        project.build()
    [task] = tasks(page_of(project, APRIL))
    assert task.startswith("Not taken by finance DigitalOcean 1001 6.00 USD")
    assert "no such vendor" in task
    assert "arcadia push --again digitalocean/77/1001" in task


def test_the_same_warehouse_gives_the_same_bytes_and_another_figure_another_edition(project: Project) -> None:
    project.drop(invoice_name(), digitalocean(line()))
    project.build()
    path = made(project, APRIL)[APRIL].path
    first = path.read_bytes()
    path.unlink()
    made(project, APRIL)
    assert path.read_bytes() == first
    project.drop(invoice_name().replace(".csv", " (1).csv"), digitalocean(line(amount="$6.01")))
    project.build()
    made(project, APRIL)
    edition = re.compile(rb"Edition <code>([0-9a-f]{12})</code>")
    assert edition.findall(first) != edition.findall(path.read_bytes()) != []


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (150, 100, "+50.0 %"),
        (0, 100, "-100.0 %"),
        (1, 3, "-66.7 %"),
        (5, 0, ""),
        (5, -5, ""),
        (12345678, 1, "+1,234,567,700.0 %"),
    ],
)
def test_a_change_is_in_per_cent_of_what_was_there(now: int, before: int, expected: str) -> None:
    assert percent(now, before) == expected


def test_the_parts_of_a_split_invoice_stand_at_finance_each_by_itself_and_what_should_not_be_there_is_a_task(
    project_with_finance: Project, sandbox: RunningSandbox
) -> None:
    project = project_with_finance
    lab = line(amount="$15.00").replace(",shop,", ",lab,")
    project.drop(invoice_name(), digitalocean(line(amount="$60.00"), lab, digitalocean_tax(amount="$7.50")))
    project.drop(invoice_name(number="1002"), digitalocean(line(amount="$2.00")))
    project.drop(invoice_name(number="1003"), digitalocean(line(amount="$3.00")))
    project.build()
    # The first was pushed whole; its route splits it now. The others are void and dismissed after their push.
    (project.home / "tenants.toml").write_text(
        '[[route]]\nsource = "digitalocean"\nproject = "lab"\ntenant = "zenith"\n'
    )
    project.decide("void", "1002", reason="paid twice")
    project.decide("dismiss", "1003", reason="paid twice")
    project.build()
    page = page_of(project, APRIL)
    ids = {row["external_id"]: row["invoice_id"] for row in sandbox.invoices()}
    assert [task.split(" for tenant platform-admin as ")[1].split(":")[0] for task in tasks(page)] == [
        ids[number] for number in ("1001", "1002", "1003")
    ]
    table = page.one("table", data_target=sandbox.url)
    assert [row.text.split(" ")[-3:] for row in table.all("tr")][2:] == [
        ["2", "82.50", "USD"],
        ["Not", "taken", "0", "\N{EN DASH}"][-3:],
        ["2", "82.50", "USD"],
    ]
    shown = page.one("li", data_invoice="digitalocean/77/1001").text
    assert "67.50 USD as 1001:platform-admin: waiting" in shown
    assert "15.00 USD as 1001:zenith: waiting" in shown
    assert f"{ids['1001']} in finance, and should not be" in shown


def test_a_month_whose_invoices_all_wait_has_what_they_come_to_and_no_falls(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.drop(invoice_name(), digitalocean(line()))
    may = {"start": "2026-05-01 00:00:00 +0000", "end": "2026-05-31 23:59:59 +0000"}
    held = digitalocean(line(amount="$1.00", **may), digitalocean_tax(amount="$7.00"))
    project.drop(invoice_name("2026 May", "1002"), held)
    project.build()
    page = page_of(project, MAY)
    assert page.one("div", _class="total").text == "Held, with tax 8.00 USD April 2026 6.00 May 2025 no invoices"
    assert page.all("table", data_breakdown="services") == []


def test_a_page_says_who_let_an_invoice_go_and_why_and_how_its_versions_differ(project: Project) -> None:
    project.environ["ARCADIA_APPROVE_OVER"] = "all"
    march = line(start="2026-03-01 00:00:00 +0000", end="2026-03-31 23:59:59 +0000")
    project.drop(invoice_name("2026 Mar", "900"), digitalocean(march))
    project.drop(invoice_name(), digitalocean(line(amount="$1.00"), digitalocean_tax(amount="$6.00")))
    project.build()
    project.drop(invoice_name(), digitalocean(line(amount="$1.00"), digitalocean_tax(amount="$7.00")))
    project.build()
    project.settle("release", "1001")
    project.build()
    project.settle("approve", "1001", by="bea")
    project.build()
    page = page_of(project, APRIL)
    [invoice] = page.all("li", _class="invoice")
    assert "Released by ann, " in invoice.text
    assert "UTC: looked at although its tax of 7.00 USD is more than its net of 1.00 USD" in invoice.text
    assert "Approved by bea, " in invoice.text
    assert re.search(r"Before DigitalOcean Invoice .*: 7.00 USD, and \+1.00 since", invoice.text)
    assert [link.attributes["href"] for link in page.one("nav", _class="months-beside").all("a")] == [
        "2026-03.html",
        "2026.html",
        "index.html",
    ]
    [row] = page.one("table", _class="figures invoice-table").one("tbody").all("tr")
    assert row.text == "DigitalOcean 1001 ready 1.00 7.00 8.00 USD"


def test_the_companys_name_and_own_currency_come_first(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.drop("a.csv", as_csv(charge(), charge(InvoiceId="INV-2", BillingCurrency="EUR"), charge(InvoiceId="INV-3")))
    project.build()
    pages = make_pages(
        project.warehouse,
        archive_of(project.warehouse),
        tmp_path / "own",
        [APRIL],
        RANGE,
        company=Company("A < B", "EUR"),
    )
    page = parse(pages[APRIL].path.read_text(encoding="utf-8"))
    assert page.one("p", _class="eyebrow").text == "A < B, cloud spend"
    assert [one.attributes["data-currency"] for one in page.all("article", _class="currency")] == ["EUR", "USD"]


def test_a_year_and_all_months_have_pages_that_add_up_to_their_months_with_what_is_held_beside(tmp_path: Path) -> None:
    project = Project(tmp_path)
    may = {"start": "2026-05-01 00:00:00 +0000", "end": "2026-05-31 23:59:59 +0000"}
    december = {"start": "2025-12-01 00:00:00 +0000", "end": "2025-12-31 23:59:59 +0000"}
    project.drop(invoice_name("2025 Dec", "1000"), digitalocean(line(amount="$2.00", **december)))
    project.drop(invoice_name(), digitalocean(line(), digitalocean_tax()))
    project.drop(
        invoice_name("2026 May", "1002"), digitalocean(line(amount="$1.00", **may), digitalocean_tax(amount="$7.00"))
    )
    project.build()
    folder = made(project, APRIL)[APRIL].path.parent
    year, index = (parse((folder / name).read_text(encoding="utf-8")) for name in ("2026.html", "index.html"))
    [months] = year.all("table", _class="figures months")
    assert [row.text for row in months.one("tbody").all("tr")] == [
        "April 2026 6.00 0.60 6.60",
        "May 2026 nothing ready 8.00",
    ]
    assert months.one("tfoot").text == "Together 6.00 0.60 6.60 8.00"
    assert year.one("table", data_breakdown="providers").one("tfoot").text == "Together 6.00 0.60 6.60"
    hrefs = [link.attributes["href"] for link in index.all("a")]
    assert hrefs == ["2026.html", "2025.html", "2025-12.html", "2026-04.html", "2026-05.html"]
