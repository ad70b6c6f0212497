"""Sentences held by code, so that a notebook says what one sees.

A claims cell has the tag "claims", and its source is hidden. Running the notebook tries its claims;
a test finds what prose, claims and outputs no longer share.
"""


def claim(text: str, condition: object) -> None:
    """Hold a sentence, or a part of one, written as it stands in the prose.

    Raises:
        AssertionError: the condition is false, so the sentence is no longer true.
    """
    if not condition:
        raise AssertionError(f"no longer true: {text!r}; correct the sentence, or the cell")
