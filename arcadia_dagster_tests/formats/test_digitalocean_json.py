"""DigitalOcean's invoices as its API gives them, whole or not at all."""

import gzip
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from arcadia_dagster.reading.format import MAX_JSON_BYTES
from arcadia_dagster_tests.kit.digitalocean_api import invoice, item, summary, uuid
from arcadia_dagster_tests.kit.digitalocean_json import doctl, document, written
from arcadia_dagster_tests.kit.documents import Desk, Stated

RESOURCES = "description, resource_type, resource_id, resource_name"


@pytest.fixture
def read(desk: Desk) -> Callable[..., Stated]:
    def one(content: Any, **options: Any) -> Stated:
        [stated] = desk.read(content if isinstance(content, bytes) else written(content), **options)
        return stated

    return one


def test_an_invoice_states_its_id_number_month_total_and_tax(read: Callable[..., Stated]) -> None:
    found = read(document(item(), item(product="Taxes", description="GST (10%)", amount="0.60", duration="")))
    assert (found.format, found.reason) == ("digitalocean_json", None)
    [stated] = found.invoices
    assert (stated.source, stated.external_id, stated.invoice_number) == ("digitalocean", uuid(1), "418071234")
    assert (stated.month, stated.stated_total, stated.stated_tax) == (
        date(2026, 4, 1),
        Decimal("86.92"),
        Decimal("7.90"),
    )
    assert (stated.line_count, stated.lines_total, stated.currencies) == (2, Decimal("6.60"), ("USD",))
    assert stated.account_id is None


@pytest.mark.parametrize(
    ("fields", "is_final"),
    [
        ({}, True),
        ({"invoice_uuid": "preview"}, False),
    ],
)
def test_the_preview_of_a_month_that_is_open_is_not_final(
    read: Callable[..., Stated], fields: dict[str, Any], is_final: bool
) -> None:
    [stated] = read(document(entry=invoice(**fields))).invoices
    assert stated.is_final is is_final


def test_every_field_of_an_item_is_kept(read: Callable[..., Stated]) -> None:
    columns = (
        "service_name, description, project, resource_id, charge_period_start, charge_period_end, quantity, unit, amount,"
        "currency, charge_category"
    )
    [line] = read(document(item()), columns=columns).lines
    assert line == (
        "Droplets",
        "web-01 (s-1vcpu-1gb)",
        "shop",
        "4126873",
        datetime(2026, 4, 1),  # noqa: DTZ001 - UTC, as the warehouse keeps it
        datetime(2026, 5, 1),  # noqa: DTZ001
        Decimal(720),
        "Hours",
        Decimal("6.00"),
        "USD",
        "Usage",
    )


def test_items_keep_their_order(read: Callable[..., Stated]) -> None:
    items = [item(description=f"droplet {number}", amount=f"{number}.01") for number in range(5000)]
    lines = read(document(*items)).lines
    assert lines == [(number + 1, f"droplet {number}", Decimal(f"{number}.01")) for number in range(5000)]


def test_what_doctl_writes_is_read_too(desk: Desk) -> None:
    nowhen = "0001-01-01T00:00:00Z"
    content = doctl(item(), item(product="Credits", amount="-5.00", duration="", start_time=nowhen, end_time=nowhen))
    [found] = desk.read(json.dumps(content, indent=2), columns="amount, charge_category, charge_period_start")
    assert (found.format, found.reason) == ("digitalocean_json", None)
    assert found.lines == [
        (Decimal("6.00"), "Usage", datetime(2026, 4, 1)),  # noqa: DTZ001
        (Decimal("-5.00"), "Credit", None),
    ]
    [stated] = found.invoices
    assert (stated.external_id, stated.month, stated.stated_total) == (None, None, None)
    assert stated.lines_month == date(2026, 4, 1)


