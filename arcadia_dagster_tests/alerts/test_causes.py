"""A cause is told once, however often it is seen, and again when it comes back; words of strangers do no harm."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.alerts import message
from arcadia_dagster.alerts.causes import Cause, Memory, Subject, news, remembered

CHECK = Subject("check nothing_held", title="Check nothing_held failed", link="http://127.0.0.1:3000/x")


def subject_with(present: frozenset[str], *, is_complete: bool = True) -> Subject:
    causes = tuple(Cause(name, name) for name in sorted(present))
    return Subject(CHECK.name, causes=causes, is_complete=is_complete, count=len(causes))


@given(st.lists(st.frozensets(st.sampled_from("abc")), max_size=8))
def test_each_appearance_is_told_once_and_each_end_once_over_restarts(history: list[frozenset[str]]) -> None:
    memory, before = Memory(), frozenset[str]()
    for present in history:
        subject = subject_with(present)
        new, over = news(memory, subject)
        assert {cause.identity for cause in new} == present - before
        assert set(over) == before - present
        memory = remembered(memory.with_told(subject, new).without(subject, over).as_cursor())
        before = present


@given(st.lists(st.frozensets(st.sampled_from("abcdef")), max_size=8))
def test_what_is_not_listed_whole_is_never_taken_to_be_over(history: list[frozenset[str]]) -> None:
    memory, seen = Memory(), set[str]()
    for present in history:
        subject = subject_with(present, is_complete=False)
        new, over = news(memory, subject)
        assert ({cause.identity for cause in new}, over) == (set(present - seen), {})
        memory, seen = memory.with_told(subject, new), seen | present


@pytest.mark.parametrize("junk", [None, "", "junk {", "[]", '{"told": 3}', '{"told": {"a": 1}}', '{"not_before": "x"}'])
def test_a_cursor_of_junk_is_an_empty_memory(junk: str | None) -> None:
    assert remembered(junk) == Memory()


def test_a_webhook_that_fails_is_left_alone_for_longer_each_time_and_for_as_long_as_it_asks() -> None:
    memory, pauses = Memory(), []
    for _ in range(8):
        memory = memory.after_failure(1000.0, None)
        pauses.append(memory.not_before - 1000.0)
    assert pauses == [60, 120, 240, 480, 960, 1800, 1800, 1800]
    assert Memory().after_failure(0.0, 7200.0).not_before == 7200.0


@pytest.mark.parametrize(
    ("not_before", "waits"), [(999.0, False), (1001.0, True), (1000.0 + 86_400, True), (1000.0 + 400 * 86_400, False)]
)
def test_a_pause_that_was_set_while_the_clock_was_ahead_does_not_count(not_before: float, waits: bool) -> None:
    assert Memory(not_before=not_before).waits_at(1000.0) is waits


HOSTILE = st.one_of(
    st.text(max_size=400),
    st.sampled_from(
        [
            "<!channel>",
            "<@U123>",
            "@channel",
            "`rm -rf`",
            "*b*",
            "<https://evil.example|Pay>",
            "\u202egpj.exe",
            "a\nb",
            "&lt;",
        ]
    ),
)


@given(label=HOSTILE, words=HOSTILE, command=HOSTILE, count=st.integers(1, 40))
def test_strangers_words_mention_nobody_link_nowhere_and_stay_in_their_line(
    label: str, words: str, command: str, count: int
) -> None:
    causes = [Cause(str(number), label, words, command) for number in range(count)]
    subject = Subject(CHECK.name, CHECK.title, words, CHECK.link, tuple(causes), count=count)
    for payload in (message.alert(subject, causes), message.resolved(subject, [label] * count)):
        text = payload["text"]
        assert len(text) <= 3500
        assert len(text.splitlines()) <= 2 * 5 + 4
        assert text.count("<") == text.count(">") == text.count("|Look at it in Dagster>") == 1
        assert text.count("`") % 2 == 0
        outside_code = "".join(text.split("`")[::2])
        assert "@" not in outside_code.replace("@\u200b", "")
        assert "://" not in outside_code.replace(CHECK.link, "")
        json.dumps(payload)
    assert (f"and {count - 5} more" in message.alert(subject, causes)["text"]) == (count > 5)


def test_an_alert_says_what_which_what_to_do_and_where() -> None:
    cause = Cause("1", "2026-04 digitalocean/77/1001", "tax is larger than net", "arcadia explain digitalocean/77/1001")
    subject = Subject(CHECK.name, CHECK.title, "look at the reasons", CHECK.link, (cause,), count=1)
    assert message.alert(subject, [cause])["text"].splitlines() == [
        ":red_circle: *Check nothing_held failed*",
        "• `2026-04 digitalocean/77/1001` tax is larger than net",
        "    `arcadia explain digitalocean/77/1001`",
        "What to do: look at the reasons",
        "<http://127.0.0.1:3000/x|Look at it in Dagster>",
    ]
