"""An independent classifier says whether an input shows a class: not the model that it was made
with, nor one that learned from that model.

The judge learns from what an owner has, inputs and their true labels; no answer of the target comes
near it, for a judge that learnt from answers would share their quirks, and a model's own sureness
proves nothing. It may well have rows that the target was trained on: the question is not whether
the target knows new rows, it is whether an input looks like what the class truly is. What must
differ is the learner, since two of one kind on the same rows are fooled by the same inputs, and the
target's kind is not known. So two kinds judge, a forest and a softmax regression, and an input
shows a class where both name it. A quarter of the rows, held out, says how often they do so
rightly.

Source: the evaluation classifier of Zhang et al., CVPR 2020, which there has other rows than the
    target; two kinds that
must agree are ours.
"""

from typing import Any

import numpy as np

from gamekeeper.audit.targets import Array

UNDECIDED = -1
"""Instead of a label, where the two differ."""
_HELD_OUT = 0.25
_TREES = 200


class Judge:
    """An independent classifier that says which class an input shows.

    Args:
        inputs: Rows, shape (n, width).
        labels: True ones, shape (n,), of two classes at least.
        seed: Of what is drawn.
    """

    def __init__(self, inputs: Array, labels: Array, seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(inputs))
        self.held_out = max(1, int(_HELD_OUT * len(inputs)))
        kept = order[self.held_out :]
        held = order[: self.held_out]
        self._kinds = [kind.fit(inputs[kept], labels[kept]) for kind in _kinds(seed)]
        self.accuracy = float((self.names(inputs[held]) == labels[held]).mean())

    def names(self, inputs: Array) -> Array:
        """Returns the label of each input, shape (n,), `UNDECIDED` where the two kinds differ."""
        one, other = (kind.predict(inputs) for kind in self._kinds)
        return np.where(one == other, one, UNDECIDED)


def _kinds(seed: int) -> tuple[Any, Any]:
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000))
    return ExtraTreesClassifier(_TREES, random_state=seed), regression