def test_a_page_of_items_that_is_not_all_of_them_is_rejected(read: Callable[..., Stated]) -> None:
    page = {"invoice_items": [item()], "links": {"pages": {"next": "https://x/?page=2"}}, "meta": {"total": 21}}
    assert str(read(page).reason).startswith("1 records were read where it has 21; nothing of it was taken: download")
    assert read({"links": {}, "invoice_items": [item()], "meta": {"total": 1}}).reason is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"product": "Droplets", "resource_id": "17", "resource_uuid": "u"}, ("droplet", "17", "web-01")),
        ({"product": "Backups", "resource_id": "17"}, ("droplet", "17", "web-01")),
        ({"product": "Snapshots", "resource_id": "6372321", "resource_uuid": "u"}, ("snapshot", "6372321", "web-01")),
        ({"product": "Volumes", "resource_id": "17", "resource_uuid": "u"}, ("volume", "u", "web-01")),
        ({"product": "Managed Databases", "resource_uuid": "u"}, ("database", "u", "web-01")),
        (
            {"product": "Kubernetes Clusters", "resource_uuid": "u", "group_description": "prod"},
            ("kubernetes_cluster", "u", "prod"),
        ),
        ({"product": "Load Balancers", "resource_id": "17", "resource_uuid": ""}, ("load_balancer", "17", "web-01")),
        (
            {"product": "Reserved IPs", "description": "Unused Reserved IP - 45.55.96.47", "resource_id": "9"},
            ("reserved_ip", "45.55.96.47", "45.55.96.47"),
        ),
        ({"product": "Taxes", "resource_id": "", "resource_uuid": ""}, (None, None, None)),
        ({"product": "Something new", "resource_id": "", "resource_uuid": "u"}, (None, "u", None)),
    ],
)
def test_a_resource_is_billed_under_the_id_that_inventories_have(
    read: Callable[..., Stated], fields: dict[str, str], expected: tuple[str | None, str | None, str | None]
) -> None:
    [line] = read(document(item(**{"resource_id": "", **fields})), columns=RESOURCES).lines
    assert line[1:] == expected


@pytest.mark.parametrize(
    ("amount", "exact"),
    [("0.000000000000000001", "1E-18"), ("-3.11", "-3.11"), ("1.81E-8", "1.81E-8"), ("0", "0"), ("1,234.50", "1234.5")],
)
def test_amounts_are_exact(read: Callable[..., Stated], amount: str, exact: str) -> None:
    [line] = read(document(item(amount=amount)), columns="amount").lines
    assert line == (Decimal(exact),)


BAD_ITEMS: list[tuple[dict[str, Any], str]] = [
    ({"amount": 6.1}, "record 1, column amount: '6.1'; expected text that is an amount"),
    ({"amount": 6}, "record 1, column amount: '6'; expected text"),
    ({"amount": None}, "record 1, column amount"),
    ({"amount": ""}, "record 1, column amount"),
    ({"amount": "1.234,56"}, "record 1, column amount"),
    ({"amount": "NaN"}, "record 1, column amount"),
    ({"amount": ["6.00"]}, "record 1, column amount"),
    ({"duration": "many"}, "record 1, column duration: 'many'"),
    ({"start_time": "2026-04-31T00:00:00Z"}, "record 1, column start_time: '2026-04-31T00:00:00Z'"),
    ({"start_time": "2026-04-01T00:00:00"}, "record 1, column start_time"),
    ({"end_time": "2026-03-01T00:00:00Z"}, "column end_time: '2026-03-01T00:00:00Z'; expected a time not before"),
]


