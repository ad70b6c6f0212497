"""Scores of predicted grades, and their confidence intervals."""

from csglib.metrics.intervals import Score
from csglib.metrics.scores import Scores, confusion, grade_scores, scores_of

__all__ = [
    "Score",
    "Scores",
    "confusion",
    "grade_scores",
    "scores_of",
]
