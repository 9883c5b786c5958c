"""All words in which the program rejects a document, as they stand in its code."""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import arcadia_dagster

PACKAGE = Path(arcadia_dagster.__file__).parent
_MAKERS = {"UnreadableError", "Refusal", "Problem", "ZipError", "NoPdfInvoiceError", "_unreadable"}
"""What carries the words to the register."""

_OTHER_WORDS = {
    "formats/own_exports.py": {"_TEXT"},
    "landing/register.py": {"NO_MONTH"},
    "reading/pdf_attachments.py": {"_TOO_MUCH"},
}
"""Constants that are such words."""

_RETURNED_BY = {
    "formats/described.py": {"why_not"},
    "formats/listings.py": {"_no_inventory"},
    "formats/reader.py": {"_reason", "_csv_reason", "_explained", "_read_by_halves", "_no_lines"},
    "formats/registry.py": {"_what_it_seems"},
    "reading/columns_without_header.py": {"misplaced_value"},
    "reading/semicolons.py": {"_problem"},
    "reading/text.py": {"_problem"},
    "reading/unread.py": {"binary", "_ole", "_wide_text", "no_table", "text", "_markup", "columns"},
}
"""Functions that return such words."""

GAP = "\0"
"""Stands for what the program puts in."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Words that reject a document.

    Attributes:
        place: The module and the line.
        words: With `GAP` for each part that depends on the document.
    """

    place: str
    words: str

    @property
    def longest(self) -> str:
        """The longest piece of the words that does not depend on the document."""
        return max(self.words.split(GAP), key=len).strip(" :;,(")


@cache
def rejections() -> tuple[Rejection, ...]:
    """All that there are."""
    paths = [*PACKAGE.glob("reading/*.py"), *PACKAGE.glob("formats/*.py"), PACKAGE / "landing" / "register.py"]
    return tuple(rejection for path in sorted(paths) for rejection in _of(path))


def _of(path: Path) -> Iterator[Rejection]:
    name = path.relative_to(PACKAGE).as_posix()
    module = importlib.import_module(f"arcadia_dagster.{name.removesuffix('.py').replace('/', '.')}")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for told in _told(node, name):
            for words in _words(told, vars(module)):
                if re.search(r"[a-z]{2} [a-z]", words):
                    yield Rejection(f"{name}:{told.lineno}", words)


def _told(node: ast.AST, name: str) -> Iterator[ast.expr]:
    """The expressions of words at a node of a module."""
    match node:
        case ast.Call(func=ast.Name(id=maker), args=[words, *_]) if maker in _MAKERS:
            yield words
        case ast.Assign(targets=[ast.Name(id=constant)], value=words) if constant in _OTHER_WORDS.get(name, ()):
            yield words
        case (
            ast.Assign(targets=[ast.Name(id="_MAGIC" | "_PATTERNS")])
            | ast.AnnAssign(target=ast.Name(id="_MAGIC" | "_PATTERNS"))
        ) if node.value is not None:
            yield from (part for part in ast.walk(node.value) if isinstance(part, ast.JoinedStr))
        case ast.Assign(targets=[ast.Name(id="problem")], value=ast.JoinedStr() as words):
            yield words
        case ast.FunctionDef(name=function) if function in _RETURNED_BY.get(name, ()):
            yield from (part.value for part in ast.walk(node) if isinstance(part, ast.Return) and part.value)


def _words(told: ast.expr, names: dict[str, object]) -> Iterator[str]:
    """The words of an expression: of each branch of a condition, with the module's constants filled in."""
    match told:
        case ast.IfExp(body=body, orelse=orelse):
            yield from _words(body, names)
            yield from _words(orelse, names)
        case ast.Constant(value=str(words)):
            yield words
        case ast.Name(id=name) if isinstance(names.get(name), str):
            yield str(names[name])
        case ast.JoinedStr(values=parts):
            yield "".join(next(_words(part, names), GAP) for part in parts)
        case ast.FormattedValue(value=value, conversion=-1):
            yield from _words(value, names)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield next(_words(left, names), GAP) + next(_words(right, names), GAP)
