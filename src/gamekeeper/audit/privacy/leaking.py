"""How much a training recipe tells of its rows: membership as it is, and with poison; and who finds
the poison.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gamekeeper.audit.privacy.membership import Leak, Recipe, leaks, train_shadows
from gamekeeper.audit.privacy.poisoning import poisoned_leaks
from gamekeeper.audit.privacy.screens import Screened, Screening
from gamekeeper.audit.privacy.showing import Inversion
from gamekeeper.audit.targets import Array, TargetError
from gamekeeper.base.errors import UsageError
from gamekeeper.base.progress import OnStage, ignore_stage

_COPIES = 4
_AIMED_SHARE = 0.05
_AIMED_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """What a model and its recipe tell of the data. All but `inversion` are empty where no recipe
    is named.

    Args:
        inversion: What the target's classes look like; None if it was not tried.
        leaks: Membership, one for each attack.
        copies: Mislabelled copies of each row that poison aims at.
        clean: Of the rows that poison aims at, without it.
        poisoned: Of the same rows with it.
        screens: What finds the poison.
        models: That were trained for each.
    """

    inversion: Inversion | None = None
    leaks: tuple[Leak, ...] = ()
    copies: int = 0
    clean: tuple[Leak, ...] = ()
    poisoned: tuple[Leak, ...] = ()
    screens: tuple[Screened, ...] = ()
    models: int = 0


def privacy_of(
    fit: Recipe,
    inputs: Array,
    labels: Array,
    *,
    models: int,
    seed: int,
    on_stage: OnStage = ignore_stage,
    beside: Privacy | None = None,
) -> Privacy:
    """Trains models by a recipe and asks them who was in their data.

    Args:
        fit: Takes inputs, labels and a seed; returns a function of inputs that gives probabilities.
        inputs: Rows of the training data, shape (n, width).
        labels: Theirs, from 0, shape (n,).
        models: To train for each figure, 4 at least, even.
        seed: Of what is drawn.
        on_stage: Called with the name of each stage that begins.
        beside: What is known already, and stays.

    Raises:
        UsageError: Inputs and labels do not fit, or there are too few models.
        TargetError: The recipe failed, or its models give no probabilities of every class.
    """
    _require_fitting(inputs, labels, models)
    checked = _checked(fit, int(labels.max()) + 1)
    aimed = min(_AIMED_MOST, max(10, int(_AIMED_SHARE * len(inputs))))
    on_stage(f"membership: training {models} models", 0, 0)
    plain = leaks(train_shadows(checked, inputs, labels, models, np.random.default_rng(seed)))
    aim = partial(poisoned_leaks, checked, inputs, labels, aimed=aimed, models=models)
    on_stage(f"poison: training {models} models without it", 0, 0)
    clean = aim(np.random.default_rng([seed, 1]), copies=0)
    on_stage(
        f"poison: training {models} models with {_COPIES} copies of each of {aimed} rows", 0, 0
    )
    screening = Screening(_COPIES * aimed)
    poisoned = aim(np.random.default_rng([seed, 1]), copies=_COPIES, trained=screening.met)
    return replace(
        beside or Privacy(),
        leaks=plain,
        copies=_COPIES,
        clean=clean,
        poisoned=poisoned,
        screens=tuple(screening.results()),
        models=models,
    )


def _require_fitting(inputs: Array, labels: Array, models: int) -> None:
    if labels.shape != (len(inputs),):
        raise UsageError(f"{len(inputs)} inputs need as many labels; found {labels.shape}")
    if (
        len(labels) < 100
        or labels.min() < 0
        or (labels != np.round(labels)).any()
        or len(np.unique(labels)) < 2
    ):
        raise UsageError(
            "membership needs at least 100 rows, with labels that are whole numbers from 0, of two"
            " classes or more"
        )
    if models < 4 or models % 2:
        raise UsageError(f"membership needs an even number of models, at least 4; found {models}")


def _checked(fit: Recipe, classes: int) -> Recipe:
    """The recipe, with its failures and invalid answers raised as the target's."""

    def checked(inputs: Array, labels: Array, seed: int) -> Callable[[Array], Array]:
        try:
            answer = fit(inputs, labels, seed)
        except Exception as error:
            raise TargetError(
                f"the recipe failed on {len(inputs)} rows: {type(error).__name__}: {error}"
            ) from error

        def asked(some: Array) -> Array:
            given = np.asarray(answer(some), np.float64)
            if given.shape != (len(some), classes) or not np.isfinite(given).all():
                raise TargetError(
                    f"a model of the recipe gave an answer of shape {given.shape};"
                    f" expected ({len(some)}, {classes})"
                )
            return given

        return asked

    return checked
