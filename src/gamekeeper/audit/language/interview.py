"""A text target with a counted budget: every query is counted, paced, kept, and paid for once.

Replies are kept one by one, as they come: who stops in the middle has lost none that was paid for.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np

from gamekeeper.audit.journal import Journal, Tokens
from gamekeeper.audit.meter import AnswerBatch, Limits, QueryLedger
from gamekeeper.audit.targets import Array, LanguageTarget, Query, Reply, TargetError, TextTarget

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

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """Returns a reply to each query.

        Raises:
            SpentError: As `QueryLedger.bought`.
            TargetError: The target failed; what came before is kept.
        """

        def buy(positions: Sequence[int]) -> Iterator[AnswerBatch]:
            for number, reply in self._target.replies([queries[i] for i in positions]):
                yield AnswerBatch(
                    [positions[number]], [reply.packed()], Tokens(reply.read, reply.written)
                )

        return [
            Reply.unpacked(kept)
            for kept in self.ledger.bought([_id(query) for query in queries], buy)
        ]


class Vectors:
    """A model that gives vectors, with a ledger; arguments as `Interview`."""

    def __init__(self, target: TextTarget, journal: Journal, limits: Limits) -> None:
        self._target = target
        batch = getattr(target, "batch", _AT_ONCE)  # one request: what fails is then not paid for
        self.ledger = QueryLedger(journal, limits, batch=batch)

    def ask(self, texts: Sequence[str], turn: int = 0) -> Array:
        """Returns a vector for each text, shape (n, width).

        Args:
            texts: What is asked.
            turn: Another turn asks the same once more.

        Raises:
            SpentError: As `QueryLedger.bought`.
            TargetError: The target failed, or answered no vectors; what came before is kept.
        """

        def buy(positions: Sequence[int]) -> Iterator[AnswerBatch]:
            rows = self._sound([texts[i] for i in positions])
            yield AnswerBatch(positions, [row.astype("<f8").tobytes() for row in rows])

        kept = self.ledger.bought([_id(Query(text, turn=turn)) for text in texts], buy)
        rows = [np.frombuffer(row, "<f8") for row in kept]
        if len({len(row) for row in rows}) > 1:
            raise TargetError(f"{self._target.name} gave vectors of different lengths")
        return np.stack(rows) if rows else np.empty((0, 1))

    def _sound(self, texts: list[str]) -> Array:
        rows = np.asarray(self._target.vectors(texts), np.float64)
        if rows.ndim != 2 or len(rows) != len(texts):
            raise TargetError(
                f"{self._target.name} gave an answer of shape {rows.shape} to {len(texts)} texts"
            )
        if not np.isfinite(rows).all():
            raise TargetError(f"{self._target.name} gave NaN or infinity")
        return rows


def _id(query: Query) -> bytes:
    asked = json.dumps(asdict(query), sort_keys=True).encode()
    return hashlib.blake2b(asked, digest_size=16, person=b"gk-text").digest()
