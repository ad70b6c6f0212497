"""The course's exercises: checks that name the mistake, hints, and a way on without solving."""

from csglib.course.checking import check, mine
from csglib.course.hints import hint

__all__ = ["check", "hint", "mine"]
