"""Models and inputs that the questions are about: data that scikit-learn ships, or drawn with a fixed
seed, so that what is right is known from how a model was made.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

Array = np.ndarray
CANCER = 30
"""Columns of the breast cancer data."""
DIABETES = 10
"""Columns of the diabetes data."""


def cancer() -> tuple[Array, Array]:
    """Returns 569 rows of 30 standardised columns, and two classes."""
    rows, labels = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(rows), labels


def diabetes() -> tuple[Array, Array]:
    """Returns 442 rows of 10 columns, and a value from 25 to 346."""
    rows, values = load_diabetes(return_X_y=True)
    return rows * 20, values


def normal(rows: int, width: int, seed: int = 0) -> Array:
    """Returns rows from a standard normal distribution."""
    return np.random.default_rng(seed).normal(size=(rows, width))


def function(folder: Path, model: object, body: str, pool: Array) -> None:
    """Writes a model, the function that asks it, scoring.py, and inputs, pool.npy."""
    joblib.dump(model, folder / "model.joblib")
    lines = [
        "import joblib",
        "import numpy as np",
        "",
        'model = joblib.load("model.joblib")',
        "",
        "",
        "def answer(rows):",
        *(f"    {line}" for line in body.splitlines()),
        "",
    ]
    (folder / "scoring.py").write_text("\n".join(lines))
    np.save(folder / "pool.npy", pool)


def file(folder: Path, model: object, pool: Array) -> None:
    """Writes a pickled model and its inputs."""
    joblib.dump(model, folder / "model.joblib")
    np.save(folder / "pool.npy", pool)


def logistic(body: str) -> Callable[[Path], None]:
    """A logistic regression that answers as the body of a function says."""

    def make(folder: Path) -> None:
        rows, labels = cancer()
        function(folder, LogisticRegression().fit(rows, labels), body, rows)

    return make


def ridge_function(folder: Path) -> None:
    """A linear regression of ten columns, as a function."""
    rows, values = diabetes()
    function(folder, Ridge().fit(rows, values), "return model.predict(rows)", rows)


def ridge_file(folder: Path) -> None:
    """The same as a file."""
    rows, values = diabetes()
    file(folder, Ridge().fit(rows, values), rows)


def boosted_regression(folder: Path) -> None:
    """Gradient boosting of 50 trees."""
    from sklearn.ensemble import GradientBoostingRegressor

    rows, values = diabetes()
    file(folder, GradientBoostingRegressor(n_estimators=50, random_state=0).fit(rows, values), rows)


def tree_regression(folder: Path) -> None:
    """A regression tree of eight leaves over four columns; 3,000 inputs."""
    from sklearn.tree import DecisionTreeRegressor

    rows = normal(3_000, 4)
    values = rows @ [3.0, -2.0, 1.0, 0.0] + rows[:, 0] * rows[:, 1]
    file(folder, DecisionTreeRegressor(max_depth=3, random_state=0).fit(rows, values), rows)


def credit(rows: int = 1_500) -> tuple[list[dict[str, Any]], Array]:
    """Returns records with text, numbers and gaps, and labels that follow from them."""
    rng = np.random.default_rng(0)
    income = rng.lognormal(10.5, 0.5, rows).round(2)
    age = rng.integers(18, 80, rows).astype(float)
    job = rng.choice(["clerk", "nurse", "driver", "none"], rows)
    home = rng.choice(["rent", "own"], rows)
    worth = np.log(income) - 10.5 + (age - 49) / 40 + 0.7 * (home == "own") - 0.9 * (job == "none")
    labels = (worth > 0.1).astype(int)
    gaps = rng.random((2, rows)) < 0.05
    age[gaps[0]] = np.nan
    records = [
        {
            "income": income[row],
            "age": None if np.isnan(age[row]) else age[row],
            "job": None if gaps[1][row] else job[row],
            "home": home[row],
        }
        for row in range(rows)
    ]
    return records, labels


def pipeline(folder: Path) -> None:
    """Text, numbers and gaps, as a pipeline that was fitted to a data frame; applicants.csv with its
    columns, and turned.csv with the same in reverse.
    """
    import pandas

    records, labels = credit()
    frame = pandas.DataFrame(records)
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["income", "age"]),
            (
                "texts",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent", missing_values=None),
                    OneHotEncoder(handle_unknown="ignore"),
                ),
                ["job", "home"],
            ),
        ]
    )
    frame[["job", "home"]] = frame[["job", "home"]].astype(object).where(frame.notna(), None)
    joblib.dump(
        make_pipeline(columns, LogisticRegression()).fit(frame, labels), folder / "model.joblib"
    )
    frame.to_csv(folder / "applicants.csv", index=False)
    frame[frame.columns[::-1]].to_csv(folder / "turned.csv", index=False)


def texts(folder: Path) -> None:
    """Three species by name."""
    rows, labels = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[labels]
    model = LogisticRegression(max_iter=1_000).fit(rows, names)
    rng = np.random.default_rng(0)
    pool = rows[rng.integers(0, len(rows), 800)] + rng.normal(scale=0.2, size=(800, 4))
    function(folder, model, "return list(model.predict(rows))", pool)


def labelled(low: int, high: int) -> Callable[[Path], None]:
    """Two classes under numbers of one's own, labels alone."""

    def make(folder: Path) -> None:
        pool = normal(1_500, 6)
        classes = np.where(pool @ [2.0, -1.0, 1.0, 0.5, 0.0, 0.0] > 0, high, low)
        function(
            folder, LogisticRegression().fit(pool, classes), "return model.predict(rows)", pool
        )

    return make


