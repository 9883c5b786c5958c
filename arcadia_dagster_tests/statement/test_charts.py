"""The chart: the library's geometry, our looks, the same bytes each time."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcadia_dagster.reports.figures import Totals, trend_months
from arcadia_dagster.statement.charts import NARROW, WIDE, trend_chart
from arcadia_dagster_tests.kit.properties import quickly
from arcadia_dagster_tests.kit.statement_pages import parse

APRIL = date(2026, 4, 1)
amounts = st.integers(-(10**15), 10**15)


@given(
    sums=st.lists(st.tuples(amounts, amounts), min_size=12, max_size=12),
    currency=st.sampled_from(["USD", "JPY", "KWD"]),
)
@quickly(10, shrinks=False)
def test_any_twelve_months_are_drawn_within_the_axis_and_the_same_each_time(
    sums: list[tuple[int, int]], currency: str
) -> None:
    trend = [
        (month, Totals(1, net + tax, net, tax)) for month, (net, tax) in zip(trend_months(APRIL), sums, strict=True)
    ]
    drawn = trend_chart(trend, currency, WIDE)
    assert drawn == trend_chart(trend, currency, WIDE)
    bars = parse(drawn).all("rect")
    assert len(bars) == 24
    for bar in bars:
        top, height = (round(float(str(bar.attributes[name]))) for name in ("y", "height"))
        assert 0 <= top <= top + height <= WIDE.height


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_a_chart_has_its_figures_in_words_and_neither_script_nor_style_nor_date(size: object) -> None:
    trend = [(month, Totals(1, 110_000, 100_000, 10_000)) for month in trend_months(APRIL)]
    drawn = trend_chart(trend, "USD", size)  # type: ignore[arg-type]
    chart = parse(drawn)
    assert chart.one("svg").attributes["role"] == "img"
    titles = [title.text for title in chart.all("title")]
    assert (titles[11], titles[12]) == ("April 2026: net 1,000.00 USD", "May 2025: tax 100.00 USD")
    for unwanted in ("<script", "<style", "style=", "<!--", "http://pygal", "href"):
        assert unwanted not in drawn
    assert [text.text for text in chart.all("text")][:4] == ["0", "500", "1,000", "1,500"]
