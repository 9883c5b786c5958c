"""TOML files of people: what is too large or too deep is refused before a parser takes its time, and nothing else is."""

import os
import tomllib
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.formats.description import DescriptionError, read_description
from arcadia_dagster.landing.routes import RoutesError, read_routes
from arcadia_dagster.landing.rules import RulesError, read_rules
from arcadia_dagster.toml_file import MOST_DEEP, TomlError, lines_of_keys, parse_toml, read_toml, shown, shown_key
from arcadia_dagster_tests.kit.properties import quickly

MOST_BYTES = 1 << 20

TOO_DEEP = {
    "key": ".".join("a" * 100_000) + " = 1",
    "table": "[" + ".".join("a" * 100_000) + "]",
    "list of tables": "[[" + ".".join("a" * 100_000) + "]]",
    "quoted key": ".".join(['"=#"'] * 30_000) + " = 1",
    "spaced key": " . ".join("a" * 30_000) + " = 1",
    "key in braces": "a = {" + ".".join("a" * 30_000) + " = 1}",
    "key after a text of two lines": 'a = {b = """\n#""", ' + ".".join("a" * 30_000) + " = 1}",
    "brackets": "a = " + "[" * 30_000,
    "closed brackets": "a = " + "[" * 400 + "]" * 400,
    "braces": "a = " + "{a = " * 30_000,
    "texts that do not end": 'a = "' + '\\"' * 30_000 + "." * 30_000,
}


def read_as_routes(path: Path) -> object:
    return read_routes(path, "platform-admin")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("label", TOO_DEEP)
@pytest.mark.parametrize("read", [read_description, read_as_routes, read_rules])
def test_what_is_too_deep_is_refused_at_once_and_in_little_memory(
    tmp_path: Path, label: str, read: Callable[[Path], Any]
) -> None:
    path = tmp_path / "deep.toml"
    path.write_text(TOO_DEEP[label], encoding="utf-8")
    tracemalloc.start()
    with pytest.raises((DescriptionError, RoutesError, RulesError)) as failure:
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(failure.value).startswith(str(path))
    assert len(str(failure.value)) < 500
    assert peak < 8 << 20


@pytest.mark.parametrize("read", [read_description, read_as_routes, read_rules])
def test_what_is_too_large_is_refused_unread(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    path = tmp_path / "large.toml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises((DescriptionError, RoutesError, RulesError), match=r"large\.toml has more than \d+ bytes"):
        read(path)


@pytest.mark.parametrize("read", [read_description, read_as_routes, read_rules])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path, read: Callable[[Path], Any], kind: str) -> None:
    path = tmp_path / "odd.toml"
    make: dict[str, Callable[[Path], None]] = {
        "pipe": os.mkfifo,
        "device": lambda path: path.symlink_to("/dev/zero"),
        "folder": Path.mkdir,
    }
    make[kind](path)
    with pytest.raises(
        (DescriptionError, RoutesError, RulesError), match=r"odd\.toml cannot be read: it is no plain file"
    ):
        read(path)


@pytest.mark.parametrize("read", [read_description, read_as_routes, read_rules])
@pytest.mark.parametrize("value", ["0x" + "f" * 30_000, "9" * 30_000, "[[[[[[[[[[]]]]]]]]]]", "{a.b.c.d.e.f = {}}"])
def test_a_value_that_cannot_be_written_out_is_told_all_the_same(
    tmp_path: Path, read: Callable[[Path], Any], value: str
) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(f'name = {value}\n[[route]]\nsource = {value}\ntenant = "x"\n', encoding="utf-8")
    with pytest.raises((DescriptionError, RoutesError, RulesError)) as failure:
        read(path)
    assert len(str(failure.value)) < 1000


