"""What compiling keeps of models that people have, or why it refuses them, as a Markdown table.

    python benchmarks/sealing/compiling.py

The models are fitted to scikit-learn's own data: breast cancer (569 rows of 30 named columns, two
classes), iris and digits (classes), diabetes (442 rows, values). Nothing is drawn but by seed 0.
"""

import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, MultiTaskLasso, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC

from gamekeeper.base.errors import InputError
from gamekeeper.encrypted.compiling import CompileOptions, compile_model

ERROR_OF_VALUES = 0.1  # diabetes progression is 25 to 346
HEAD = "| model | outputs | kept | baseline | noise, bits |\n|---|---|---|---|---|"


class Case(NamedTuple):
    """A model, and the data that it is compiled with."""

    name: str
    model: Any
    inputs: np.ndarray
    truth: np.ndarray
    options: CompileOptions = CompileOptions()


def classifiers() -> Iterator[Case]:
    """Two classes, by number, by text, and as -1 and 1; three and ten classes."""
    rows, truth = load_breast_cancer(return_X_y=True)
    scaled = StandardScaler
    yield Case("LogisticRegression", make_pipeline(scaled(), LogisticRegression()), rows, truth)
    named = np.where(truth, "benign", "malignant")
    yield Case("LinearSVC, text labels", make_pipeline(scaled(), LinearSVC()), rows, named)
    yield Case("LinearSVC, -1 and 1", make_pipeline(scaled(), LinearSVC()), rows, truth * 2 - 1)
    whitened = make_pipeline(scaled(), PCA(10, whiten=True), LogisticRegression())
    yield Case("PCA, LogisticRegression", whitened, rows, truth)
    chosen = make_pipeline(SimpleImputer(), SelectKBest(k=8), RobustScaler(), LogisticRegression())
    yield Case("SimpleImputer, SelectKBest, RobustScaler", chosen, rows, truth)
    search = GridSearchCV(
        make_pipeline(scaled(), LogisticRegression()), {"logisticregression__C": [0.1, 1]}
    )
    yield Case("GridSearchCV", search, rows, truth)
    one = CalibratedClassifierCV(make_pipeline(scaled(), LinearSVC()), ensemble=False)
    yield Case("CalibratedClassifierCV, one sigmoid", one, rows, truth)
    several = CalibratedClassifierCV(make_pipeline(scaled(), LinearSVC()))
    yield Case("CalibratedClassifierCV, default", several, rows, truth)
    for name, answers in (
        ("MLPClassifier 30-16", truth),
        ("MLPClassifier, two labels a row", np.column_stack([truth, rows[:, 0] > 14]).astype(int)),
    ):
        network = make_pipeline(scaled(), MLPClassifier((16,), max_iter=500, random_state=0))
        yield Case(name, network, rows, answers)
    far = rows.copy()
    far[5, 0], far[100, 3] = 1e6, 1e7
    logistic = make_pipeline(scaled(), LogisticRegression()).fit(rows, truth)
    yield Case("LogisticRegression, two outliers in inputs", logistic, far, truth)
    yield Case("SVC(kernel='linear'), iris", SVC(kernel="linear"), *load_iris(return_X_y=True))
    digits, classes = load_digits(return_X_y=True)
    yield Case("LogisticRegression, digits", LogisticRegression(max_iter=500), digits / 16, classes)
    yield Case("RandomForestClassifier", RandomForestClassifier(random_state=0), rows, truth)


def regressions() -> Iterator[Case]:
    """One value and several."""
    rows, truth = load_diabetes(return_X_y=True)
    options = CompileOptions(error=ERROR_OF_VALUES)
    yield Case("Ridge", make_pipeline(StandardScaler(), Ridge()), rows, truth, options)
    network = MLPRegressor(
        hidden_layer_sizes=(32,), max_iter=3000, random_state=0, learning_rate_init=0.01
    )
    yield Case("MLPRegressor 10-32", make_pipeline(StandardScaler(), network), rows, truth, options)
    two = np.column_stack([truth, rows[:, 2] * 1000])
    yield Case("MultiTaskLasso, two values", MultiTaskLasso(0.1), rows, two, options)
    yield Case("PoissonRegressor", PoissonRegressor(), rows, truth, options)


def networks() -> Iterator[Case]:
    """Networks of torch with one logit, and with layers that fold."""
    import torch
    from torch import nn

    rows, truth = load_breast_cancer(return_X_y=True)
    inputs = StandardScaler().fit_transform(rows)
    torch.manual_seed(0)
    layers = [nn.Linear(30, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1)]
    network = nn.Sequential(*layers)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    given, wanted = torch.from_numpy(inputs).float(), torch.from_numpy(truth).float()[:, None]
    for _ in range(300):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(network(given), wanted).backward()
        optimiser.step()
    yield Case("torch, BatchNorm1d, one logit", network, inputs, truth)
    yield Case(
        "torch, the same behind a sigmoid", nn.Sequential(network, nn.Sigmoid()), inputs, truth
    )
    normalised = nn.Sequential(nn.Linear(30, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 2))
    yield Case("torch, LayerNorm", normalised, inputs, truth)


def line(case: Case) -> str:
    """Returns the row of a table for one model."""
    if hasattr(case.model, "fit") and not hasattr(case.model, "classes_"):
        case.model.fit(case.inputs, case.truth)
    try:
        made = compile_model(case.model, case.inputs, case.options, case.truth)
    except InputError as error:
        fault = error.faults[0]
        return f"| {case.name} | | refused: {fault.problem}: {fault.found} | | |"
    report = made.report
    if report["outputs"] == "values":
        kept = f"R2 {report['r2']:.4f}, differences to {report['largest_difference']:.3g}"
        baseline = "R2 0"
    else:
        kept = (
            f"agreement {report['agreement']:.4f}, accuracy {report['accuracy_original']:.4f}"
            f" -> {report['accuracy']:.4f}"
        )
        baseline = f"{report['agreement_constant']:.2f}, {report['accuracy_constant']:.2f}"
    bits = f"{made.flood_bits:.0f}"
    if "stretched" in report:
        bits += f", {report['stretched']['without']['flood_bits']:.0f} without the outliers"
    return f"| {case.name} | {report['outputs']} | {kept} | {baseline} | {bits} |"


def main() -> None:
    """Prints the table."""
    warnings.simplefilter("ignore")  # networks need not converge here
    print(HEAD)
    for case in [*classifiers(), *regressions(), *(networks() if find_spec("torch") else ())]:
        print(line(case), flush=True)


if __name__ == "__main__":
    main()