@pytest.mark.parametrize(("fields", "says"), BAD_ITEMS)
def test_an_item_that_cannot_be_read_rejects_the_document(
    read: Callable[..., Stated], fields: dict[str, Any], says: str
) -> None:
    found = read(document(item(**fields), item()))
    assert says in str(found.reason)
    assert found.lines == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (document(entry=invoice(invoice_uuid="../x")), "column invoice_uuid: '../x'; expected a UUID"),
        (document(entry=invoice(invoice_period="2026-13")), "column invoice_period: '2026-13'; expected a month"),
        (document(amount="about 7"), "column summary.amount: 'about 7'"),
        (document(amount=None), "column summary.amount: blank"),
        (document(taxes={"amount": "?"}), "column summary.taxes.amount: '?'"),
        ({**document(), "summary": {}}, "column summary.amount: blank"),
        ({**document(), "items": []}, "it has no lines; expected at least one"),
        ({**document(), "items": None}, "it has no lines"),
        ({**document(), "items": {}}, "it cannot be read as digitalocean_json"),
        ({**document(), "items": [item(), 5]}, "record 2, column amount"),
        (doctl(*[]) | {"invoice_items": None}, "it has no lines"),
        (written(document()).replace(b'"items"', b'"lines"'), "it has no lines"),
    ],
)
def test_a_document_of_another_shape_is_rejected(read: Callable[..., Stated], content: Any, says: str) -> None:
    found = read(content)
    assert found.format == "digitalocean_json"
    assert says in str(found.reason)
    assert found.lines == []


@pytest.mark.parametrize("content", [written(document())[:-40], written(document()) + b"{}", written(document()) * 2])
def test_a_document_that_is_cut_off_or_followed_by_another_is_rejected(
    read: Callable[..., Stated], content: bytes
) -> None:
    found = read(content)
    assert str(found.reason).startswith("it is not JSON: ")
    assert found.lines == []


@pytest.mark.parametrize(
    "content",
    [
        {"id": "Unauthorized", "message": "Unable to authenticate you"},
        summary(invoice()),
        {"invoice": {"number": 5}},
    ],
)
def test_other_answers_of_the_api_are_no_invoices(read: Callable[..., Stated], content: Any) -> None:
    found = read(content)
    assert found.format is None
    assert "JSON of an unknown shape" in str(found.reason)


@pytest.mark.parametrize(
    "content",
    [
        {"invoices": [invoice()], "invoice_preview": invoice(), "links": {}, "meta": {"total": 1}},
        {"invoice_preview": invoice(), "invoices": []},
        [invoice()],
    ],
)
def test_a_list_of_invoices_says_how_to_have_the_invoices(read: Callable[..., Stated], content: Any) -> None:
    found = read(content)
    assert found.invoices == ()
    assert str(found.reason).startswith("it is DigitalOcean's list of invoices (doctl invoice list): it states totals")
    assert "`arcadia fetch digitalocean`" in str(found.reason)


def test_an_invoice_without_a_stated_tax_has_none(read: Callable[..., Stated]) -> None:
    [stated] = read(document(taxes={})).invoices
    assert stated.stated_tax is None


def test_packed_documents_are_read_like_others(read: Callable[..., Stated]) -> None:
    assert read(gzip.compress(written(document()))).invoices == read(document(item())).invoices


def test_a_document_that_is_too_large_is_rejected(read: Callable[..., Stated]) -> None:
    found = read(document(item(description="x" * MAX_JSON_BYTES)))
    assert str(found.reason).startswith(f"it has more than {MAX_JSON_BYTES} bytes, which is the limit for JSON")


def test_many_documents_are_read_at_once_and_a_bad_one_is_rejected_alone(desk: Desk) -> None:
    contents = [written(document(item(description=f"of {n}"), entry=invoice(n))) for n in range(1, 30)]
    contents.insert(7, contents[3][:-30])
    found = desk.read(*contents)
    assert [stated.reason is None for stated in found] == [n != 7 for n in range(30)]
    assert [stated.lines[0][1] for stated in found if stated.lines] == [f"of {n}" for n in range(1, 30)]


def test_text_is_kept_as_it_is(read: Callable[..., Stated]) -> None:
    words = '\U0001f680 "quoted", line\nbreak, tab\t, =1+1, <b>'
    [line] = read(document(item(description=words)), columns="description").lines
    assert line == (words,)
