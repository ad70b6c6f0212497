"""The data doctor: `examine(folder)` reports what to fix; `deidentification` writes a cohort."""

from csglib.doctor.report import Report, examine

__all__ = ["Report", "examine"]
