"""What every provider in the catalogue does about failures, limits, rights and secrets; see `test_claims_of_providers.py`."""

import logging
from pathlib import Path

import pytest

from arcadia_dagster.providers.errors import ConfigurationFailure, ProviderError, TransientFailure
from arcadia_dagster_tests.kit.fetching import failing
from arcadia_dagster_tests.kit.provider_api import Case
from arcadia_dagster_tests.kit.provider_cases import (
    APRIL,
    MARCH,
    addresses,
    each_provider,
    each_that_asks_for_one,
    once,
    served,
)
from arcadia_dagster_tests.kit.provider_cases import CaseHome as Home
from arcadia_dagster_tests.kit.scripted_server import ScriptedServer, Step, answer, hang_up, head, raw


@pytest.fixture
def home(tmp_path: Path, case: Case) -> Home:
    return Home(tmp_path, case)


# Answers that are not whole


@each_provider
@pytest.mark.parametrize(
    "step",
    [hang_up, raw(head(200, Content_Length=500) + b'{"data"'), answer(500), answer(503, Retry_After=7)],
    ids=["dropped", "half an answer", "500", "503"],
)
def test_a_failure_that_passes_is_tried_again(home: Home, case: Case, step: Step) -> None:
    for address in addresses(case):
        with served(case, before=once(step, address)) as api:
            fetched = home.fetch(api)
        assert len(home.invoices()) == 1
        assert fetched.left == {}
        for path in home.inbox.iterdir():
            path.unlink()


@each_that_asks_for_one
@pytest.mark.parametrize(
    "step",
    [answer(500), answer(404), answer(200, b'{"half": ['), answer(200, b"<html>"), answer(200, b"[" * 100_000)],
    ids=["500", "404", "half JSON", "HTML", "nested"],
)
def test_an_invoice_that_cannot_be_had_whole_is_left_and_the_others_go_on(home: Home, case: Case, step: Step) -> None:
    entries = [case.entry(1, MARCH, "119.00"), case.entry(2, APRIL, "119.00")]
    with served(case, *entries, before=failing(case.one(1, MARCH), step=step)) as api:
        fetched = home.fetch(api)
        assert len(fetched.left) == 1
        assert len(home.invoices()) == 1, "nothing of it was kept"
        api.before = lambda _: None
        again = home.fetch(api)
    assert len(home.invoices()) == 2
    assert (again.known, again.left) == (1, {})


@each_provider
@pytest.mark.parametrize(
    "body", [b"", b"<html>down for maintenance</html>", b'"text"', b'{"a": NaN}', b"\xff\xfe{\x00"]
)
def test_a_list_of_another_shape_fetches_nothing(home: Home, case: Case, body: bytes) -> None:
    with served(case, before=failing(case.lists, step=answer(200, body))) as api, pytest.raises(ProviderError):
        home.fetch(api)
    assert home.names() == []


@each_provider
def test_a_list_that_stays_away_fetches_nothing(home: Home, case: Case) -> None:
    with served(case, before=failing(case.lists, step=answer(500))) as api, pytest.raises(TransientFailure):
        home.fetch(api)
    assert home.names() == []
    assert home.sleeper.pauses == [1.0, 2.0, 5.0]


# Limits and rights


@each_that_asks_for_one
def test_the_provider_is_left_alone_as_long_as_it_asks(home: Home, case: Case) -> None:
    with served(case, before=once(answer(429, Retry_After=37), case.one(1, APRIL))) as api:
        assert home.fetch(api).left == {}
    assert sum(home.sleeper.pauses) == pytest.approx(37)


@each_that_asks_for_one
def test_whoever_asks_to_be_left_alone_for_long_is_asked_nothing_more(home: Home, case: Case) -> None:
    entries = [case.entry(number, month, "119.00") for number, month in ((1, MARCH), (2, APRIL))]
    with served(case, *entries, before=failing(case.one(1, MARCH), step=answer(429, Retry_After=3000))) as api:
        fetched = home.fetch(api)
    assert home.names() == []
    assert "fetch again later" in str(fetched.left)
    assert case.one(1, MARCH).rstrip("?") in api.requests[-1].path


