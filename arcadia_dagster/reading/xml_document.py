"""XML documents, read whole within bounds: no document type, no entity of its own, nothing from elsewhere.

A document type is where XML becomes dangerous: entities that expand without end, or that are files and addresses. None of the
documents that are read has one, so one that has is refused at its first word, before anything in it is looked at. Bytes,
elements, depth and the text that is kept are bounded. Everything that is wrong with a value is told with its line.
Source: XML 1.0 (fifth edition), 2.8 and 4; XML Schema Part 2, for decimals, dates and booleans.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Final, Never
from xml.parsers import expat  # No document type is let in, see above.

from arcadia_dagster.reading import xml_encoding
from arcadia_dagster.reading.format import UnreadableError
from arcadia_dagster.reading.unread import XML_AGAIN

MAX_XML_BYTES: Final = 64 << 20
"""A larger document is not read: it would be in memory as a whole."""

_MAX_ELEMENTS = 500_000
_MAX_DEPTH = 64
_MAX_ATTRIBUTES = 1_000_000
_MAX_TEXT = 10_000
"""How much of an element's text is kept: every value that is read is shorter, and attachments are longer."""

_DECIMAL = re.compile(r"[+-]?(\d{1,20}(\.\d{0,18})?|\.\d{1,18})", re.ASCII)
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(Z|[+-]\d{2}:\d{2})?", re.ASCII)
_SHOWN = 60


class Element:
    """An element of the document.

    Attributes:
        name: Its name; its namespace and a space come first, unless the caller of `read_xml` named the namespace.
        attributes: Its attributes, by name.
        children: The elements in it, in their order.
        line: The line of the document in which it begins, from 1.
    """

    __slots__ = ("_length", "_text", "attributes", "children", "line", "name")

    def __init__(self, name: str, attributes: Mapping[str, str], line: int) -> None:
        """Without children or text yet."""
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self.line = line
        self._text: list[str] = []
        self._length = 0

    def add_text(self, text: str) -> None:
        """Take more of its text; of a long one no more than is needed to know that it is long."""
        if self._length <= _MAX_TEXT:
            self._text.append(text)
        self._length += len(text)

    @property
    def text(self) -> str | None:
        """Its text without the space around it; None where it is blank.

        Raises:
            UnreadableError: It is longer than any value is.
        """
        if self._length > _MAX_TEXT:
            raise UnreadableError(
                f"line {self.line}, {self.name}: a text of more than {_MAX_TEXT} characters: {XML_AGAIN}"
            )
        return " ".join("".join(self._text).split()) or None

    def all(self, path: str) -> Iterator["Element"]:
        """The elements at a path of names such as `TaxTotal/TaxSubtotal`, in their order."""
        name, _, rest = path.partition("/")
        for child in self.children:
            if child.name == name:
                if rest:
                    yield from child.all(rest)
                else:
                    yield child

    def first(self, path: str) -> "Element | None":
        """The first of them; None where there is none."""
        return next(self.all(path), None)

    def only(self, path: str) -> "Element | None":
        """The one at the path; None where there is none.

        Raises:
            UnreadableError: There are several, so that nobody knows which one counts.
        """
        elements = list(self.all(path))
        if len(elements) > 1:
            raise UnreadableError(
                f"line {elements[1].line}, {elements[1].name}: it is there a second time; expected it once in {self.name}"
            )
        return elements[0] if elements else None

    def text_at(self, path: str) -> str | None:
        """The text of the first element at the path that has some; None where none has."""
        return next((text for element in self.all(path) if (text := element.text) is not None), None)

    def needed(self, path: str) -> "Element":
        """The one at the path.

        Raises:
            UnreadableError: There is none, or several, or it is blank.
        """
        element = self.only(path)
        if element is None or (not element.children and element.text is None):
            raise UnreadableError(f"line {self.line}, {self.name}: {path} is missing; expected it")
        return element

    def needed_text(self, path: str) -> str:
        """The text of the one at the path; raises as `needed` does."""
        element = self.needed(path)
        return element.text or self._wrong_at(element, "a text")

    def amount_at(self, path: str) -> Decimal | None:
        """The number of the one at the path; None where there is none. Raises as `only` and `amount` do."""
        element = self.only(path)
        return None if element is None else element.amount()

    def day_at(self, path: str) -> date | None:
        """The day of the first one at the path; None where there is none. Raises as `day` does."""
        element = self.first(path)
        return None if element is None else element.day()

    def amount(self) -> Decimal:
        """Its text as an exact number (XML Schema, decimal).

        Raises:
            UnreadableError: It is none, or one with more digits than are read.
        """
        text = self.text
        # With elements within, the text around them is no number: `6<x>1</x>0` is not 60.
        if text is None or self.children or _DECIMAL.fullmatch(text) is None:
            self._wrong_at(
                self, "an amount such as 1234.56, with at most 20 digits before the decimal point and 18 after it"
            )
        return Decimal(str(text))

    def day(self) -> date:
        """Its text as a day (XML Schema, date); an offset from UTC does not change it.

        Raises:
            UnreadableError: It is none.
        """
        match = _DAY.fullmatch(self.text or "")
        try:
            return date.fromisoformat(match[1] if match else "")
        except ValueError:
            return self._wrong_at(self, "a day such as 2026-10-31")

    def is_true(self) -> bool:
        """Its text as a boolean (XML Schema).

        Raises:
            UnreadableError: It is none.
        """
        words = {"true": True, "1": True, "false": False, "0": False}
        return words[self.text or ""] if self.text in words else self._wrong_at(self, "true or false")

    def wrong(self, expected: str) -> UnreadableError:
        """The error for an element whose text is not what was expected."""
        shown = "blank" if self.text is None else repr(self.text)[:_SHOWN]
        return UnreadableError(f"line {self.line}, {self.name}: {shown}; expected {expected}")

    @staticmethod
    def _wrong_at(element: "Element", expected: str) -> Never:
        raise element.wrong(expected)


