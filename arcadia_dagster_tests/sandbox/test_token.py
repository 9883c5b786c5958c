import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from arcadia_dagster.sandbox import errors
from arcadia_dagster.sandbox import token as rules
from arcadia_dagster_tests.kit.handmade import (
    IMPORT,
    ISSUER,
    LEFT_OUT,
    SECRET,
    TENANT,
    Client,
    claims,
    encode,
    invoice,
    sign,
    token,
)

BASE64_SECRET = base64.b64encode(b"k" * 66).decode()


def in_seconds(seconds: int) -> int:
    return int(time.time()) + seconds


def assert_refused(answer: httpx.Response, status: int, reason: str, bearer: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert reason in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert SECRET not in answer.text
    assert not [part for part in bearer.split(".") if len(part) > 1 and part in answer.text]


@pytest.mark.parametrize("roles", [["admin"], ["user"], ["platform_admin", "admin"]])
def test_a_token_with_a_writers_role_is_accepted(finance: Client, roles: list[str]) -> None:
    assert finance.push(invoice(), bearer=token(roles=roles)).status_code == 201


def test_the_schemes_name_may_have_any_case(finance: Client) -> None:
    assert finance.push(invoice(), headers={"Authorization": f"bearer {token()}"}).status_code == 201


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param(lambda: {"exp": in_seconds(-2)}, "expired", id="expired"),
        pytest.param(lambda: {"exp": str(in_seconds(300))}, "exp must be an integer", id="exp as a string"),
        pytest.param(lambda: {"exp": in_seconds(300) + 0.5}, "exp must be an integer", id="exp as a float"),
        pytest.param(lambda: {"exp": True}, "exp must be an integer", id="exp true"),
        pytest.param(lambda: {"exp": LEFT_OUT}, "exp must be an integer", id="no exp"),
        pytest.param(lambda: {"nbf": in_seconds(3)}, "nbf is", id="nbf ahead"),
        pytest.param(lambda: {"nbf": LEFT_OUT}, "nbf must be an integer", id="no nbf"),
        pytest.param(lambda: {"iat": in_seconds(3)}, "iat is", id="iat ahead"),
        pytest.param(lambda: {"iat": "now"}, "iat must be an integer", id="iat as a string"),
        pytest.param(lambda: {"typ": LEFT_OUT}, "typ claim must be access", id="no typ"),
        pytest.param(lambda: {"typ": "refresh"}, "typ claim must be access", id="refresh token"),
        pytest.param(lambda: {"sub": LEFT_OUT}, "sub must be", id="no sub"),
        pytest.param(lambda: {"sub": ""}, "sub must be", id="empty sub"),
        pytest.param(lambda: {"sub": 7}, "sub must be", id="sub as a number"),
        pytest.param(lambda: {"iss": "other", "aud": "other"}, "not the issuer", id="another issuer"),
        pytest.param(lambda: {"iss": LEFT_OUT}, "iss must be", id="no iss"),
        pytest.param(lambda: {"aud": "other"}, "aud must equal its iss", id="another audience"),
        pytest.param(lambda: {"aud": [ISSUER]}, "aud must equal its iss", id="audience as a list"),
        pytest.param(lambda: {"tenant_id": LEFT_OUT}, "tenant_id must be", id="no tenant"),
        pytest.param(lambda: {"tenant_id": "  "}, "tenant_id must be", id="blank tenant"),
        pytest.param(lambda: {"tenant_id": "\ud800"}, "tenant_id must be", id="tenant that is not text"),
    ],
)
def test_a_wrong_claim_is_a_401_that_names_it(
    finance: Client, changes: Callable[[], dict[str, object]], reason: str
) -> None:
    bearer = token(**changes())
    assert_refused(finance.push(invoice(), bearer=bearer), 401, reason, bearer)


@pytest.mark.parametrize(
    "roles",
    [["platform_admin"], LEFT_OUT, [], "admin", None, [["admin"]]],
    ids=["other", "none", "empty", "string", "null", "nested"],
)
def test_roles_that_may_not_write_are_a_403(finance: Client, roles: object) -> None:
    bearer = token(roles=roles)
    assert_refused(finance.push(invoice(), bearer=bearer), 403, "roles must", bearer)


