"""Learners of numbers: a regression's values, scores of any scale, log-odds, embeddings."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gamekeeper.audit.learners._training_set import Learn, Predict, TrainingSet
from gamekeeper.audit.learners.preparing import fitted
from gamekeeper.audit.links import IDENTITY, Link, links_for
from gamekeeper.audit.targets import Array

_MOST_FOR_KERNELS = 5_000  # answers; kernel machines take the square of it
_FEWEST_FOR_BOOSTING = 200
_MOST_BOOSTED = 5  # outputs, each of which takes trees of its own
_TREES = 100


def number_learners(training: TrainingSet, seed: int) -> dict[str, Learn]:
    """Returns learners by name.

    Args:
        training: What they will learn from; its values are there.
        seed: Of what they draw.
    """
    from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.linear_model import Ridge
    from sklearn.neural_network import MLPRegressor

    assert training.values is not None
    n, outputs = training.values.shape
    made = {"linear regression": _learner(lambda: Ridge(alpha=1e-6))}
    for link in links_for(training.values)[1:]:
        made[f"linear regression with link {link.name}"] = _learner(lambda: Ridge(alpha=1e-6), link)
    if n <= _MOST_FOR_KERNELS:
        made["kernel ridge"] = _learner(lambda: KernelRidge(kernel="rbf", alpha=0.01))
    made["network"] = _learner(
        lambda: MLPRegressor(
            hidden_layer_sizes=(128, 128), max_iter=500, early_stopping=n >= 500, random_state=seed
        )
    )
    made["extremely random trees"] = _learner(
        lambda: ExtraTreesRegressor(n_estimators=_TREES, random_state=seed)
    )
    if n >= _FEWEST_FOR_BOOSTING and outputs <= _MOST_BOOSTED:
        made["boosted trees"] = _learner(
            lambda: _boosted(outputs, HistGradientBoostingRegressor(random_state=seed))
        )
    return made


def _boosted(outputs: int, model: Any) -> Any:
    """A model of one output as one of several."""
    from sklearn.multioutput import MultiOutputRegressor

    return model if outputs == 1 else MultiOutputRegressor(model)


def _learner(make: Callable[[], Any], link: Link = IDENTITY) -> Learn:
    def learn(training: TrainingSet) -> Predict:
        assert training.values is not None
        linear = link.to_linear(training.values)
        middle = linear.mean(axis=0)
        spread = linear.std(axis=0)
        spread[spread == 0] = 1.0
        wanted = (linear - middle) / spread
        model = fitted(make(), training, wanted[:, 0] if wanted.shape[1] == 1 else wanted)

        def predict(inputs: Array) -> Array:
            given = np.asarray(model.predict(inputs)).reshape(len(inputs), -1)
            return link.to_values(given * spread + middle)

        return predict

    return learn
