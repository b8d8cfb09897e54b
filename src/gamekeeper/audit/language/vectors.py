"""The audit of a model that gives vectors: embeddings by regression.

    texts -> test and pool -> vectors (paid once) -> coarsened -> regression on public features ->
    its vectors

A thief has their own features, public ones (wordllama's and character n-grams), and learns the way
from them to the target's. What embeddings are for is finding what is alike: fidelity is the share
of test texts whose nearest other test text is the same by the copy as by the target.

Source: Liu et al., StolenEncoder, CCS 2022, and Sha et al., Can't Steal? Cont-Steal!, CVPR 2023,
    train an encoder on
the target's vectors; that rounding, noise and leaving out places do not stop it is theirs.
Regression on features of a public encoder in its place, and nearest neighbours as fidelity, are
ours.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from time import process_time
from typing import Any

import numpy as np

from gamekeeper.audit.answers import Access
from gamekeeper.audit.attacks import AttackCard
from gamekeeper.audit.language.interview import Vectors
from gamekeeper.audit.learners import why_no_learners
from gamekeeper.audit.learners.cores import one_core_each
from gamekeeper.audit.measures import share_error
from gamekeeper.audit.meter import SpentError
from gamekeeper.audit.options import SIZES, AuditOptions
from gamekeeper.audit.result import AuditResult, Curve, Defended, Point, Users
from gamekeeper.audit.targets import Array
from gamekeeper.audit.traffic import Traffic
from gamekeeper.base.errors import MissingExtraError, UsageError
from gamekeeper.base.progress import OnStage, ignore_stage

_TEST_SHARE = 0.25
_TEST_MOST = 1_000
_LEAST_TEXTS = 100
_ASKED_AGAIN = 5
_SAME = 1e-6
_HELD_OUT = 0.2
_MOST_FOR_KERNELS = 5_000
_ATTACK = "embedding-regression"
_READING = "vectors"
# strengths
_RIDGES = (1e-2, 1e-1, 1.0)
_KERNELS = (1e-3, 1e-2)
# of a row whose places have a spread of 1; share of its norm; of its places
_DECIMALS = 1
_NOISE = 0.3
_KEPT = 0.25

CARD = AttackCard(
    name=_ATTACK,
    purpose="Learns the way from public features of texts to a target's embeddings.",
    needs="Texts of the domain (--prompts).",
    fits="Encoders that are built on public ones.",
    source=(
        "Liu et al., StolenEncoder, CCS 2022; Sha et al., CVPR 2023; regression on public features"
        " is ours."
    ),
    extra="audit",
)

Coarsen = Callable[[Array], Array]
"""Vectors to what is given out of them, both of shape (n, width)."""
Copy = Callable[[Array], Array]
"""A thief's own features of texts, shape (n, 512), to vectors."""


