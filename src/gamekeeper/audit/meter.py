"""A target with a counted budget: every query is counted, paced, checked, kept, and paid for once.

QueryLedger  what is bought, whatever it is: each answer once, on disk before it is used, within
             limits
Meter        a target of rows of numbers with a ledger
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gamekeeper.audit.journal import NO_TOKENS, Journal, Tokens, ids_of
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.options import Prices
from gamekeeper.audit.targets import (
    Array,
    QueryError,
    Target,
    TargetError,
    classes_of,
    columns_of,
    remarks_of,
)
from gamekeeper.base.errors import GamekeeperError

_BATCH = 256
_PARTS = 8
_FEWEST_JUDGED = 20  # queries made together; of fewer, one or two say nothing about the others
_MOST_FAILED = 0.2  # of these: with more left out, the rest is another domain
_MOST_IN_A_ROW = 20  # then the target is asked again what it answered: it may have ended
_REASONS = 3  # that are shown


class SpentError(GamekeeperError):
    """A budget is used up."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an audit may take.

    Args:
        queries: Of the target, all runs together.
        per_s: Queries a second at most; None for as fast as it answers.
        tokens: Read and written by the target, all runs together; None for no limit.
        usd: Dollars, all runs together, by `prices`; None for no limit.
        prices: What a query and a token cost.
    """

    queries: int
    per_s: float | None = None
    tokens: int | None = None
    usd: float | None = None
    prices: Prices = field(default_factory=Prices)


@dataclass(frozen=True, slots=True)
class AnswerBatch:
    """Answers that came together.

    Args:
        positions: Of what was asked.
        answers: As the journal keeps them.
        tokens: That they cost.
    """

    positions: Sequence[int]
    answers: Sequence[bytes]
    tokens: Tokens = NO_TOKENS


@dataclass(frozen=True, slots=True)
class FailedQuery:
    """A query that was made alone and not answered.

    Args:
        position: Of what was asked.
        reason: In the target's own words.
        is_refused: Whether the target refuses it as such, so that it is not asked again.
        tokens: That it cost nevertheless.
    """

    position: int
    reason: str
    is_refused: bool
    tokens: Tokens = NO_TOKENS


@dataclass(frozen=True, slots=True)
class Failures:
    """Queries that a target did not answer.

    Args:
        count: Different ones of this run, refused now or before.
        reasons: The first different reasons.
        resent: Queries that were sent again, in smaller requests, to find out which of them fail;
            they are not among those that are paid.
    """

    count: int
    reasons: tuple[str, ...]
    resent: int

    @property
    def remark(self) -> str:
        """What happened, a sentence; empty if all queries were answered at once."""
        if not self.count and not self.resent:
            return ""
        again = f"; {self.resent:,} were sent again to find out which" if self.resent else ""
        why = f": {'; '.join(self.reasons)}" if self.reasons else ""
        return f"{self.count:,} queries were not answered and are left out{again}{why}"


def failed_query(position: int, error: QueryError) -> FailedQuery:
    """Returns the query at a position as failed by an error."""
    tokens = Tokens(error.read, error.written)
    return FailedQuery(position, str(error), error.is_refused, tokens)


Bought = AnswerBatch | FailedQuery
Buy = Callable[[Sequence[int]], Iterable[Bought]]
"""Positions of what is not known yet to answers, each as soon as it is there."""
Resend = Callable[[int, QueryError], object]
"""Called before queries are sent again: how many, and why."""


def divided(positions: Sequence[int], ask: Buy, resend: Resend) -> Iterator[Bought]:
    """Yields answers; where a request fails as a whole, those of smaller ones, down to single
    queries.

    A request is divided by eight: halving would send each query of a request of 64 with one bad
    query three times, this sends it twice, in a few requests more.

    Args:
        positions: Of what is asked.
        ask: Makes one request.
        resend: See `Resend`.

    Raises:
        TargetError: It failed for another reason than these queries.
    """
    done: set[int] = set()
    try:
        for bought in ask(positions):
            done.update(_positions_of(bought))
            yield bought
    except QueryError as error:
        left = [at for at in positions if at not in done]
        if len(positions) == 1:
            yield from (failed_query(at, error) for at in left)
            return
        size = max(1, -(-len(left) // _PARTS))
        for start in range(0, len(left), size):
            part = left[start : start + size]
            resend(len(part), error)
            yield from divided(part, ask, resend)


def _positions_of(bought: Bought) -> Sequence[int]:
    return [bought.position] if isinstance(bought, FailedQuery) else bought.positions


class _FailureRow:
    """Failed queries in a row, by their places among all queries of a call, whether they are new or
    known; a call goes on where the one before ended.

    In the order of their arrival failures may look like a row that they are not: those of a batch
    come together, and in a later run only those that failed are new.
    """

    def __init__(self) -> None:
        self._places: set[int] = set()

    def add(self, place: int) -> int:
        """Returns how many failed in a row, with the one at this place."""
        self._places.add(place)
        begin = place
        while begin - 1 in self._places:
            begin -= 1
        end = place + 1
        while end in self._places:
            end += 1
        return end - begin

    def clear(self) -> None:
        """Removes all places."""
        self._places.clear()

    def end(self, queries: int) -> None:
        """Ends a call of so many queries: the places of the next one begin at 0."""
        self._places = {place - queries for place in self._places}
        if -1 not in self._places:
            self._places.clear()


class QueryLedger:
    """The ledger of paid answers: each answer is bought once and stored before it is used.

    Args:
        journal: What was answered before.
        limits: What may be taken.
        batch: Queries that are made before limits are looked at again.
        sleep: Waits, in seconds.
    """

    def __init__(
        self,
        journal: Journal,
        limits: Limits,
        *,
        batch: int = _BATCH,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._journal = journal
        self._limits = limits
        self._batch = batch
        self._sleep = sleep
        self.paid = len(journal)
        self.tokens = journal.tokens
        self.kept_back = 0
        self._asked: set[bytes] = set()
        self._failed: dict[bytes, str] = {}
        self._row = _FailureRow()
        self._answered: tuple[Buy, int] | None = None
        self._resent = 0
        self._first_error = ""

    @property
    def asked(self) -> int:
        """Different queries that were asked since it was made, paid for now or before."""
        return len(self._asked)

    @property
    def usd(self) -> float:
        """Dollars that all queries so far cost, those of earlier runs included."""
        return self._limits.prices.of(self.paid, self.tokens)

    @property
    def failed(self) -> Failures:
        """Queries of this run that were not answered."""
        reasons = tuple(dict.fromkeys(self._failed.values()))[:_REASONS]
        return Failures(len(self._failed), reasons, self._resent)

    def resend(self, queries: int, error: QueryError) -> None:
        """Waits before queries are sent again, and counts them."""
        self._resent += queries
        self._first_error = self._first_error or str(error)
        self._pace(queries)

    def bought(self, ids: Sequence[bytes], buy: Buy) -> list[bytes | None]:
        """Returns an answer for each id, None where a query failed; buys those that are not known.

        Args:
            ids: Of what is asked, n of them.
            buy: Makes the queries at positions 0 to n - 1.

        Raises:
            SpentError: The limits do not hold what is not known yet. By queries nothing of it is
                bought then; by tokens or dollars, which are known only afterwards, what fitted.
            TargetError: As the target, or too many queries failed; what came before is kept.
        """
        different = list(dict.fromkeys(ids))
        known = self._journal.known(different)
        self._failed |= self._journal.refused(different)
        first = {id: i for i, id in reversed([*enumerate(ids)])}
        new = [first[id] for id in different if id not in known and id not in self._failed]
        self._require_queries(len(new))
        self._asked.update(ids)
        self._first_error = ""
        if known:
            self._answered = buy, first[next(iter(known))]
        places = {first[id]: place for place, id in enumerate(different)}
        failed: dict[bytes, FailedQuery] = {}
        try:
            for bought in self._bought_new(new, buy, places):
                if isinstance(bought, FailedQuery):
                    failed[ids[bought.position]] = bought
                else:
                    known |= self._keep(bought, ids)
        except SpentError:
            self._keep_failed(failed)
            raise
        finally:
            self._row.end(len(different))
        self._require_answers(different, known, failed)
        self._keep_failed(failed)
        return [known.get(id) for id in ids]

    def _bought_new(
        self, new: Sequence[int], buy: Buy, places: Mapping[int, int]
    ) -> Iterator[Bought]:
        for start in range(0, len(new), self._batch):
            some = new[start : start + self._batch]
            self._require_means(len(some))
            self._pace(len(some))
            for bought in buy(some):
                yield bought
                if isinstance(bought, FailedQuery):
                    self._require_alive(bought, self._row.add(places[bought.position]))
                elif bought.positions:
                    self._answered = buy, bought.positions[0]

    def _require_alive(self, failed: FailedQuery, in_a_row: int) -> None:
        """Asks again what was answered before, where many queries in a row failed.

        Rows that fail may be neighbours, as in a sorted file. What is answered again is neither
        paid nor kept.
        """
        if in_a_row < _MOST_IN_A_ROW:
            return
        if self._answered is None or not self._is_answered(*self._answered):
            raise TargetError(
                f"{in_a_row} queries in a row failed: {self._first_error or failed.reason}"
            )
        self._row.clear()

    def _is_answered(self, buy: Buy, position: int) -> bool:
        self._pace(1)
        self._resent += 1
        again = [*buy([position])]
        tokens = sum((each.tokens for each in again), NO_TOKENS)
        self.tokens += tokens
        self._journal.keep([], [], tokens)
        return any(isinstance(each, AnswerBatch) and each.positions for each in again)

    def _pace(self, queries: int) -> None:
        if self._limits.per_s:
            self._sleep(queries / self._limits.per_s)

    def _keep(self, answered: AnswerBatch, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        kept = [ids[i] for i in answered.positions]
        self._journal.keep(kept, answered.answers, answered.tokens)
        self.tokens += answered.tokens
        self.paid += len(kept)
        return dict(zip(kept, answered.answers, strict=True))

    def _require_answers(
        self,
        ids: Sequence[bytes],
        known: Mapping[bytes, bytes],
        failed: Mapping[bytes, FailedQuery],
    ) -> None:
        """Too many failures are not of single queries; nothing of them is kept then."""
        count = sum(id not in known for id in ids)
        if not count:
            return
        reasons = [each.reason for each in failed.values()] or [*self._failed.values()]
        reason = self._first_error or reasons[0]
        if len(ids) >= _FEWEST_JUDGED and count > _MOST_FAILED * len(ids):
            raise TargetError(f"{count:,} of {len(ids):,} queries failed: {reason}")
        if count == len(ids) and not self._journal.answered:
            raise TargetError(reason)

    def _keep_failed(self, failed: Mapping[bytes, FailedQuery]) -> None:
        """Counts failed queries; keeps those that are refused, now or in several runs."""
        self._failed |= {id: each.reason for id, each in failed.items()}
        self.paid += len(failed)
        refused = {id: each for id, each in failed.items() if each.is_refused}
        tokens = sum((each.tokens for each in failed.values()), NO_TOKENS)
        self.tokens += tokens
        others = {id: each.reason for id, each in failed.items() if id not in refused}
        self._journal.keep_refused({id: each.reason for id, each in refused.items()}, tokens)
        self._journal.count_failed(others)

    def _require_queries(self, wanted: int) -> None:
        left = max(0, self._limits.queries - self.kept_back - self.paid)
        if wanted > left:
            raise SpentError(
                f"{wanted} more queries are needed, and {left} of {self._limits.queries} are left"
            )

    def _require_means(self, wanted: int) -> None:
        """Tokens and dollars for a batch, by what queries have cost so far."""
        share = wanted / max(1, self.paid)
        tokens = self.tokens.total * (1 + share)
        usd = self.usd * (1 + share)
        if wanted and self._limits.tokens is not None and tokens > self._limits.tokens:
            raise SpentError(f"{self.tokens.total:,} of {self._limits.tokens:,} tokens are spent")
        if wanted and self._limits.usd is not None and usd > self._limits.usd:
            raise SpentError(f"${self.usd:,.2f} of ${self._limits.usd:,.2f} are spent")


_LEARNED = "learned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a target knew of itself after it had answered.

    Args:
        answers: What it answers; None if it does not know.
        classes: See `classes_of`.
        remarks: See `remarks_of`.
    """

    answers: AnswerKind | None = None
    classes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def packed(self) -> str:
        """Returns it as a journal keeps it."""
        return json.dumps([self.answers, self.classes, self.remarks])

    @staticmethod
    def unpacked(kept: str | None) -> "Learned":
        """Returns what was packed."""
        if kept is None:
            return Learned()
        kind, classes, remarks = json.loads(kept)
        return Learned(
            answers=AnswerKind(kind) if kind else None,
            classes=tuple(classes),
            remarks=tuple(remarks),
        )


