"""Targets and inputs for tests of the audit."""

from pathlib import Path

import numpy as np

from gamekeeper.audit.journal import Journal
from gamekeeper.audit.meter import Limits, Meter
from gamekeeper.audit.targets import Array, CallableTarget, Target

WIDTH = 6
CLASSES = 3


def make_inputs(n: int = 400, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((n, WIDTH))


def linear_scores(inputs: Array) -> Array:
    """Softmax regression with fixed weights."""
    weights = np.random.default_rng(7).standard_normal((WIDTH, CLASSES)) * 2
    scores = inputs @ weights + np.array([0.5, 0.0, -0.5])
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))


def linear_labels(inputs: Array) -> Array:
    return np.asarray(linear_scores(inputs).argmax(axis=1))


class Counting:
    """A target that counts what it is asked, and fails when told to."""

    name = "counting"
    answers = None

    def __init__(self, fails_after: int | None = None) -> None:
        self.asked = 0
        self._fails_after = fails_after

    def ask(self, inputs: Array) -> Array:
        if self._fails_after is not None and self.asked >= self._fails_after:
            from gamekeeper.audit.targets import TargetError

            raise TargetError("the target went away")
        self.asked += len(inputs)
        return linear_scores(inputs)


def make_target(answer: object = linear_scores) -> CallableTarget:
    return CallableTarget(answer, "a target")  # type: ignore[arg-type]


def make_meter(folder: Path, target: Target | None = None, queries: int = 5_000) -> Meter:
    target = target or make_target()
    return Meter(target, Journal(folder / "journal.sqlite", target.name), Limits(queries=queries))
