from collections.abc import Callable, Iterator, Sequence

import duckdb
import pytest

from arcadia_dagster.billing.matching import matched_sql

Row = tuple[str | None, ...]
Match = Callable[[Sequence[Row], Sequence[Row]], list[tuple[str | None, str | None]]]

LINES = (
    "document_sha256 VARCHAR, line_number BIGINT, account_id VARCHAR, resource_id VARCHAR, resource_name VARCHAR, "
    "resource_type VARCHAR"
)
RESOURCES = "resource_id VARCHAR, resource_name VARCHAR, resource_type VARCHAR, account_id VARCHAR"


def line(name: str | None = None, *, id_: str | None = None, account: str = "A", type_: str | None = "droplet") -> Row:
    return (account, id_, name, type_)


def resource(id_: str | None, name: str | None = None, *, account: str = "A", type_: str = "droplet") -> Row:
    return (id_, name, type_, account)


@pytest.fixture
def match() -> Iterator[Match]:
    with duckdb.connect() as connection:

        def run(lines: Sequence[Row], resources: Sequence[Row]) -> list[tuple[str | None, str | None]]:
            connection.execute(f"CREATE OR REPLACE TABLE lines ({LINES})")
            connection.execute(f"CREATE OR REPLACE TABLE resources ({RESOURCES})")
            for number, values in enumerate(lines, 1):
                connection.execute("INSERT INTO lines VALUES ('d', ?, ?, ?, ?, ?)", [number, *values])
            for values in resources:
                connection.execute("INSERT INTO resources VALUES (?, ?, ?, ?)", values)
            matched = matched_sql("lines", "lines", "resources")
            columns = "line_number, matched_resource_id, match_method"
            rows = connection.execute(f"SELECT {columns} FROM ({matched}) ORDER BY line_number").fetchall()
            assert [row[0] for row in rows] == list(range(1, len(lines) + 1))
            return [row[1:] for row in rows]

        yield run


NONE = (None, "none")


def test_an_id_comes_before_a_name(match: Match) -> None:
    found = match([line("web", id_="7")], [resource("7", "db"), resource("8", "web")])
    assert found == [("7", "id")]


def test_the_last_part_of_an_arn_a_urn_or_a_path_is_an_id_where_one_resource_only_has_it(match: Match) -> None:
    arn, urn = "arn:aws:ec2:eu-west-1:111:instance/i-0abc", "do:droplet:123"
    path = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/VM-1"
    resources = [resource("i-0abc"), resource("123"), resource(path.lower()), resource("x/twice"), resource("y/twice")]
    lines = [line(id_=id_) for id_ in (arn, urn, path, "arn:aws:s3:::twice", "x/twice", "y:i-0ABC")]
    assert match(lines, resources) == [
        *(("i-0abc", "id"), ("123", "id"), (path.lower(), "id")),
        *(NONE, ("x/twice", "id"), ("i-0abc", "id")),
    ]


def test_an_unknown_id_falls_back_on_the_name(match: Match) -> None:
    assert match([line("web", id_="gone")], [resource("8", "web")]) == [("8", "name")]


def test_a_name_that_two_resources_share_matches_neither(match: Match) -> None:
    assert match([line("web")], [resource("1", "web"), resource("2", "web")]) == [NONE]


def test_a_name_counts_within_its_kind_of_resource_only(match: Match) -> None:
    found = match([line("web"), line("web", type_=None)], [resource("1", "web"), resource("2", "web", type_="volume")])
    assert found == [("1", "name"), NONE]


def test_a_name_counts_within_its_account_only(match: Match) -> None:
    found = match(
        [line("web", account="A"), line("web", account="B"), line("web", account="C")],
        [resource("1", "web", account="A"), resource("2", "web", account="B")],
    )
    assert found == [("1", "name"), ("2", "name"), NONE]


def test_an_inventory_without_an_account_may_belong_to_any(match: Match) -> None:
    found = match([line("web"), line(id_="1", account="B")], [resource("1", "web", account="unknown")])
    assert found == [("1", "name"), ("1", "id")]


def test_a_line_without_an_account_may_be_of_any_and_is_ambiguous_where_two_have_its_name(match: Match) -> None:
    found = match(
        [line("web", account="unknown"), line("db", account="unknown"), line(id_="3", account="unknown")],
        [
            resource("1", "web", account="A"),
            resource("2", "web", account="B"),
            resource("3", "db", account="B"),
        ],
    )
    assert found == [NONE, ("3", "name"), ("3", "id")]


def test_one_resource_that_two_inventories_list_is_one(match: Match) -> None:
    resources = [resource("1", "web"), resource("1", "web", account="unknown")]
    assert match([line("web"), line(id_="1")], resources) == [("1", "name"), ("1", "id")]


def test_nothing_matches_nothing(match: Match) -> None:
    assert match([line(), line("web")], [resource("1", None)]) == [NONE, NONE]
    assert match([line("web")], []) == [NONE]
    assert match([], [resource("1", "web")]) == []


def test_every_line_comes_out_once_however_often_its_resource_is_listed(match: Match) -> None:
    resources = [
        resource(id_, "web", account=account, type_=type_)
        for id_ in ("1", "2")
        for account in ("A", "B", "unknown")
        for type_ in ("droplet", "volume")
    ]
    found = match([line("web", id_="1"), line("web"), line("web", account="unknown", id_="2")], resources)
    assert found == [("1", "id"), NONE, ("2", "id")]
