"""Our signature of a request is the one that AWS's own client makes of it."""

import json
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.providers.aws import signature_4

_WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
_PRINTED = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
_VALUE = st.lists(st.text(_PRINTED, max_size=5), max_size=6).map(" ".join)
# AWS's client leaves these out of the signature, and sets these itself.
_OWN = {"authorization", "connection", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization"} | {
    *(
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amz-date",
        "x-amz-security-token",
        "x-amzn-trace-id",
    ),
    *("x-amz-content-sha256", "date"),
}
_HEADERS = st.dictionaries(_WORD.filter(lambda name: name not in _OWN), _VALUE, max_size=6)
_BODY = st.binary(max_size=200) | st.dictionaries(st.text(), st.text()).map(lambda found: json.dumps(found).encode())


@given(
    host=_WORD.map("https://{}.api.aws".format),
    port=st.sampled_from(["", ":8443"]),
    path=st.lists(st.text(min_size=1, max_size=8).filter(lambda part: part not in {".", ".."}), max_size=3).map(
        lambda parts: "/" + "/".join(quote(part, safe="") for part in parts)
    ),
    headers=_HEADERS,
    body=_BODY,
    key=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=16, max_size=20),
    secret=st.text(_PRINTED, min_size=1, max_size=60),
    session=st.text(_PRINTED, max_size=80),
    at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    scope=st.tuples(_WORD, _WORD),
)
def test_our_signature_is_that_of_awss_own_client(
    host: str,
    port: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    key: str,
    secret: str,
    session: str,
    at: datetime,
    scope: tuple[str, str],
) -> None:
    region, service = scope
    url = f"{host}{port}{path}"
    sign = signature_4(key, secret, session, region=region, service=service, clock=at.timestamp)
    ours = sign("POST", httpx.URL(url), headers, body)
    request = AWSRequest("POST", url, headers, body)
    request.headers["X-Amz-Date"] = at.strftime(SIGV4_TIMESTAMP)
    request.context["timestamp"] = at.strftime(SIGV4_TIMESTAMP)
    if session:
        request.headers["X-Amz-Security-Token"] = session
    theirs = SigV4Auth(Credentials(key, secret, session or None), service, region)
    signature = theirs.signature(theirs.string_to_sign(request, theirs.canonical_request(request)), request)
    assert ours["X-Amz-Date"] == at.strftime(SIGV4_TIMESTAMP)
    assert ours["Authorization"].endswith(f"Signature={signature}")
    signed_headers = theirs.signed_headers(theirs.headers_to_sign(request))
    assert f"SignedHeaders={signed_headers}, " in ours["Authorization"]
    assert ours["Authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={theirs.scope(request)}, ")
