"""The target as an audit knows it before anybody attacks: its inputs split, its answers to the test
inputs paid.
"""

from dataclasses import dataclass, replace

import numpy as np

from gamekeeper.audit.answers import Access, AnswerForm, recognise
from gamekeeper.audit.asking import seen
from gamekeeper.audit.attacks import Interface
from gamekeeper.audit.attacks._attack import Encode
from gamekeeper.audit.columns import Columns
from gamekeeper.audit.findings import answered_otherwise
from gamekeeper.audit.inputs import TrueLabels
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.measures import ClassJudge, Judge, NumberJudge, are_too_few
from gamekeeper.audit.meter import Meter
from gamekeeper.audit.options import AuditOptions
from gamekeeper.audit.targets import Array
from gamekeeper.base.errors import UsageError, input_error

_TEST_SHARE = 0.25
_TEST_MOST = 1_000
_LEAST_INPUTS = 100
_SHOWN = 8  # labels in a message
_ASKED_AGAIN = 5  # test inputs, to see whether answers are the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What an audit is given beside the target; None where it is not.

    Args:
        encode: A public encoder that the target may be built on.
        explainer: What gives counterfactuals for inputs.
        behind: The same target behind a live defence, such as the guard.
        public: Inputs of another domain, shape (m, width).
        labels: True labels of the inputs: classes are reconstructed, and judged by them, and a
            model without queries learns from them.
        columns: Of the inputs, where they came from a table; None for plain numbers.
    """

    encode: Encode | None = None
    explainer: Meter | None = None
    behind: Meter | None = None
    public: Array | None = None
    labels: TrueLabels | None = None
    columns: Columns | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The target of an audit with its inputs split, and its answers to the test inputs.

    Args:
        meter: The target.
        beside: What is given beside it.
        tests: Inputs by which surrogates are judged, and nobody's else, shape (t, width).
        pool: Inputs that attackers have, shape (n, width).
        labels: True labels of all inputs as numbers of the target's classes, or true values where
            answers are numbers, shape (n,); None if no labels are given.
        pool_labels: Those of the pool.
        raw: Answers to the test inputs as they came.
        again: Answers to the first of them once more.
        truth: Labels of the test inputs, shape (t,); all 0 where answers are numbers.
        judge: Measures surrogates.
        interface: What an attack must know of it.
    """

    meter: Meter
    beside: Beside
    tests: Array
    pool: Array
    labels: Array | None
    pool_labels: Array | None
    raw: Array
    again: Array
    truth: Array
    judge: Judge
    interface: Interface

    @property
    def form(self) -> AnswerForm:
        """What answers are."""
        return self.interface.form

    @property
    def classes(self) -> int:
        """Labels are 0 to this, exclusive; 0 where answers are numbers."""
        return 0 if self.form.are_numbers else self.form.classes

    @property
    def is_balanced(self) -> bool:
        """Whether a copy is judged on each class alike."""
        return self.judge.measure.is_balanced and not self.form.are_numbers

    @property
    def categories(self) -> tuple[int, ...]:
        """Columns whose numbers are codes of categories."""
        return _categories(self.beside.columns)

    @property
    def has_gaps(self) -> bool:
        """Whether values of inputs may be missing."""
        return bool(np.isnan(self.pool).any() or np.isnan(self.tests).any())

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
            answers are the same, nothing tells what they are, or public inputs are of another
            width.
        TargetError: The target failed.
    """
    _require_enough(inputs, options.budget)
    _require_picture(inputs, options.picture)
    _require_alike(inputs, beside.public)
    order = np.random.default_rng(options.seed).permutation(len(inputs))
    count, form = _tested(meter, inputs[order], options)
    tests, raw = _answered(meter, inputs[order[:count]])
    again = meter.ask(tests[:_ASKED_AGAIN], turn=1)
    truth = seen(raw, tests, form).labels
    judge: Judge = (
        NumberJudge(raw, form, options.tolerance)
        if form.are_numbers
        else ClassJudge(truth, form, raw)
    )
    if options.tolerance is not None and not (form.are_numbers and not form.by_rank):
        raise UsageError(f"--tolerance is for a target that predicts values; {form.said}")
    labels = _labels(beside.labels, meter, form)
    rest = order[count:]
    interface = Interface(
        form=form,
        width=inputs.shape[1],
        is_plain=not _categories(beside.columns) and _is_complete(inputs),
        has_encoder=beside.encode is not None,
        has_counterfactuals=beside.explainer is not None,
        has_public=beside.public is not None,
        picture=options.picture,
    )
    return Subject(
        meter=meter,
        beside=beside,
        tests=tests,
        pool=inputs[rest],
        labels=labels,
        pool_labels=None if labels is None else labels[rest],
        raw=raw,
        again=again,
        truth=truth,
        judge=judge,
        interface=interface,
    )


def _categories(columns: Columns | None) -> tuple[int, ...]:
    """Positions of columns whose numbers are codes of texts."""
    known = () if columns is None else columns.categories
    return tuple(at for at, texts in enumerate(known) if texts is not None)


def _answered(meter: Meter, tests: Array) -> tuple[Array, Array]:
    """Test inputs that were answered, and the answers; queries that failed judge nothing."""
    raw = meter.ask(tests)
    answered = ~np.isnan(raw).any(axis=1)
    return tests[answered], raw[answered]


def _labels(labels: TrueLabels | None, meter: Meter, form: AnswerForm) -> Array | None:
    """True labels as numbers of the target's classes; true values where answers are numbers."""
    if labels is None:
        return None
    if form.are_numbers and not form.by_rank:
        return labels.values
    if form.access is not Access.LABELS:
        return labels.numbered(meter.label_names, form.classes).numbers
    assert form.labels is not None
    return _matched(labels, names_of(form, meter.texts))


