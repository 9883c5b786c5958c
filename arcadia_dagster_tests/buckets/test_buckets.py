"""What buckets need no server for: their URLs, the environment, and what a person is told."""

import re
import sys
from pathlib import Path

import pytest

from arcadia_dagster.buckets.bucket import Bucket
from arcadia_dagster.buckets.environment import VariableError, config, endpoint, is_plain_to_this_machine
from arcadia_dagster.buckets.errors import NotInstalledError, explained
from arcadia_dagster.buckets.url import BucketUrl
from arcadia_dagster.landing.inbox import file_name_of, label_of, path_at, place_at
from arcadia_dagster.landing.inboxes import Inboxes

S3 = BucketUrl.parse("s3://billing/exports")
KEY = "a-secret-key-that-is-never-shown=="


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://billing", BucketUrl("s3", "billing")),
        ("S3://billing/", BucketUrl("s3", "billing")),
        ("gs://my_bucket.example.com/a/b/", BucketUrl("gs", "my_bucket.example.com", "a/b")),
        ("az://$web", None),
        ("az://exports/focus (1)", BucketUrl("az", "exports", "focus (1)")),
        ("s3:/billing", None),
        ("file:///a", None),
        ("s3://billing/a:b", None),
        ("s3://billing?x=1", None),
        ("s3://user@billing", None),
    ],
)
def test_a_url_names_a_bucket_and_a_prefix(text: str, url: BucketUrl | None) -> None:
    if url is None:
        with pytest.raises(ValueError, match="expected"):
            BucketUrl.parse(text)
    else:
        assert BucketUrl.parse(text) == BucketUrl.parse(str(url)) == url


def test_a_folder_has_what_lies_in_it_and_no_folder_whose_name_begins_alike() -> None:
    assert BucketUrl("s3", "billing").has(S3)
    assert S3.has(S3)
    assert not BucketUrl("s3", "billing", "exp").has(S3)
    assert not BucketUrl("gs", "billing").has(S3)


def test_a_file_directly_in_any_inbox_has_no_slash_in_its_path_and_keeps_its_name() -> None:
    assert label_of("s3://billing/exports") == "s3:billing:exports::"
    assert label_of("/mnt/more") == "file:mnt:more::"
    for label in ("", label_of("s3://billing/exports"), label_of("/mnt/more")):
        assert "/" not in label
        assert file_name_of(f"{label}a::b.csv") == "a::b.csv"
        assert file_name_of(f"{label}x/y/a.csv") == "a.csv"


def test_a_person_may_name_a_file_in_a_further_inbox_as_the_cloud_does() -> None:
    further = ("s3://billing/exports", "/mnt/more")
    for place, path in (
        ("s3://billing/exports/x/a.csv", "s3:billing:exports::x/a.csv"),
        ("/mnt/more/a.csv", "file:mnt:more::a.csv"),
        ("/srv/inbox/x/a.csv", "x/a.csv"),
    ):
        assert place_at(path, Path("/srv/inbox"), further) == place
        if place.startswith("/srv"):
            continue
        assert path_at(place, further) == path
    assert path_at("a.csv", further) == "a.csv"
    assert path_at("s3://billing/exports-of-others/a.csv", further) == "s3://billing/exports-of-others/a.csv"


def test_without_the_extra_a_bucket_says_what_installs_it_and_the_folder_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    (tmp_path / "a.csv").write_text("x")
    found = Inboxes(tmp_path, further=("s3://billing",)).look({}, now_ns=1 << 62, settle_seconds=1)
    assert [file.name for file in found.complete] == ["a.csv"]
    assert found.problems == {
        "s3://billing": "buckets need a package that is not installed: pip install 'arcadia-dagster[buckets]'"
    }
    with pytest.raises(NotInstalledError):
        next(Bucket(S3).pages())


def test_a_connection_string_of_azure_is_taken_apart() -> None:
    text = f"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={KEY};EndpointSuffix=core.windows.net"
    assert config("az", {"AZURE_STORAGE_CONNECTION_STRING": text}) == {
        "account_name": "acme",
        "account_key": KEY,
        "endpoint": "https://acme.blob.core.windows.net",
    }
    shared = "BlobEndpoint=https://acme.blob.core.windows.net/;SharedAccessSignature=sv=2021&sig=abc%3D"
    assert config("az", {"AZURE_STORAGE_CONNECTION_STRING": shared}) == {
        "account_name": "acme",
        "endpoint": "https://acme.blob.core.windows.net",
        "sas_key": "sv=2021&sig=abc%3D",
    }
    assert config("az", {"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true"}) == {"use_emulator": True}
    assert config("az", {"AZURE_STORAGE_ACCOUNT": "acme", "AZURE_STORAGE_KEY": KEY}) == {
        "account_name": "acme",
        "account_key": KEY,
    }
    with pytest.raises(VariableError, match="no AccountName") as raised:
        config("az", {"AZURE_STORAGE_CONNECTION_STRING": f"AccountKey={KEY}"})
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("scheme", "environ", "is_allowed"),
    [
        ("s3", {}, False),
        ("s3", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}, True),
        ("s3", {"AWS_ENDPOINT_URL": "http://localhost:9000"}, True),
        ("s3", {"AWS_ENDPOINT_URL": "http://minio:9000"}, False),
        ("s3", {"AWS_ENDPOINT_URL": "https://127.0.0.1:9000"}, False),
        ("s3", {"AWS_ENDPOINT_URL_S3": "http://minio:9000", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, False),
        ("az", {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;BlobEndpoint=http://127.0.0.1:10000/a"}, True),
        ("gs", {"STORAGE_EMULATOR_HOST": "127.0.0.1:4443"}, True),
        ("gs", {"STORAGE_EMULATOR_HOST": "http://emulator:4443"}, False),
    ],
)
def test_http_goes_to_this_machine_only(scheme: str, environ: dict[str, str], is_allowed: bool) -> None:
    assert is_plain_to_this_machine(scheme, environ) is is_allowed


def test_a_connection_string_of_the_emulator_is_this_machine() -> None:
    assert endpoint("az", {"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true"}) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Server returned non-2xx status code: 403 Forbidden: <Code>SignatureDoesNotMatch</Code>{}",
            "this program may not",
        ),
        (
            "Error performing token request: Error performing GET http://169.254.169.254/ {}",
            "no credentials were found",
        ),
        ("status code: 404 Not Found: <Code>NoSuchBucket</Code> {}", "there is no such bucket"),
        (
            "Received redirect without LOCATION, this normally indicates an incorrectly configured region {}",
            "another region",
        ),
        ("status code: 400 Bad Request: <Code>AuthorizationHeaderMalformed</Code>{}", "another region"),
        ("status code: 429 Too Many Requests: {}", "asked for fewer requests"),
        ("status code: 418 : {}", "refused the request (418)"),
        ("HTTP error: error sending request {}", "cannot be reached"),
    ],
)
def test_no_answer_of_a_store_is_quoted(text: str, expected: str) -> None:
    told = str(explained(RuntimeError(text.format(KEY)), S3, "list"))
    assert told.startswith("s3://billing/exports: ")
    assert expected in told
    assert KEY not in told
    assert re.search(r"set |give |make it|next look|correct|docs/buckets.md", told)
