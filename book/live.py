"""Widgets of the notebooks that need no kernel, live in a page.

A widget's state comes from its own notebook: the cells that it needs are run, and no others.
"""

import ast
import os
from collections.abc import Sequence
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Any

import nbformat

from csglib import AttentionExplorer
from csglib.widgets.base import LiveFigure, page_script

ROOT = Path(__file__).parents[1]
NO_KERNEL = {
    *("AttentionExplorer", "Balance", "CostDial", "Switchboard"),
    *("TableReader", "TimeStretch", "TokenExplorer", "WiringMap"),
}
KERNEL = {"ClipPicker", "PatchAttention", "PhantomStudio", "SelfTest", "TrainingDashboard"}
MOST_ROWS = 1_000_000  # bytes of a branch's rows: a page has at most 3 MB


def shown(output: nbformat.NotebookNode) -> str:
    """The text of the widget that an output shows, `Name(...)`; empty if it shows none."""
    text = output.get("data", {}).get("text/plain", "")
    return text if text.partition("(")[0] in NO_KERNEL | KERNEL else ""


def names(source: str) -> tuple[set[str], set[str]]:
    """The names that code uses, and those that it makes."""
    used, made = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
    return used, made


def needed(cells: Sequence[nbformat.NotebookNode]) -> list[str]:
    """The code of the last cell and, in their order, of the cells that make what it uses."""
    *before, last = (cell.source for cell in cells if cell.cell_type == "code")
    chosen = [last]
    used, made = names(last)
    wanted = used - made
    for source in reversed(before):
        used, made = names(source)
        if wanted & made:
            chosen.insert(0, source)
            wanted = (wanted - made) | (used - made)
    return chosen


def made(cells: Sequence[nbformat.NotebookNode]) -> LiveFigure:
    """The widget that the last cell ends with.

    Raises:
        ValueError: it is not the one whose picture the notebook holds.
    """
    *before, last = needed(cells)
    *body, end = ast.parse(last).body
    space: dict[str, Any] = {}
    with chdir(ROOT / "notebooks"), Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        for code in (*before, ast.unparse(body)):
            exec(code, space)
        widget = eval(ast.unparse(end), space)
    if repr(widget) not in map(shown, cells[-1].outputs):
        raise ValueError(f"{widget!r} is not the notebook's: run `make notebooks` first")
    return widget


def script(cells: Sequence[nbformat.NotebookNode], element: str) -> tuple[str, str]:
    """The module that shows the last cell's widget in an element, and its style sheet."""
    widget = made(cells)
    explorer = isinstance(widget, AttentionExplorer)
    state = widget.page_state(MOST_ROWS) if explorer else widget.page_state()
    return page_script(widget, state, element), widget._css
