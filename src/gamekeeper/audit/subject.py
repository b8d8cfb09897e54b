"""The target as an audit knows it before anybody attacks: its inputs split, its answers to the test
inputs paid.
"""

from dataclasses import dataclass

import numpy as np

from gamekeeper.audit.asking import Access, access_of, seen
from gamekeeper.audit.attacks import Interface
from gamekeeper.audit.attacks._attack import Encode
from gamekeeper.audit.findings import answered_otherwise
from gamekeeper.audit.meter import Meter
from gamekeeper.audit.options import AuditOptions
from gamekeeper.audit.targets import Array
from gamekeeper.base.errors import UsageError

_TEST_SHARE = 0.25
_TEST_MOST = 1_000
_LEAST_INPUTS = 100
_ASKED_AGAIN = 5  # test inputs, to see whether answers are the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What an audit is given beside the target; None where it is not.

    Args:
        encode: A public encoder that the target may be built on.
        explainer: What gives counterfactuals for inputs.
        behind: The same target behind a live defence, such as the guard.
        public: Inputs of another domain, shape (m, width).
        labels: True labels of the inputs, from 0, shape (n,): classes are reconstructed, and judged
            by them.
    """

    encode: Encode | None = None
    explainer: Meter | None = None
    behind: Meter | None = None
    public: Array | None = None
    labels: Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The target of an audit with its inputs split, and its answers to the test inputs.

    Args:
        meter: The target.
        beside: What is given beside it.
        tests: Inputs by which surrogates are judged, and nobody's else, shape (t, width).
        pool: Inputs that thieves have, shape (n, width).
        raw: Answers to the test inputs as they came.
        again: Answers to the first of them once more.
        truth: Labels of the test inputs, shape (t,).
        interface: What an attack must know of it.
    """

    meter: Meter
    beside: Beside
    tests: Array
    pool: Array
    raw: Array
    again: Array
    truth: Array
    interface: Interface

    @property
    def access(self) -> Access:
        """What answers are."""
        return self.interface.access

    @property
    def classes(self) -> int:
        """Labels are 0 to this, exclusive."""
        return self.interface.classes

    @property
    def has_scores(self) -> bool:
        """Whether answers are more than labels."""
        return self.interface.has_scores

    @property
    def is_noisy(self) -> bool:
        """Whether it answers the same query otherwise each time."""
        return bool(answered_otherwise(self.raw, self.again).any())

    @property
    def spent(self) -> int:
        """Queries that knowing so much has cost."""
        return len(self.tests) + len(self.again)


def subject_of(meter: Meter, inputs: Array, options: AuditOptions, beside: Beside) -> Subject:
    """Splits inputs, and asks those that will judge.

    Args:
        meter: The target.
        inputs: Of its domain, shape (n, width); n at least 100.
        options: Of the audit.
        beside: What is given beside the target.

    Raises:
        UsageError: There are too few inputs, the budget is too small to judge a surrogate, all
            answers have one label, or public inputs are of another width.
        TargetError: The target failed.
    """
    _require_enough(inputs, options.budget)
    _require_alike(inputs, beside.public)
    order = np.random.default_rng(options.seed).permutation(len(inputs))
    count = min(_TEST_MOST, int(len(inputs) * _TEST_SHARE), options.budget // 2)
    tests = inputs[order[:count]]
    raw = meter.ask(tests)
    again = meter.ask(tests[:_ASKED_AGAIN], turn=1)
    access = access_of(raw)
    truth = seen(raw, tests, access, None).labels
    _require_classes(truth)
    interface = Interface(
        access=access,
        width=inputs.shape[1],
        classes=int(truth.max()) + 1 if access is Access.LABELS else raw.shape[1],
        has_encoder=beside.encode is not None,
        has_counterfactuals=beside.explainer is not None,
        has_public=beside.public is not None,
        picture=options.picture,
    )
    return Subject(
        meter=meter,
        beside=beside,
        tests=tests,
        pool=inputs[order[count:]],
        raw=raw,
        again=again,
        truth=truth,
        interface=interface,
    )


def _require_enough(inputs: Array, budget: int) -> None:
    if budget < _LEAST_INPUTS:
        raise UsageError(
            f"a budget of {budget} queries cannot judge a surrogate; expected at least"
            f" {_LEAST_INPUTS}"
        )
    if len(inputs) < _LEAST_INPUTS:
        raise UsageError(
            f"{len(inputs)} inputs are too few to attack and to judge the result; expected at least"
            f" {_LEAST_INPUTS}"
        )


def _require_alike(inputs: Array, public: Array | None) -> None:
    if public is not None and public.shape[1] != inputs.shape[1]:
        raise UsageError(
            f"public inputs have {public.shape[1]} values each and inputs {inputs.shape[1]};"
            " expected the same number"
        )


def _require_classes(labels: Array) -> None:
    if len(np.unique(labels)) < 2:
        raise UsageError(
            f"the target gave the same label to all {len(labels)} test inputs: that can be copied"
            " without a query; give inputs of every class"
        )
