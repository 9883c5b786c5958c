"""One service elsewhere: what every client of ours may rely on, with a real server on this machine."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.alerts.webhook import AlertError, send
from arcadia_dagster.transport.service import Failures, Limits, Retries, Service, ServiceError
from arcadia_dagster.transport.urls import exposure, parsed_url
from arcadia_dagster_tests.kit.scripted_server import ScriptedServer, answer, hang_up, raw


class PassingError(ServiceError):
    pass


class WrongSettingError(ServiceError):
    pass


class UnresolvedError(ServiceError):
    pass


def service_at(
    url: str,
    *,
    retries: Retries | None = None,
    sleep: Callable[[float], None] = lambda seconds: None,  # noqa: ARG005
    read: float = 5.0,
) -> Service:
    return Service(
        url=url,
        name="the service",
        setting="SERVICE_URL",
        limits=Limits(read=read, deadline=5.0, answer_bytes=1000),
        retries=retries or Retries(),
        failures=Failures(passing=PassingError, setting=WrongSettingError, unresolved=UnresolvedError),
        redact=lambda words: words.replace("pass-word", "[secret]"),
        sleep=sleep,
    )


def test_no_cookie_is_kept_and_no_redirect_followed_and_no_address_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    moved = answer(302, Set_Cookie="session=1", Location="https://elsewhere.example/")
    with ScriptedServer(moved, answer(200, b"{}")) as server, service_at(server.url) as service:
        first, _ = service.request("GET", f"{server.url}/marked-path", headers={})
        second, _ = service.request("GET", f"{server.url}/marked-path", headers={})
    assert (first.status_code, second.status_code) == (302, 200)
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]
    assert "marked-path" not in caplog.text
    assert "marked-path" not in repr(service)


def test_an_answer_is_read_up_to_the_limit_and_a_bit() -> None:
    with ScriptedServer(answer(200, b"x" * 100_000)) as server, service_at(server.url) as service:
        _, content = service.request("GET", server.url, headers={})
    assert 1000 < len(content) < 100_000


@given(
    delays=st.lists(st.floats(0, 60), max_size=5).map(tuple),
    asked=st.lists(st.one_of(st.none(), st.floats(0, 100)), min_size=6, max_size=6),
)
def test_each_pause_is_as_long_as_planned_or_as_asked_for_and_a_longer_wish_ends_the_matter(
    delays: tuple[float, ...], asked: list[float | None]
) -> None:
    pauses: list[float] = []
    service = service_at(
        "http://localhost:1", retries=Retries(delays=delays, jitter=0, longest=30), sleep=pauses.append
    )
    numbers: list[int] = []

    def ask(number: int) -> None:
        numbers.append(number)
        raise PassingError("busy", retry_after=asked[number - 1])

    with service, pytest.raises(PassingError, match="busy"):
        service.retrying(ask)
    waited_for = [wish or 0.0 for wish in asked]
    patient = next((n for n, wish in enumerate(waited_for) if wish > 30), len(waited_for))
    assert numbers == list(range(1, min(patient, len(delays)) + 2))
    assert pauses == [max(*pair) for pair in zip(delays, waited_for, strict=False)][: len(numbers) - 1]


def test_what_is_no_passing_failure_is_raised_at_once_and_a_result_after_failures_is_a_result() -> None:
    def failing_at_first(number: int) -> int:
        if number < 3:
            raise PassingError("busy")
        return number

    def wrong(number: int) -> int:
        raise WrongSettingError(f"request {number}")

    with service_at("http://localhost:1", retries=Retries(delays=(0.0, 0.0, 0.0))) as service:
        assert service.retrying(failing_at_first) == 3
        with pytest.raises(WrongSettingError, match="request 1"):
            service.retrying(wrong)


def test_who_counts_the_pauses_can_end_them() -> None:
    class EnoughError(Exception):
        pass

    seen: list[tuple[float, str]] = []

    def count(seconds: float, failure: BaseException) -> None:
        seen.append((seconds, str(failure)))
        if len(seen) == 2:
            raise EnoughError

    def ask(number: int) -> None:
        raise PassingError(f"busy {number}")

    retries = Retries(delays=(1.0, 2.0, 3.0), jitter=0)
    with service_at("http://localhost:1", retries=retries) as service, pytest.raises(EnoughError):
        service.retrying(ask, before_pause=count)
    assert seen == [(1.0, "busy 1"), (2.0, "busy 2")]


def test_a_failure_names_the_service_the_setting_and_what_was_asked_for() -> None:
    with ScriptedServer(hang_up) as server, service_at(server.url) as service:
        with pytest.raises(PassingError, match="no complete answer from the service for the list") as dropped:
            service.request("GET", server.url, headers={}, number=2, asked_for="the list")
        assert dropped.value.requests == 2
    with service_at("http://nowhere.invalid") as service, pytest.raises(UnresolvedError, match="check SERVICE_URL"):
        service.request("GET", "http://nowhere.invalid", headers={})
    with ScriptedServer(hang_up) as server:
        secured = server.url.replace("http:", "https:")
        with service_at(secured) as service, pytest.raises(ServiceError):
            service.request("GET", secured, headers={})


def test_somebody_elses_words_are_shown_without_our_secrets() -> None:
    with service_at("http://localhost:1") as service:
        assert service.quoted(b"your pass-word\nis wrong\x1b[0m") == r"your [secret]\nis wrong\x1b[0m"


@pytest.mark.parametrize("url", ["https://hooks.invalid/services/marked", "https://127.0.0.1:1/services/marked"])
def test_no_part_of_the_webhooks_address_is_in_what_its_failure_says(url: str) -> None:
    with pytest.raises(AlertError) as failed:
        send(url, {})
    assert not [part for part in ("hooks", "services", "marked") if part in str(failed.value)]


def test_what_does_not_speak_http_is_a_wrong_setting_and_not_asked_again() -> None:
    with ScriptedServer(raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")) as server:
        service = service_at(server.url, retries=Retries(delays=(1.0, 1.0)))
        with service, pytest.raises(WrongSettingError, match="the service does not speak HTTP: check SERVICE_URL"):
            service.retrying(lambda number: service.request("GET", server.url, headers={}, number=number))
        assert len(server.requests) == 1


def test_certificates_that_cannot_be_read_are_named_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(WrongSettingError, match="SSL_CERT_FILE or SSL_CERT_DIR names no readable certificates"):
        service_at("https://service.example")
    service_at("http://service.example").close()


@pytest.mark.parametrize(
    ("base_url", "why"),
    [
        ("https://user@service.example", "holds a user or a password"),
        ("https://:pass-word@service.example", "holds a user or a password"),
        ("https://service.example/?token=1", "has a query or a fragment"),
        ("https://service.example/#there", "has a query or a fragment"),
        ("http://service.example", "in the clear: use https://, or set ALLOW=true"),
        ("http://127.0.0.1.service.example", "in the clear"),
        ("http://localhost.service.example", "in the clear"),
        ("http://localhost.", "in the clear"),
        ("http://127.1", "in the clear"),
        ("http://0x7f000001", "in the clear"),
        ("http://2130706433", "in the clear"),
        ("http://0.0.0.0", "in the clear"),
        ("http://localhost%2eservice.example", "in the clear"),
        ("http://l\u03bfcalhost", "in the clear"),
        ("http://localhost@service.example", "holds a user or a password"),
        ("http://localhost\\@service.example", "holds a user or a password"),
        ("http://127.0.0.1:8080", None),
        ("http://[::1]", None),
        ("https://service.example/below", None),
    ],
)
def test_a_secret_is_sent_to_no_url_that_shows_it(base_url: str, why: str | None) -> None:
    url = parsed_url(base_url)
    assert url is not None
    reason = exposure(url, allowed_by="ALLOW")
    assert (reason is None) if why is None else (why in str(reason))


@pytest.mark.parametrize(
    "text", ["", "service.example", "ftp://service.example", "http://", "http://a b", "http://a:0"]
)
def test_what_is_no_url_of_a_service_is_none(text: str) -> None:
    assert parsed_url(text) is None
