"""What every provider refuses of an answer and of its settings, before anything is made of it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.providers.catalogue import CATALOGUE
from arcadia_dagster.providers.errors import ConfigurationFailure, UnusableAnswer
from arcadia_dagster.providers.ovhcloud import OvhCloudSettings
from arcadia_dagster.providers.provider import day_in, id_in, number_in
from arcadia_dagster.providers.token import usable


@given(text=st.text(max_size=12))
def test_an_id_from_an_answer_leads_nowhere_else(text: str) -> None:
    try:
        id_ = id_in(text, "id")
    except UnusableAnswer:
        return
    assert id_ == text
    assert not {*id_} & {*"/\\ %?#"}
    assert id_ not in {"", ".", ".."}


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        *((id_in, value, "expected an id of letters and digits") for value in (None, 7, "", "..", "a/b", "../../me")),
        *((number_in, value, "expected a whole number") for value in (None, True, -1, 1.0, "7")),
        *((day_in, value, "expected a day such as 2026-05-01") for value in (None, 20260501, "", "2026-02-30")),
    ],
)
def test_what_an_answer_has_in_place_of_an_id_a_number_or_a_day_is_named(
    read: Callable[[object, str], object], value: object, expected: str
) -> None:
    with pytest.raises(UnusableAnswer, match=f"^invoice_id: .*; {expected}"):
        read(value, "invoice_id")


def test_a_provider_that_is_half_set_names_what_is_missing() -> None:
    own = OvhCloudSettings.model_validate({"OVH_APPLICATION_KEY": "key", "OVH_CONSUMER_KEY": "marked"})
    assert own.is_wanted
    with pytest.raises(ConfigurationFailure, match=r"^OVH_APPLICATION_KEY is set: set OVH_APPLICATION_SECRET too$"):
        own.assert_complete()


@pytest.mark.parametrize("secret", ["", " ", "two marked", "marked\n", "m\u00e4rked", "marked\x00"])
def test_a_token_that_no_header_takes_is_refused_and_not_repeated(secret: str) -> None:
    if secret.strip() == "marked":
        assert usable(secret, "TOKEN") == "marked"
        return
    with pytest.raises(ConfigurationFailure, match=r"^TOKEN is blank, or has characters that no token has$"):
        usable(secret, "TOKEN")


def test_no_two_providers_share_a_name_or_a_variable() -> None:
    names = [provider.name for provider in CATALOGUE]
    assert len(set(names)) == len(names)
    urls = [provider.settings.variable("url") for provider in CATALOGUE]
    assert len(set(urls)) == len(urls)
