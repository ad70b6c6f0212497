"""The course's exercises: checks that name the mistake, hints, and a way on without solving."""

from csglib.course.checking import check, mine
from csglib.course.hints import hint
from csglib.course.record import progress, start_over

__all__ = ["check", "hint", "mine", "progress", "start_over"]
