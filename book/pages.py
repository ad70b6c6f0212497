"""The course as web pages: every notebook, the README and docs/, beside the network's page.

Everything is static, links are relative, and a page asks no address for anything: it works from
disk. A page's policy allows the scripts that were written into it, and no others.
"""

import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from mimetypes import guess_type
from pathlib import Path

import live
import nbformat
import plotly
from bs4 import BeautifulSoup
from jinja2 import Template, pass_context
from latex2mathml.converter import convert
from live import ROOT
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat.v4 import new_markdown_cell, new_notebook

from csglib.data.atomic import replacing

HERE = Path(__file__).parent
NOTEBOOKS = ROOT / "notebooks"
PLOTLY = "application/vnd.plotly.v1+json"
IN_THE_LAB = ("AttentionExplorer", "PatchAttention")  # lab.html computes what these show
TRAINED = "12_your_own_clips"  # where the explorer shows a network that the notebook trains
LANGUAGES = {".py": "python", ".toml": "toml", ".cff": "yaml", ".json": "json"}
STILL = "<p class='note'>A still: this widget needs a Python kernel, so run the notebook. "
LIVE = "Or see <a href='lab.html'>the network, live</a>, with every patch as query."
SEARCH = """<h1>Search</h1>
<p id="found" role="status">Type a word into the box at the top.</p><ol id="results"></ol>
<script type="application/json" id="index">$</script>"""


class Renderer(IPythonRenderer):
    """Markdown whose formulas are MathML, which a browser draws without a script."""

    def inline_math(self, body: str) -> str:
        """A formula within a line."""
        return convert(body)

    def block_math(self, body: str) -> str:
        """A formula on its own."""
        return f'<p class="formula">{convert(body, display="block")}</p>'


class Cells(HTMLExporter):
    """A notebook's cells as HTML."""

    @pass_context
    def markdown2html(self, context: object, source: str) -> str:
        """As nbconvert's; HTML stays, since the notebooks are ours."""
        renderer = Renderer(escape=False, exclude_anchor_links=True)
        return MarkdownWithMath(renderer=renderer).render(source)


CELLS = Cells(raw_template=(HERE / "cells.html.j2").read_text(encoding="utf-8"))
STYLE = (HERE / "book.css").read_text(encoding="utf-8")
SHELL = Template((HERE / "page.html.j2").read_text(encoding="utf-8"), trim_blocks=True)


@dataclass
class Page:
    """One page of the site, and what it is made from."""

    source: Path
    file: str
    title: str = ""
    style: str = ""
    scripts: list[str] = field(default_factory=list)
    body: str = ""
    contents: list[tuple[str, str]] = field(default_factory=list)  # anchor and words
    texts: list[tuple[str, str, str]] = field(default_factory=list)  # anchor, words, text below
    links: set[Path] = field(default_factory=set)  # other files that it links to

    @property
    def is_notebook(self) -> bool:
        """Whether it shows a notebook."""
        return self.source.suffix == ".ipynb"


def file_of(path: Path) -> str:
    """The name in the site of the page, or picture, made from a file of the repository."""
    if path.parent in (NOTEBOOKS, ROOT / "docs"):
        return f"{path.stem}.html"
    name = ".".join(path.relative_to(ROOT).parts)
    return name if path.suffix == ".png" else {"README.md": "index.html"}.get(name, f"{name}.html")


def notebook_of(page: Page) -> nbformat.NotebookNode:
    """The notebook behind a page; any other file becomes one of a single cell."""
    path = page.source
    if page.is_notebook:
        return nbformat.read(path, as_version=4)
    if path.is_dir():
        text = "\n".join(f"- {each.name}" for each in sorted(path.glob("[!_.]*")))
    else:
        text = path.read_text(encoding="utf-8")
    if path.suffix != ".md":
        kind = LANGUAGES.get(path.suffix, "text")
        code = text if path.is_dir() else f"~~~~~{kind}\n{text}\n~~~~~"
        text = f"# {path.relative_to(ROOT)}\n\n{code}"
    return new_notebook(cells=[new_markdown_cell(text)])


