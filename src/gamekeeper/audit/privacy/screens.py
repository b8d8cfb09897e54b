"""Screens for poisoned rows: what share of them is at the top of a suspicion that is computed
from features alone.

    spectral    within each label, the square of a row's part along the direction of greatest
                variance
    clustering  within each label, two clusters on the leading directions; the smaller one is
    suspect, the more the
                smaller and the farther off it is

Features are the rows as they are, or the probabilities that the model which was trained on them
gives them: there mislabelled rows that it had to learn by heart lie apart. Neither screen is
certain: poison that looks like its label is found by none.

Source: Tran et al., Spectral Signatures in Backdoor Attacks, NeurIPS 2018; Chen et al., Detecting
    Backdoor Attacks on
Deep Neural Networks by Activation Clustering, 2018.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gamekeeper.audit.targets import Array

_DIRECTIONS = 10
_ROUNDS = 25
_LOOKED_AT = 1.5  # rows, times the poisoned ones
_SETS = 4  # they differ in half of their honest rows alone, and share the poison


def spectral(features: Array, labels: Array) -> Array:
    """Returns the suspicion of each row, shape (n,), from features, shape (n, width), and
    labels.
    """
    return _by_label(features, labels, lambda centred: (_leading(centred, 1) ** 2)[:, 0])


def clustering(features: Array, labels: Array) -> Array:
    """Returns the suspicion of each row, shape (n,), from features, shape (n, width), and
    labels.
    """
    return _by_label(
        features, labels, lambda centred: _smaller_cluster(_leading(centred, _DIRECTIONS))
    )


SCREENS: dict[str, Callable[[Array, Array], Array]] = {
    "spectral": spectral,
    "clustering": clustering,
}
"""Screens by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What a screen finds of the poison among the 1.5 times as many rows that it holds most
    suspicious.

    Args:
        screen: By name.
        features: `rows` or `probabilities`.
        found: Share of the poisoned rows, the mean over training sets.
        lowest: In one of them.
        highest: In one of them.
        chance: That so many rows drawn at random hold.
        sets: Training sets that were screened.
    """

    screen: str
    features: str
    found: float
    lowest: float
    highest: float
    chance: float
    sets: int


class Screening:
    """Every screen on the training sets of a few models, the last rows of which are poison.

    Args:
        poisoned: Rows of each set that are, 1 at least.
    """

    def __init__(self, poisoned: int) -> None:
        self._poisoned = poisoned
        self._found: dict[tuple[str, str], list[float]] = {}
        self._chances: list[float] = []

    def met(self, rows: Array, labels: Array, answer: Callable[[Array], Array]) -> None:
        """Screens a training set, shape (n, width), with its labels and the model that was trained
        on it.
        """
        if len(self._chances) == _SETS:
            return
        poisoned = np.arange(len(rows)) >= len(rows) - self._poisoned
        self._chances.append(min(1.0, _LOOKED_AT * self._poisoned / len(rows)))
        for name, features in (("rows", rows), ("probabilities", answer(rows))):
            for screen, suspect in SCREENS.items():
                share = found_by(suspect(features, labels), poisoned)
                self._found.setdefault((screen, name), []).append(share)

    def results(self) -> Iterator[Screened]:
        """Yields one for each screen and kind of features."""
        for (screen, features), shares in self._found.items():
            yield Screened(
                screen=screen,
                features=features,
                found=float(np.mean(shares)),
                lowest=min(shares),
                highest=max(shares),
                chance=float(np.mean(self._chances)),
                sets=len(shares),
            )


def found_by(suspicion: Array, poisoned: Array, removed: float = _LOOKED_AT) -> float:
    """Share of the poisoned rows among the most suspicious.

    Args:
        suspicion: Of each row, shape (n,).
        poisoned: Whether each is, shape (n,).
        removed: Rows that are looked at, times the poisoned ones.
    """
    top = np.argsort(-suspicion, kind="stable")[: int(removed * poisoned.sum())]
    return float(poisoned[top].sum() / poisoned.sum())


def _by_label(features: Array, labels: Array, suspect: Callable[[Array], Array]) -> Array:
    scores = np.zeros(len(features))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) > 2:
            scores[rows] = suspect(features[rows] - features[rows].mean(axis=0))
    return scores


def _leading(centred: Array, directions: int) -> Array:
    """Parts along the directions of greatest variance, shape (n, directions)."""
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(left[:, :directions] * sizes[:directions])


def _smaller_cluster(parts: Array) -> Array:
    """Two means, begun at the ends of the first direction."""
    centres = parts[[parts[:, 0].argmin(), parts[:, 0].argmax()]]
    for _ in range(_ROUNDS):
        far = ((parts[:, None] - centres) ** 2).sum(axis=2)
        nearest = far.argmin(axis=1)
        centres = np.stack(
            [
                parts[nearest == k].mean(axis=0) if (nearest == k).any() else centres[k]
                for k in (0, 1)
            ]
        )
    small = int((nearest == 1).sum() < (nearest == 0).sum())
    share = max(1, int((nearest == small).sum())) / len(parts)
    return np.asarray((np.sqrt(far[:, 1 - small]) - np.sqrt(far[:, small])) * (1 - share))