def root_of(start: str) -> str | None:
    """The name of the root of XML that begins so, with its namespace and a space before it; None where it is no XML.

    None, too, for XML with a document type, whose content is not parsed.
    """
    names: list[str] = []
    parser = expat.ParserCreate("utf-8", " ")

    def begin(name: str, _: object) -> None:
        names.append(name)
        raise _FoundError

    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = _stop
    with suppress(_FoundError, expat.ExpatError):
        parser.Parse(start.lstrip().encode("utf-8", "replace"), False)  # noqa: FBT003 - expat takes no names
    return names[0] if names else None


def read_xml(content: bytes, namespaces: Collection[str]) -> Element:
    """The root of a document.

    Args:
        content: Its bytes; a byte order mark tells their encoding, else the declaration of XML.
        namespaces: The namespaces whose elements are called by their name alone.

    Raises:
        UnreadableError: It is no XML, has a document type, or is larger than is read.
    """
    if len(content) > MAX_XML_BYTES:
        raise UnreadableError(f"it has more than {MAX_XML_BYTES} bytes, which is the limit for XML: {XML_AGAIN}")
    content = content.lstrip(b" \t\r\n")
    if (lie := xml_encoding.what_is_wrong(content)) is not None:
        raise UnreadableError(lie)
    builder = _Builder(frozenset(namespaces), xml_encoding.of_mark(content))
    try:
        builder.parse(content)
    except expat.ExpatError as error:
        raise UnreadableError(
            f"line {error.lineno}: it is not XML: {expat.ErrorString(error.code)}; {XML_AGAIN}"
        ) from error
    except (LookupError, ValueError) as error:
        # An encoding that is declared and not known.
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(f"line 1: it is not XML that can be read: {error}; {XML_AGAIN}") from error
    return builder.root


class _FoundError(Exception):
    """The root is found, or is not looked for any more: nothing more is parsed."""


def _stop(*_: object) -> None:
    raise _FoundError


class _Builder:
    """Builds the tree, and stops where a bound is passed."""

    def __init__(self, namespaces: frozenset[str], encoding: str | None) -> None:
        self._namespaces = namespaces
        self._names: dict[str, str] = {}
        self._open: list[Element] = []
        self._root: Element | None = None
        self._elements = 0
        self._attributes = 0
        parser = self._parser = expat.ParserCreate(encoding, " ")
        parser.buffer_text = True
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse_document_type

    @property
    def root(self) -> Element:
        if self._root is None:
            raise UnreadableError("it has no element; expected XML")
        return self._root

    def parse(self, content: bytes) -> None:
        self._parser.Parse(content, True)  # noqa: FBT003 - expat takes no names

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        line = self._parser.CurrentLineNumber
        self._elements += 1
        self._attributes += len(attributes)
        if self._elements > _MAX_ELEMENTS or self._attributes > _MAX_ATTRIBUTES:
            raise UnreadableError(
                f"line {line}: it has more than {_MAX_ELEMENTS} elements, which is the limit: {XML_AGAIN}"
            )
        if len(self._open) >= _MAX_DEPTH:
            raise UnreadableError(
                f"line {line}: its elements are more than {_MAX_DEPTH} deep, which is the limit: {XML_AGAIN}"
            )
        element = Element(self._name(name), attributes, line)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].add_text(text)

    def _name(self, name: str) -> str:
        if name not in self._names:
            namespace, _, local = name.rpartition(" ")
            self._names[name] = local if namespace in self._namespaces else name
        return self._names[name]

    def _refuse_document_type(self, *_: object) -> None:
        raise UnreadableError(
            f"line {self._parser.CurrentLineNumber}: it has a document type (<!DOCTYPE), which no electronic invoice has and "
            "which is not read: ask its sender for one without"
        )
