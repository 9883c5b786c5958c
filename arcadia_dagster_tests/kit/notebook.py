"""Runs a notebook's cells in this process, as Jupyter does: one namespace, and the value of a cell's last expression shown.

A kernel would be a process and thirty packages more, for cells that are plain Python.
"""

import ast
import io
import json
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of code: its source, and what it is stored to have shown, as plain text."""

    source: str
    stored: str


def cells_of(path: Path) -> list[Cell]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [
        Cell("".join(cell["source"]), "".join(_texts(cell["outputs"])))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def _texts(outputs: list[dict[str, Any]]) -> list[str]:
    return ["".join(output["text"] if "text" in output else output["data"]["text/plain"]) for output in outputs]


def run(cells: list[Cell]) -> list[str]:
    """What each cell shows, as plain text."""
    namespace: dict[str, Any] = {}
    shown = []
    for cell in cells:
        tree = ast.parse(cell.source)
        last = tree.body[-1]
        if isinstance(last, ast.Expr):
            tree.body.pop()
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(tree, "<cell>", "exec"), namespace)  # noqa: S102 - our own notebook
            value = None
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace)  # noqa: S307
        shown.append(printed.getvalue() + ("" if value is None else repr(value)))
    return shown
