import base64
import hashlib
import hmac
import html
import json
import re
import uuid
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlencode

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.finance.token import Identity, TokenMint, secret_problem, secret_remark
from arcadia_dagster_tests.kit.properties import quickly

SECRET = "a-shared-secret-of-exactly-sixty-four-bytes-for-the-tests-0123456"[:64]
SHORT_SECRET = "a-short-shared-secret-of-32-byte"
IDENTITY = Identity(tenant_id="platform-admin", roles=("admin",), issuer="arcadia_cloud", subject="platform-admin")
NOW = 1_777_593_600.75  # 2026-05-01 00:00:00.75 UTC
JTI = "0b4f2c1e-6a53-4d0e-9c7b-2f8e1d3a5b60"


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def signed_by_hand(token: str, secret: str) -> str:
    """The signature of RFC 7515, without the library under test."""
    digest = hmac.new(secret.encode(), token.rpartition(".")[0].encode(), hashlib.sha512).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_the_golden_token() -> None:
    mint = TokenMint(SHORT_SECRET, IDENTITY, clock=lambda: NOW, new_id=lambda: JTI)
    assert mint.token() == (
        "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9."
        "eyJhdWQiOiJhcmNhZGlhX2Nsb3VkIiwiZXhwIjoxNzc3NTkzOTAwLCJpYXQiOjE3Nzc1OTM1NDAsImlzcyI6ImFyY2FkaWF"
        "fY2xvdWQiLCJqdGkiOiIwYjRmMmMxZS02YTUzLTRkMGUtOWM3Yi0yZjhlMWQzYTViNjAiLCJuYmYiOjE3Nzc1OTM1NDAsIn"
        "JvbGVzIjpbImFkbWluIl0sInN1YiI6InBsYXRmb3JtLWFkbWluIiwidGVuYW50X2lkIjoicGxhdGZvcm0tYWRtaW4iLCJ0e"
        "XAiOiJhY2Nlc3MifQ."
        "sEZKeDiV6GRLWXD0l37Zwczv9fx_GDbEp7tieKHnW84Wu2GcvPACVBaTJeD5o7DqkSZrj5Szh5TeRc-ILwoLIw"
    )


def test_the_claims_are_those_of_guardian_and_our_identity() -> None:
    token = TokenMint(SECRET, IDENTITY, clock=lambda: NOW, new_id=lambda: JTI).token()
    assert claims_of(token) == {
        "aud": "arcadia_cloud",
        "exp": 1_777_593_900,
        "iat": 1_777_593_540,
        "iss": "arcadia_cloud",
        "jti": JTI,
        "nbf": 1_777_593_540,
        "roles": ["admin"],
        "sub": "platform-admin",
        "tenant_id": "platform-admin",
        "typ": "access",
    }
    assert jwt.get_unverified_header(token) == {"alg": "HS512", "typ": "JWT"}


def test_another_reader_of_jwt_accepts_the_token() -> None:
    token = TokenMint(SECRET, IDENTITY).token()
    claims = jwt.decode(token, SECRET, algorithms=["HS512"], audience="arcadia_cloud", issuer="arcadia_cloud")
    assert claims["exp"] - claims["iat"] == 360
    assert claims["iat"] == claims["nbf"]


def test_the_key_is_the_secret_itself_even_where_it_looks_like_base64() -> None:
    secret = base64.b64encode(bytes(range(48))).decode()
    token = TokenMint(secret, IDENTITY).token()
    assert token.rpartition(".")[2] == signed_by_hand(token, secret)


def test_every_token_has_an_id_of_its_own() -> None:
    mint = TokenMint(SECRET, IDENTITY)
    ids = {claims_of(mint.refresh())["jti"] for _ in range(20)}
    assert len(ids) == 20
    assert all(str(uuid.UUID(jti, version=4)) == jti for jti in ids)


@pytest.mark.parametrize("length", [1, 5, 31, 32, 63, 64, 200])
def test_a_secret_of_any_length_signs_without_a_warning(length: int) -> None:
    secret = "s" * length
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        token = TokenMint(secret, IDENTITY).token()
    assert token.rpartition(".")[2] == signed_by_hand(token, secret)


def test_a_token_is_kept_until_half_of_its_life_is_over() -> None:
    clock = Clock(NOW)
    mint = TokenMint(SECRET, IDENTITY, clock=clock)
    first = mint.token()
    clock.now += 149
    assert mint.token() == first
    clock.now += 2
    second = mint.token()
    assert second != first
    assert claims_of(second)["exp"] == 1_777_593_600 + 151 + 300


def test_a_clock_that_is_set_back_gives_a_new_token() -> None:
    clock = Clock(NOW)
    mint = TokenMint(SECRET, IDENTITY, clock=clock)
    first = mint.token()
    clock.now -= 3600
    assert claims_of(mint.token())["nbf"] < clock.now
    assert mint.token() != first


