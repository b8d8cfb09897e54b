"""Inputs as learners take them: categories one column each, gaps filled, numbers standardised."""

from typing import Any

from gamekeeper.audit.learners._training_set import TrainingSet
from gamekeeper.audit.targets import Array


def fitted(model: Any, training: TrainingSet, wanted: Array, *, scales: bool = True) -> Any:
    """Returns a model of scikit-learn that was trained on what it needs of the inputs.

    Args:
        model: Not trained yet.
        training: What was answered.
        wanted: What it learns, as many as there are inputs.
        scales: Whether numbers are standardised; trees do not need it.
    """
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*_steps(training, scales), model).fit(training.inputs, wanted)


def _steps(training: TrainingSet, scales: bool) -> list[Any]:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers: list[Any] = []
    if training.has_gaps:
        numbers.append(SimpleImputer(strategy="median", add_indicator=True))
    if scales:
        numbers.append(StandardScaler())
    if not training.categories:
        return numbers
    others = [i for i in range(training.inputs.shape[1]) if i not in set(training.categories)]
    by_column = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(training.categories)),
        (make_pipeline(*numbers) if numbers else "passthrough", others),
    )
    return [by_column]
