"""What was found, as one page that needs nothing but itself: no script, nothing from outside.

Not in the paper.
"""

from collections.abc import Sequence
from html import escape

from csglib.doctor.findings import ALL, KINDS, Examined, Finding
from csglib.doctor.summary import Group, facts, groups, verdict

_FEW = 12  # findings of a kind that stand open at once
_SIGNS = {True: "\N{BLACK SQUARE} stops", False: "\N{WHITE CIRCLE} look"}
_STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf7; --ink: #1d1d1f; --soft: #5b5b60;
  --line: #cfccc4; --mark: #a8320a; --shade: #f1eee7; }
@media (prefers-color-scheme: dark) { :root { --paper: #1b1b1d; --ink: #ececea; --soft: #b3b3b5;
  --line: #47474b; --mark: #ff9d6e; --shade: #262629; } }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1.25rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
"""
# Also stands inside a notebook, whose colours are its own: only currentColor and what it gives.
# Jupyter sets tables for numbers: columns of one width, to the right.
_PART_STYLE = """
.doctor table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 1.5rem;
  table-layout: auto !important; }
.doctor caption { text-align: left; font-weight: 600; font-size: 1.15em; padding: 0.5rem 0; }
.doctor th, .doctor td { text-align: left !important; vertical-align: top;
  padding: 0.4rem 0.75rem 0.4rem 0; border-top: 1px solid var(--line, #8886);
  overflow-wrap: anywhere; white-space: normal; }
.doctor tr { background: none !important; }
.doctor .sign { white-space: nowrap; font-weight: 600; width: 5.5rem; }
.doctor .stops { color: var(--mark, inherit); }
.doctor .kind { width: 9rem; font-weight: 600; }
.doctor ul { margin: 0.25rem 0; padding-left: 1.1rem; }
.doctor li { margin: 0.15rem 0; }
.doctor code { font-size: 0.92em; overflow-wrap: anywhere; }
.doctor p { margin: 0.15rem 0; max-width: 46rem; }
.doctor .soft { color: var(--soft, inherit); }
.doctor summary { cursor: pointer; padding: 0.35rem 0; }
.doctor summary:focus-visible, .doctor a:focus-visible { outline: 3px solid currentColor; }
.doctor .verdict { font-size: 1.2em; font-weight: 600; margin: 0.75rem 0; }
.doctor .clips { display: flex; flex-wrap: wrap; gap: 0.9rem; padding: 0; list-style: none; }
.doctor .clips li { width: 8.5rem; font-size: 0.85em; overflow-wrap: anywhere; }
.doctor img { display: block; max-width: 112px; background: #000; }
"""


def page(name: str, examined: Examined, findings: Sequence[Finding]) -> str:
    """A whole page of HTML.

    Args:
        name: of the folder.
        examined: what was looked at.
        findings: what came of it.
    """
    title = f"The doctor on {escape(name)}"
    rule = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{rule}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{title}</h1>\n<p>For your eyes: it names your files. Not for diagnosis.</p>\n"
        f"{part(examined, findings)}\n</main>\n</body>\n</html>\n"
    )


def part(examined: Examined, findings: Sequence[Finding]) -> str:
    """The same without a page around it, for a notebook."""
    known = "".join(
        f'<tr><th scope="row" class="kind">{escape(fact)}</th><td>{escape(value)}</td></tr>'
        for fact, value in facts(examined).items()
    )
    return (
        f'<style>{_PART_STYLE}</style><div class="doctor">'
        f'<p class="verdict">{escape(verdict(findings))}</p>'
        f"<table><caption>What there is</caption><tbody>{known}</tbody></table>"
        f"{_found(groups(findings), examined)}{_clips(examined, findings)}</div>"
    )


def _found(found: Sequence[Group], examined: Examined) -> str:
    if not found:
        return ""
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("weight", "kind", "where and what"))
    rows = "".join(_row(group, examined) for group in found)
    return (
        f"<table><caption>What was found</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _row(group: Group, examined: Examined) -> str:
    kind = KINDS[group.kind]
    places = "".join(
        f"<li>{_path(finding.where)}: {escape(finding.what)}</li>" for finding in group.findings
    )
    listed = f"<ul>{places}</ul>"
    if len(group.findings) > _FEW:
        listed = f"<details><summary>{len(group.findings)} places</summary>{listed}</details>"
    return (
        f'<tr><td class="sign {"stops" if group.stops else ""}">{_SIGNS[group.stops]}</td>'
        f'<th scope="row" class="kind">{escape(group.kind)}</th><td>{listed}'
        f'<p class="soft">Why: {escape(kind.why)}.</p><p>Do: {escape(kind.advice)}.</p></td></tr>'
    )


def _path(where: str) -> str:
    return escape(where) if where == ALL else f"<code>{escape(where)}</code>"


def _clips(examined: Examined, findings: Sequence[Finding]) -> str:
    """A picture of every clip; those with findings first, and what was found."""
    kinds: dict[str, list[str]] = {clip: [] for clip in examined.records}
    for finding in findings:
        if finding.where in kinds:
            kinds[finding.where].append(finding.kind)
    items = "".join(
        f'<li><img src="{examined.records[clip].stamp}" alt="middle frame of {escape(clip)}">'
        f"<code>{escape(clip)}</code><br>{escape(', '.join(dict.fromkeys(found)))}</li>"
        for clip, found in sorted(kinds.items(), key=lambda item: (not item[1], item[0]))
    )
    if not items:
        return ""
    count = len(examined.records)
    return (
        f"<details{' open' if count <= _FEW else ''}><summary>The middle frame of each of the "
        f'{count} clips</summary><ul class="clips">{items}</ul></details>'
    )
