"""The chart of twelve months as inline SVG.

Drawn by pygal: pure Python, 45 ms to import and 10 ms a chart. matplotlib takes ten times as long to import and writes its
colours into the drawing; Vega brings a JavaScript engine. Of the drawing only the geometry is kept: colours and type come
from the page's own style sheet, so that the chart is light or dark as the page is; script, style and the date of its making go.
"""

import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pygal

from arcadia_dagster.billing.currency import format_minor
from arcadia_dagster.reports.figures import Totals

# pygal puts a finder for its maps, which are not used here, before everybody's imports; Python warns of its kind at each of them.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

_SVG = "http://www.w3.org/2000/svg"
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Size:
    """How large a chart is drawn, in CSS pixels, and how much of a month's name: for a screen and paper, and for a phone."""

    name: str
    width: int
    height: int
    label_length: int


WIDE = Size("wide", 720, 220, 3)
NARROW = Size("narrow", 335, 200, 1)


def trend_chart(trend: Sequence[tuple[date, Totals]], currency: str, size: Size) -> str:
    """Net and tax of each month as stacked bars, as an SVG element to be put into a page.

    Args:
        trend: The months in order.
        currency: ISO 4217.
        size: How large it is drawn.
    """
    ticks = _ticks([part for _, totals in trend for part in _extremes(totals)])
    chart = pygal.StackedBar(
        width=size.width,
        height=size.height,
        margin=4,
        spacing=6,
        rounded_bars=2,
        show_legend=False,
        js=[],
        y_labels=ticks,
        value_formatter=lambda minor: _axis_label(round(minor), ticks, currency),
    )
    # Else it is another at each drawing.
    chart.uuid = f"trend-{currency}-{size.name}"
    chart.x_labels = [f"{month:%b}"[: size.label_length] for month, _ in trend]
    for name in ("net", "tax"):
        chart.add(
            name,
            [
                {
                    "value": getattr(totals, name),
                    "label": f"{month:%B %Y}: {name} {format_minor(getattr(totals, name), currency)}",
                }
                for month, totals in trend
            ],
        )
    root = ET.fromstring(chart.render())  # noqa: S314 - our own drawing, of numbers and names of months
    _keep_geometry(root)
    root.set("class", f"chart {size.name}")
    root.set("role", "img")
    root.set("aria-label", f"Net and tax of twelve months in {currency}; the table that follows has the figures")
    del root.attrib["id"]
    ET.register_namespace("", _SVG)
    return ET.tostring(root, encoding="unicode")


def _extremes(totals: Totals) -> tuple[int, int]:
    """How high and how deep a month's bars go: those below zero are stacked apart from those above."""
    parts = (totals.net, totals.tax)
    return sum(part for part in parts if part > 0), sum(part for part in parts if part < 0)


def _ticks(values: Sequence[int]) -> list[int]:
    """Round numbers from below the least value to above the greatest, zero among them, in minor units."""
    most, least = max(0, *values), min(0, *values)
    magnitude = 1
    while magnitude * 10 * _TICKS < most - least:
        magnitude *= 10
    step = next(magnitude * factor for factor in (1, 2, 5, 10) if magnitude * factor * _TICKS >= most - least)
    return list(range(least // step * step, -(-most // step) * step + 1, step))


def _axis_label(minor: int, ticks: Sequence[int], currency: str) -> str:
    """A number on the axis: without decimals where no tick has any."""
    text = format_minor(minor, currency).removesuffix(f" {currency}")
    all_texts = [format_minor(tick, currency).removesuffix(f" {currency}") for tick in ticks]
    if all("." in label and not label.rpartition(".")[2].strip("0") for label in all_texts):
        return text.partition(".")[0]
    return text


def _keep_geometry(root: ET.Element) -> None:
    """Remove what is not the drawing; each bar's label becomes its title, which browsers show beside the pointer."""
    for parent in [element for element in root.iter() if not _is(element, "rect")]:
        label = next((child.text for child in parent if _is(child, "desc") and child.get("class") == "label"), None)
        for child in list(parent):
            kind = child.get("class", "")
            if (
                _is(child, "defs", "title", "desc", "style", "script")
                or kind == "background"
                or kind.startswith("plot ")
            ):
                parent.remove(child)
            elif label is not None and _is(child, "rect"):
                ET.SubElement(child, f"{{{_SVG}}}title").text = label


def _is(element: ET.Element, *names: str) -> bool:
    return element.tag in {f"{{{_SVG}}}{name}" for name in names}
