import re
import sqlite3
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from arcadia_dagster.sandbox import RunningSandbox, page
from arcadia_dagster_tests.kit.handmade import IMPORT, LEFT_OUT, SECRET, Client, invoice, token

HOSTILE = "<script>alert('x')</script>\"&"


class Document(HTMLParser):
    """What a browser would make of the page: its tags, its tables, and whether every tag was closed."""

    VOID = frozenset({"meta", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Client]:
    """A sandbox to oneself, where the page shows nothing but what the test pushed."""
    with RunningSandbox(database=tmp_path / "finance.sqlite", secret=SECRET) as sandbox:
        client = Client(sandbox)
        with client.http:
            yield client


def test_the_page_lists_rows_and_sums_per_month_and_currency(own: Client) -> None:
    body = invoice()
    invoice_id = own.push(body).json()["invoice_id"]
    own.push(body)
    own.push(invoice(amount_gross_minor=1_000_000, amount_net_minor=1_000_000, amount_tax_minor=0))
    own.push(invoice(currency="JPY", amount_gross_minor=110, amount_net_minor=100, amount_tax_minor=10))
    own.push(invoice(currency="KWD", period_start="2026-05-01", period_end="2026-05-31"))
    own.push(invoice(period_start=LEFT_OUT, period_end=LEFT_OUT, invoice_number=None))
    answer = own.http.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    document = Document(answer.text)
    assert document.open == []
    sums, rows = document.tables
    assert sums == [
        ["Month", "Invoices", "Gross", "Net", "Tax"],
        ["2026-05", "1", "8.692 KWD", "7.902 KWD", "0.790 KWD"],
        ["2026-04", "1", "110 JPY", "100 JPY", "10 JPY"],
        ["2026-04", "2", "10,086.92 USD", "10,079.02 USD", "7.90 USD"],
        ["no period", "1", "86.92 USD", "79.02 USD", "7.90 USD"],
    ]
    # The page breaks no line within one.
    assert {"<time>2026-04</time>", "<time>2026-04-01</time>"} <= set(re.findall("<time>[^<]*</time>", answer.text))
    assert len(rows) == 6
    [row] = [row for row in rows if body["external_id"] in row]
    [stored] = own.rows(external_id=body["external_id"])
    assert row == [
        *("platform-admin", "DigitalOcean", "digitalocean", body["external_id"], "418071234"),
        *("2026-04-01 to 2026-04-30", "86.92 USD", "79.02 USD", "7.90 USD", "2", invoice_id),
        stored["updated_at"][:19].replace("T", " "),
    ]


def test_the_page_escapes_every_value(own: Client) -> None:
    own.push(
        invoice(source=HOSTILE, external_id=HOSTILE, invoice_number=HOSTILE, vendor={"name": HOSTILE}),
        bearer=token(tenant_id=HOSTILE),
    )
    html = own.http.get("/").text
    document = Document(html)
    assert "<script" not in html
    assert not [tag for tag, _ in document.tags if tag == "script"]
    assert document.tables[1][1][:5] == [HOSTILE] * 5


def test_the_page_needs_no_network_and_no_script_and_forbids_both(own: Client) -> None:
    own.push(invoice())
    answer = own.http.get("/")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    references = [attrs.get("href") or attrs.get("src") for _, attrs in Document(answer.text).tags]
    assert [reference for reference in references if reference] == ["data:,", "/api/v1/invoices"]
    assert "@import" not in answer.text
    assert "url(" not in answer.text


def test_the_page_can_be_read_by_assistive_technology_and_on_a_phone(own: Client) -> None:
    own.push(invoice())
    tags = Document(own.http.get("/").text).tags
    assert ("html", {"lang": "en"}) in tags
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in tags
    assert [tag for tag, _ in tags if tag in {"h1", "h2", "main", "title"}] == ["title", "main", "h1", "h2", "h2"]
    assert all(attrs.get("scope") == "col" for tag, attrs in tags if tag == "th")
    assert all(attrs.get("data-label") for tag, attrs in tags if tag == "td")
    names = {attrs["id"] for _, attrs in tags if "id" in attrs}
    assert {attrs["aria-labelledby"] for _, attrs in tags if "aria-labelledby" in attrs} == names


def test_an_empty_sandbox_says_so(own: Client) -> None:
    html = own.http.get("/").text
    assert "0 invoices" in html
    assert "<table" not in html
    assert own.rows() == []
    assert own.http.get("/api/v1/health").json() == {"status": "ok", "invoices": 0}


def test_a_long_list_is_cut_on_the_page_but_never_in_the_sums(own: Client) -> None:
    own.push(invoice())
    [row] = own.sandbox.invoices()
    html = page.render([row] * (page.MAX_ROWS + 1))
    document = Document(html)
    assert len(document.tables[1]) == 1 + page.MAX_ROWS
    assert document.tables[0][1][:3] == ["2026-04", "1,001", "87,006.92 USD"]
    assert "The first 1,000 of 1,001" in html


def test_the_rows_are_the_same_over_http_and_from_the_running_sandbox(own: Client) -> None:
    for _ in range(3):
        own.push(invoice())
    assert own.rows() == own.sandbox.invoices()
    assert own.http.get("/api/v1/health").json() == {"status": "ok", "invoices": 3}


def test_an_unknown_filter_is_a_400_that_names_the_known_ones(finance: Client) -> None:
    answer = finance.http.get("/api/v1/invoices", params={"tenant": "x"})
    assert (answer.status_code, answer.json()["error"]) == (400, "the filters are external_id, source, tenant_id")


def test_a_filter_is_a_value_and_never_sql(finance: Client) -> None:
    finance.push(invoice())
    assert finance.rows(tenant_id="' OR 1=1 --") == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", IMPORT, 405),
        ("POST", f"{IMPORT}/", 404),
        ("DELETE", "/api/v1/invoices", 405),
    ],
)
def test_other_paths_and_methods_are_refused_in_json_and_never_redirected(
    finance: Client, method: str, path: str, status: int
) -> None:
    answer = finance.http.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(f"{method} {path}: ")


def test_a_database_that_fails_is_a_503_that_says_so(own: Client, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "finance.sqlite") as connection:
        connection.execute("DROP TABLE invoices")
    connection.close()
    for answer in (own.push(invoice()), own.http.get("/api/v1/invoices"), own.http.get("/")):
        assert answer.status_code == 503
        assert "no such table" in answer.json()["error"]
