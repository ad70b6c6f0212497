"""All checks, in the order in which they are reported: add one to its file's `CHECKS`.

Not in the paper.
"""

from collections.abc import Callable, Iterator

from csglib.doctor import checks_files, checks_labels, checks_pictures, checks_split, checks_twins
from csglib.doctor.findings import Examined, Finding

Check = Callable[[Examined], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    *checks_files.CHECKS,
    *checks_labels.CHECKS,
    *checks_split.CHECKS,
    *checks_twins.CHECKS,
    *checks_pictures.CHECKS,
)


def findings_of(examined: Examined) -> list[Finding]:
    """What all checks find, each finding once; what stops comes first."""
    found = dict.fromkeys(finding for check in CHECKS for finding in check(examined))
    return sorted(found, key=lambda finding: not finding.stops)