def names_of(form: AnswerForm, texts: tuple[str, ...]) -> list[str]:
    """Returns the labels of a form as the target writes them, in their order.

    Args:
        form: Of labels.
        texts: Labels that came as text, by their numbers; empty for numbers.
    """
    assert form.labels is not None
    if texts:
        return [texts[code] for code in form.labels.astype(int)]
    return [f"{label:g}" for label in form.labels]


def _matched(labels: TrueLabels, known: list[str]) -> Array:
    """Positions among the labels that test inputs were given; any other label comes after them.

    Raises:
        InputError: The target gives a label that is not among the true ones: they are numbered or
            named in another way.
    """
    given = [
        f"{each:g}" if isinstance(each, float) else str(each) for each in labels.given.tolist()
    ]
    if missing := sorted(set(known) - set(given)):
        found = ", ".join(sorted(set(given))[:_SHOWN])
        raise input_error(
            labels.path,
            f"the target answers {', '.join(missing[:_SHOWN])}, which is not among the true labels",
            found,
            "labels as the target writes them",
        )
    places = {name: at for at, name in enumerate(known)}
    return np.array([places.get(name, len(known)) for name in given], np.int64)


def _tested(meter: Meter, inputs: Array, options: AuditOptions) -> tuple[int, AnswerForm]:
    """How many of the inputs judge, and what answers are; more where a class is rare."""
    most = min(int(len(inputs) * _TEST_SHARE), options.budget // 2)
    count = min(_TEST_MOST, most)
    while True:
        tests, raw = _answered(meter, inputs[:count])
        form = _form(tests, raw, meter, options)
        is_enough = form.are_numbers and not form.by_rank
        if count == most or is_enough or not are_too_few(seen(raw, tests, _by_class(form)).labels):
            return count, form
        count = min(most, 2 * count)


def _by_class(form: AnswerForm) -> AnswerForm:
    return replace(form, by_rank=False)


def _stated(options: AuditOptions) -> AnswerKind | None:
    """What the owner says that answers are; a tolerance is one of values."""
    is_value = options.answers is None and options.tolerance is not None
    return AnswerKind.VALUES if is_value else options.answers


def _form(tests: Array, raw: Array, meter: Meter, options: AuditOptions) -> AnswerForm:
    """What answers are. Scores of classes that name a class too rarely are compared by rank."""
    form = recognise(raw, _stated(options), meter.answers, options.decision_at, meter.texts)
    if form.are_numbers:
        _require_variety(raw)
        return form
    labels = seen(raw, tests, form).labels
    is_one = len(np.unique(labels)) == 1
    if not (is_one or are_too_few(labels)):
        return form
    if form.access is Access.LABELS and not is_one:
        return form
    if form.access is Access.LABELS:
        raise UsageError(
            f"the target gave the same label to all {len(labels)} test inputs: that can be copied"
            " without a query; give inputs of every class"
        )
    _require_variety(raw)
    return replace(form, by_rank=True)


def _require_variety(raw: Array) -> None:
    if (raw == raw[0]).all():
        raise UsageError(
            f"the target gave the same answer to all {len(raw)} test inputs: that can be copied"
            " without a query; give inputs to which it answers differently"
        )


def _is_complete(inputs: Array) -> bool:
    return not np.isnan(inputs).any()


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


def _require_picture(inputs: Array, picture: tuple[int, int] | None) -> None:
    if picture is not None and picture[0] * picture[1] != inputs.shape[1]:
        raise UsageError(
            f"--picture {picture[0]}x{picture[1]} has {picture[0] * picture[1]} pixels, and inputs"
            f" have {inputs.shape[1]} values"
        )


def _require_alike(inputs: Array, public: Array | None) -> None:
    if public is not None and public.shape[1] != inputs.shape[1]:
        raise UsageError(
            f"public inputs have {public.shape[1]} values each and inputs {inputs.shape[1]};"
            " expected the same number"
        )
