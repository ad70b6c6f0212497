"""What was found, as one table for a terminal.

Not in the paper.
"""

from collections.abc import Sequence
from textwrap import wrap

from csglib.doctor.findings import KINDS, Examined, Finding
from csglib.doctor.summary import Group, facts, groups, verdict

_SHOWN = 6  # findings of a kind; the page has all
_SIGN, _KIND, _NARROW = 7, 19, 72  # columns


def table(examined: Examined, findings: Sequence[Finding], width: int) -> str:
    """Lines of text: what there is, then a block for each kind of finding, then the outcome.

    Args:
        examined: what was looked at.
        findings: what came of it.
        width: of the terminal, columns.
    """
    width = max(width, _NARROW)
    parts = [[f"{name:11}{value}" for name, value in facts(examined).items()]]
    parts += [_block(group, width) for group in groups(findings)]
    return "\n\n".join("\n".join(part) for part in [*parts, [verdict(findings)]])


def _block(group: Group, width: int) -> list[str]:
    shown = group.findings[:_SHOWN]
    where = min(max(len(finding.where) for finding in shown), width // 2 - _SIGN - _KIND // 2)
    lines = []
    for finding in shown:
        lines += _row(finding, where, width)
    if left := len(group.findings) - len(shown):
        lines.append(" " * (_SIGN + _KIND) + f"and {left} more")
    sign = f"{'STOPS' if group.stops else 'look':{_SIGN}}{group.kind:{_KIND}}"
    lines[0] = sign + lines[0][len(sign) :]
    why = KINDS[group.kind]
    indent = " " * _SIGN
    advice = wrap(f"Why: {why.why}. Do: {why.advice}.", width - _SIGN)
    return lines + [indent + line for line in advice]


def _row(finding: Finding, where: int, width: int) -> list[str]:
    """A path and what was found there; a long path has a line of its own."""
    margin = " " * (_SIGN + _KIND)
    if len(finding.where) > where:
        below = wrap(finding.what, width - len(margin) - 2)
        return [margin + finding.where, *(f"{margin}  {line}" for line in below)]
    first, *rest = wrap(finding.what, width - len(margin) - where - 2)
    gap = " " * (where + 2)
    return [f"{margin}{finding.where:{where}}  {first}", *(margin + gap + line for line in rest)]
