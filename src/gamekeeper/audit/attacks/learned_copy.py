"""Learned copy: inputs of the target's domain, its answers, and whatever learner explains held-out answers best.

What decides how good a copy gets is the recipe, not the choice of queries (E3, 2024): several kinds of learner are
trained until they converge, each is judged on a quarter of the answers, and the best is trained again on all of them.
Students of soft answers learn the log-odds; students of labels learn the labels.

Source: Orekondy et al., Knockoff Nets, CVPR 2019 (random in-domain queries); the contest of learners is ours.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gamekeeper.audit.asking import Ask
from gamekeeper.audit.attacks._attack import AttackCard, Interface, Loot, Predict, Surrogate, attack
from gamekeeper.audit.targets import Array
from gamekeeper.errors import MissingExtraError

_FLOOR = 1e-4  # of a probability, before its logarithm
_HELD_OUT = 0.25
_MOST_MIXED = 2  # times the pool; more mixtures of the same inputs teach little
_MOST_BOOSTED = 200  # trees
_MOST_FOR_KERNELS = 5_000  # answers; kernel machines take the square of it


@attack
class LearnedCopy:
    """See the module."""

    card = AttackCard(
        name="learned-copy",
        purpose="Trains several kinds of learner on answers to inputs of the target's domain and keeps the best.",
        needs="Unlabelled inputs of the domain; labels suffice, scores help.",
        fits="Everything that can be learnt; the yardstick for all other attacks.",
        source="Orekondy et al., Knockoff Nets, CVPR 2019; the contest of learners on held-out answers is ours.",
        extra="audit",
    )

    def why_not(self, interface: Interface) -> str | None:
        """See `Attack`."""
        return why_no_learners()

    def surrogates(self, ask: Ask, loot: Loot, rng: np.random.Generator) -> Iterator[Surrogate]:
        """See `Attack`."""
        labels, soft = np.empty(0, np.int64), np.empty((0, loot.classes))
        inputs = _with_mixtures(loot.pool, loot.sizes, rng)
        for size in (size for size in loot.sizes if size <= len(inputs)):
            answers = ask(inputs[len(labels) : size])
            labels = np.concatenate([labels, answers.labels])
            if answers.probabilities is not None:
                soft = np.vstack([soft, answers.probabilities])
            given = soft if loot.uses_scores and len(soft) else None
            name, predict = best_learner(inputs[:size], labels, given, rng, real=len(loot.pool))
            yield Surrogate(queries=size, predict=predict, recipe=name)


def why_no_learners() -> str | None:
    """Returns what is missing for training learners; None if nothing is."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return str(MissingExtraError("the learned copy", "audit"))
    return None


def _with_mixtures(pool: Array, sizes: Sequence[int], rng: np.random.Generator) -> Array:
    """The pool, then mixtures of two of its inputs each: what a thief asks whose inputs run out."""
    wanted = max((size for size in sizes if size <= _MOST_MIXED * len(pool)), default=0) - len(pool)
    if wanted <= 0:
        return pool
    one, other = (pool[rng.integers(len(pool), size=wanted)] for _ in range(2))
    share = rng.uniform(0, 0.5, (wanted, 1))
    whole = (pool == np.round(pool)).all(axis=0)  # categories and counts have nothing in between
    share = np.where(whole, rng.random(one.shape) < share, share)
    return np.vstack([pool, one + share * (other - one)])


def best_learner(
    inputs: Array, labels: Array, soft: Array | None, rng: np.random.Generator, real: int | None = None
) -> tuple[str, Predict]:
    """Trains every kind of learner and keeps the best.

    Args:
        inputs: That were asked, shape (n, width).
        labels: Their answers, shape (n,).
        soft: Their answers as probabilities, shape (n, classes); None to learn from labels alone.
        rng: Draws what is held out.
        real: The first so many inputs are of the domain, and judge; None for all.

    Returns:
        Its name, and its labels.
    """
    if len(np.unique(labels)) == 1:
        return "one label for everything", lambda some: np.full(len(some), labels[0])
    order = rng.permutation(min(len(inputs), real or len(inputs)))
    held, kept = np.split(order, [max(1, int(len(order) * _HELD_OUT))])
    kept = np.concatenate([kept, np.arange(len(order), len(inputs))])
    students = _students(len(inputs), len(np.unique(labels)), int(rng.integers(1 << 31)))
    if soft is not None:
        students |= _soft_students(len(inputs), int(rng.integers(1 << 31)))
    agreed: dict[str, float] = {}
    for name, learn in students.items():
        if len(np.unique(labels[kept])) > 1:
            predict = learn(inputs[kept], labels[kept], None if soft is None else soft[kept])
            agreed[name] = float((predict(inputs[held]) == labels[held]).mean())
    best = max(agreed, key=agreed.__getitem__) if agreed else next(iter(students))
    return best, students[best](inputs, labels, soft)


Learn = Callable[[Array, Array, Array | None], Predict]


def _students(n: int, classes: int, seed: int) -> dict[str, Learn]:
    """Learners of labels, by name."""
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    made: dict[str, Learn] = {
        "logistic regression": _classifier(lambda: LogisticRegression(C=10, max_iter=2_000)),
        "extremely random trees": _classifier(
            lambda: ExtraTreesClassifier(n_estimators=300, random_state=seed), scales=False
        ),
    }
    if n <= _MOST_FOR_KERNELS:
        made["kernel machine"] = _classifier(lambda: SVC(C=10))
    if n >= 200:
        rounds = max(20, _MOST_BOOSTED // classes)  # each round grows a tree for every class
        made["boosted trees"] = _classifier(
            lambda: HistGradientBoostingClassifier(max_iter=rounds, random_state=seed), scales=False
        )
    return made


def _soft_students(n: int, seed: int) -> dict[str, Learn]:
    """Learners of log-odds, by name."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.neural_network import MLPRegressor

    made: dict[str, Learn] = {
        "network on scores": _regressor(
            lambda: MLPRegressor(
                hidden_layer_sizes=(128, 128), alpha=1e-4, max_iter=500, early_stopping=n >= 500, random_state=seed
            )
        ),
        "trees on scores": _regressor(lambda: ExtraTreesRegressor(n_estimators=100, random_state=seed)),
    }
    if n <= _MOST_FOR_KERNELS:
        made["kernel ridge on scores"] = _regressor(_kernel_ridge(KernelRidge))
    return made


def _kernel_ridge(kind: Any) -> Callable[[], Any]:
    return lambda: kind(kernel="rbf", alpha=0.01)


def _classifier(make: Callable[[], Any], *, scales: bool = True) -> Learn:
    def learn(inputs: Array, labels: Array, soft: Array | None) -> Predict:
        fitted = _fitted(make, inputs, labels, scales)
        return lambda some: np.asarray(fitted.predict(some), np.int64)

    return learn


def _regressor(make: Callable[[], Any]) -> Learn:
    def learn(inputs: Array, labels: Array, soft: Array | None) -> Predict:
        assert soft is not None
        logs = np.log(np.maximum(soft, _FLOOR))
        fitted = _fitted(make, inputs, logs - logs.mean(axis=1, keepdims=True), True)
        return lambda some: np.asarray(fitted.predict(some)).argmax(axis=1)

    return learn


def _fitted(make: Callable[[], Any], inputs: Array, wanted: Array, scales: bool) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    learner = make_pipeline(StandardScaler(), make()) if scales else make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # held-out answers judge it, converged or not
        return learner.fit(inputs, wanted)