def with_widgets(page: Page, notebook: nbformat.NotebookNode) -> None:
    """Put a widget where the notebook has its still, or say why there is none."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            data, name = output.get("data", {}), live.shown(output).partition("(")[0]
            if PLOTLY in data:
                figure = json.dumps(data[PLOTLY]).replace("<", "\\u003c")
                label = escape(
                    cell.metadata.get("alt", "Chart: the text below says what it shows.")
                )
                inner = f'<script type="application/json">{figure}</script>'
                html = f'<div class="plotly" role="group" aria-label="{label}">{inner}</div>'
                output.data = {"text/html": html}
            elif name:
                alt = escape(f"A still of the widget {data['text/plain']}")
                image = f'<img src="data:image/png;base64,{data["image/png"]}" alt="{alt}">'
                note = STILL + LIVE * (name in IN_THE_LAB)
                if name in live.NO_KERNEL and page.source.stem != TRAINED:
                    script, style = live.script(notebook.cells[: number + 1], f"#widget-{number}")
                    page.scripts.append(script)
                    page.style += style
                    note = ""
                html = f'<div class="widget" id="widget-{number}">{image}</div>{note}'
                output.data = {"text/html": html}


def finish(page: Page, html: str) -> None:
    """Links within the site, pictures within the page, sections that can be linked and found."""
    soup = BeautifulSoup(html, "html.parser")
    for link in soup.select("a[href]"):
        to, mark, anchor = link["href"].partition("#")
        if to and ":" not in to and to != "lab.html":
            target = (page.source.parent / to).resolve()
            link["href"] = file_of(target) + mark + anchor
            page.links.add(target)
    for image in soup.select("img[src]:not([src^='data:'])"):
        path = page.source.parent / image["src"]
        letters = base64.b64encode(path.read_bytes()).decode()
        image["src"] = f"data:{guess_type(path)[0]};base64,{letters}"
    for table in soup.select("table"):
        for cell in table.select("thead th:empty"):
            cell.name = "td"  # a heading without words
        table.wrap(soup.new_tag("div", attrs={"class": "wide"}))
    for number, heading in enumerate(soup.select("h1, h2, h3, h4")):
        words = heading.get_text(" ", strip=True)
        anchor = heading["id"] = (
            re.sub(r"\W+", "-", words.lower()).strip("-") or f"section-{number}"
        )
        if heading.name == "h2" or words.startswith("Exercise"):
            page.contents.append((anchor, words))
        page.title = page.title or words
    page.texts = [*sections(soup)]
    page.body = str(soup)


def sections(soup: BeautifulSoup) -> Iterator[tuple[str, str, str]]:
    """Of each section its anchor, its heading and its text, for the search."""
    for heading, following in pairwise([*soup.select("h1, h2, h3, h4"), None]):
        texts = []
        for part in heading.next_elements:
            if part is following:
                break
            if isinstance(part, str) and part.parent.name not in ("script", "style"):
                texts.append(part)
        heading_words = heading.get_text(" ", strip=True)
        text = re.sub(r"\s+", " ", " ".join(texts)).strip().removeprefix(heading_words)
        yield heading["id"], heading_words, text


def made(source: Path, title: str = "") -> Page:
    """A page, but for what stands around its body."""
    page = Page(source, file_of(source), title)
    notebook = notebook_of(page)
    with_widgets(page, notebook)
    finish(page, CELLS.from_notebook_node(notebook)[0])
    return page


def shell(page: Page, pages: list[Page]) -> bytes:
    """The whole page; the list of pages is the order to read them in."""
    own = [hashlib.sha256(script.encode()).digest() for script in page.scripts]
    at = pages.index(page) if page in pages else None
    return SHELL.render(
        page=page,
        pages=pages,
        style=STYLE,
        hashes=" ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in own),
        before=pages[at - 1] if at else None,
        after=pages[at + 1] if at is not None and at + 1 < len(pages) else None,
    ).encode()


def build(site: Path, only: str = "") -> None:
    """Write all pages and what they link to, or those pages alone whose file begins with `only`."""
    site.mkdir(parents=True, exist_ok=True)
    docs = sorted((ROOT / "docs").glob("*.md"))
    paths = [ROOT / "README.md", *sorted(NOTEBOOKS.glob("*.ipynb")), *docs]
    pages = [made(path) for path in paths if file_of(path).startswith(only)]
    index = [(page.file, page.title, *text) for page in pages for text in page.texts]
    packed = json.dumps(index, ensure_ascii=False).replace("<", "\\u003c")
    others = [Page(ROOT, "search.html", "Search", body=SEARCH.replace("$", packed))]
    linked = set() if only else set().union(*(page.links for page in pages)) - {*paths}
    others += [made(path) for path in sorted(linked) if path.suffix != ".png"]

    files = {page.file: shell(page, pages) for page in pages + others}
    copies = [page.source for page in pages if page.is_notebook]
    copies += [path for path in linked if path.suffix == ".png"]
    copies += [HERE / "book.js"]
    copies += [Path(plotly.__file__).parent / "package_data" / "plotly.min.js"]
    files |= {
        file_of(path) if path.suffix == ".png" else path.name: path.read_bytes() for path in copies
    }
    for name, content in files.items():
        with replacing(site / name) as file:
            file.write(content)
    largest = max(len(files[page.file]) for page in pages)
    print(f"{site}: {len(pages)} pages, the largest {largest / 1e6:.1f} MB")


if __name__ == "__main__":
    build(*[HERE / "site", *map(Path, sys.argv[1:2])][-1:], *sys.argv[2:])
