"""Which requests the guard lets pass, whatever is served behind it."""

from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.sandbox import RunningSandbox
from arcadia_dagster.serving.guard import LOOPBACK, Names
from arcadia_dagster_tests.kit.handmade import IMPORT, invoice, token
from arcadia_dagster_tests.kit.handmade import SECRET as SANDBOX_SECRET
from arcadia_dagster_tests.kit.loopback import NO_AUTHORITIES
from arcadia_dagster_tests.kit.statements_server import statements

HOSTS = st.from_regex(r"[a-z0-9-]{1,10}(\.[a-z0-9-]{1,10}){0,3}", fullmatch=True)
PORTS = st.integers(1, 65535)
OURS = Names.of("127.0.0.1", hosts=["arcadia"], url="https://dagster.example.com/prefix", setting="ARCADIA_UI_URL")


def passes(host: str, *origins: str, names: Names = OURS) -> bool:
    return names.refusal("http", [host], origins) is None


@given(HOSTS.filter(lambda host: host not in OURS.hosts), PORTS)
def test_no_other_name_passes_whatever_page_asks(host: str, port: int) -> None:
    for asked in (host, f"{host}:{port}", f"{host}.", f"localhost.{host}", f"{host}@localhost", f"localhost#{host}"):
        assert not passes(asked)
        assert not passes(asked, f"http://{asked}")
        assert not passes(asked, "https://dagster.example.com")


@given(st.sampled_from(["localhost", "127.0.0.1", "[::1]", "arcadia", "LocalHost"]), PORTS, PORTS, HOSTS)
def test_of_our_names_only_the_same_name_and_port_passes(name: str, port: int, other: int, site: str) -> None:
    own = f"{name}:{port}"
    assert passes(own)
    assert passes(own, f"http://{own}")
    assert passes(own, "https://dagster.example.com")
    assert passes(own, f"http://{name}:{other}") == (port == other)
    assert passes(own, f"http://{site}:{port}") == (site == name)
    assert not passes(own, f"https://{own}")
    assert not passes(own, f"http://{own}", f"http://{own}")


@pytest.mark.parametrize(
    "origin", ["null", "", "file://", "http://", "://localhost", "localhost", "http://localhost/", "data:,x"]
)
def test_what_is_no_site_does_not_pass(origin: str) -> None:
    assert not passes("localhost", origin)


def test_a_port_that_need_not_be_said_is_the_same_said_or_not() -> None:
    assert passes("localhost", "http://localhost:80")
    assert passes("localhost:80", "http://localhost")
    assert passes("localhost", "https://dagster.example.com:443")
    assert OURS.refusal("https", ["localhost:443"], ["https://localhost"]) is None


def test_a_name_whose_address_is_a_setting_has_no_other_pages() -> None:
    assert passes("dagster.example.com", "https://dagster.example.com")
    assert not passes("dagster.example.com", "http://dagster.example.com")
    assert not passes("dagster.example.com:8080", "http://dagster.example.com:8080")


@pytest.mark.parametrize(
    ("listening", "further"),
    [("0.0.0.0", set()), ("::", set()), ("10.1.2.3", {"10.1.2.3"}), ("Box", {"box"})],  # noqa: S104 - nothing listens
)
def test_the_address_that_it_listens_at_is_a_name_unless_it_stands_for_all(listening: str, further: set[str]) -> None:
    assert Names.of(listening).hosts == {*LOOPBACK, *further}


@pytest.mark.parametrize(("hosts", "passed"), [([], False), (["localhost", "localhost"], False), (["localhost"], True)])
def test_there_is_one_host(hosts: list[str], passed: bool) -> None:
    assert (OURS.refusal("http", hosts, []) is None) == passed


# The statements.


def test_the_statements_are_shown_under_their_own_names_only(tmp_path: Path) -> None:
    (tmp_path / "2026-04.html").write_text("86.92", encoding="utf-8")
    environ = {"ARCADIA_HOSTS": "arcadia", "ARCADIA_STATEMENTS_URL": "https://statements.example.com"}
    with statements(tmp_path, environ) as url, httpx.Client(base_url=url, verify=NO_AUTHORITIES) as client:
        page = client.get("/2026-04.html")
        assert (page.status_code, page.text) == (200, "86.92")
        assert client.get("/").status_code == 200
        for host in ("localhost", "arcadia:3001", "statements.example.com"):
            assert client.get("/2026-04.html", headers={"Host": host}).text == "86.92"
        assert client.get("/2026-04.html", headers={"Origin": url}).text == "86.92"
        for headers in (
            {"Host": "evil.example"},
            {"Host": "evil.example:3001", "Origin": "http://evil.example:3001"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Host": ""},
        ):
            for method in ("GET", "HEAD"):
                answer = client.request(method, "/2026-04.html", headers=headers)
                assert (answer.status_code, "86.92" in answer.text) == (403, False)


# The sandbox.


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:4010", "Origin": "http://evil.example:4010"},
        {"Origin": "https://evil.example"},
        {"Host": ""},
    ],
    ids=["a name that leads here", "another site", "no name"],
)
def test_the_sandbox_shows_and_takes_nothing_for_a_page_of_another_site(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    with (
        RunningSandbox(database=tmp_path / "finance.sqlite", secret=SANDBOX_SECRET) as sandbox,
        httpx.Client(base_url=sandbox.url, verify=NO_AUTHORITIES) as client,
    ):
        for path in ("/", "/api/v1/invoices", "/api/v1/health"):
            assert client.get(path, headers=headers).status_code == 403
        bearer = {"Authorization": f"Bearer {token()}"}
        assert client.post(IMPORT, json=invoice(), headers={**bearer, **headers}).status_code == 403
        assert sandbox.invoices() == []
        assert client.post(IMPORT, json=invoice(), headers=bearer).status_code == 201
        assert client.get("/", headers={"Origin": sandbox.url}).status_code == 200
