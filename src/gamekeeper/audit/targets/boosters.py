"""Boosted trees without scikit-learn's methods: the Booster objects of XGBoost and LightGBM.

What they answer follows from the objective that they were trained for.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gamekeeper.audit.kinds import AnswerKind

_SCORE = (
    "binary:logistic",
    "binary:logitraw",
    "reg:logistic",
    "binary",
    "cross_entropy",
    "xentropy",
)
_SCORES = ("multi:softprob", "multiclass", "multiclassova")
_LABELS = ("multi:softmax", "binary:hinge")
_VALUES = ("reg:", "count:", "survival:", "regression", "poisson", "quantile", "mape", "gamma")
_MORE_VALUES = ("tweedie", "huber", "fair")
_OBJECTIVE = re.compile(r"^objective=(\S+)", re.MULTILINE)
_UNNAMED = re.compile(r"Column_\d+|\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Booster:
    """Boosted trees.

    Args:
        predict: Takes inputs, float64, shape (n, width), NaN where a value is missing.
        objective: That they were trained for.
        names: Of the columns that they were trained on; empty if they have none.
    """

    predict: Callable[[Any], Any]
    objective: str
    names: tuple[str, ...]

    @property
    def answers(self) -> AnswerKind | None:
        """What they answer; None if the objective does not say."""
        if self.objective in _SCORE:
            return AnswerKind.SCORE
        if self.objective in _SCORES:
            return AnswerKind.SCORES
        if self.objective in _LABELS:
            return AnswerKind.LABELS
        is_value = self.objective.startswith((*_VALUES, *_MORE_VALUES))
        return AnswerKind.VALUES if is_value else None


def is_booster(model: object) -> bool:
    """Whether an object is a Booster of XGBoost or LightGBM."""
    kind = type(model)
    library = kind.__module__.partition(".")[0]
    return kind.__name__ == "Booster" and library in ("xgboost", "lightgbm")


def read_booster(model: Any) -> Booster:
    """Returns how a Booster is asked."""
    is_xgboost = type(model).__module__.startswith("xgboost")
    return _of_xgboost(model) if is_xgboost else _of_lightgbm(model)


def _of_xgboost(model: Any) -> Booster:
    import xgboost

    learner = json.loads(model.save_config())["learner"]
    names = model.feature_names

    def predict(rows: Any) -> Any:
        return model.predict(xgboost.DMatrix(rows, feature_names=names))

    return Booster(
        predict=predict, objective=str(learner["objective"]["name"]), names=tuple(names or ())
    )


def _of_lightgbm(model: Any) -> Booster:
    # the head of the text form; one tree is the least that can be written
    found = _OBJECTIVE.search(model.model_to_string(num_iteration=1))
    return Booster(
        predict=model.predict,
        objective=found[1] if found else "unknown",
        names=given_names(model.feature_name()),
    )


def given_names(names: Sequence[str]) -> tuple[str, ...]:
    """Returns names of columns that people gave: LightGBM and CatBoost number those without."""
    return () if all(_UNNAMED.fullmatch(name) for name in names) else tuple(names)
