"""Scores and defences to test with."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gamekeeper.defences import DEFENCES, Scores, fit_codebook, make_defence, number_bytes

KEY = b"a key of the tests, 32 bytes...."
OTHER_KEY = b"another key of the tests........"

NAMES = list(DEFENCES)
FIRST_KEPT = [name for name, made in DEFENCES.items() if made.card.keeps_top1]
KEYED = ["keyed-noise", "adaptive-misinformation"]


def scores_of(rows: int, classes: int = 10, *, spread: float = 0.3, seed: int = 0) -> np.ndarray:
    """Random probabilities; small spread makes a model that is sure."""
    return np.random.default_rng(seed).dirichlet(np.full(classes, spread), rows)


def inputs_of(rows: int, *, seed: int = 0) -> list[bytes]:
    return [number_bytes(row) for row in np.random.default_rng(seed).normal(size=(rows, 6))]


def made_of(name: str, classes: int = 10, *, key: bytes = KEY, **parameters: Any) -> Scores:
    """A defence with its defaults, and a codebook where it wants one."""
    if name == "modelguard-s":
        parameters.setdefault("codebook", fit_codebook(scores_of(60, classes, seed=9), 0.5))
    return make_defence(name, key, **parameters)


def answers(
    name: str, scores: np.ndarray, inputs: Sequence[bytes] | None = None, **parameters: Any
) -> np.ndarray:
    made = made_of(name, scores.shape[1], **parameters)
    return made(scores, inputs_of(len(scores)) if inputs is None else inputs)
