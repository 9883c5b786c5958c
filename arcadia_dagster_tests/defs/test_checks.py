"""What the checks show of words that are not the program's."""

import html

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from arcadia_dagster.defs.checks import as_text


@given(st.text())
@example("DigitalOcean Invoice 2026 Apr (1-2).csv")
@example("<img src=x> [a](javascript:b) **c** `d` &lt;")
@example("a\n# b\n\u202ecsv.exe")
def test_a_files_name_is_read_as_it_is_and_never_as_markup(name: str) -> None:
    visible = "".join(character if character.isprintable() else " " for character in name).strip()
    shown = MarkdownIt("commonmark").renderInline(as_text(name))
    assert html.unescape(shown) == visible
