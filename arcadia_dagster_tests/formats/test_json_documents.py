"""Documents in JSON are known by what they say: the order of their members and the blanks between them do not matter."""

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster_tests.kit import aws
from arcadia_dagster_tests.kit.api_documents import linode, ovhcloud, scaleway
from arcadia_dagster_tests.kit.azure import manifest
from arcadia_dagster_tests.kit.digitalocean_json import doctl, document
from arcadia_dagster_tests.kit.documents import Desk
from arcadia_dagster_tests.kit.inventory import RESOURCES
from arcadia_dagster_tests.kit.properties import quickly

DOCUMENTS: dict[str, Any] = {
    "linode_json": linode(),
    "ovhcloud_json": ovhcloud(),
    "scaleway_json": scaleway(),
    "digitalocean_json": document(),
    "digitalocean_json, items alone": doctl(),
    "aws_manifest": json.loads(aws.manifest("a/cur-1.csv", "a/cur-2.csv")),
    "aws_manifest, of an export": json.loads(aws.manifest_of_export("a/cur-1.csv")),
    "azure_manifest": json.loads(manifest("a/part_0_0001.csv")),
    "inventory_json": {"resources": RESOURCES, "links": {}},
}


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same value with the members of every object in another order."""
    if isinstance(value, dict):
        names = list(value)
        chance.shuffle(names)
        return {name: shuffled(value[name], chance) for name in names}
    return [shuffled(one, chance) for one in value] if isinstance(value, list) else value


@quickly(5)
@given(st.randoms(use_true_random=False), st.sampled_from([None, 0, 2, "\t"]), st.sampled_from(["", "\ufeff", "\n\n "]))
def test_whatever_the_order_of_its_members_and_the_blanks_a_document_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, chance: random.Random, indent: Any, before: str
) -> None:
    desk = Desk(tmp_path_factory.mktemp("json"))
    columns = "line_number, charge_category, service_name, description, amount, currency, resource_id"
    written = [json.dumps(content) for content in DOCUMENTS.values()]
    others = [before + json.dumps(shuffled(content, chance), indent=indent) for content in DOCUMENTS.values()]
    # One that comes out as it was is no other document.
    others = [other + " " if other == text else other for text, other in zip(written, others, strict=True)]
    found = desk.read(*written, *others, columns=columns)
    for label, one, other in zip(DOCUMENTS, found, found[len(DOCUMENTS) :], strict=False):
        assert (one.format, one.reason) == (label.partition(",")[0], None), label
        assert other == one, label


@pytest.fixture
def read(desk: Desk) -> Callable[[bytes], Any]:
    return lambda content: desk.read(content)[0]


def test_a_document_is_known_however_far_behind_its_beginning_the_telling_member_is(
    read: Callable[[bytes], Any],
) -> None:
    content = {"x_remark": "padding " * 20_000, **scaleway()}
    found = read(json.dumps(content).encode())
    assert (found.format, found.reason, len(found.lines)) == ("scaleway_json", None, 2)


def test_a_packed_document_is_known_by_what_it_says(read: Callable[[bytes], Any]) -> None:
    for label, content in DOCUMENTS.items():
        found = read(gzip.compress(json.dumps(content).encode()))
        assert (found.format, found.reason) == (label.partition(",")[0], None), label


def test_what_is_cut_off_is_no_json_and_says_so(read: Callable[[bytes], Any]) -> None:
    for label, content in DOCUMENTS.items():
        found = read(json.dumps(content).encode()[:-2])
        assert found.reason is not None, label
        assert found.reason.startswith("it is not JSON: "), label


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (manifest("a/part_0.csv", blobs=5), "blobs: 5; expected a list of files"),
        (manifest(blobs=[{"byteCount": 1}]), "blobs, 1: blobName: None; expected the path of a file"),
        (manifest(blobs=[{"blobName": "a/b.csv"}, {"blobName": "/"}]), "blobs, 2: blobName: '/'; expected the path"),
        (manifest(blobs=[{"blobName": "a", "dataRowCount": -2}]), "blobs, 1: dataRowCount: -2; expected a number"),
        (manifest(blobs=[{"blobName": "a\ud800"}]), "blobs, 1: blobName: half a character; expected text"),
        (manifest(blobs=[{"blobName": "a", "dataRowCount": 1.5}]), "blobs, 1: dataRowCount: 1.5; expected a number"),
    ],
)
def test_a_manifest_of_azure_that_does_not_list_files_is_rejected(
    read: Callable[[bytes], Any], content: bytes, reason: str
) -> None:
    found = read(content)
    assert found.format == "azure_manifest"
    assert str(found.reason).startswith(reason)


def test_a_manifest_of_azure_may_list_nothing_and_need_not_count_rows(read: Callable[[bytes], Any]) -> None:
    assert read(manifest()).reason is None
    assert read(manifest(blobs=[{"blobName": "part_0.csv"}])).reason is None
