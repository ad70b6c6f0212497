"""The data doctor: `examine(folder)`, and what `python -m csglib doctor` does beside it."""

from csglib.doctor.report import Report, examine

__all__ = ["Report", "examine"]