@pytest.mark.parametrize(
    ("bearer", "reason"),
    [
        pytest.param(sign(claims(), key=b"x" * 64), "signature is wrong", id="wrong secret"),
        pytest.param(sign(claims(), key=SECRET.encode() + b"\n"), "signature is wrong", id="secret with a newline"),
        pytest.param(sign(claims(), header={"alg": "HS512"}), "header's typ must be JWT", id="no typ in the header"),
        pytest.param(
            sign(claims(), header={"alg": "HS256", "typ": "JWT"}, digest="sha256"), "alg must be HS512", id="HS256"
        ),
        pytest.param(
            sign(claims(), header={"alg": "HS384", "typ": "JWT"}, digest="sha384"), "alg must be HS512", id="HS384"
        ),
        pytest.param(sign(claims(), digest="sha256"), "signature is wrong", id="HS256 that says HS512"),
        pytest.param(f"{encode({'alg': 'none', 'typ': 'JWT'})}.{encode(claims())}.", "alg must be HS512", id="none"),
        pytest.param(f"{encode({'alg': 'HS512', 'typ': 'JWT'})}.{encode(claims())}.", "signature", id="no signature"),
        pytest.param(token() + "=", "without padding", id="padding"),
        pytest.param(token()[:-1] + "_", "signature is wrong", id="stray bits in the last character"),
        pytest.param(".".join(token().split(".")[:2]), "three base64url parts", id="two parts"),
        pytest.param("no-token", "three base64url parts", id="no token at all"),
        pytest.param(sign([1, 2]), "payload must be a JSON object", id="payload is a list"),
        pytest.param(sign(b"\xff{"), "payload is not base64url JSON", id="payload is not JSON"),
        pytest.param(sign(claims(), header=b"[" * 20_000), "header is not base64url JSON", id="deeply nested header"),
        pytest.param(sign(b'{"exp": NaN}'), "payload is not base64url JSON", id="NaN"),
        pytest.param(sign(b'{"exp": 1, "exp": 2}'), "payload is not base64url JSON", id="a claim twice"),
        pytest.param(f"A.{encode(claims())}.", "header is not base64url JSON", id="header of an impossible length"),
    ],
)
def test_a_token_that_is_not_ours_is_a_401(finance: Client, bearer: str, reason: str) -> None:
    assert_refused(finance.push(invoice(), bearer=bearer), 401, reason, bearer)


def test_a_changed_payload_is_a_401(finance: Client) -> None:
    header, _, signature = token().split(".")
    bearer = f"{header}.{encode(claims(tenant_id='somebody-else'))}.{signature}"
    assert_refused(finance.push(invoice(), bearer=bearer), 401, "signature is wrong", bearer)


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": ""}, {"Authorization": "Basic eA=="}, {"Authorization": "Bearer"}]
)
def test_a_request_without_a_bearer_token_is_a_401_with_a_challenge(finance: Client, headers: dict[str, Any]) -> None:
    answer = finance.http.post(IMPORT, json=invoice(), headers=headers)
    assert_refused(answer, 401, "Authorization header")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_refused_token_leaves_no_row(finance: Client) -> None:
    body = invoice()
    finance.push(body, bearer=sign(claims(), key=b"x" * 64))
    finance.push(body, bearer=token(roles=["platform_admin"]))
    assert finance.rows(external_id=body["external_id"]) == []


def verified(
    payload: Mapping[str, object],
    *,
    secret: str = SECRET,
    key: bytes | None = None,
    issuer: str | None = None,
    now: int = 1_000_000,
) -> str:
    bearer = sign(payload, key=secret.encode() if key is None else key)
    return rules.verify(f"Bearer {bearer}", secret=secret.encode(), issuer=issuer, now=now)


def test_a_base64_secret_is_used_as_it_is_written() -> None:
    assert verified(claims(iat=1, nbf=1), secret=BASE64_SECRET) == TENANT
    with pytest.raises(errors.RefusedError, match="signature is wrong"):
        verified(claims(iat=1, nbf=1), secret=BASE64_SECRET, key=base64.b64decode(BASE64_SECRET))


@pytest.mark.parametrize("secret", ["short", "gehört zu Ümläuten", "k" * 200])
def test_a_secret_of_any_length_and_script_works(secret: str) -> None:
    assert verified(claims(iat=1, nbf=1), secret=secret) == TENANT


def test_the_clock_is_exact_to_the_second() -> None:
    now = 1_000_000
    assert verified(claims(iat=now, nbf=now, exp=now), now=now) == TENANT
    for early_or_late in ({"iat": now + 1}, {"nbf": now + 1}, {"exp": now - 1}):
        with pytest.raises(errors.RefusedError) as refusal:
            verified(claims(**{"iat": now, "nbf": now, "exp": now, **early_or_late}), now=now)
        assert refusal.value.status == 401


def test_without_an_expected_issuer_any_is_accepted() -> None:
    assert verified(claims(iat=1, nbf=1, iss="other", aud="other")) == TENANT


def test_the_claims_of_a_real_guardian_token_have_the_form_that_is_accepted() -> None:
    # Guardian's own order and whitespace: what is signed are the bytes, not their meaning.
    payload = json.dumps(claims(iat=1, nbf=0), separators=(",", ":")).encode()
    assert rules.verify(f"Bearer {sign(payload)}", secret=SECRET.encode(), issuer=ISSUER, now=2) == TENANT