def fraud(rows: int, body: str) -> Callable[[Path], None]:
    """One row in a hundred is fraud, by a linear rule of eight columns."""

    def make(folder: Path) -> None:
        pool = normal(rows, 8)
        many = normal(40_000, 8, seed=1)
        weights = np.array([2.0, -1.5, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0])
        rule = many @ weights
        model = LogisticRegression(C=100, max_iter=1_000).fit(many, rule > np.quantile(rule, 0.99))
        function(folder, model, body, pool)

    return make


def credit_score(folder: Path) -> None:
    """A scorecard: whole numbers from 300 to 850."""
    rows, labels = cancer()
    model = LogisticRegression(C=0.01).fit(rows, labels)
    body = "return np.round(300 + 550 * model.predict_proba(rows)[:, 1])"
    function(folder, model, body, np.concatenate([rows, rows + 0.1 * normal(569, CANCER)]))


def several_labels(folder: Path) -> None:
    """Three labels that do not depend on each other."""
    pool = normal(2_000, 6)
    rule = np.random.default_rng(1).normal(size=(6, 3))
    model = OneVsRestClassifier(LogisticRegression()).fit(pool, (pool @ rule > 0.5).astype(int))
    function(folder, model, "return model.predict_proba(rows)", pool)


def three_values(folder: Path) -> None:
    """A linear regression of three values."""
    rows, values = diabetes()
    model = LinearRegression().fit(rows, np.stack([values, values**2 / 100, rows[:, 0] * 7], 1))
    function(folder, model, "return model.predict(rows)", rows)


def embeddings(folder: Path) -> None:
    """Vectors of 32 numbers and length 1, by a linear map of 12 columns."""
    body = "made = rows @ model\nreturn made / np.linalg.norm(made, axis=1, keepdims=True)"
    function(folder, normal(12, 32), body, normal(1_500, 12, seed=1))


def float32_only(folder: Path) -> None:
    """A function that takes float32 alone, as most networks do."""
    rows, labels = cancer()
    body = (
        'if rows.dtype != np.float32:\n    raise TypeError(f"expected float32, got {rows.dtype}")\n'
        "return model.predict_proba(rows.astype(np.float64))"
    )
    function(folder, LogisticRegression().fit(rows, labels), body, rows)


def sometimes_failing(folder: Path) -> None:
    """A function that raises where one column is above two: 3 % of inputs."""
    rows, labels = cancer()
    body = (
        "if (rows[:, 0] > 2).any():\n    raise ValueError('radius out of range')\n"
        "return model.predict_proba(rows)"
    )
    function(folder, LogisticRegression().fit(rows, labels), body, rows)


def without_header(folder: Path) -> None:
    """A table without names: 569 lines, of which none may be lost."""
    rows, labels = cancer()
    file(folder, LogisticRegression().fit(rows, labels), rows)
    np.savetxt(folder / "rows.csv", rows, delimiter=",", fmt="%.6f")


