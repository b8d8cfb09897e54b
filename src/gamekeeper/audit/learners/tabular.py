"""Learners of rows: of labels, and of log-odds where there are scores."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gamekeeper.audit.learners._training_set import ByLogOdds, Learn, Predict, TrainingSet
from gamekeeper.audit.learners.preparing import fitted
from gamekeeper.audit.targets import Array

_FLOOR = 1e-4  # of a probability, before its logarithm
_MOST_BOOSTED = 200  # trees
_MOST_FOR_KERNELS = 5_000  # answers; kernel machines take the square of it


def tabular_learners(training: TrainingSet, seed: int, *, few: bool = False) -> dict[str, Learn]:
    """Returns learners by name.

    Args:
        training: What they will learn from; of which there are many, slow learners are left out.
        seed: Of what they draw.
        few: Only the kernel machines: what is left to say beside networks for pictures.
    """
    made = _of_labels(training, seed, few)
    return made if training.soft is None else made | _of_scores(len(training), seed, few)


def _of_labels(training: TrainingSet, seed: int, few: bool) -> dict[str, Learn]:
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    n = len(training)
    classes = len(np.unique(training.labels))
    weight = "balanced" if training.is_balanced else None
    made: dict[str, Learn] = {}
    if n <= _MOST_FOR_KERNELS:
        made["kernel machine"] = _classifier(lambda: SVC(C=10, class_weight=weight))
    if few and made:
        return made
    made["logistic regression"] = _classifier(
        lambda: LogisticRegression(C=10, max_iter=2_000, class_weight=weight)
    )
    made["extremely random trees"] = _classifier(
        lambda: ExtraTreesClassifier(n_estimators=150, random_state=seed, class_weight=weight),
        scales=False,
    )
    if n >= 200:
        rounds = max(20, _MOST_BOOSTED // classes)  # each round grows a tree for every class
        made["boosted trees"] = _classifier(
            lambda: HistGradientBoostingClassifier(
                max_iter=rounds, random_state=seed, class_weight=weight
            ),
            scales=False,
        )
    return made


def _of_scores(n: int, seed: int, few: bool) -> dict[str, Learn]:
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.linear_model import Ridge
    from sklearn.neural_network import MLPRegressor

    made: dict[str, Learn] = {}
    if n <= _MOST_FOR_KERNELS:
        made["kernel ridge on scores"] = _regressor(lambda: KernelRidge(kernel="rbf", alpha=0.01))
    if few and made:
        return made
    # a linear model behind categories or gaps, which equation solving cannot draw
    made["linear model on scores"] = _regressor(lambda: Ridge(alpha=1e-6))
    made["network on scores"] = _regressor(
        lambda: MLPRegressor(
            hidden_layer_sizes=(128, 128),
            alpha=1e-4,
            max_iter=500,
            early_stopping=n >= 500,
            random_state=seed,
        )
    )
    made["trees on scores"] = _regressor(
        lambda: ExtraTreesRegressor(n_estimators=50, random_state=seed)
    )
    return made


def log_odds(soft: Array) -> Array:
    """Returns logarithms of probabilities, each row's mean taken off, shape (n, classes)."""
    logs = np.log(np.maximum(soft, _FLOOR))
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def _classifier(make: Callable[[], Any], *, scales: bool = True) -> Learn:
    def learn(training: TrainingSet) -> Predict:
        model = fitted(make(), training, training.labels, scales=scales)
        return lambda some: np.asarray(model.predict(some), np.int64)

    return learn


def _regressor(make: Callable[[], Any]) -> Learn:
    def learn(training: TrainingSet) -> Predict:
        assert training.soft is not None
        model = fitted(make(), training, log_odds(training.soft))
        return ByLogOdds(lambda some: np.asarray(model.predict(some)))

    return learn
