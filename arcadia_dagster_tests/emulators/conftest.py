"""A server of each kind for all tests of this folder, and the environment that leads to it."""

from collections.abc import Iterator

import pytest

from arcadia_dagster_tests.kit.buckets import STORES, VARIABLES, Store, Way, running, way_to


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Store]:
    with running("s3") as store:
        yield store


@pytest.fixture(scope="session", params=list(STORES))
def any_server(request: pytest.FixtureRequest) -> Iterator[Store]:
    with running(request.param) as store:
        yield store


def _lead_to(monkeypatch: pytest.MonkeyPatch, store: Store, url: str | None = None) -> None:
    for name in VARIABLES[store.scheme]:
        monkeypatch.delenv(name, raising=False)
    for name, value in store.environ(url).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3(s3_server: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    _lead_to(monkeypatch, s3_server)
    return s3_server


@pytest.fixture
def store(any_server: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    _lead_to(monkeypatch, any_server)
    return any_server


@pytest.fixture
def way(s3: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """A way to S3 on which faults can be made."""
    with way_to(s3) as found:
        _lead_to(monkeypatch, s3, found.url)
        yield found
