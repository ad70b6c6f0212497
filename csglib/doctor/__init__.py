"""The data doctor: `examine(folder)`, and what `csglib doctor` does beside it."""

from csglib.doctor.report import Report, examine

__all__ = ["Report", "examine"]
