"""The course's exercises: checks that name the mistake, hints, and a way on without solving."""

from csgcourse.checking import check, mine
from csgcourse.hints import hint
from csgcourse.record import progress, start_over

__all__ = ["check", "hint", "mine", "progress", "start_over"]
