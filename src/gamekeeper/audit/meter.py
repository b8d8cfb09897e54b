"""A target with a counted budget: every query is counted, paced, checked, kept, and paid for once.

QueryLedger  what is bought, whatever it is: each answer once, on disk before it is used, within
             limits
Meter        a target of rows of numbers with a ledger
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from gamekeeper.audit.journal import NO_TOKENS, Journal, Tokens, ids_of
from gamekeeper.audit.options import Prices
from gamekeeper.audit.targets import Array, Target, TargetError
from gamekeeper.base.errors import GamekeeperError

_BATCH = 256


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


Buy = Callable[[Sequence[int]], Iterable[AnswerBatch]]
"""Positions of what is not known yet to answers, each as soon as it is there."""


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

    @property
    def asked(self) -> int:
        """Different queries that were asked since it was made, paid for now or before."""
        return len(self._asked)

    @property
    def usd(self) -> float:
        """Dollars that all queries so far cost, those of earlier runs included."""
        return self._limits.prices.of(self.paid, self.tokens)

    def bought(self, ids: Sequence[bytes], buy: Buy) -> list[bytes]:
        """Returns an answer for each id; buys those that are not known.

        Args:
            ids: Of what is asked, n of them.
            buy: Makes the queries at positions 0 to n - 1.

        Raises:
            SpentError: The limits do not hold what is not known yet. By queries nothing of it is
                bought then; by tokens or dollars, which are known only afterwards, what fitted.
            TargetError: As the target; what came before is kept.
        """
        known = self._journal.known(list(dict.fromkeys(ids)))
        new = list({id: i for i, id in enumerate(ids) if id not in known}.values())
        self._require_queries(len(new))
        self._asked.update(ids)
        for start in range(0, len(new), self._batch):
            some = new[start : start + self._batch]
            self._require_means(len(some))
            if self._limits.per_s:
                self._sleep(len(some) / self._limits.per_s)
            for answered in buy(some):
                self._keep(answered, ids)
                known |= dict(
                    zip((ids[i] for i in answered.positions), answered.answers, strict=True)
                )
        return [known[id] for id in ids]

    def _keep(self, answered: AnswerBatch, ids: Sequence[bytes]) -> None:
        self._journal.keep([ids[i] for i in answered.positions], answered.answers, answered.tokens)
        self.tokens += answered.tokens
        self.paid += len(answered.positions)

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
        # of an endpoint, one request: what fails is then not paid for
        batch = getattr(target, "batch", _BATCH)
        self._target = target
        self._ledger = QueryLedger(journal, limits, batch=batch, sleep=sleep)
        self._width: int | None = None

    @property
    def paid(self) -> int:
        """Queries that were made, in this run and those before."""
        return self._ledger.paid

    @property
    def asked(self) -> int:
        """Different inputs that were asked since it was made, paid for now or before."""
        return self._ledger.asked

    def keep_back(self, queries: int) -> None:
        """Reserves so many of the queries that are left, until called again."""
        self._ledger.kept_back = queries

    def ask(self, inputs: Array, turn: int = 0) -> Array:
        """Returns raw answers, shape (n, classes), or (n, 1) where the target gives labels.

        Args:
            inputs: Shape (n, width).
            turn: Another turn asks what was asked before once more, up to 255.

        Raises:
            SpentError: The budget does not suffice for what is not known yet; nothing of it was
                asked.
            TargetError: The target failed, or gave invalid answers; earlier answers are kept.
        """

        def buy(positions: Sequence[int]) -> Iterator[AnswerBatch]:
            answers = self._answers(inputs[list(positions)])
            yield AnswerBatch(positions, [answer.astype("<f8").tobytes() for answer in answers])

        rows = [
            np.frombuffer(answer, "<f8")
            for answer in self._ledger.bought(ids_of(inputs, turn), buy)
        ]
        return np.stack(rows) if rows else np.empty((0, self._width or 1))

    def _answers(self, inputs: Array) -> Array:
        answers = np.asarray(self._target.ask(inputs), np.float64)
        answers = answers[:, None] if answers.ndim == 1 else answers
        self._require_valid(answers, len(inputs))
        return answers

    def _require_valid(self, answers: Array, inputs: int) -> None:
        if answers.ndim != 2 or len(answers) != inputs:
            raise TargetError(
                f"{self._target.name} gave an answer of shape {answers.shape} to {inputs} inputs"
            )
        if not np.isfinite(answers).all():
            rows = int((~np.isfinite(answers).all(axis=1)).sum())
            raise TargetError(
                f"{self._target.name} gave NaN or infinity for {rows} of {inputs} inputs"
            )
        if self._width not in (None, answers.shape[1]):
            raise TargetError(
                f"{self._target.name} gave {answers.shape[1]} scores, and {self._width} before"
            )
        self._width = answers.shape[1]
