"""People's regular expressions: matched in linear time, as Python would, or refused with words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reading.pattern import MOST_CHARACTERS, PatternError, full_matches, groups_of
from arcadia_dagster_tests.kit.properties import quickly

LONGEST_NAME = 255

EXPLODING = [
    r"(\w+\s?)+-(?P<invoice>\d+)",
    r"(a+)+(?P<invoice>b)",
    r"(a|a)*(?P<invoice>b)",
    r"(a|aa)+(?P<invoice>b)",
    r"(.*a){20}(?P<invoice>b)",
    r"(a?){60}a{60}(?P<invoice>b)",
    r"((((a*)*)*)*)*(?P<invoice>b)",
    r"(?P<invoice>([a-z]+)*\d)",
    r"(?i)(?P<invoice>(A+)+B)",
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("pattern", EXPLODING)
def test_no_pattern_takes_long_whatever_the_name(pattern: str) -> None:
    names = ["a" * n for n in range(1, LONGEST_NAME)]
    assert full_matches(pattern, names) == {}


REFUSED = {
    r"(?=a)b": "invalid perl operator: (?=; look-ahead, look-behind and back-references are not read",
    r"(?<=a)b": "invalid perl operator: (?<",
    r"(?P<invoice>a)(?P=invoice)": "invalid perl operator: (?P",
    r"(a)\1": r"invalid escape sequence: \1",
    r"a++": "bad repetition operator: ++",
    r"(?>a)": "invalid perl operator: (?>",
    r"(": "missing ): (",
    r"a)": "unexpected ): a)",
    r"[a": "missing ]: [a",
    r"a\Z": r"invalid escape sequence: \Z",
    r"(?P<invoice>a)(?P<invoice>b)": "expected each group's name once",
    r"\Qa": r"\Q is not read",
    r"a{501}": "written out it has more than 500 characters",
    r"((x?){31}){31}y": "written out it has more than 500 characters",
    r"(?P<invoice>\d{1,1000})": "written out it has more than 500 characters",
    r"[)]{2}(a{30}[(]){30}": "written out it has more than 500 characters",
    r"a{999999999999999999999}": "written out it has more than 500 characters",
}


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_is_not_read_is_refused_with_words(pattern: str) -> None:
    with pytest.raises(PatternError) as failure:
        groups_of(pattern)
    assert REFUSED[pattern] in str(failure.value)


def test_the_usual_patterns_of_names_are_short_enough() -> None:
    uuid = r"(?P<invoice>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    assert groups_of(rf"(?P<account>\d{{12}})[ _-]{uuid}_(?P<month>\d{{4}}-\d{{2}})( \(\d{{1,2}}\))?") == (
        *("account", "invoice", "month"),
        None,
    )
    assert full_matches(uuid, ["0f3a9c00-0000-4000-8000-0123456789ab"]) != {}
    assert groups_of("a" * MOST_CHARACTERS) == ()


def test_groups_are_told_by_their_names_wherever_they_stand() -> None:
    pattern = r"(x)?(?:[(]y)?(?i:Z)?(?P<month>\d{4}-\d\d)(-|_(?P<account>\pL+))?\((?P<invoice>[)(a-c]+)"
    assert groups_of(pattern) == (None, "month", None, "account", "invoice")
    assert full_matches(pattern, ["(y2026-04_ä((", "xz2026-04-(b)", "2026-04(", "2026-04(a\n", "2026-04(a"]) == {
        "(y2026-04_ä((": {"month": "2026-04", "account": "ä", "invoice": "("},
        "xz2026-04-(b)": {"month": "2026-04", "invoice": "b)"},
        "2026-04(a": {"month": "2026-04", "invoice": "a"},
    }


ATOMS = st.sampled_from(["a", "b", "-", "1", r"\d", r"[ab]", r"[^a]", ".", r"\.", "(?:ab|b)", "(?P<invoice>a+)", "(b)"])
TIMES = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,3}", "{2,}"])
PATTERNS = st.lists(st.tuples(ATOMS, TIMES).map("".join), max_size=6).map("".join)


@given(PATTERNS, st.lists(st.text("ab-1.", max_size=12), max_size=10, unique=True))
@quickly(100)
def test_what_both_engines_read_matches_the_same_names_with_the_same_groups(pattern: str, names: list[str]) -> None:
    if pattern.count("?P<") > 1:
        with pytest.raises(PatternError):
            groups_of(pattern)
        return
    expected = {
        name: {group: text for group, text in match.groupdict().items() if text}
        for name in names
        if (match := re.fullmatch(pattern, name))
    }
    assert full_matches(pattern, names) == expected


SIZED = st.recursive(
    st.sampled_from(["a", r"\d", "[)(]", r"\)", r"\x{41}", ".", "é"]).map(lambda atom: (atom, 1)),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(
            lambda all_: ("".join(p for p, _ in all_), sum(n for _, n in all_))
        ),
        st.tuples(st.sampled_from(["(", "(?:", "(?i:"]), inner, st.integers(1, 40)).map(
            lambda parts: (f"{parts[0]}{parts[1][0]}){{{parts[2]}}}", parts[1][1] * parts[2])
        ),
        st.tuples(inner, st.integers(0, 40)).map(
            lambda parts: (f"({parts[0][0]}){{0,{parts[1]}}}", parts[0][1] * parts[1])
        ),
    ),
    max_leaves=8,
)


@given(SIZED)
@quickly(200)
def test_no_pattern_is_read_that_is_too_long_with_its_counts_written_out(sized: tuple[str, int]) -> None:
    pattern, characters = sized
    try:
        groups_of(pattern)
    except PatternError as error:
        assert "written out it has more" in str(error)  # noqa: PT017 - either is right, by how long it is
        assert characters * 5 > MOST_CHARACTERS
    else:
        assert characters <= MOST_CHARACTERS
