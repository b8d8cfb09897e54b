"""Models of scikit-learn and of libraries like it, and the files that they are in."""

import pickle
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gamekeeper.audit.columns import Columns, unnamed, with_columns
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.targets import EstimatorTarget, QueryError, TargetError, open_target
from gamekeeper.base.errors import InputError, UsageError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 4))
KINDS = np.array(["bird", "cat", "dog"])[np.digitize(X[:, 0], [-0.5, 0.5])]
VALUES = X @ [1.0, 2.0, 3.0, 4.0]
SEVERAL = (X[:, :3] > 0).astype(int)
NAMES = ("age", "city", "income")


@cache
def models() -> dict[str, tuple[Any, AnswerKind, int]]:
    from sklearn.cluster import KMeans
    from sklearn.ensemble import IsolationForest, RandomForestClassifier
    from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
    from sklearn.model_selection import GridSearchCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    kinds = AnswerKind
    logistic = LogisticRegression()
    return {
        "classifier": (LogisticRegression().fit(X, KINDS), kinds.SCORES, 3),
        "search": (GridSearchCV(logistic, {"C": [1]}).fit(X, KINDS), kinds.SCORES, 3),
        "without-scores": (SVC().fit(X, KINDS), kinds.LABELS, 1),
        "regression": (
            make_pipeline(StandardScaler(), LinearRegression()).fit(X, VALUES),
            kinds.VALUES,
            1,
        ),
        "two-values": (LinearRegression().fit(X, X[:, :2]), kinds.VALUES, 2),
        "outliers": (IsolationForest(n_estimators=5).fit(X), kinds.LABELS, 1),
        "clusters": (KMeans(3, n_init=1).fit(X), kinds.LABELS, 1),
        "list-of-outputs": (MultiOutputClassifier(logistic).fit(X, SEVERAL), kinds.MULTILABEL, 3),
        "forest": (RandomForestClassifier(3).fit(X, SEVERAL), kinds.MULTILABEL, 3),
        "one-against-rest": (
            OneVsRestClassifier(logistic).fit(X, SEVERAL),
            kinds.MULTILABEL,
            3,
        ),
        "several-labels": (RidgeClassifier().fit(X, SEVERAL), kinds.MULTILABEL, 3),
    }


@pytest.mark.parametrize(
    "name",
    [
        "classifier",
        "search",
        "without-scores",
        "regression",
        "two-values",
        "outliers",
        "clusters",
        "list-of-outputs",
        "forest",
        "one-against-rest",
        "several-labels",
    ],
)
def test_model_says_what_it_answers(name: str) -> None:
    """A classifier, once it answered: of one label or of several."""
    model, kind, width = models()[name]
    target = EstimatorTarget(model, name)
    answers = target.ask(X[:10])
    assert answers.reshape(10, -1).shape == (10, width)
    assert target.answers is kind


def test_labels_are_places_in_the_classes() -> None:
    """Whose names are known."""
    from sklearn.svm import SVC

    target = EstimatorTarget(SVC().fit(X, KINDS), "svc")
    assert target.classes == ("bird", "cat", "dog")
    predicted = SVC().fit(X, KINDS).predict(X)
    assert [target.classes[int(label)] for label in target.ask(X)] == predicted.tolist()


def test_model_with_a_decision_function_alone_gives_scores() -> None:
    """Nothing else can be asked."""

    class OnlyDistances:
        classes_ = np.array([0, 1])

        def decision_function(self, rows: Any) -> Any:
            return rows[:, 0]

    target = EstimatorTarget(OnlyDistances(), "m")
    assert target.answers is AnswerKind.SCORE and target.ask(X[:3]).shape == (3,)


def test_object_that_answers_nothing_is_refused(tmp_path: Path) -> None:
    """By what it is."""
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps({"weights": [1, 2]}))
    with pytest.raises(InputError, match="dict has neither predict nor predict_proba"):
        open_target(str(path), trust_file=True)


def table(n: int = 200) -> tuple[Columns, np.ndarray, np.ndarray]:
    """Columns, rows with text as codes, and labels that depend on the text."""
    rows = np.stack([RNG.uniform(18, 80, n), RNG.integers(3, size=n), RNG.standard_normal(n)], 1)
    columns = Columns(
        names=NAMES, categories=(None, ("Bern", "Lima", "Oslo"), None), missing=(False,) * 3
    )
    return columns, rows, np.where(rows[:, 1] == 2, "yes", "no")


def pipeline(model: Any, frame: Any, labels: Any) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    parts = [("text", OneHotEncoder(), ["city"]), ("numbers", "passthrough", ["age", "income"])]
    return make_pipeline(ColumnTransformer(parts), model).fit(frame, labels)


def test_pipeline_gets_columns_by_their_names() -> None:
    """With text, and in its own order."""
    from sklearn.linear_model import LogisticRegression

    columns, rows, labels = table()
    model = pipeline(LogisticRegression(), columns.frame(rows), labels)
    wanted = model.predict_proba(columns.frame(rows))
    target = with_columns(EstimatorTarget(model, "m"), columns.reordered([2, 0, 1]))
    assert np.allclose(target.ask(rows[:, [2, 0, 1]]), wanted)
    assert any("order of the model by their names" in said for said in target.remarks)  # type: ignore[attr-defined]


