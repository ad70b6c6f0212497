"""Scores of predicted grades, their confidence intervals, and paired comparisons."""

from csglib.metrics.intervals import Score, wilson
from csglib.metrics.pairs import mcnemar, paired_difference
from csglib.metrics.scores import Scores, confusion, grade_scores, scores_of

__all__ = [
    "Score",
    "Scores",
    "confusion",
    "grade_scores",
    "mcnemar",
    "paired_difference",
    "scores_of",
    "wilson",
]