class Meter:
    """A target whose queries are counted, limited and stored.

    Args:
        target: What is asked.
        journal: What was answered before.
        limits: What may be taken.
        sleep: Waits, in seconds.
    """

    def __init__(
        self,
        target: Target,
        journal: Journal,
        limits: Limits,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # of an endpoint, one request: what came before a failure is kept
        batch = getattr(target, "batch", _BATCH)
        self._target = target
        self._journal = journal
        self._ledger = QueryLedger(journal, limits, batch=batch, sleep=sleep)
        self._width: int | None = None
        if columns := columns_of(target):
            journal.require("set of columns", columns.digest)
        self._learned = Learned.unpacked(journal.noted(_LEARNED))

    @property
    def paid(self) -> int:
        """Queries that were made, in this run and those before."""
        return self._ledger.paid

    @property
    def asked(self) -> int:
        """Different inputs that were asked since it was made, paid for now or before."""
        return self._ledger.asked

    @property
    def answers(self) -> AnswerKind | None:
        """What the target itself knows that it answers; None if it does not know."""
        return getattr(self._target, "answers", None) or self._learned.answers

    @property
    def texts(self) -> tuple[str, ...]:
        """Labels that came as text, by the numbers that `ask` returns; empty for numbers."""
        return self._journal.labels

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of classes by their numbers: labels that came as text, or classes that the target
        names; empty if there are no names. Complete only after `ask`.

        Numbers of text that the target does not list are in the order in which it came: two
        targets are compared by names, not by numbers.
        """
        return self._journal.labels or classes_of(self._target) or self._learned.classes

    @property
    def classes_are_named(self) -> bool:
        """Whether classes have names; see `label_names`."""
        return bool(self.label_names)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was recognised of the target, each a sentence; see `failed` for what it did not
        answer.
        """
        return tuple(dict.fromkeys((*remarks_of(self._target), *self._learned.remarks)))

    @property
    def failed(self) -> Failures:
        """Queries of this run that were not answered."""
        return self._ledger.failed

    def keep_back(self, queries: int) -> None:
        """Reserves so many of the queries that are left, until called again."""
        self._ledger.kept_back = queries

    def ask(self, inputs: Array, turn: int = 0) -> Array:
        """Returns raw answers, shape (n, width); (n, 1) where the target gives one number or label.

        A query that fails alone has NaN for an answer; see `failed`. Labels that are text are
        numbers, whose names are in `label_names`.

        Args:
            inputs: Shape (n, width).
            turn: Another turn asks what was asked before once more, up to 255.

        Raises:
            SpentError: The budget does not suffice for what is not known yet; nothing of it was
                asked.
            TargetError: The target failed, or on too many queries; earlier answers are kept.
        """

        def request(positions: Sequence[int]) -> Iterator[Bought]:
            answers = self._answers(inputs[list(positions)])
            is_valid = np.isfinite(answers).all(axis=1)
            valid = [at for at, is_so in zip(positions, is_valid, strict=True) if is_so]
            yield AnswerBatch(valid, [row.astype("<f8").tobytes() for row in answers[is_valid]])
            rows = len(positions) - len(valid)
            said = f"{self._target.name} gave NaN or infinity for {rows} of {len(positions)} inputs"
            for at in sorted(set(positions) - set(valid)):
                yield FailedQuery(at, said, False)

        def buy(positions: Sequence[int]) -> Iterator[Bought]:
            return divided(positions, request, self._ledger.resend)

        bought = self._ledger.bought(ids_of(inputs, turn), buy)
        rows = [None if answer is None else np.frombuffer(answer, "<f8") for answer in bought]
        width = next((len(row) for row in rows if row is not None), self._width or 1)
        failed = np.full(width, np.nan)
        if not rows:
            return np.empty((0, width))
        return np.stack([failed if row is None else row for row in rows])

    def _answers(self, inputs: Array) -> Array:
        given = np.asarray(self._target.ask(inputs))
        self._learn()
        answers = self._numbered(given) if given.dtype.kind == "U" else self._numbers(given)
        answers = answers[:, None] if answers.ndim == 1 else answers
        if answers.ndim != 2 or len(answers) != len(inputs):
            raise QueryError(
                f"{self._target.name} gave an answer of shape {answers.shape} to {len(inputs)}"
                " inputs"
            )
        self._require_width(answers)
        return answers

    def _learn(self) -> None:
        """Keeps what the target knows since it answered: another run may not ask it anything."""
        kind: AnswerKind | None = getattr(self._target, "answers", None)
        learned = Learned(
            answers=kind, classes=classes_of(self._target), remarks=remarks_of(self._target)
        )
        if learned != self._learned:
            self._learned = learned
            self._journal.note(_LEARNED, learned.packed())

    def _numbers(self, given: Array) -> Array:
        if self._journal.labels:
            raise TargetError(f"{self._target.name} gave numbers, and labels as text before")
        try:
            return given.astype(np.float64)
        except (ValueError, TypeError) as error:
            raise QueryError(f"{self._target.name} did not answer with numbers: {error}") from error

    def _numbered(self, labels: Array) -> Array:
        if self._journal.answered and not self._journal.labels:
            raise QueryError(f"{self._target.name} gave labels as text, and numbers before")
        given = labels.ravel().tolist()
        if not self._journal.labels and set(given) <= set(classes_of(self._target)):
            self._journal.numbers_of(classes_of(self._target))
        self._journal.numbers_of(sorted(set(given)))
        return np.array(self._journal.numbers_of(given), np.float64)

    def _require_width(self, answers: Array) -> None:
        width = answers.shape[1]
        if self._width in (None, width):
            self._width = width
            return
        said = f"{self._target.name} gave {width} scores, and {self._width} before"
        raise QueryError(said) if len(answers) == 1 else TargetError(said)
