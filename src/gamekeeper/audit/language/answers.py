"""How like two answers are.

    agreement   the final answers are the same, but for case, space and the marks around them: exact
                match
    overlap     F1 of the words of two answers

Source: Rajpurkar et al., SQuAD, EMNLP 2016 (exact match and F1); Birch et al., Model Leeching,
    2023, measures a copy
of a language model by both against the target's own answers.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gamekeeper.audit.targets import Array

_SHORT = 8  # words, median: longer answers to one question are seldom the same word for word
_AROUND = string.whitespace + string.punctuation


class Likeness(NamedTuple):
    """A way to compare answers.

    Args:
        name: In reports, what fidelity is.
        of: Two answers to their likeness, 0 to 1.
    """

    name: str
    of: Callable[[str, str], float]

    def all(self, ours: Sequence[str], theirs: Sequence[str]) -> Array:
        """Returns the likeness of each pair, shape (n,)."""
        return np.array(
            [self.of(one, other) for one, other in zip(ours, theirs, strict=True)], np.float64
        )


def final_answer(text: str, pattern: str | None = None) -> str:
    """Returns what a text comes to.

    Args:
        text: Of a reply.
        pattern: Regular expression whose last match is the answer, its first group if it has one;
            None for all of it.
    """
    if pattern is not None and (found := [*re.finditer(pattern, text)]):
        text = found[-1].group(1) if found[-1].re.groups else found[-1].group(0)
    return plain(text)


def plain(text: str) -> str:
    """Returns an answer without case, runs of space, and marks around it."""
    return " ".join(text.casefold().split()).strip(_AROUND) or text.strip()


def agreement(one: str, other: str) -> float:
    """Returns 1 if two answers are the same, else 0."""
    return float(plain(one) == plain(other))


def overlap(one: str, other: str) -> float:
    """Returns F1 of the words of two answers; 1 if both are empty."""
    ours = plain(one).split()
    theirs = plain(other).split()
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * sum((Counter(ours) & Counter(theirs)).values()) / (len(ours) + len(theirs))


def likeness_for(answers: Sequence[str]) -> Likeness:
    """Returns agreement where answers are short, overlap where they are long."""
    words = float(np.median([len(answer.split()) for answer in answers])) if answers else 0.0
    if words <= _SHORT:
        return Likeness("agreement of final answers", agreement)
    return Likeness("overlap of words (F1)", overlap)