def test_what_a_terminal_would_obey_is_written_out(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text('"a\\u001b[31m\\nb" = 1\n', encoding="utf-8")
    for read in (read_description, read_as_routes):
        with pytest.raises((DescriptionError, RoutesError, RulesError)) as failure:
            read(path)
        assert str(failure.value).isprintable()
        assert r"a\x1b[31m\nb" in str(failure.value)


def test_values_and_keys_are_shown_on_one_line_and_not_too_long() -> None:
    values = [1, "a", True, 1.5, [1], {"a": 1}, 10**90, "a\nb" * 99, tomllib.loads("a = 2026-04-01")["a"]]
    told = [shown(value) for value in values]
    assert told[:7] == ["1", "'a'", "True", "1.5", "a list", "a table", "a number of more than 80 digits"]
    assert told[8] == "2026-04-01"
    assert all(len(text) <= 80 and text.isprintable() for text in told)
    assert (shown_key("amount"), shown_key("a b"), shown_key("a\tb")) == ("amount", "a b", r"'a\tb'")


def test_a_table_of_thousands_of_routes_is_read_and_a_route_too_many_is_found(tmp_path: Path) -> None:
    path = tmp_path / "tenants.toml"
    routes = [f'[[route]]\nsource = "s"\nproject = "p{n}"\ntenant = "t"\n' for n in range(10_000)]
    path.write_text("".join(routes), encoding="utf-8")
    assert len(read_routes(path, "own").routes) == len(routes)
    path.write_text("".join([*routes, routes[4321]]), encoding="utf-8")
    with pytest.raises(
        RoutesError, match="route 10001: it never applies, because route 4322 takes all its lines first"
    ):
        read_routes(path, "own")


PIECES = st.sampled_from(
    [
        *(
            "a",
            "b.c",
            '"d"',
            "'e'",
            ".",
            " ",
            "=",
            "[",
            "]",
            "[[",
            "]]",
            "{",
            "}",
            ",",
            "\n",
            "#",
            '"',
            "'",
            '"""',
            "'''",
        ),
        *("\\", '\\"', "1", "1.5", "a = 1\n", "[a]\n", "b = [1, 2]\n", 'c = "x.y.z"\n', "d = {e = 1}\n", '"""\n#"""'),
        *("a.b.c.d.e.f.g.h.i.j", "[[[[[[[[[[", "]]]]]]]]]]", "# a.b.c.d.e.f.g.h.i.j.k.l\n"),
    ]
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(st.lists(PIECES, max_size=30).map("".join))
@quickly(300)
def test_whatever_is_read_is_what_the_parser_says_and_not_too_deep(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8")
    try:
        expected = tomllib.loads(text)
    except ValueError:
        with pytest.raises(TomlError, match="is not TOML"):
            read_toml(path, max_bytes=MOST_BYTES)
        return
    try:
        found = read_toml(path, max_bytes=MOST_BYTES)
    except TomlError as error:
        assert "brackets in one another" in str(error)  # noqa: PT017 - either is right, by how deep it is
        assert depth(expected) >= MOST_DEEP
    else:
        assert found == expected
        assert depth(found) <= MOST_DEEP * 4


@given(st.lists(st.sampled_from(["a", '"b.c"', "'d'"]), min_size=1, max_size=MOST_DEEP + 3), st.booleans())
@quickly(60)
def test_a_key_has_as_many_parts_as_it_may_have_and_no_more(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], is_table: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "key.toml"
    key = " . ".join(parts)
    path.write_text(f"[{key}]" if is_table else f'# {"." * 99}\n{key} = "{"." * 99}"', encoding="utf-8")
    if len(parts) > MOST_DEEP:
        with pytest.raises(TomlError, match=f"line {1 if is_table else 2} has a key of more than {MOST_DEEP} parts"):
            read_toml(path, max_bytes=MOST_BYTES)
    else:
        assert depth(read_toml(path, max_bytes=MOST_BYTES)) == len(parts) + (1 if is_table else 0)


VALUES = st.sampled_from(
    [
        "1",
        "0.05",
        "true",
        '"a = b # no"',
        "'[x]'",
        "[1, {a = 2}, [3]]",
        "[\n 1, # ]\n 2,\n]",
        '"""\n[no]\nno = 1\n"""',
        "'''\n} =\n'''",
    ]
)
NAMES = st.sampled_from(["a", "b-1", '"oci/1"', '"x = y"', "'[z]'", '"\\""'])


@given(
    tables=st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4),
    inline=st.dictionaries(NAMES, VALUES.filter(lambda value: "\n" not in value), max_size=3),
    remarks=st.booleans(),
)
@quickly(200)
def test_the_line_of_each_table_and_key_is_known(
    tables: dict[str, dict[str, str]], inline: dict[str, str], remarks: bool
) -> None:
    """Every name has a line, and on that line it stands."""
    remark = " # [no] = {" if remarks else ""
    braces = ", ".join(f"{key} = {value}" for key, value in inline.items())
    text = f"top = {{ {braces} }}{remark}\n"
    for table, keys in tables.items():
        text += f"\n[{table}]{remark}\n" + "".join(f"{key} = {value}{remark}\n" for key, value in keys.items())
    lines = text.split("\n")

    def unquoted(name: str) -> str:
        return next(iter(tomllib.loads(f"{name} = 1")))

    found = lines_of_keys(text)
    said = parse_toml(text, Path("a.toml"))
    assert found.keys() == {(name,) for name in said} | {(name, key) for name, table in said.items() for key in table}
    for table, keys in tables.items():
        assert lines[found[unquoted(table),] - 1] == f"[{table}]{remark}"
        for key in keys:
            assert lines[found[unquoted(table), unquoted(key)] - 1].startswith(f"{key} = ")
    assert {found["top", unquoted(key)] for key in inline} <= {1}
