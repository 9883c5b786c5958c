import json
import socket
import sqlite3
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.sandbox.app import MAX_BODY_BYTES
from arcadia_dagster_tests.kit.handmade import IMPORT, ISSUER, LEFT_OUT, SECRET, TENANT, Client, invoice, token

STATED_BESIDES = {
    "due_on": "2026-05-31",
    "purchase_order": "PO-7",
    "seller_tax_id": "DE812871812",
    "buyer_tax_id": "DE123456789",
    "kind": "credit_note",
    "reference": "418071234",
}


def test_a_first_push_answers_created_and_keeps_the_row(finance: Client) -> None:
    body = invoice()
    before = datetime.now(UTC)
    answer = finance.push(body)
    assert answer.status_code == 201
    assert answer.json().keys() == {"vendor_id", "invoice_id", "action"}
    assert answer.json()["action"] == "created"
    [row] = finance.rows(external_id=body["external_id"])
    vendor = body.pop("vendor")
    created_at = row.pop("created_at")
    assert row == {
        **body,
        "tenant_id": TENANT,
        "vendor_id": answer.json()["vendor_id"],
        "invoice_id": answer.json()["invoice_id"],
        "vendor_name": vendor["name"],
        "vendor_category": vendor["category"],
        **dict.fromkeys(STATED_BESIDES),
        "times_received": 1,
        "updated_at": created_at,
    }
    assert created_at.endswith("Z")
    assert abs((datetime.fromisoformat(created_at) - before).total_seconds()) < 5


def test_a_second_push_answers_updated_and_keeps_one_row(finance: Client) -> None:
    body = invoice()
    first = finance.push(body)
    second = finance.push(body)
    assert second.status_code == 200
    assert second.json() == {**first.json(), "action": "updated"}
    [row] = finance.rows(external_id=body["external_id"])
    assert row["times_received"] == 2


def test_an_update_replaces_the_facts_and_keeps_the_id_and_the_birth(finance: Client) -> None:
    body = invoice()
    invoice_id = finance.push(body).json()["invoice_id"]
    [before] = finance.rows(external_id=body["external_id"])
    changed = {**body, "amount_gross_minor": 11, "amount_net_minor": 10, "amount_tax_minor": 1, "currency": "EUR"}
    changed |= {"period_start": "2026-05-01", "period_end": "2026-05-31", "line_count": 2, "invoice_number": None}
    changed |= {"issued_on": None, "document_sha256": "ab" * 32, "vendor": {"name": "DO LLC", "category": "hosting"}}
    time.sleep(0.002)  # timestamps are kept to the millisecond
    assert finance.push(changed).json()["action"] == "updated"
    [row] = finance.rows(external_id=body["external_id"])
    assert {name: row[name] for name in changed if name != "vendor"} == {
        name: value for name, value in changed.items() if name != "vendor"
    }
    assert (row["vendor_name"], row["invoice_id"]) == ("DO LLC", invoice_id)
    assert row["created_at"] == before["created_at"] < row["updated_at"]


def test_what_an_issuer_states_besides_is_kept_and_replaced(finance: Client) -> None:
    body = invoice()
    finance.push({**body, **STATED_BESIDES})
    [row] = finance.rows(external_id=body["external_id"])
    assert {name: row[name] for name in STATED_BESIDES} == STATED_BESIDES
    finance.push({**body, "due_on": "2026-06-30"})
    [row] = finance.rows(external_id=body["external_id"])
    assert {name: row[name] for name in STATED_BESIDES} == {**dict.fromkeys(STATED_BESIDES), "due_on": "2026-06-30"}


