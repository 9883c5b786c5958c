"""A statement read as a person and as a program reads it: the text of its tables, and the figures in it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from arcadia_dagster.billing.currency import EXPONENTS
from arcadia_dagster.statement.pages import Page, make_pages
from arcadia_dagster_tests.kit.plain import RANGE, archive_of
from arcadia_dagster_tests.kit.project import Project

TENANT = "platform-admin"

VOID_ELEMENTS = {"meta", "link", "img", "br", "input"}
INLINE = {"a", "bdi", "code", "data", "span"}


@dataclass
class Element:
    """An element of the page, with what is in it."""

    tag: str
    attributes: dict[str, str | None]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What a person reads, spaces as one."""
        return " ".join(self.raw.split())

    @property
    def raw(self) -> str:
        """The same with all spaces."""
        text = "".join(child if isinstance(child, str) else child.raw for child in self.children)
        return text if self.tag in INLINE else f" {text} "

    def all(self, tag: str, **attributes: str) -> list["Element"]:
        found = []
        for child in self.children:
            if isinstance(child, Element):
                wanted = {name.strip("_").replace("_", "-"): value for name, value in attributes.items()}
                if child.tag == tag and wanted.items() <= child.attributes.items():
                    found.append(child)
                found += child.all(tag, **attributes)
        return found

    def one(self, tag: str, **attributes: str) -> "Element":
        [found] = self.all(tag, **attributes)
        return found


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID_ELEMENTS:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(html: str) -> Element:
    """The page as elements; every one of them must be closed where it should be."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert len(parser.open) == 1
    return parser.root


def made(project: Project, *months: date) -> dict[date, Page]:
    return make_pages(project.warehouse, archive_of(project.warehouse), folder_of(project), months, RANGE, others=False)


def folder_of(project: Project) -> Path:
    return project.home / "statements"


def page_of(project: Project, month: date) -> Element:
    """The month's page, made now."""
    return parse(made(project, month)[month].path.read_text(encoding="utf-8"))


def figures_of(page: Element) -> dict[str, Any]:
    """What the page has for programs."""
    found: dict[str, Any] = json.loads("".join(str(one) for one in page.one("script", id="figures").children))
    return found


def minor(element: Element, currency: str) -> int:
    """An amount of the page in minor units, which its text and its value must agree on."""
    [data] = element.all("data")
    printed = Decimal(data.text.replace(",", "").replace("\N{EN DASH}", "0")).scaleb(EXPONENTS[currency])
    assert printed == int(str(data.attributes["value"]))
    return int(printed)


def rows_of(page: Element, breakdown: str, currency: str) -> list[tuple[str, list[int]]]:
    """The rows of a table as they are printed, the last of them its total: the name, and each amount in minor units."""
    table = page.one("table", data_breakdown=breakdown, data_currency=currency)
    found = []
    for row in [*table.one("tbody").all("tr"), *(row for foot in table.all("tfoot") for row in foot.all("tr"))]:
        cells = [cell for cell in row.all("td") if "number" in str(cell.attributes.get("class"))]
        found.append((row.one("th").text, [minor(cell, currency) for cell in cells]))
    return found


def assert_adds_up(rows: Iterable[tuple[str, list[int]]]) -> None:
    """The printed rows come to the printed total, in every column."""
    *parts, (_, total) = rows
    assert [sum(column) for column in zip(*(amounts for _, amounts in parts), strict=True)] == total
