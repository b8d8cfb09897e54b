"""From a rough set of accounts to a group: which exchanges tie it together, and who really belongs.

A group is grown by its exchanges, not by its accounts: an exchange belongs when a good part of its
neighbours do. That is why cover traffic does not hide a member: its other exchanges simply do not
belong. Then each member is put to three questions, because innocents get caught wherever a campaign
works:

    does it come back?      its linked exchanges fall into several sittings; who asks about a
                            subject once, or runs a benchmark once, does not
    has it own interests?   its linked prompts lie next to its own more often than one deck would
                            put them
    does it work like them? its linked share is not far below the others'
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, poisson

from gamekeeper.linking.card import Family
from gamekeeper.linking.memory import Memory, measure_memory, own_neighbours
from gamekeeper.linking.sample import LinkSample

_ROUNDS = 4
# share of an exchange's neighbours inside; the group itself is a few percent of all exchanges
_BELONGS = 0.35
_MIN_ROWS = 20
_MIN_ACCOUNTS = 5
_MIN_SITTINGS = 3
_MIN_PAYLOADS = 3  # of an account; fewer tell nothing of a deck
_RARE = 1e-4  # chance that an ordinary account has as many linked sittings
_OWN_P = 1e-3  # chance that one deck puts as many of an account's prompts side by side
_OWN_SLACK = (
    1.5  # real decks come in batches: neighbours of one's own are somewhat commoner than chance
)
_SHARE_OF_MEDIAN = 0.25
_DECK_NEIGHBOURS = 5
_PURIFYING_ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Group:
    """Accounts tied by exchanges.

    Args:
        family: What ties it: `content` or `shape`.
        accounts: Account numbers, ascending.
        rows: The linked exchanges, row numbers of the sample, ascending.
        payloads: How many of them have a payload, for each of `accounts`.
        memory: How far its accounts keep to their own subjects.
    """

    family: Family
    accounts: np.ndarray
    rows: np.ndarray
    payloads: np.ndarray
    memory: Memory


class Linker:
    """Grows, purifies and measures groups of one sample."""

    def __init__(self, sample: LinkSample) -> None:
        self.sample = sample
        self._known: dict[
            tuple[Family, bytes], Group | None
        ] = {}  # many seeds grow into the same group

    def grow(self, accounts: np.ndarray) -> Group | None:
        """Returns the group around `accounts` by content, or None where there is none.

        In turn: exchanges whose neighbours belong, then accounts with more of them than chance
        gives.
        """
        rows = self._grown_rows(accounts)
        return None if rows is None else self.purify(rows, "content")

    def purify(self, rows: np.ndarray, family: Family) -> Group | None:
        """Returns the group that `rows` (ascending) tie together, without the accounts that do not
        belong.
        """
        asked = (family, rows.tobytes())
        if asked not in self._known:
            self._known[asked] = self._purify(rows, family)
        return self._known[asked]

    def _purify(self, rows: np.ndarray, family: Family) -> Group | None:
        for _ in range(_PURIFYING_ROUNDS):
            if len(rows) < _MIN_ROWS:
                return None
            member = self._belong(rows)
            if member.sum() < _MIN_ACCOUNTS:
                return None
            kept = rows[member[self.sample.accounts[rows]]]
            if len(kept) == len(rows):
                break
            rows = kept
        return self.group(rows, family)

    def group(self, rows: np.ndarray, family: Family) -> Group:
        """Returns the group of exactly these rows, measured."""
        payload = self.sample.payloads.rows_with(rows)
        senders = self.sample.accounts[payload]
        accounts = np.unique(self.sample.accounts[rows])
        return Group(
            family=family,
            accounts=accounts,
            rows=rows,
            payloads=np.bincount(np.searchsorted(accounts, senders), minlength=len(accounts)),
            memory=measure_memory(self.sample.payloads.vectors(payload), senders),
        )

    def near(self, rows: np.ndarray) -> np.ndarray:
        """Returns which exchanges, of any account, have enough neighbours among `rows`; bool, shape
        (n,).
        """
        inside = np.zeros(len(self.sample.accounts), np.float32)
        inside[rows] = 1
        return np.asarray((self.sample.adjacency @ inside) >= _BELONGS * self.sample.degree)

    def _grown_rows(self, accounts: np.ndarray) -> np.ndarray | None:
        sample = self.sample
        member = np.zeros(sample.account_count, bool)
        member[accounts] = True
        belongs = member[sample.accounts] & ~sample.repeated
        for turn in range(_ROUNDS):
            near = self.near(np.flatnonzero(belongs))
            belongs = near if turn else near & belongs  # at first only the accounts asked for
            if belongs.sum() < _MIN_ROWS:
                return None
            member = self._beyond_chance(np.flatnonzero(belongs), member)
            if member.sum() < _MIN_ACCOUNTS:
                return None
            belongs &= member[sample.accounts]
        return np.flatnonzero(belongs)

    def _beyond_chance(self, rows: np.ndarray, member: np.ndarray) -> np.ndarray:
        """Accounts that sent any of `rows` in more sittings than those outside `member` lead to
        expect.
        """
        sittings = self.sample.sittings(rows)
        of = self.sample.all_sittings
        rate = max(sittings[~member].sum() / max(of[~member].sum(), 1), 1e-4)
        return np.asarray(
            (sittings >= _MIN_SITTINGS) & (poisson.sf(sittings - 1, rate * of) < _RARE)
        )

    def _belong(self, rows: np.ndarray) -> np.ndarray:
        sample = self.sample
        linked = np.bincount(sample.accounts[rows], minlength=sample.account_count)
        share = linked / np.maximum(sample.exchanges, 1)
        comes_back = sample.sittings(rows) >= _MIN_SITTINGS
        works_alike = share >= _SHARE_OF_MEDIAN * np.median(share[linked > 0])
        return np.asarray((linked > 0) & comes_back & works_alike & self._shares_the_deck(rows))

    def _shares_the_deck(self, rows: np.ndarray) -> np.ndarray:
        """Accounts with payloads whose neighbours inside are not too often their own;
        (account_count,).
        """
        sample = self.sample
        payload = sample.payloads.rows_with(rows)
        if len(payload) < _MIN_ROWS:
            return np.zeros(sample.account_count, bool)
        accounts = sample.accounts[payload]
        own = own_neighbours(sample.payloads.vectors(payload), accounts, _DECK_NEIGHBOURS)
        drawn = np.bincount(accounts, minlength=sample.account_count)
        own_sum = np.bincount(accounts, weights=own, minlength=sample.account_count)
        chance = np.minimum(_OWN_SLACK * np.maximum(drawn - 1, 0) / (len(payload) - 1), 1)
        return np.asarray(
            (drawn >= _MIN_PAYLOADS)
            & (binom.sf(own_sum - 1, drawn * _DECK_NEIGHBOURS, chance) > _OWN_P)
        )