class VectorAudit:
    """One model that gives vectors, its texts split, ready to be learnt from.

    Args:
        vectors: The target.
        texts: Of its domain, different ones; 100 at least.
        options: Of the audit.
        name: Of the target.
        on_stage: Called with the name of each stage that begins.

    Raises:
        UsageError: There are too few texts, or the budget is too small.
        TargetError: The target failed.
        MissingExtraError: The regression needs an extra that is not installed.
    """

    def __init__(
        self,
        vectors: Vectors,
        texts: Sequence[str],
        options: AuditOptions,
        name: str,
        on_stage: OnStage = ignore_stage,
    ) -> None:
        if why_no_learners() is not None:
            raise MissingExtraError("regression on embeddings", "audit")
        if min(len(texts), options.budget) < _LEAST_TEXTS:
            raise UsageError(
                f"{len(texts)} texts and {options.budget} queries are too few; expected at"
                f" least {_LEAST_TEXTS} of each"
            )
        self._vectors = vectors
        self._options = options
        self._name = name
        self._on_stage = on_stage
        self.traffic = Traffic()
        order = np.random.default_rng(options.seed).permutation(len(texts))
        tests = min(_TEST_MOST, int(len(texts) * _TEST_SHARE), options.budget // 3)
        self._tests, self._pool = ([texts[i] for i in part] for part in np.split(order, [tests]))
        self._known = public_features(self._pool)
        on_stage(f"asking {tests} test texts", 0, 0)
        truth = vectors.ask(self._tests)
        is_answered = np.isfinite(truth).all(axis=1)  # the others are left out
        self._tests = [self._tests[at] for at in np.flatnonzero(is_answered)]
        self._truth = truth[is_answered]
        self._asked = public_features(self._tests)
        self._again = vectors.ask(self._tests[:_ASKED_AGAIN], turn=1)
        self._nearest = nearest(self._truth)

    def run(self) -> AuditResult:
        """Attacks, and returns what was found."""
        ways = coarsenings(np.random.default_rng(self._options.seed + 1))
        defended = tuple(self._defended(name, coarsen) for name, coarsen in ways.items())
        return AuditResult(
            target=self._name,
            access=Access.VECTORS,
            fidelity="agreement on the nearest other text",
            test_inputs=len(self._tests),
            paid=self._vectors.ledger.paid,
            defended=defended,
            findings=tuple(self._findings()),
            left_out={},
            prices=self._options.prices,
        )

    def _defended(self, name: str, coarsen: Coarsen) -> Defended:
        points: list[Point] = []
        stopped = None
        for size in self._sizes if name == "none" else self._sizes[::-2][::-1]:
            self._on_stage(f"{_ATTACK} on {size} texts, defence: {name}", 0, 0)
            try:
                answers = self._vectors.ask(self._pool[:size])
            except SpentError as error:
                stopped = str(error)
                break
            if name == "none":
                self.traffic.add(_ATTACK, self._pool[self.traffic.count(_ATTACK) : size])
            is_answered = np.isfinite(answers).all(axis=1)
            features = self._known[:size][is_answered]
            points.append(self._point(features, coarsen(answers[is_answered]), size))
        curve = Curve(attack=_ATTACK, believes=_READING, points=tuple(points), stopped=stopped)
        return Defended(defence=name, users=self._users(name, coarsen), curves=(curve,))

    def _point(self, features: Array, given: Array, queries: int) -> Point:
        began = process_time()
        fidelities = []
        recipes = []
        with one_core_each():
            for number in range(self._options.seeds):
                recipe, copy = regression(
                    features, given, np.random.default_rng([self._options.seed, number])
                )
                fidelities.append(float((nearest(copy(self._asked)) == self._nearest).mean()))
                recipes.append(recipe)
        cpu_s = (process_time() - began) / self._options.seeds
        prices = self._options.prices
        n = queries
        usd = n * (prices.per_query + prices.per_input) + cpu_s / 3600 * prices.per_core_hour
        best = recipes[int(np.argmax(fidelities))]
        alone = len(fidelities) == 1
        return Point(
            queries=n,
            fidelities=tuple(fidelities),
            cpu_s=cpu_s,
            usd=usd,
            recipe=best,
            error=share_error(fidelities[0], len(self._tests)) if alone else 0.0,
        )

    @property
    def _sizes(self) -> list[int]:
        most = min(len(self._pool), self._options.budget - len(self._tests) - _ASKED_AGAIN)
        return [*(size for size in SIZES if size < most), most]

    def _users(self, name: str, coarsen: Coarsen) -> Users:
        if name == "none":
            return Users()
        moved = float((nearest(coarsen(self._truth)) != self._nearest).mean())
        return Users(label_changed=moved)

    def _findings(self) -> Iterator[str]:
        yield f"it gives vectors of {self._truth.shape[1]} numbers"
        if remark := self._vectors.failed.remark:
            yield remark
        same = np.isclose(self._truth[: len(self._again)], self._again, atol=_SAME)
        if not (same | np.isnan(self._again)).all():
            yield "the same text got another vector when it was asked again"
        values = np.linalg.svd(self._truth - self._truth.mean(axis=0), compute_uv=False)
        rank = int((values > values[0] * 1e-6).sum())
        if rank < min(self._truth.shape) - 1:
            yield f"its vectors span {rank} dimensions: they are projected from no more than that"


def coarsenings(rng: np.random.Generator) -> dict[str, Coarsen]:
    """Returns ways to give less, by name: none of it, fewer digits, noise, fewer places.

    Args:
        rng: Draws the noise.
    """

    def rounded(rows: Array) -> Array:
        spread = rows.std(axis=1, keepdims=True)
        return np.asarray(np.round(rows / spread, _DECIMALS - 1) * spread)

    def noisy(rows: Array) -> Array:
        noise = rng.standard_normal(rows.shape) / np.sqrt(rows.shape[1])
        return np.asarray(rows + _NOISE * np.linalg.norm(rows, axis=1, keepdims=True) * noise)

    def largest(rows: Array) -> Array:
        kept = max(1, int(_KEPT * rows.shape[1]))
        least = -np.partition(-np.abs(rows), kept - 1, axis=1)[:, kept - 1 : kept]
        return np.asarray(np.where(np.abs(rows) >= least, rows, 0.0))

    return {
        "none": lambda rows: rows,
        "rounded": rounded,
        "noise": noisy,
        "largest-quarter": largest,
    }


def nearest(vectors: Array) -> Array:
    """Returns for each vector, shape (n, width), which other one is nearest by cosine,
    shape (n,).
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    return np.asarray(alike.argmax(axis=1))


def regression(features: Array, given: Array, rng: np.random.Generator) -> tuple[str, Copy]:
    """Returns the best of several regressions from public features to vectors, with its name.

    Args:
        features: Of the texts that were asked, shape (n, 512).
        given: Their vectors, shape (n, width).
        rng: Draws which judge.
    """
    held, known = np.split(rng.permutation(len(given)), [max(1, int(_HELD_OUT * len(given)))])

    def wrong(make: Callable[[], Any]) -> float:
        said = make().fit(features[known], given[known]).predict(features[held])
        return -float(_cosines(said, given[held]).mean())

    name, make = min(_regressions(len(given)).items(), key=lambda each: wrong(each[1]))
    model = make().fit(features, given)
    return name, lambda some: np.asarray(model.predict(some))


def _regressions(n: int) -> dict[str, Callable[[], Any]]:
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.linear_model import Ridge

    made: dict[str, Callable[[], Any]] = {
        f"ridge {alpha:g}": partial(Ridge, alpha=alpha) for alpha in _RIDGES
    }
    if n <= _MOST_FOR_KERNELS:
        made |= {
            f"kernel ridge {alpha:g}": partial(KernelRidge, alpha=alpha, kernel="rbf", gamma=1.0)
            for alpha in _KERNELS
        }
    return made


def public_features(texts: Sequence[str]) -> Array:
    """Returns what a thief makes of texts without the target, shape (n, 512): meaning and
    spelling.
    """
    return np.hstack([encoder.encode(texts) for encoder in _encoders()]).astype(np.float64)


@cache
def _encoders() -> tuple[Any, ...]:
    from gamekeeper.encoding import load_encoder

    return load_encoder("auto"), load_encoder("hashing")


def _cosines(ours: Array, theirs: Array) -> Array:
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return np.asarray((ours * theirs).sum(axis=1) / np.maximum(norms, 1e-12))
