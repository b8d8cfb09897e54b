"""The audit of a language model: what a thief learns of its skill from answers, with and without
the reasoning.

    prompts -> test and pool -> replies (paid once) -> withheld -> surrogate
    -> its answers beside the target's

Fidelity is the likeness of the surrogate's final answers to the target's own on test prompts that
no thief asks. A target that answers otherwise when asked again bounds it: nobody agrees with it
more than it does itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from statistics import fmean
from time import thread_time

import numpy as np

from gamekeeper.audit.answers import Access
from gamekeeper.audit.attacks import AttackCard
from gamekeeper.audit.journal import Tokens
from gamekeeper.audit.language.answers import final_answer, likeness_for
from gamekeeper.audit.language.interview import Interview
from gamekeeper.audit.language.surrogates import TrainingSet, best_surrogate, why_no_writer
from gamekeeper.audit.language.width import Door, Width, look_for_width
from gamekeeper.audit.language.withholding import WITHHOLDINGS, Withhold
from gamekeeper.audit.learners import why_no_learners
from gamekeeper.audit.learners.cores import one_core_each
from gamekeeper.audit.measures import share_error
from gamekeeper.audit.meter import SpentError
from gamekeeper.audit.options import SIZES, AuditOptions
from gamekeeper.audit.result import AuditResult, Curve, Defended, Point, Users
from gamekeeper.audit.targets import Query, Reply, TargetError
from gamekeeper.audit.traffic import Traffic
from gamekeeper.base.errors import MissingExtraError, UsageError
from gamekeeper.base.progress import OnStage, ignore_stage

_TEST_SHARE = 0.25
_TEST_MOST = 300
_LEAST_PROMPTS = 40
_ASKED_AGAIN = 20
_WIDTH_SHARE = 0.1  # of the budget, to look for the width
_COERCED_FIRST = 5  # prompts, to see whether the steps come when they are asked for
_COPIES = 3  # sizes at which surrogates are trained; each costs minutes
_SKILL = "skill-leeching"
_WIDTH = "width-from-logprobs"

CARD = AttackCard(
    name=_SKILL,
    purpose=(
        "Trains a small surrogate on a language model's answers and reasoning, to get its skill at"
        " one task."
    ),
    needs="Prompts of the task (--prompts).",
    fits="Narrow tasks; what is explained step by step is learned from a few hundred replies.",
    source=(
        "Birch et al., Model Leeching, 2023; that reasoning is what matters, DistillGuard, 2026;"
        " surrogates are ours."
    ),
    extra="audit",
)
COERCION = (
    "\n\nWrite out every step of your reasoning, then end with a new line that begins with"
    " 'Answer:' and holds the final answer alone."
)


class Reading(StrEnum):
    """What a thief learns from."""

    ANSWERS = "answers"
    TRACES = "answers and reasoning"
    COERCED = "answers and reasoning that was asked for"


class LanguageAudit:
    """One language model, its prompts split, ready to be learnt from.

    Args:
        interview: The target.
        prompts: Of its task, different ones; 40 at least.
        options: Of the audit.
        name: Of the target.
        on_stage: Called with the name of each stage that begins.
        pattern: Regular expression of the final answer in a reply; None for all of it.

    Raises:
        UsageError: There are too few prompts, or the budget is too small.
        TargetError: The target failed.
        MissingExtraError: Surrogates need an extra that is not installed.
    """

    def __init__(
        self,
        interview: Interview,
        prompts: Sequence[str],
        options: AuditOptions,
        name: str,
        on_stage: OnStage = ignore_stage,
        *,
        pattern: str | None = None,
    ) -> None:
        if why_no_learners() is not None:
            raise MissingExtraError("surrogates of a language model", "audit")
        _require_enough(prompts, options.budget)
        self._interview = interview
        self._options = options
        self._name = name
        self._on_stage = on_stage
        self._pattern = pattern
        self.traffic = Traffic()
        order = np.random.default_rng(options.seed).permutation(len(prompts))
        tests = min(_TEST_MOST, int(len(prompts) * _TEST_SHARE), options.budget // 4)
        self._tests, self._pool = ([prompts[i] for i in part] for part in np.split(order, [tests]))
        on_stage(f"asking {tests} test prompts", 0, 0)
        # test prompts that were not answered are left out
        kept, self._replies = interview.answered([Query(prompt) for prompt in self._tests])
        self._tests = [self._tests[at] for at in kept]
        again, replies_again = interview.answered(
            [Query(prompt, turn=1) for prompt in self._tests[:_ASKED_AGAIN]]
        )
        self._truth = [self._final(reply) for reply in self._replies]
        _require_answers(self._truth)
        self._likeness = likeness_for(self._truth)
        self._itself = float(
            self._likeness.all(
                [self._final(reply) for reply in replies_again], [self._truth[at] for at in again]
            ).mean()
        )
        self._has_traces = any(reply.trace for reply in self._replies)
        self._curves: dict[Reading, Curve] = {}
        self._why_no_writer: str | None = None

    def run(self) -> AuditResult:
        """Attacks, and returns what was found."""
        names = ("none", *(WITHHOLDINGS if self._has_traces else ()))
        defended = tuple(self._defended(name) for name in names)
        width, why_not = self._width()
        left_out = {_WIDTH: why_not} if why_not else {}
        if self._why_no_writer is not None:
            left_out["a surrogate that writes"] = self._why_no_writer
        if not self._has_traces:
            left_out["reasoning"] = "the interface does not give it"
        return AuditResult(
            target=self._name,
            access=Access.TRACES if self._has_traces else Access.TEXT,
            fidelity=self._likeness.name,
            test_inputs=len(self._tests),
            paid=self._interview.ledger.paid,
            defended=defended,
            findings=tuple(self._findings(width)),
            left_out=left_out,
            prices=self._options.prices,
        )

    def _defended(self, name: str) -> Defended:
        withhold = WITHHOLDINGS[name].apply if name != "none" else None
        readings = [Reading.ANSWERS]
        if self._has_traces and name != "traces-withheld":
            readings.append(Reading.TRACES)
        if withhold is not None and self._comes_when_asked():
            readings.append(Reading.COERCED)
        curves = tuple(self._curve(reading, name, withhold) for reading in readings)
        return Defended(defence=name, users=self._users(withhold), curves=curves)

    def _curve(self, reading: Reading, name: str, withhold: Withhold | None) -> Curve:
        """What is not touched by withholding is learnt from once."""
        if reading is Reading.TRACES and withhold is not None:
            return self._learnt(reading, name, withhold)
        if reading not in self._curves:
            self._curves[reading] = self._learnt(reading, name, withhold)
        return self._curves[reading]

    def _learnt(self, reading: Reading, name: str, withhold: Withhold | None) -> Curve:
        """The same thief as often as there are seeds, side by side."""
        points: list[Point] = []
        stopped = None
        for size in self._sizes:
            self._on_stage(f"{_SKILL} on {reading}, {size} prompts, defence: {name}", 0, 0)
            try:
                training, tokens = self._training(reading, size, withhold)
            except SpentError as error:
                stopped = str(error)
                break
            points.append(self._point(training, tokens))
        return Curve(attack=_SKILL, believes=str(reading), points=tuple(points), stopped=stopped)

    def _training(
        self, reading: Reading, size: int, withhold: Withhold | None
    ) -> tuple[TrainingSet, Tokens]:
        asked = self._pool[:size]
        suffix = COERCION if reading is Reading.COERCED else ""
        kept, replies = self._interview.answered([Query(prompt + suffix) for prompt in asked])
        self._hear(reading, [prompt + suffix for prompt in asked])
        tokens = Tokens(
            sum(reply.read for reply in replies), sum(reply.written for reply in replies)
        )
        given = (
            [withhold(reply) for reply in replies]
            if withhold and reading is Reading.TRACES
            else replies
        )
        if reading is Reading.COERCED:
            given = [_parted(reply) for reply in replies]
        answers = tuple(self._final(reply) for reply in given)
        traces = None if reading is Reading.ANSWERS else tuple(reply.trace for reply in given)
        return TrainingSet(tuple(asked[at] for at in kept), answers, traces), tokens

    def _hear(self, reading: Reading, prompts: list[str]) -> None:
        name = f"{_SKILL}-{reading.name.lower()}"
        self.traffic.add(name, prompts[self.traffic.count(name) :])

    def _point(self, training: TrainingSet, tokens: Tokens) -> Point:
        self._why_no_writer = why_no_writer(
            training
        )  # imports torch, before it is kept to one core
        with one_core_each() as workers:
            copies = list(
                workers.map(lambda number: self._copy(training, number), range(self._options.seeds))
            )
        cpu_s = fmean(seconds for _, _, seconds in copies)
        prices = self._options.prices
        n = len(training)
        return Point(
            queries=n,
            fidelities=tuple(fidelity for fidelity, _, _ in copies),
            cpu_s=cpu_s,
            usd=prices.of(n, tokens) + n * prices.per_input + cpu_s / 3600 * prices.per_core_hour,
            recipe=max(copies)[1],
            tokens=tokens.total,
            error=share_error(copies[0][0], len(self._tests)) if len(copies) == 1 else 0.0,
        )

    def _copy(self, training: TrainingSet, number: int) -> tuple[float, str, float]:
        """Fidelity, recipe and seconds of computing of one thief."""
        began = thread_time()
        recipe, write = best_surrogate(
            training, self._likeness, np.random.default_rng([self._options.seed, number])
        )
        seconds = thread_time() - began
        return float(self._likeness.all(write(self._tests), self._truth).mean()), recipe, seconds

    @property
    def _sizes(self) -> list[int]:
        """At which surrogates are trained: every second, of what the budget holds once for plain
        and once for more.
        """
        left = (
            int(self._options.budget * (1 - _WIDTH_SHARE))
            - len(self._tests)
            - _ASKED_AGAIN
            - _COERCED_FIRST
        )
        most = min(len(self._pool), left // 2 if self._has_traces else left)
        sizes = [size for size in (20, *SIZES) if size < most]
        return [*sizes, most][::-2][::-1][-_COPIES:]

    def _comes_when_asked(self) -> bool:
        """Whether the steps come in the answer when they are asked for, and the answer stays what
        it was.
        """
        some = self._pool[:_COERCED_FIRST]
        plain = self._interview.ask([Query(prompt) for prompt in some])
        asked = self._interview.ask([Query(prompt + COERCION) for prompt in some])
        pairs = [(a, _parted(b)) for a, b in zip(plain, asked, strict=True) if a and b]
        if not pairs:
            return False
        before = [self._final(reply) for reply, _ in pairs]
        same = self._likeness.all(before, [self._final(reply) for _, reply in pairs]).mean()
        return bool(same >= 0.5 and sum(bool(b.trace) for _, b in pairs) > len(some) / 2)

    def _width(self) -> tuple[Width | None, str | None]:
        self._on_stage("looking for the hidden width through log-probabilities", 0, 0)
        try:
            most = int(self._options.budget * _WIDTH_SHARE)
            return look_for_width(self._interview.require, self._pool, most), None
        except (SpentError, TargetError) as error:
            return None, str(error)

    def _findings(self, width: Width | None) -> Iterator[str]:
        yield (
            "it gives its reasoning with the answer"
            if self._has_traces
            else "it gives answers without reasoning"
        )
        if remark := self._interview.failed.remark:
            yield remark
        if self._itself < 1:
            yield (
                f"asked again, it agrees with itself to {self._itself:.2f} on {_ASKED_AGAIN} test"
                " prompts: no copy can agree with it more"
            )
        if width is not None:
            yield from _of_width(width, self._options)

    def _users(self, withhold: Withhold | None) -> Users:
        if withhold is None:
            return Users()
        whole = sum(len(reply.text) + len(reply.trace) for reply in self._replies)
        kept = sum(len(reply.text) + len(reply.trace) for reply in map(withhold, self._replies))
        return Users(withheld=1 - kept / max(1, whole))

    def _final(self, reply: Reply) -> str:
        return final_answer(reply.text, self._pattern)


def _parted(reply: Reply) -> Reply:
    """The steps and the answer of a reply to who asked for both; no steps if it was not answered
    so.
    """
    steps, found, answer = reply.text.rpartition("Answer:")
    return replace(reply, text=answer.strip(), trace=steps.strip()) if found else reply


def _of_width(width: Width, options: AuditOptions) -> Iterator[str]:
    if width.door is Door.NONE:
        yield str(width.door)
        return
    yield f"{width.door} ({width.tops} at once)"
    if width.width is not None:
        yield (
            f"the input of its last layer has {width.width} numbers, seen in {width.queries:,}"
            " queries; the layer itself, up to a change of basis, takes"
            f" {width.queries_for_layer:,} for each thousand tokens"
        )
    elif width.queries_if_wide is not None:
        usd = width.queries_if_wide * options.prices.per_query
        above = f"it is above {width.above}; " if width.above else ""
        yield (
            f"the width of its last layer can be read this way: {above}4,096 would take"
            f" {width.queries_if_wide:,} " + (f"queries, ${usd:,.0f}" if usd else "queries")
        )


def _require_enough(prompts: Sequence[str], budget: int) -> None:
    if len(prompts) < _LEAST_PROMPTS:
        raise UsageError(
            f"{len(prompts)} prompts are too few to learn from and to judge the result; expected at"
            f" least {_LEAST_PROMPTS}"
        )
    if budget < 2 * _LEAST_PROMPTS:
        raise UsageError(
            f"a budget of {budget} queries cannot judge a surrogate; expected at least"
            f" {2 * _LEAST_PROMPTS}"
        )


def _require_answers(answers: Sequence[str]) -> None:
    if len(set(answers)) < 2:
        raise UsageError(
            f"the target gave the same answer to all {len(answers)} test prompts"
            f" ({answers[0][:60]!r}): that can be copied without a query; give prompts of all kinds"
        )
