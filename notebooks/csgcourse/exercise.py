"""What an exercise is made of; the chapters fill it in.

Not in the paper: part of the course.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from csgcourse.comparing import compare

Arguments = tuple[object, ...]
Function = Callable[..., object]


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that many of us give, so that a check can call it by its name.

    Attributes:
        function: gives the wrong answer, on every case of its exercise.
        says: to the reader: what was done, and why it is not what is wanted.
    """

    function: Function
    says: str


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise: what is right, what is often wrong, and what helps.

    Attributes:
        number: chapter and place, "1.2".
        reference: a right answer; its source is the third hint.
        cases: draws the inputs to try, the ordinary ones first, the odd ones after.
        mistakes: tried in this order when an answer is wrong.
        nudge: the first hint, a sentence that only points.
        plan: the second hint, the steps, one a line.
        insight: what a reader who has solved it now knows, one sentence.
        judge: (answer, wanted answer, arguments) -> None when the answer is as good, else what is
            wrong with it, in a clause. Only an exercise with many right answers (one that draws
            lots, say) brings its own; the others compare.
    """

    number: str
    reference: Function
    cases: Callable[[torch.Generator], Sequence[Arguments]]
    mistakes: tuple[Mistake, ...]
    nudge: str
    plan: str
    insight: str
    judge: Callable[[object, object, Arguments], str | None] | None = None

    def difference(self, answer: object, arguments: Arguments) -> str | None:
        """What is wrong with an answer to one case, in a clause; None when it is right."""
        wanted = self.reference(*arguments)
        if self.judge is None:
            return compare(answer, wanted)
        return self.judge(answer, wanted, arguments)

    def mistake(self, answers: Sequence[tuple[Arguments, object]]) -> str | None:
        """What to say about the known mistake that gives all these answers; None if there is none.

        The right ones among them count too: they tell which of two alike mistakes it was.
        """
        for mistake in self.mistakes:
            if all(compare(answer, mistake.function(*given)) is None for given, answer in answers):
                return mistake.says
        return None