def test_a_file_of_an_earlier_sandbox_takes_them_too(tmp_path: Path) -> None:
    database = tmp_path / "finance.sqlite"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(
            "CREATE TABLE vendors (vendor_id TEXT PRIMARY KEY, tenant_id TEXT, name TEXT, category TEXT, created_at TEXT);"
            "CREATE TABLE invoices (invoice_id TEXT PRIMARY KEY, tenant_id TEXT, vendor_id TEXT, source TEXT, external_id TEXT, "
            "invoice_number TEXT, currency TEXT, amount_gross_minor INTEGER, amount_net_minor INTEGER, amount_tax_minor INTEGER, "
            "issued_on TEXT, period_start TEXT, period_end TEXT, line_count INTEGER, document_sha256 TEXT, "
            "times_received INTEGER, created_at TEXT, updated_at TEXT)"
        )
    with RunningSandbox(database=database, secret=SECRET, issuer=ISSUER) as sandbox:
        client = Client(sandbox)
        with client.http:
            client.push({**invoice(), **STATED_BESIDES})
        [row] = sandbox.invoices()
    assert row["reference"] == "418071234"


def test_tenant_source_and_external_id_together_are_the_identity(finance: Client) -> None:
    body = invoice()
    answers = [
        finance.push(body),
        finance.push({**body, "source": "aws"}),
        finance.push({**body, "external_id": f"{body['external_id']}-b"}),
        finance.push(body, bearer=token(tenant_id="another-tenant")),
    ]
    assert [answer.json()["action"] for answer in answers] == ["created"] * 4
    assert len({answer.json()["invoice_id"] for answer in answers}) == 4
    assert len(finance.rows(external_id=body["external_id"])) == 3
    assert len(finance.rows(external_id=body["external_id"], source="aws")) == 1
    assert len(finance.rows(external_id=body["external_id"], tenant_id="another-tenant")) == 1


def test_a_vendor_is_made_once_per_tenant_and_name(finance: Client) -> None:
    tenant = token(tenant_id=str(uuid.uuid4()))
    first, second = (finance.push(invoice(), bearer=tenant).json() for _ in range(2))
    assert first["vendor_id"] == second["vendor_id"]
    other_name = finance.push(invoice(vendor={"name": "Hetzner"}), bearer=tenant).json()
    other_tenant = finance.push(invoice(), bearer=token(tenant_id=str(uuid.uuid4()))).json()
    assert len({first["vendor_id"], other_name["vendor_id"], other_tenant["vendor_id"]}) == 3


def test_twenty_pushes_at_once_make_one_row_and_exactly_one_is_created(finance: Client) -> None:
    body = invoice()
    bearer = token(tenant_id=str(uuid.uuid4()))
    together = threading.Barrier(20)

    def push(_: int) -> tuple[str, str, str]:
        together.wait()
        answer = finance.push(body, bearer=bearer).raise_for_status().json()
        return answer["action"], answer["invoice_id"], answer["vendor_id"]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(push, range(20)))
    assert sorted(action for action, _, _ in answers) == ["created"] + ["updated"] * 19
    assert len({(invoice_id, vendor_id) for _, invoice_id, vendor_id in answers}) == 1
    [row] = finance.rows(external_id=body["external_id"])
    assert row["times_received"] == 20


def test_two_sandboxes_on_one_file_still_keep_one_row(tmp_path: Path) -> None:
    body = invoice()
    database = tmp_path / "finance.sqlite"
    with (
        RunningSandbox(database=database, secret=SECRET) as one,
        RunningSandbox(database=database, secret=SECRET) as two,
    ):
        clients = [Client(one), Client(two)]
        with clients[0].http, clients[1].http, ThreadPoolExecutor(8) as pool:
            actions = list(pool.map(lambda n: clients[n % 2].push(body).json()["action"], range(16)))
    assert sorted(actions) == ["created"] + ["updated"] * 15
    assert [row["times_received"] for row in one.invoices()] == [16]


def test_a_restart_keeps_the_rows(tmp_path: Path) -> None:
    body = invoice()
    database = tmp_path / "new" / "folder" / "finance.sqlite"
    answers = []
    for _ in range(2):
        with RunningSandbox(database=database, secret=SECRET) as sandbox:
            client = Client(sandbox)
            with client.http:
                answers.append(client.push(body).json())
    assert [answer["action"] for answer in answers] == ["created", "updated"]
    assert answers[0]["invoice_id"] == answers[1]["invoice_id"]
    assert [row["times_received"] for row in sandbox.invoices()] == [2]
    assert [path.name for path in database.parent.iterdir()] == ["finance.sqlite"]