def counted_header(folder: Path) -> None:
    """A table under 0 to 29, as pandas names columns that have no names."""
    import pandas

    rows, labels = cancer()
    file(folder, LogisticRegression().fit(rows, labels), rows)
    pandas.DataFrame(rows).to_csv(folder / "rows.csv", index=False)


def xgboost_classifier(folder: Path) -> None:
    """Twenty boosted trees, two classes, in XGBoost's own JSON."""
    from xgboost import XGBClassifier

    rows, labels = cancer()
    XGBClassifier(n_estimators=20, max_depth=3).fit(rows, labels).save_model(folder / "model.json")
    np.save(folder / "pool.npy", rows)


def xgboost_regressor(folder: Path) -> None:
    """Twenty boosted trees, one value, in XGBoost's own JSON."""
    from xgboost import XGBRegressor

    rows, values = diabetes()
    XGBRegressor(n_estimators=20, max_depth=3).fit(rows, values).save_model(folder / "model.json")
    np.save(folder / "pool.npy", rows)


def booster_pickled(folder: Path) -> None:
    """A bare Booster in a pickle, which has no `predict_proba`."""
    import xgboost

    rows, labels = cancer()
    given = {"objective": "binary:logistic", "max_depth": 3}
    file(folder, xgboost.train(given, xgboost.DMatrix(rows, labels), 20), rows)


def lightgbm_text(folder: Path) -> None:
    """Twenty boosted trees, two classes, in LightGBM's text."""
    import lightgbm

    rows, labels = cancer()
    given = {"objective": "binary", "verbosity": -1, "num_threads": 1}
    model = lightgbm.train(given, lightgbm.Dataset(rows, labels), 20)
    model.save_model(str(folder / "model.txt"))
    np.save(folder / "pool.npy", rows)


def onnx_classifier(folder: Path) -> None:
    """A logistic regression by skl2onnx: label first, then probabilities."""
    from skl2onnx import to_onnx

    rows, labels = cancer()
    _onnx(
        folder, to_onnx(LogisticRegression().fit(rows, labels), rows[:1].astype(np.float32)), rows
    )


def onnx_regressor(folder: Path) -> None:
    """A linear regression by skl2onnx."""
    from skl2onnx import to_onnx

    rows, values = diabetes()
    _onnx(folder, to_onnx(LinearRegression().fit(rows, values), rows[:1].astype(np.float32)), rows)


def _onnx(folder: Path, model: Any, pool: Array) -> None:
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    np.save(folder / "pool.npy", pool)


def linear_network(outputs: int, *more: str) -> Any:
    """Returns a torch network of one linear layer over the breast cancer data, with layers of
    torch.nn by name behind it.
    """
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(CANCER, outputs), *(getattr(torch.nn, name)() for name in more)
    ).eval()


def exported(outputs: int, *more: str) -> Callable[[Path], None]:
    """A torch network as .pt2 of torch.export.save."""

    def make(folder: Path) -> None:
        import torch

        rows, _ = cancer()
        batch = torch.export.Dim("batch")
        example = torch.tensor(rows[:2], dtype=torch.float32)
        program = torch.export.export(
            linear_network(outputs, *more), (example,), dynamic_shapes=({0: batch},)
        )
        torch.export.save(program, folder / "model.pt2")
        np.save(folder / "pool.npy", rows)

    return make


def onnx_of_torch(folder: Path) -> None:
    """A torch network of three logits by torch.onnx.export."""
    import torch

    rows, _ = cancer()
    example = torch.tensor(rows[:2], dtype=torch.float32)
    torch.onnx.export(
        linear_network(3),
        (example,),
        str(folder / "model.onnx"),
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
        dynamo=False,
    )
    np.save(folder / "pool.npy", rows)


def endpoint(folder: Path, url: str, lines: Sequence[str]) -> None:
    """Writes the description of an endpoint that answers for the breast cancer data."""
    said = ['format = "gamekeeper/target@1"', f'url = "{url}"', *lines]
    (folder / "endpoint.toml").write_text("\n".join(said) + "\n")
    rows, _ = cancer()
    np.save(folder / "pool.npy", rows)


def as_json(value: object) -> bytes:
    """Returns a value as JSON."""
    return json.dumps(value).encode()
