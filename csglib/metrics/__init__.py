"""How right a network is, how sure we may be of that, and which of two is better."""

from csglib.metrics.intervals import Score, wilson
from csglib.metrics.pairs import Answers, mcnemar, paired_difference
from csglib.metrics.scores import Scores, confusion, grade_scores, scores_of

__all__ = [
    "Answers",
    "Score",
    "Scores",
    "confusion",
    "grade_scores",
    "mcnemar",
    "paired_difference",
    "scores_of",
    "wilson",
]
