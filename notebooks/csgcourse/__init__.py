"""The course's exercises: check a function, get hints, go on without solving, see your progress.

Chapters and widgets name their sources in the paper; all else here is not in the paper.
"""

from csgcourse.checking import check, mine
from csgcourse.hints import hint
from csgcourse.record import progress, start_over

__all__ = ["check", "hint", "mine", "progress", "start_over"]
