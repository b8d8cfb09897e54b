"""A text target with a counted budget: every query is counted, paced, kept, and paid for once.

Replies are kept one by one, as they come: an audit that is stopped has lost none that was paid for.
A query that the target filters or refuses is left out and counted; the others go on.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np

from gamekeeper.audit.journal import Journal, Tokens
from gamekeeper.audit.meter import (
    AnswerBatch,
    Bought,
    Failures,
    Limits,
    QueryLedger,
    divided,
    failed_query,
)
from gamekeeper.audit.targets import (
    Array,
    LanguageTarget,
    Query,
    QueryError,
    Reply,
    TargetError,
    TextTarget,
)

_AT_ONCE = (
    16  # queries before limits are looked at again: what may be spent beyond tokens or dollars
)


class Interview:
    """A language model with a ledger.

    Args:
        target: What is asked.
        journal: What was answered before.
        limits: What may be taken.
    """

    def __init__(self, target: LanguageTarget, journal: Journal, limits: Limits) -> None:
        self._target = target
        self.ledger = QueryLedger(journal, limits, batch=_AT_ONCE)

    @property
    def failed(self) -> Failures:
        """Queries of this run that were not answered."""
        return self.ledger.failed

    def ask(self, queries: Sequence[Query]) -> list[Reply | None]:
        """Returns a reply to each query; None where it was filtered, refused or failed alone.

        Raises:
            SpentError: As `QueryLedger.bought`.
            TargetError: The target failed, or on too many queries; what came before is kept.
        """

        def request(positions: Sequence[int]) -> Iterator[Bought]:
            for number, reply in self._target.replies([queries[i] for i in positions]):
                at = positions[number]
                if isinstance(reply, QueryError):
                    yield failed_query(at, reply)
                else:
                    yield AnswerBatch([at], [reply.packed()], Tokens(reply.read, reply.written))

        def buy(positions: Sequence[int]) -> Iterator[Bought]:
            return divided(positions, request, self.ledger.resend)

        bought = self.ledger.bought([_id(query) for query in queries], buy)
        return [None if kept is None else Reply.unpacked(kept) for kept in bought]

    def answered(self, queries: Sequence[Query]) -> tuple[list[int], list[Reply]]:
        """Returns the positions of queries that were answered, and their replies.

        Raises:
            SpentError: As `ask`.
            TargetError: As `ask`.
        """
        replies = [*enumerate(self.ask(queries))]
        found = [(at, reply) for at, reply in replies if reply is not None]
        return [at for at, _ in found], [reply for _, reply in found]

    def require(self, queries: Sequence[Query]) -> list[Reply]:
        """Returns a reply to each query.

        Raises:
            SpentError: As `ask`.
            TargetError: As `ask`, or one of them was not answered.
        """
        found = [reply for reply in self.ask(queries) if reply is not None]
        if len(found) < len(queries):
            why = "; ".join(self.failed.reasons)
            raise TargetError(f"{len(queries) - len(found)} queries were not answered: {why}")
        return found


class Vectors:
    """A model that gives vectors, with a ledger; arguments as `Interview`."""

    def __init__(self, target: TextTarget, journal: Journal, limits: Limits) -> None:
        self._target = target
        batch = getattr(target, "batch", _AT_ONCE)  # one request: what came before it is kept
        self.ledger = QueryLedger(journal, limits, batch=batch)

    @property
    def failed(self) -> Failures:
        """Queries of this run that were not answered."""
        return self.ledger.failed

    def ask(self, texts: Sequence[str], turn: int = 0) -> Array:
        """Returns a vector for each text, shape (n, width); NaN where it failed alone.

        Args:
            texts: What is asked.
            turn: Another turn asks the same once more.

        Raises:
            SpentError: As `QueryLedger.bought`.
            TargetError: The target failed, or on too many texts; what came before is kept.
        """

        def request(positions: Sequence[int]) -> Iterator[Bought]:
            rows = self._valid([texts[i] for i in positions])
            yield AnswerBatch(positions, [row.astype("<f8").tobytes() for row in rows])

        def buy(positions: Sequence[int]) -> Iterator[Bought]:
            return divided(positions, request, self.ledger.resend)

        kept = self.ledger.bought([_id(Query(text, turn=turn)) for text in texts], buy)
        rows = [None if row is None else np.frombuffer(row, "<f8") for row in kept]
        widths = {len(row) for row in rows if row is not None}
        if len(widths) > 1:
            raise TargetError(f"{self._target.name} gave vectors of different lengths")
        failed = np.full(max(widths, default=1), np.nan)
        if not rows:
            return np.empty((0, 1))
        return np.stack([failed if row is None else row for row in rows])

    def _valid(self, texts: list[str]) -> Array:
        rows = np.asarray(self._target.vectors(texts), np.float64)
        if rows.ndim != 2 or len(rows) != len(texts):
            raise QueryError(
                f"{self._target.name} gave an answer of shape {rows.shape} to {len(texts)} texts"
            )
        if not np.isfinite(rows).all():
            raise QueryError(f"{self._target.name} gave NaN or infinity")
        return rows


def _id(query: Query) -> bytes:
    asked = json.dumps(asdict(query), sort_keys=True).encode()
    return hashlib.blake2b(asked, digest_size=16, person=b"gk-text").digest()