@pytest.mark.parametrize(
    "changes",
    [
        {"invoice_number": None, "issued_on": None},
        dict.fromkeys(
            ["invoice_number", "issued_on", "period_start", "period_end", "line_count", "document_sha256"], LEFT_OUT
        ),
        {"vendor": {"name": "DigitalOcean"}},
        {"amount_gross_minor": -110, "amount_net_minor": -100, "amount_tax_minor": -10},
        {"amount_gross_minor": 0, "amount_net_minor": 0, "amount_tax_minor": 0, "line_count": 0},
        {"external_id": "6173678-2026-04-Скан\u202f№ 7'; DROP TABLE invoices; --"},
        {"period_start": "2024-02-29", "period_end": "2024-02-29"},
        {"due_on": "2026-05-31", "purchase_order": "PO 7", "seller_tax_id": "DE812871812", "buyer_tax_id": None},
        {"kind": "credit_note", "reference": "418071234"},
    ],
    ids=["nulls", "left out", "vendor by name", "credit note", "zero", "any text", "leap day", "terms", "reference"],
)
def test_what_the_contract_allows_is_accepted(finance: Client, changes: dict[str, Any]) -> None:
    assert finance.push(invoice(**changes)).status_code in {200, 201}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount_gross_minor": 86.92}, "amount_gross_minor must be an integer"),
        ({"amount_gross_minor": 8692.0}, "amount_gross_minor must be an integer"),
        ({"amount_net_minor": "7902"}, "amount_net_minor must be an integer"),
        ({"amount_gross_minor": 7903, "amount_tax_minor": True}, "amount_tax_minor must be an integer"),
        ({"amount_tax_minor": None}, "amount_tax_minor must be an integer"),
        ({"amount_gross_minor": LEFT_OUT}, "amount_gross_minor must be an integer"),
        ({"amount_gross_minor": 2**63, "amount_net_minor": 2**63 - 790}, "within 64 bits"),
        ({"amount_tax_minor": 791}, "amount_net_minor + amount_tax_minor is 8693, not amount_gross_minor, 8692"),
        ({"currency": "usd"}, "currency must be three capital letters"),
        ({"currency": "US"}, "currency must be"),
        ({"currency": "USD\n"}, "currency must be"),
        ({"currency": LEFT_OUT}, "currency must be"),
        ({"source": ""}, "source must be a non-empty string"),
        ({"source": 3}, "source must be a non-empty string"),
        ({"external_id": " "}, "external_id must be a non-empty string"),
        ({"external_id": LEFT_OUT}, "external_id must be a non-empty string"),
        ({"external_id": "a\x00b"}, "without control characters"),
        ({"external_id": "\ud800"}, "external_id must be"),
        ({"invoice_number": 418071234}, "invoice_number must be"),
        ({"vendor": LEFT_OUT}, "vendor must be an object with a name"),
        ({"vendor": "DigitalOcean"}, "vendor must be an object with a name"),
        ({"vendor": {"category": "cloud"}}, "vendor.name must be"),
        ({"vendor": {"name": "DigitalOcean", "category": 1}}, "vendor.category must be"),
        ({"vendor": {"name": "DigitalOcean", "id": 1}}, "vendor.id is not a field"),
        ({"issued_on": "01.05.2026"}, "issued_on must be a date"),
        ({"issued_on": "20260501"}, "issued_on must be a date"),
        ({"issued_on": "2026-05-01T00:00:00Z"}, "issued_on must be a date"),
        ({"period_start": "2026-02-30"}, "period_start must be a date"),
        ({"period_end": 20260430}, "period_end must be a date"),
        ({"period_end": "2026-03-31"}, "period_end, 2026-03-31, is before period_start, 2026-04-01"),
        ({"period_end": LEFT_OUT}, "must be given together"),
        ({"line_count": -1}, "line_count must be an integer, not negative"),
        ({"line_count": True}, "line_count must be"),
        ({"document_sha256": "0F" * 32}, "document_sha256 must be 64 lower-case"),
        ({"document_sha256": "0f"}, "document_sha256 must be 64 lower-case"),
        ({"due_on": "31.05.2026"}, "due_on must be a date"),
        ({"kind": "refund"}, "kind must be invoice or credit_note"),
        ({"kind": 1}, "kind must be invoice or credit_note"),
        ({"purchase_order": ""}, "purchase_order must be a non-empty string"),
        ({"reference": 418071234}, "reference must be a non-empty string"),
        ({"amount_gros_minor": 1}, "amount_gros_minor is not a field of an invoice"),
        ({"a\nb": 1}, r"a\nb is not a field of an invoice"),
    ],
    ids=str,
)
def test_a_body_that_is_no_invoice_is_a_422_that_says_why(
    finance: Client, changes: dict[str, Any], reason: str
) -> None:
    body = invoice(**changes)
    before = finance.http.get("/api/v1/health").json()["invoices"]
    answer = finance.push(content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert reason in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert finance.http.get("/api/v1/health").json()["invoices"] == before


def test_one_answer_names_everything_that_is_wrong(finance: Client) -> None:
    answer = finance.push(invoice(currency="$", amount_tax_minor=7.9, vendor=None, colour="blue"))
    assert len(answer.json()["reasons"]) == 4
    assert answer.json()["error"] == "; ".join(answer.json()["reasons"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"source=digitalocean",
        b'{"source": "a", "source": "b"}',
        b'{"amount_gross_minor": NaN}',
        b'{"amount_gross_minor": -Infinity}',
        b'{"source": "\xff"}',
        json.dumps(invoice()).encode("utf-16"),
        b"[" * 100_000,
        b"9" * 5000,
    ],
    ids=["empty", "cut off", "form", "a field twice", "NaN", "Infinity", "not UTF-8", "UTF-16", "deep", "huge number"],
)
def test_a_body_that_is_not_json_is_a_400(finance: Client, content: bytes) -> None:
    answer = finance.push(content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert "the body is not JSON" in answer.json()["error"]


@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"', b"1"])
def test_json_that_is_no_object_is_a_422(finance: Client, content: bytes) -> None:
    answer = finance.push(content=content, headers={"Content-Type": "application/json; charset=utf-8"})
    assert (answer.status_code, answer.json()["error"]) == (422, "the body must be a JSON object")


def test_a_body_of_another_type_is_a_415(finance: Client) -> None:
    answer = finance.push(content=json.dumps(invoice()), headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["error"]) == (415, "the Content-Type must be application/json")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_a_413_that_the_client_gets_to_read(finance: Client, chunked: bool) -> None:
    pieces = [b"x" * 65_536] * (4 * MAX_BODY_BYTES // 65_536)
    content = iter(pieces) if chunked else b"".join(pieces)
    answer = finance.push(content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "larger than 1048576 bytes" in answer.json()["error"]


def test_a_body_at_the_limit_is_read(finance: Client) -> None:
    body = json.dumps(invoice()).encode()
    content = body + b" " * (MAX_BODY_BYTES - len(body))
    assert finance.push(content=content, headers={"Content-Type": "application/json"}).status_code == 201


def test_a_client_that_goes_away_in_the_middle_leaves_no_row_and_no_complaint(
    finance: Client, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps(invoice(external_id="cut-off")).encode()
    host, port = finance.sandbox.url.removeprefix("http://").split(":")
    head = (
        f"POST {IMPORT} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token()}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body[:-1])
    assert finance.push(invoice()).status_code == 201
    assert finance.rows(external_id="cut-off") == []
    assert caplog.records == []
