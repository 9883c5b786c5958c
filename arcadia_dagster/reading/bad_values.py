"""Which value of a record cannot be read, in SQL: its column, the value, and what was expected in its place."""

from collections.abc import Sequence

from arcadia_dagster.store.query import text_literal


def bad_sql(condition: str, column: str, value: str, expected: str) -> str:
    """SQL: an arm of `first_bad_sql`.

    Args:
        condition: SQL: when the value cannot be read.
        column: The column as the document names it.
        value: SQL: the value, as text.
        expected: What was expected, in words.
    """
    return (
        f"WHEN {condition} THEN {{'bad_column': {text_literal(column)}, 'bad_value': coalesce(trim({value}), ''), "
        f"'expected': {text_literal(expected)}}}"
    )


def first_bad_sql(arms: Sequence[str]) -> str:
    """SQL: the first value of a record that cannot be read, a struct of STATED_LINE's last three columns; NULL where none is."""
    return f"CASE {' '.join(arms)} END"
