"""A zoo: models of many kinds on public data, each audited, so that "what share can be copied for
so much" is measured.

Data is what scikit-learn ships, and Fashion-MNIST where Debian's package `dataset-fashion-mnist`
has put it. The owner trains on half of the rows; the thief has the other half, and where that is
little, mixtures of two of its rows.
"""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gamekeeper.audit.driver import Audit
from gamekeeper.audit.journal import Journal
from gamekeeper.audit.meter import Limits, Meter
from gamekeeper.audit.options import AuditOptions
from gamekeeper.audit.result import AuditResult
from gamekeeper.audit.targets import Array, EstimatorTarget
from gamekeeper.base.errors import MissingExtraError
from gamekeeper.base.progress import OnStage, ignore_stage

FASHION = Path("/usr/share/datasets/fashion-mnist")
_FASHION_ROWS = 6_000
_THIEF_ROWS = 600  # at least, mixtures included


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """A model of the zoo.

    Args:
        data: What it was trained on.
        kind: Of model.
        accuracy: On rows that it was not trained on.
        result: What its audit found.
    """

    data: str
    kind: str
    accuracy: float
    result: AuditResult


def zoo(
    options: AuditOptions, on_stage: OnStage = ignore_stage, only: str = ""
) -> Iterator[Specimen]:
    """Trains and audits every model.

    Args:
        options: Of each audit.
        on_stage: Called with the name of each model that is attacked.
        only: Data sets whose name holds this; all if empty.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    for name, (inputs, labels) in _data().items():
        if only not in name:
            continue
        order = np.random.default_rng(options.seed).permutation(len(inputs))
        ours, theirs = np.array_split(order, 2)
        for kind, make in _kinds(options.seed).items():
            on_stage(f"{kind} on {name}", 0, 0)
            model = make().fit(inputs[ours], labels[ours])
            yield Specimen(
                data=name,
                kind=kind,
                accuracy=float((model.predict(inputs[theirs]) == labels[theirs]).mean()),
                result=_audited(f"{kind} on {name}", model, inputs[theirs], options),
            )


def _audited(name: str, model: Any, inputs: Array, options: AuditOptions) -> AuditResult:
    rng = np.random.default_rng(options.seed)
    missing = max(0, _THIEF_ROWS - len(inputs))
    one, other = (inputs[rng.integers(len(inputs), size=missing)] for _ in range(2))
    mixed = one + rng.uniform(0, 0.5, (missing, 1)) * (other - one)
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite", name)
        try:
            meter = Meter(EstimatorTarget(model, name), journal, Limits(queries=options.budget))
            return Audit(meter, np.vstack([inputs, mixed]), options, name).run()
        finally:
            journal.close()


def _data() -> dict[str, tuple[Array, Array]]:
    """Inputs and labels by name."""
    try:
        from sklearn import datasets
    except ImportError:
        raise MissingExtraError("the zoo", "audit") from None
    found = {
        name: getattr(datasets, f"load_{name}")(return_X_y=True)
        for name in ("iris", "wine", "breast_cancer", "digits")
    }
    inputs, progress = datasets.load_diabetes(return_X_y=True)
    found["diabetes above its median"] = inputs, (progress > np.median(progress)).astype(int)
    if FASHION.is_dir():
        found["fashion-mnist"] = _fashion()
    return found


def _fashion() -> tuple[Array, Array]:
    """Pictures of 14 x 14, each pixel the mean of four, shape (6000, 196), from 0 to 1, and their
    labels.
    """
    images = gzip.decompress((FASHION / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((FASHION / "t10k-labels-idx1-ubyte.gz").read_bytes())
    pictures = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 14, 2, 14, 2)[:_FASHION_ROWS]
    return pictures.mean(axis=(2, 4)).reshape(len(pictures), -1) / 255, np.frombuffer(
        labels, np.uint8, offset=8
    )[:_FASHION_ROWS].astype(int)


def _kinds(seed: int) -> dict[str, Callable[[], Any]]:
    """Models by kind, with what people leave at its default."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    def scaled(make: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: make_pipeline(StandardScaler(), make())

    return {
        "logistic regression": scaled(lambda: LogisticRegression(max_iter=5_000)),
        "support vectors, labels alone": scaled(lambda: SVC()),
        "nearest neighbours": scaled(lambda: KNeighborsClassifier()),
        "naive Bayes": GaussianNB,
        "decision tree": lambda: DecisionTreeClassifier(min_samples_leaf=5, random_state=seed),
        "random forest": lambda: RandomForestClassifier(random_state=seed),
        "boosted trees": lambda: HistGradientBoostingClassifier(max_iter=50, random_state=seed),
        "network": scaled(lambda: MLPClassifier((32,), max_iter=2_000, random_state=seed)),
    }
