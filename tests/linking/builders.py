"""Samples without text: accounts, their sittings, and vectors on a sphere."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from gamekeeper.encoding import Payloads, fragments
from gamekeeper.linking import LinkSample

DIM = 48
NO_TEXT = fragments(pl.DataFrame(schema={"system": pl.String, "prompt": pl.String}))


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def sitting_times(rng: np.random.Generator, sittings: int, each: int) -> np.ndarray:
    """Seconds: sittings on different half-days of a month, `each` exchanges a minute or two
    apart.
    """
    starts = np.sort(rng.choice(60, sittings, replace=False)) * 43_200 + rng.integers(
        0, 3_600, sittings
    )
    return (starts[:, None] + np.arange(each) * 90).ravel()


class World:
    """Accounts of one subject space of many topics; each call adds accounts and returns their
    numbers.
    """

    def __init__(self, seed: int, topics: int = 400) -> None:
        self.rng = np.random.default_rng(seed)
        self._topics = unit(self.rng.standard_normal((topics, DIM)))
        self._vectors: list[np.ndarray] = []
        self._times: list[np.ndarray] = []

    def near(self, centre: np.ndarray, spread: float) -> np.ndarray:
        """Vectors around rows of `centre`; a `spread` of 0.1 is about a tenth of the sphere's
        radius.
        """
        return unit(centre + spread * self.rng.standard_normal(centre.shape))

    def people(
        self, count: int, sittings: int = 5, each: int = 6, topics: np.ndarray | None = None
    ) -> np.ndarray:
        """Accounts with two or three topics of their own; a sitting stays with one."""
        return np.array([self._person(sittings, each, topics) for _ in range(count)])

    def _person(self, sittings: int, each: int, topics: np.ndarray | None) -> int:
        own = self.rng.choice(len(self._topics) if topics is None else topics, 3)
        middles = self.near(self._topics[own], 0.08)  # an own corner of the topic
        which = np.repeat(self.rng.integers(0, 3, sittings), each)
        return self._add(self.near(middles[which], 0.05), sitting_times(self.rng, sittings, each))

    def campaign(
        self, deck: np.ndarray, count: int, cover: float, sittings: int = 8, each: int = 8
    ) -> np.ndarray:
        """Accounts that deal cards of `deck` (n, d) among ordinary prompts, of which `cover` is the
        share; no card twice.
        """
        cards = iter(deck[self.rng.permutation(len(deck))])
        return np.array([self._dealer(cards, cover, sittings, each) for _ in range(count)])

    def _dealer(self, cards: Iterator[np.ndarray], cover: float, sittings: int, each: int) -> int:
        total = sittings * each
        own = self.near(self._topics[self.rng.choice(len(self._topics), 3)], 0.08)
        vectors = self.near(own[np.repeat(self.rng.integers(0, 3, sittings), each)], 0.05)
        for place in np.flatnonzero(self.rng.random(total) >= cover):
            vectors[place] = next(cards)
        return self._add(vectors, sitting_times(self.rng, sittings, each))

    def deck(self, cards: int, spread: float = 0.12) -> np.ndarray:
        """Cards of one subject: scattered about a direction that no topic has."""
        return self.near(np.tile(unit(self.rng.standard_normal((1, DIM))), (cards, 1)), spread)

    def club(self, count: int, own: float, sittings: int = 5, each: int = 5) -> np.ndarray:
        """Accounts of one subject, each in a corner of it, `own` away from its middle: with 0 they
        share one deck, from about 0.03 on they keep to their own subjects as people do.
        """
        subject = unit(self.rng.standard_normal((1, DIM)))
        return np.array([self._club_member(subject, own, sittings, each) for _ in range(count)])

    def _club_member(self, subject: np.ndarray, own: float, sittings: int, each: int) -> int:
        corner = self.near(subject, own)
        vectors = self.near(np.tile(corner, (sittings * each, 1)), 0.12)
        return self._add(vectors, sitting_times(self.rng, sittings, each))

    def loose_sittings(self, sittings: int, each: int = 8) -> int:
        """One account whose sittings have nothing in common, and wander a little by themselves."""
        middles = self.near(self._topics[self.rng.integers(0, len(self._topics), sittings)], 0.08)
        vectors = self.near(np.repeat(middles, each, axis=0), 0.2)
        return self._add(vectors, sitting_times(self.rng, sittings, each))

    def scraper(self, sittings: int = 30, each: int = 12) -> int:
        """One account that deals cards of every subject in no order."""
        cards = self._topics[self.rng.integers(0, len(self._topics), sittings * each)]
        return self._add(self.near(cards, 0.1), sitting_times(self.rng, sittings, each))

    def reseller(self, customers: int = 30, each: int = 12) -> int:
        """One account with many customers, each of whom sits down once and keeps to one subject."""
        subjects = self.near(self._topics[self.rng.integers(0, len(self._topics), customers)], 0.08)
        return self._add(
            self.near(np.repeat(subjects, each, axis=0), 0.05),
            sitting_times(self.rng, customers, each),
        )

    def _add(self, vectors: np.ndarray, times: np.ndarray) -> int:
        self._vectors.append(vectors)
        self._times.append(times)
        return len(self._vectors) - 1

    def sample(self) -> LinkSample:
        """All accounts so far."""
        accounts = np.repeat(np.arange(len(self._vectors)), [len(v) for v in self._vectors])
        vectors = np.concatenate(self._vectors) if self._vectors else np.zeros((0, DIM), np.float32)
        return LinkSample(
            accounts=accounts,
            account_count=len(self._vectors),
            time_s=np.concatenate([*self._times, np.zeros(0, np.int64)]),
            vectors=vectors,
            prompts=np.arange(len(accounts)),
            without_text=np.zeros(len(accounts), bool),
            fragments=NO_TEXT,
            payloads=Payloads(NO_TEXT, accounts, None, vectors),
        )