def test_columns_of_other_names_are_refused() -> None:
    """Never taken by their place if both sides have names."""
    from sklearn.linear_model import LogisticRegression

    columns, rows, labels = table()
    target = EstimatorTarget(pipeline(LogisticRegression(), columns.frame(rows), labels), "m")
    with pytest.raises(InputError, match="missing: city; unknown: town"):
        with_columns(target, columns.named(["age", "town", "income"]))
    with pytest.raises(InputError, match="2 columns without names"):
        with_columns(target, unnamed(2))


def test_gaps_are_passed_on_and_named_where_they_are_refused() -> None:
    """Some models take them."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    rows = X.copy()
    rows[3, 2] = np.nan
    columns = unnamed(4).named(["a", "b", "c", "d"])
    takes = HistGradientBoostingClassifier(max_iter=3).fit(X, KINDS)
    assert np.isfinite(with_columns(EstimatorTarget(takes, "m"), columns).ask(rows)).all()
    refuses = EstimatorTarget(LogisticRegression().fit(X, KINDS), "m")
    with pytest.raises(QueryError, match=r"NaN.* \(values are missing in c\)"):
        with_columns(refuses, columns).ask(rows)


def test_warnings_of_a_model_do_not_reach_the_terminal(recwarn: pytest.WarningsRecorder) -> None:
    """They come with each batch, and say nothing of the audit."""
    from sklearn.linear_model import LogisticRegression

    columns, rows, labels = table()
    numbers = columns.reordered([0, 2])
    model = LogisticRegression().fit(numbers.frame(rows[:, [0, 2]]), labels)
    EstimatorTarget(model, "m").ask(rows[:, [0, 2]])
    assert not len(recwarn)


@pytest.mark.parametrize("name", ["m.pkl", "m.joblib", "m.sav", "m", "m.pkl.gz"])
def test_pickle_is_read_only_if_it_is_trusted(name: str, tmp_path: Path) -> None:
    """Whatever its name."""
    path = tmp_path / name
    path.write_bytes(pickle.dumps(models()["classifier"][0]))
    with pytest.raises(UsageError, match=r"is a pickle: .* --trust-file"):
        open_target(str(path))
    assert open_target(str(path), trust_file=True).ask(X[:2]).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.keras", b"PK", "a Keras model"),
        ("m.safetensors", b"{}", "weights without the network"),
        ("notes.txt", b"hello", "a text file that is not a LightGBM model"),
        ("m.xyz", b"hello", "the ending .xyz"),
        ("m.skops", b"hello", "not an archive"),
    ],
)
def test_other_files_are_named_and_not_read(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    """With what can be done; trust does not help."""
    (tmp_path / name).write_bytes(content)
    for trust_file in (False, True):
        with pytest.raises(InputError, match=said):
            open_target(str(tmp_path / name), trust_file=trust_file)


def test_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """And a folder is not a file."""
    with pytest.raises(InputError, match="no such file"):
        open_target(str(tmp_path / "m.onnx"))
    with pytest.raises(InputError, match="a folder"):
        open_target(str(tmp_path))


@pytest.mark.extra
@pytest.mark.parametrize(
    ("objective", "kind"),
    [
        ("reg:squarederror", AnswerKind.VALUES),
        ("binary:logistic", AnswerKind.SCORE),
        ("multi:softprob", AnswerKind.SCORES),
        ("multi:softmax", AnswerKind.LABELS),
    ],
)
def test_xgboost_model_is_read_without_trust(
    objective: str, kind: AnswerKind, tmp_path: Path
) -> None:
    """As JSON or its binary form; what it answers follows from its objective."""
    xgboost = pytest.importorskip("xgboost")
    truth = {"r": VALUES, "b": X[:, 0] > 0}.get(objective[0], np.digitize(X[:, 0], [-0.5, 0.5]))
    settings = {"objective": objective} | ({"num_class": 3} if objective[0] == "m" else {})
    booster = xgboost.train(settings, xgboost.DMatrix(X, truth), 3)
    wanted = booster.predict(xgboost.DMatrix(X))
    for ending in ("json", "ubj"):
        booster.save_model(tmp_path / f"m.{ending}")
        target = open_target(str(tmp_path / f"m.{ending}"))
        assert target.answers is kind and np.allclose(target.ask(X), wanted)
    (tmp_path / "m.joblib").write_bytes(pickle.dumps(booster))
    assert open_target(str(tmp_path / "m.joblib"), trust_file=True).answers is kind


@pytest.mark.extra
def test_xgboost_model_gets_columns_by_their_names(tmp_path: Path) -> None:
    """Those that it was trained on."""
    xgboost = pytest.importorskip("xgboost")
    names = ["a", "b", "c", "d"]
    data = xgboost.DMatrix(X, VALUES, feature_names=names)
    booster = xgboost.train({"objective": "reg:squarederror"}, data, 3)
    booster.save_model(tmp_path / "m.json")
    columns = unnamed(4).named(names[::-1])
    target = with_columns(open_target(str(tmp_path / "m.json")), columns)
    assert np.allclose(target.ask(X[:, ::-1]), booster.predict(data))
    with pytest.raises(UsageError, match="a bare Booster, which takes numbers"):
        with_columns(open_target(str(tmp_path / "m.json")), table()[0])


@pytest.mark.extra
@pytest.mark.parametrize(
    ("objective", "kind"),
    [
        ("regression", AnswerKind.VALUES),
        ("binary", AnswerKind.SCORE),
        ("multiclass", AnswerKind.SCORES),
    ],
)
def test_lightgbm_model_is_read_without_trust(
    objective: str, kind: AnswerKind, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its text form; it prints nothing."""
    lightgbm = pytest.importorskip("lightgbm")
    truth = {"r": VALUES, "b": (X[:, 0] > 0).astype(int)}.get(
        objective[0], np.digitize(X[:, 0], [-0.5, 0.5])
    )
    settings = {"objective": objective, "verbosity": -1, "num_threads": 1}
    settings |= {"num_class": 3} if objective == "multiclass" else {}
    booster = lightgbm.train(settings, lightgbm.Dataset(X, truth), 3)
    booster.save_model(tmp_path / "m.txt")
    capfd.readouterr()
    target = open_target(str(tmp_path / "m.txt"))
    assert target.answers is kind and np.allclose(target.ask(X), booster.predict(X))
    assert capfd.readouterr().out == ""


