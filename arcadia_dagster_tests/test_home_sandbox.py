"""What a home remembers of its sandbox, and who takes it for the finance service."""

import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from arcadia_dagster.home_sandbox import HomeSandbox
from arcadia_dagster.launcher import Deployment, plan
from arcadia_dagster.settings import load

REAL = {"SKYAI_FINANCE_URL": "https://finance.example", "SKYAI_FINANCE_SECRET": "the-real-secret-" * 4}
PLACES = {
    "ARCADIA_INBOX": "/srv/inbox",
    "ARCADIA_ARCHIVE": "/srv/archive",
    "ARCADIA_WAREHOUSE": "/srv/arcadia.duckdb",
    "ARCADIA_STATEMENTS": "/srv/statements",
    "ARCADIA_FOCUS": "/srv/focus",
    "ARCADIA_TENANTS": "/srv/tenants.toml",
    "ARCADIA_FORMATS": "/srv/formats",
    "ARCADIA_SOURCES": "/srv/sources.toml",
    "ARCADIA_DAGSTER_STORAGE": "/srv/dagster",
    "SKYAI_FINANCE_LIST_PATH": "/books",
}


def planned(
    home: Path, sandbox_port: int | None = None, environ: Mapping[str, str] = MappingProxyType({})
) -> Deployment:
    environ = {"ARCADIA_HOME": str(home), **environ}
    return plan(load(environ), environ, port=3000, statements_port=3001, sandbox_port=sandbox_port)


def test_a_home_without_one_has_none(tmp_path: Path) -> None:
    assert HomeSandbox.of(tmp_path) is None
    assert HomeSandbox.of(tmp_path / "nowhere") is None


def test_a_home_remembers_the_port_and_the_secret_and_shows_the_latter_to_nobody(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = HomeSandbox.planned(home)
    assert (made.url, len(made.secret) >= 64) == ("http://127.0.0.1:4010", True)
    assert HomeSandbox.of(home) == made
    HomeSandbox.planned(home, 4711).remember()
    assert HomeSandbox.of(home) == HomeSandbox.planned(home) == HomeSandbox(home, 4711, made.secret)
    assert made.secret not in repr(made)
    assert {path.name for path in home.iterdir()} == {"finance-secret", "finance-port"}


def test_a_port_that_was_not_had_is_not_remembered(tmp_path: Path) -> None:
    first = HomeSandbox.planned(tmp_path)
    HomeSandbox.planned(tmp_path, 4711)
    assert HomeSandbox.of(tmp_path) == first


@pytest.mark.parametrize("before", ["missing", "open", "empty"])
def test_only_its_owner_can_read_the_secret(tmp_path: Path, before: str) -> None:
    file = tmp_path / "finance-secret"
    if before != "missing":
        file.write_text("s" * 70 if before == "open" else "", encoding="ascii")
        file.chmod(0o644)
    secret = HomeSandbox.planned(tmp_path).secret
    assert len(secret) >= 64
    assert (secret == "s" * 70) == (before == "open")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", ["", "0", "65536", "-1", "4010x", "127.0.0.1:4010", "https://attacker.example", "é"]
)
def test_a_port_that_cannot_be_right_is_the_usual_one_and_leads_nowhere_else(tmp_path: Path, content: str) -> None:
    HomeSandbox.planned(tmp_path)
    (tmp_path / "finance-port").write_text(content, encoding="utf-8")
    found = HomeSandbox.of(tmp_path)
    assert found is not None
    assert found.url == "http://127.0.0.1:4010"


def test_a_deployment_without_finance_has_a_home_in_the_home_where_nothing_of_the_real_one_is(tmp_path: Path) -> None:
    found = planned(tmp_path, 4711, {**PLACES, "DIGITALOCEAN_TOKEN": "kept"})
    assert found.sandbox is not None
    assert (found.home, found.sandbox.url) == (tmp_path / "sandbox", "http://127.0.0.1:4711")
    values = load(found.environ)
    assert (values.finance_url, values.sandbox_url) == (found.sandbox.url, found.sandbox.url)
    places = (
        values.inbox,
        Path(values.archive),
        values.formats,
        values.statements,
        values.focus,
        values.tenants,
        values.sources,
    )
    assert {place.parent for place in (*places, values.dagster_storage)} == {found.home}
    assert Path(values.warehouse).parent == found.home
    assert (values.finance_list_path, found.environ["DIGITALOCEAN_TOKEN"]) == ("", "kept")


def test_a_deployment_in_a_shell_that_was_told_of_that_home_is_the_same_one(tmp_path: Path) -> None:
    first = planned(tmp_path, 4711)
    assert first.sandbox is not None
    first.sandbox.remember()
    again = planned(first.home)
    assert (again.home, again.sandbox) == (first.home, first.sandbox)


@pytest.mark.parametrize("name", REAL)
def test_a_finance_service_that_is_named_goes_first(tmp_path: Path, name: str) -> None:
    HomeSandbox.planned(tmp_path).remember()
    found = planned(tmp_path, environ={**PLACES, name: REAL[name]})
    assert (found.home, found.sandbox) == (tmp_path, None)
    assert PLACES.items() <= found.environ.items()
    assert "ARCADIA_SANDBOX_URL" not in found.environ


def test_nothing_runs_where_nothing_listens(tmp_path: Path) -> None:
    sandbox = HomeSandbox.planned(tmp_path, 1)
    assert not sandbox.is_running()
    assert f"ARCADIA_HOME={tmp_path} arcadia finance-sandbox" in sandbox.advice
    assert "ARCADIA_HOME='/my home' arcadia up" in HomeSandbox(Path("/my home"), 1, "").advice
