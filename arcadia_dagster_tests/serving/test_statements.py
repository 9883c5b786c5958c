"""The documents that pages link to, over HTTP: by their hash alone, and as nothing that a browser runs."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES
from arcadia_dagster_tests.kit.statements_server import statements

PDF, XML = "3f" * 32, "77" * 32


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("served") / "statements"
    (folder / "documents" / "deep").mkdir(parents=True)
    (folder / "2026-04.html").write_text("page", encoding="utf-8")
    (folder / "documents" / f"{PDF}.pdf").write_bytes(b"%PDF-1.4 it")
    (folder / "documents" / f"{XML}.txt").write_bytes(b"<script>alert(1)</script>")
    (folder / "documents" / "notes.html").write_bytes(b"secret")
    (folder / "documents" / "deep" / f"{PDF}.pdf").write_bytes(b"secret")
    (folder / "documents" / f"{'aa' * 32}.html").write_bytes(b"secret")
    (folder.parent / f"{'bb' * 32}.pdf").write_bytes(b"secret")
    (folder / "documents" / f"{'bb' * 32}.pdf").symlink_to(folder.parent / f"{'bb' * 32}.pdf")
    (folder / "tenants").mkdir()
    (folder / "tenants" / "2026-04.html").write_text("a tenant's page", encoding="utf-8")
    (folder / "tenants" / "latest.html").symlink_to("2026-04.html")
    (folder / ".2026-04.html.part").write_bytes(b"secret")
    (folder / ".lock").write_bytes(b"secret")
    (folder.parent / "arcadia.duckdb").write_bytes(b"secret")
    (folder / "link.html").symlink_to(folder.parent / "arcadia.duckdb")
    (folder / "elsewhere").symlink_to(folder.parent)
    (folder / "loop.html").symlink_to("loop.html")
    os.mkfifo(folder / "pipe.html")
    with statements(folder, {}) as url, httpx.Client(base_url=url, verify=NO_AUTHORITIES) as found:
        yield found


@pytest.mark.parametrize(
    ("address", "content", "content_type"),
    [
        (f"{PDF}.pdf", b"%PDF-1.4 it", "application/pdf"),
        (PDF, b"%PDF-1.4 it", "application/pdf"),
        (f"{PDF}?x=1", b"%PDF-1.4 it", "application/pdf"),
        (f"{XML}.txt", b"<script>alert(1)</script>", "text/plain; charset=utf-8"),
        (XML, b"<script>alert(1)</script>", "text/plain; charset=utf-8"),
    ],
)
def test_a_document_is_served_by_its_hash_as_what_a_browser_only_shows(
    client: httpx.Client, address: str, content: bytes, content_type: str
) -> None:
    answer = client.get(f"/documents/{address}")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, content, content_type)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith('inline; filename="')
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "content-disposition" not in client.get("/2026-04.html").headers


@pytest.mark.parametrize(
    "address",
    [
        "documents",
        "documents/",
        "documents/notes.html",
        f"documents/{PDF}.txt",
        f"documents/{PDF}.html",
        f"documents/{PDF[:-1]}",
        f"documents/{PDF.upper()}.pdf",
        f"documents/deep/{PDF}.pdf",
        f"documents/{'aa' * 32}",
        f"documents/{'bb' * 32}.pdf",
        f"documents/{'cc' * 32}",
        "documents/../documents/notes.html",
        "%64ocuments/notes.html",
        "documents%2fnotes.html",
        "documents/%2e%2e/documents/notes.html",
        f"documents/..%2f..%2f{'bb' * 32}.pdf",
        "2026-04.html/../documents/notes.html",
        "//documents/notes.html",
        "./documents/notes.html",
        "documents/notes.html%00",
        "documents/notes.html?",
        "documents;/notes.html",
    ],
)
def test_nothing_else_is_served_from_their_folder_however_it_is_asked_for(client: httpx.Client, address: str) -> None:
    for method in ("GET", "HEAD"):
        answer = client.request(method, f"/{address}")
        assert (answer.status_code, b"secret" in answer.content) == (404, False)
        assert "aa" * 32 not in answer.text


@pytest.mark.parametrize(
    "address",
    [
        "tenants",
        "tenants/",
        ".lock",
        ".2026-04.html.part",
        "tenants/../.lock",
        "link.html",
        "elsewhere/arcadia.duckdb",
        "elsewhere/",
        "loop.html",
        "pipe.html",
        "../arcadia.duckdb",
        "%2e%2e/arcadia.duckdb",
        "..%2farcadia.duckdb",
        "..%5carcadia.duckdb",
        "....//arcadia.duckdb",
        "tenants/..%2f..%2farcadia.duckdb",
        "%c0%ae%c0%ae/arcadia.duckdb",
        "2026-04.html/",
        "2026-04.html%00.html",
        "x" * 5000,
    ],
)
def test_no_folder_is_listed_and_nothing_outside_is_served_however_it_is_asked_for(
    client: httpx.Client, address: str
) -> None:
    for method in ("GET", "HEAD"):
        answer = client.request(method, f"/{address}")
        assert (answer.status_code, b"secret" in answer.content, "2026-04" in answer.text) == (404, False, False)


def test_a_page_is_served_and_so_is_a_link_to_one(client: httpx.Client) -> None:
    assert client.get("/2026-04.html").text == "page"
    assert client.get("/tenants/latest.html").text == "a tenant's page"


def test_a_folder_without_a_page_says_so_and_a_first_page_that_leads_out_is_none(
    client: httpx.Client, tmp_path: Path
) -> None:
    first = client.get("/")
    assert (first.status_code, "No statement has been made yet" in first.text) == (200, True)
    (tmp_path / "arcadia.duckdb").write_bytes(b"secret")
    (tmp_path / "statements").mkdir()
    (tmp_path / "statements" / "index.html").symlink_to(tmp_path / "arcadia.duckdb")
    with statements(tmp_path / "statements", {}) as url:
        assert httpx.get(url, verify=NO_AUTHORITIES).status_code == 404


def test_nothing_can_be_written(client: httpx.Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, f"/documents/{PDF}.pdf", content=b"x").status_code == 501
    assert client.get(f"/documents/{PDF}.pdf").content == b"%PDF-1.4 it"