@pytest.mark.extra
def test_skops_file_is_read_if_it_trusts_all_types(tmp_path: Path) -> None:
    """Others are named."""
    skops = pytest.importorskip("skops.io")
    path = tmp_path / "m.skops"
    skops.dump(models()["classifier"][0], path)
    assert open_target(str(path)).ask(X[:2]).shape == (2, 3)
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    odd = make_pipeline(FunctionTransformer(np.nan_to_num), models()["classifier"][0])
    skops.dump(odd, path)
    with pytest.raises(UsageError, match=r"types that skops does not trust: .*nan_to_num"):
        open_target(str(path))
    assert open_target(str(path), trust_file=True).ask(X[:2]).shape == (2, 3)


@pytest.mark.extra
def test_damaged_model_is_said_without_paths_of_its_library(tmp_path: Path) -> None:
    """In the library's words."""
    pytest.importorskip("xgboost")
    (tmp_path / "m.json").write_text("{}")
    with pytest.raises(InputError, match="found     Invalid cast"):
        open_target(str(tmp_path / "m.json"))


def test_model_of_a_library_that_is_missing_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not that reading it runs code."""
    import sys

    monkeypatch.setitem(sys.modules, "xgboost", None)
    (tmp_path / "m.json").write_text("{}")
    with pytest.raises(UsageError, match="pip install xgboost"):
        open_target(str(tmp_path / "m.json"))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda rows: _require(rows, np.float32) or rows[:, :2], "asked with float32"),
        (lambda rows: rows[:, :2], ""),
    ],
    ids=["float32", "any"],
)
def test_function_that_takes_float32_alone_is_asked_so(function: Any, said: str) -> None:
    """It is tried with float64 first."""
    from gamekeeper.audit.targets import CallableTarget

    target = CallableTarget(function, "f")
    assert np.allclose(target.ask(X[:3]), X[:3, :2], atol=1e-6)
    assert said in " ".join(target.remarks) and bool(said) == bool(target.remarks)


def _require(rows: np.ndarray, kind: type) -> None:
    if rows.dtype != kind:
        raise TypeError(f"expected {kind.__name__}, found {rows.dtype}")


def test_function_gets_a_frame_only_if_columns_are_text() -> None:
    """An array is what most take."""
    from gamekeeper.audit.targets import CallableTarget

    seen: list[Any] = []

    def function(rows: Any) -> Any:
        seen.append(rows)
        return np.zeros(len(rows))

    columns, rows, _ = table()
    target = with_columns(CallableTarget(function, "f"), columns)
    target.ask(rows[:3])
    assert list(seen[0].columns) == [*NAMES] and set(seen[0]["city"]) <= {"Bern", "Lima", "Oslo"}
    assert any("data frames" in said for said in target.remarks)  # type: ignore[attr-defined]
    with_columns(CallableTarget(function, "f"), columns.reordered([0, 2])).ask(rows[:3, [0, 2]])
    assert isinstance(seen[1], np.ndarray)


def test_function_that_fails_names_the_columns_with_gaps() -> None:
    """In its own words."""
    from gamekeeper.audit.targets import CallableTarget

    def function(rows: Any) -> Any:
        raise ValueError("income is required")

    rows = X[:2].copy()
    rows[0, 1] = np.nan
    target = with_columns(CallableTarget(function, "f"), unnamed(4).named([*"abcd"]))
    with pytest.raises(TargetError, match=r"income is required \(values are missing in b\)"):
        target.ask(rows)
