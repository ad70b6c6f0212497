"""What the judges of exercises 7.1 to 8.3 share: mistakes called by name, and seeds that count.

Not in the paper: part of the course.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from csgcourse.exercise import Arguments, Mistake

Judge = Callable[[object, object, Arguments], str | None]


def naming(alike: Judge, mistakes: Sequence[Mistake]) -> Judge:
    """A judge that lets pass what is alike, and calls by its name what is like a mistake.

    An exercise compares with its mistakes strictly. This one does it as generously as with the
    wanted answer: a number counts as the same in whichever type it comes.

    Args:
        alike: (answer, other, arguments) -> None when both are the same, else what is different.
        mistakes: tried in this order.
    """

    def judge(answer: object, wanted: object, arguments: Arguments) -> str | None:
        difference = alike(answer, wanted, arguments)
        if difference is None or answer is None or answer is ...:
            return difference
        for mistake in mistakes:
            if alike(answer, mistake.function(*arguments), arguments) is None:
                return mistake.says
        return difference

    return judge


class Redrawn(list[str]):
    """Patients of several cases of one check, which differ in their seed or do not differ at all.

    A judge sees one answer at a time, and whether a seed counts shows in two. So the list itself
    keeps what was answered; each check draws a new list.
    """

    def __init__(self, patients: Iterable[str]) -> None:
        super().__init__(patients)
        self._answers: list[tuple[Mapping[str, int], tuple[object, ...]]] = []

    def fault(self, draw: Mapping[str, int], answer: tuple[object, ...]) -> str | None:
        """What is wrong with this answer beside the earlier ones; None when nothing is.

        Args:
            draw: what decides the answer, the seed for one, by the names of the arguments.
            answer: what came of it.
        """
        for earlier, other in self._answers:
            if earlier == draw and answer != other:
                return (
                    "called again with the same seed, it answered differently. Take all chance "
                    "from one generator, made inside the function from `seed`"
                )
            if earlier != draw and answer == other:
                name = next(name for name in draw if draw[name] != earlier[name])
                return f"another `{name}` changes nothing: the answer does not depend on it"
        self._answers.append((draw, answer))
        return None
