"""How property tests run: always the same examples, so that a build that fails today fails tomorrow too."""

import re
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import duckdb
from hypothesis import HealthCheck, Phase, settings

# `make test` has three minutes for everything.
EXAMPLES = 20


def quickly(max_examples: int = EXAMPLES, *, shrinks: bool = True) -> settings:
    return settings(
        max_examples=max_examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate, *((Phase.shrink,) if shrinks else ())),
        # Fixtures hold a connection or a folder, which examples may share.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def from_attos(attos: int) -> Decimal:
    """A number of 10^-18, exactly: arithmetic in the default context would round to 28 digits."""
    return Decimal(f"{attos}E-18")


def to_attos(amount: Decimal) -> int:
    return int(amount.scaleb(18, Context(prec=100)))


def evaluate(
    connection: duckdb.DuckDBPyConnection, expression: str, rows: Sequence[Sequence[object]], columns: str
) -> list[Any]:
    """The SQL expression for each row, in order, in one statement; `columns` types them: `t VARCHAR, e INTEGER`."""
    named = [column.rpartition(" ") for column in re.split(r", (?=\w+ [A-Z])", columns)]
    given = ", ".join(f"unnest(CAST(? AS {type_}[])) AS {name}" for name, _, type_ in named)
    values = [list(column) for column in zip(*rows, strict=True)]
    return [value for (value,) in connection.execute(f"SELECT {expression} FROM (SELECT {given})", values).fetchall()]


def rounded(amount: Decimal, digits: int) -> int:
    """Half away from zero, in integers only."""
    attos = to_attos(amount)
    whole, rest = divmod(abs(attos), 10 ** (18 - digits))
    whole += 2 * rest >= 10 ** (18 - digits)
    return int(whole if attos >= 0 else -whole)