@quickly(50)
@given(steps=st.lists(st.floats(min_value=-10_000, max_value=10_000), max_size=20))
def test_whatever_the_clock_does_the_token_is_valid_for_another_two_minutes(steps: list[float]) -> None:
    clock = Clock(NOW)
    mint = TokenMint(SECRET, IDENTITY, clock=clock)
    for step in steps:
        clock.now += step
        claims = claims_of(mint.token())
        assert claims["nbf"] <= clock.now
        assert claims["exp"] - clock.now >= 149


def test_refresh_gives_a_new_token_and_keeps_it() -> None:
    mint = TokenMint(SECRET, IDENTITY)
    first = mint.token()
    second = mint.refresh()
    assert second != first
    assert mint.token() == second


def test_many_threads_share_one_token() -> None:
    mint = TokenMint(SECRET, IDENTITY)
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: mint.token(), range(200)))) == 1


def test_the_secret_and_the_token_are_not_in_the_repr() -> None:
    mint = TokenMint(SECRET, IDENTITY)
    token = mint.token()
    assert "platform-admin" in repr(mint)
    assert SECRET not in repr(mint)
    assert token not in repr(mint)


def test_redacting_leaves_neither_the_secret_nor_a_token_nor_a_part_of_one() -> None:
    mint = TokenMint(SECRET, IDENTITY)
    token = mint.token()
    text = mint.redact(f"bad token {token}, cut {token[:40]}, key {SECRET}.")
    assert text == "bad token [token], cut [token], key [secret]."


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("", "empty"),
        (SECRET + "\n", "whitespace"),
        (" " + SECRET, "whitespace"),
        (SECRET + "\u00a0", "whitespace"),
        (SECRET + "\udcff", "UTF-8"),
        ("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----", "public key"),
        ('{"kty": "oct", "k": "c2VjcmV0"}', "JWK"),
    ],
)
def test_a_secret_that_cannot_be_right_is_refused_by_name_and_not_shown(secret: str, words: str) -> None:
    problem = secret_problem(secret)
    assert problem is not None
    assert words in problem
    assert "SKYAI_FINANCE_SECRET" in problem
    assert not secret.strip() or secret.strip() not in problem
    assert secret_remark(secret) is None
    with pytest.raises(ValueError, match=re.escape(problem)) as refused:
        TokenMint(secret, IDENTITY)
    assert refused.value.__context__ is None


@pytest.mark.parametrize("secret", ["s", SHORT_SECRET, SECRET[:63], "é" * 31])
def test_a_short_secret_is_legal_and_remarked_on_without_being_shown(secret: str) -> None:
    assert secret_problem(secret) is None
    remark = secret_remark(secret)
    assert remark is not None
    assert "64 bytes" in remark
    assert "RFC 7518" in remark
    assert len(secret) == 1 or secret not in remark


@pytest.mark.parametrize("secret", [SECRET, SECRET + "x", "é" * 32])
def test_a_secret_of_64_bytes_needs_no_remark(secret: str) -> None:
    assert secret_problem(secret) is None
    assert secret_remark(secret) is None


@quickly(50)
@given(secret=st.text())
def test_a_secret_is_either_refused_or_signs(secret: str) -> None:
    if secret_problem(secret) is None:
        token = TokenMint(secret, IDENTITY).token()
        assert token.rpartition(".")[2] == signed_by_hand(token, secret)


SECRETS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=16, max_size=40).filter(
    lambda secret: secret_problem(secret) is None
)
SPELLINGS: dict[str, Callable[[str], str]] = {
    "JSON": lambda secret: json.dumps({"key": secret}),
    "JSON, not escaped": lambda secret: json.dumps({"key": secret}, ensure_ascii=False),
    "HTML": lambda secret: f"<b>{html.escape(secret)}</b>",
    "URL": lambda secret: f"/?key={quote(secret, safe='')}&more",
    "form": lambda secret: urlencode({"key": secret}),
    "Latin-1": lambda secret: secret.encode().decode("latin-1"),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
}


@quickly(50)
@given(SECRETS, st.sampled_from(sorted(SPELLINGS)))
def test_the_secret_is_redacted_however_a_text_from_outside_writes_it(secret: str, spelling: str) -> None:
    text = SPELLINGS[spelling](secret)
    redacted = TokenMint(secret, IDENTITY).redact(text)
    assert "[secret]" in redacted
    assert len(redacted) <= len(text) - len(secret) + len("[secret]") + 2


@pytest.mark.parametrize("width", [20, 64, 76])
def test_a_token_is_redacted_where_it_is_wrapped_cut_off_or_has_something_before_it(width: int) -> None:
    mint = TokenMint(SECRET, IDENTITY, clock=Clock(), new_id=lambda: JTI)
    token = mint.token()
    lines = [token[start : start + width] for start in range(0, len(token), width)]
    redacted = mint.redact("\n".join([*lines, f"prefix{token[5:60]}", f"cut.{token[-40:]}"]))
    whole = [line for line in lines if len(line) >= 20]
    assert [line for line in whole if line in redacted] == []
    assert token[5:25] not in redacted
    assert token[-20:] not in redacted