@each_provider
@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_stop_at_once_and_name_their_setting(home: Home, case: Case, status: int) -> None:
    variables = [case.provider.settings.variable(name) for name in case.provider.settings.needed]
    with (
        served(case, before=failing(case.lists, step=answer(status, {"message": "no"}))) as api,
        pytest.raises(ConfigurationFailure) as refused,
    ):
        home.fetch(api)
    assert any(variable in str(refused.value) for variable in variables)
    assert home.sleeper.pauses == []
    assert home.names() == []


@each_provider
def test_the_doctor_tells_each_right_apart(home: Home, case: Case) -> None:
    with served(case) as api:
        account = case.provider.open(case.settings(api.url), home.pace)
        with account:
            assert all(right.try_it() for right in account.rights())
            names = [right.what for right in account.rights()]
            api.before = failing(case.lists, step=answer(403))
            invoices = next(right for right in account.rights() if right.what == "invoices")
            with pytest.raises(ConfigurationFailure):
                invoices.try_it()
    assert names[0] == "invoices"
    assert len(set(names)) == len(names)


# Settings and secrets


@each_provider
def test_nothing_is_sent_where_others_could_read_it(home: Home, case: Case) -> None:
    for url in ("http://api.example.com", "http://10.0.0.1", "https://x.example?y=z"):
        with pytest.raises(ConfigurationFailure, match="|".join((case.url, *case.other_urls))):
            case.provider.open(case.settings(url), home.pace)


@each_provider
def test_each_setting_that_is_needed_and_missing_is_named(case: Case) -> None:
    needed = [case.provider.settings.variable(name) for name in case.provider.settings.needed]
    assert not case.provider.settings.model_validate({}).is_wanted
    assert case.settings("http://127.0.0.1:1").is_wanted
    for variable in needed[1:]:
        with pytest.raises(ConfigurationFailure, match=variable):
            case.settings("http://127.0.0.1:1", **{variable: ""}).assert_complete()


@each_provider
def test_a_secret_that_cannot_be_one_is_refused_without_being_shown(home: Home, case: Case) -> None:
    secrets = [variable for variable, value in case.environ.items() if value in case.secrets]
    for variable in secrets:
        for wrong in ("two words", "line\nbreak", "ümlaut"):
            with pytest.raises(ConfigurationFailure) as refused:
                case.provider.open(case.settings("http://127.0.0.1:1", **{variable: wrong}), home.pace)
            assert variable in str(refused.value)
            assert wrong not in str(refused.value)


@each_provider
def test_no_redirect_is_followed(home: Home, case: Case) -> None:
    with ScriptedServer(hang_up) as elsewhere:
        step = answer(302, Location=f"{elsewhere.url}/")
        with served(case, before=failing(case.lists, step=step)) as api, pytest.raises(ConfigurationFailure) as refused:
            home.fetch(api)
    assert case.url in str(refused.value)
    assert elsewhere.requests == []


@each_provider
def test_the_secrets_are_seen_nowhere(home: Home, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    words = " ".join(case.secrets)
    told = []
    for status in (302, 401, 403, 404, 429, 500):
        repeating = answer(
            status, {"message": f"you sent {words}"}, X_Sent=words, Location=f"https://x.example/{words}"
        )
        for address in addresses(case):
            with served(case, before=failing(address, step=repeating)) as api:
                try:
                    told.append(str(home.fetch(api)))
                except ProviderError as error:
                    told += [f"{found} {found!r} {vars(found)}" for found in (error, error.__cause__ or error)]
    with served(case) as api:
        settings = case.settings(api.url)
        account = case.provider.open(settings, home.pace)
        told += [repr(account), str(account), repr(settings), str(settings), caplog.text]
        home.fetch_from(account, case.provider.name, months=[APRIL])
    told += [path.read_text(errors="replace") for path in home.inbox.iterdir()]
    assert len(told) > 10
    assert not [text for text in told for secret in case.secrets if secret in text]
