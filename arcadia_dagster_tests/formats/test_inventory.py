import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arcadia_dagster.reading.format import InventoryRow
from arcadia_dagster_tests.kit.documents import Desk
from arcadia_dagster_tests.kit.inventory import RESOURCES

WEB = InventoryRow(1, "7", "web-01", "droplet", "77", "shop")
DISK = InventoryRow(2, "8", None, "block_storage_volume", None, None)
CSV = "id,name,type,account,project\n7,web-01,Droplet,77,shop\n8,,Block-Storage  Volume,,\n"


@pytest.mark.parametrize(
    ("format_", "content"),
    [
        ("inventory_csv", CSV),
        ("inventory_csv", "\ufeff" + CSV.replace("\n", "\r\n")),
        ("inventory_csv", CSV.replace("\n", "\r")),
        ("inventory_csv", CSV.replace("\n", "\n\n")),
        ("inventory_csv", " Project,ACCOUNT , type,region,NAME,id\nshop,77,Droplet,ams,web-01,7\n,,Block-Storage  Volume,,,8\n"),
        ("inventory_json", json.dumps(RESOURCES)),
        ("inventory_json", "\ufeff" + json.dumps(RESOURCES, indent=2)),
        ("inventory_json", json.dumps({"resources": RESOURCES, "links": {}})),
    ],
)  # fmt: skip
def test_an_inventory_lists_the_same_resources_in_every_shape(desk: Desk, format_: str, content: str) -> None:
    (found,) = desk.read(content)
    assert (found.format, found.reason, found.invoices) == (format_, None, ())
    assert found.inventory == (WEB, DISK)


def test_account_and_project_may_be_absent(desk: Desk) -> None:
    (found,) = desk.read("id,name,type\n7,web,droplet\n")
    assert found.inventory == (InventoryRow(1, "7", "web", "droplet", None, None),)


def test_names_keep_their_commas_quotes_and_line_ends(desk: Desk) -> None:
    (found,) = desk.read('id,name,type\n7,"a, ""b""\nc",droplet\n8,😀,droplet\n')
    assert [row.resource_name for row in found.inventory] == ['a, "b"\nc', "😀"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("id,name,type,ID\n1,a,b,2\n", "line 1: column id occurs more than once"),
        ("id,name,type\n", "it lists no resource"),
        ("id,name,type\n1,web,droplet\n,web,droplet\n", "line 3, column id: blank; expected the resource's id"),
        ('id,name,type\n1,"a\nb",droplet\n2,web,\n', "line 4, column type: blank; expected the resource's type"),
        ("id,name,type\n1,web\n", "line 2: 2 values; expected 3, as the header has columns"),
        ("id,name,type\n1,web,droplet,x\n", "line 2: 4 values; expected 3"),
        ('id,name,type\n1,"web,droplet\n', "line 2: unexpected end of data"),
        ('id,name,type\n1,"web"x,droplet\n', "line 2: ',' expected after '\"'"),
        ('id,name,type\n1,"' + "x" * 3_000_000 + '",droplet\n', "line 2: field larger than field limit"),
        ('[{"id": 1, "name": "a", "type": "b"}', "it is not JSON"),
        ('[{"id": ' + "[" * 100_000, "it is not JSON"),
        ('[{"id": ' + "9" * 5_000 + ', "name": "a", "type": "b"}]', "it is not JSON"),
        ('[{"id": 1, "name": "a"}]', "record 1, column type: blank"),
        ('[{"id": 1.5, "name": "a", "type": "b"}]', "record 1, column id: 1.5; expected text"),
        ('[{"id": NaN, "name": "a", "type": "b"}]', "record 1, column id: nan; expected text"),
        ('[{"id": true, "name": "a", "type": "b"}]', "record 1, column id: True; expected text"),
        ('[{"id": "1", "name": ["a"], "type": "b"}]', "record 1, column name: ['a']; expected text"),
        ('[{"id": "1", "name": "a", "type": "b"}, 5]', "record 2: 5; expected an object with id, name, type"),
        ('[{"id": "\\ud800", "name": "a", "type": "b"}]', "record 1, column id: '\\ud800'; expected text, not half"),
        ('{"resources": {"id": 1}}', "expected a list of resources"),
        ('{"resources": []}', "it lists no resource"),
        ("[]", "it is JSON of an unknown shape"),
    ],
)
def test_an_inventory_that_cannot_be_read_is_refused_with_the_place(desk: Desk, content: str, reason: str) -> None:
    (found,) = desk.read(content)
    assert reason in str(found.reason)
    assert found.inventory == ()


def test_an_inventory_as_parquet_is_refused(desk: Desk) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"id": ["7"], "name": ["web-01"], "type": ["droplet"]}), file)
    (found,) = desk.read(file.getvalue())
    assert found.reason == "it is an inventory as Parquet; expected CSV or JSON: save it as one of them"
