"""From a community of accounts to groups: which exchanges tie it together, and who really belongs.

A community is a rough guess. Its members are the accounts that do its work (see `members`), and
each is put to one more question, because innocents get caught wherever a campaign works: has it
subjects of its own? A deck may be dealt by prompt or by sitting, so a community makes up to two
groups, each of those accounts whose prompts are interchangeable at that level. A deck dealt by
account makes none: an app with customers keeps to its product and has no order either.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gamekeeper.linking.card import Family
from gamekeeper.linking.memory import LEVELS, UNKNOWN, Deck, Memory
from gamekeeper.linking.sample import LinkSample

MIN_ROWS = 20
MIN_ACCOUNTS = 5
_MIN_PAYLOADS = 2  # of an account; one tells nothing of a deck
_PURIFYING_ROUNDS = 3
# of the accounts judged: where most have subjects of their own, the rest are those who say little
_LEAST_KEPT = 0.5
_MOST_ROWS = 1_500  # measured together; larger groups are measured in parts
_LEAST = 1.0  # strength that a group without any memory must have to be worth measuring


@dataclass(frozen=True, kw_only=True)
class Group:
    """Accounts tied by exchanges.

    Args:
        family: What ties it: `content`, `shape`, or `infrastructure` for what the accounts share.
        accounts: Account numbers, ascending.
        rows: The linked exchanges, row numbers of the sample, ascending.
        payloads: How many of them have a payload, for each of `accounts`.
        memory: How far its accounts keep to their own subjects.
        level: At which of `memory.LEVELS` its prompts may be interchangeable.
        rough: Memory of the accounts that it was made from, those with subjects of their own too.
        inside: Of the neighbours of the linked exchanges, the share that is of its accounts, a mean
            over accounts.
        pace: Linked exchanges of the sitting that a linked exchange belongs to, the median.
        what: What its accounts share, in words; empty where nothing has a name.
    """

    family: Family
    accounts: np.ndarray
    rows: np.ndarray
    payloads: np.ndarray
    memory: Memory
    level: str = "prompt"
    rough: Memory = UNKNOWN
    inside: float = 1.0
    pace: float = 1.0
    what: str = ""


def groups_of(
    sample: LinkSample, rows: np.ndarray, family: Family, what: str = ""
) -> Iterator[Group]:
    """Yields the groups that `rows` (ascending) tie together, one for each level at which enough
    accounts have no subjects of their own.
    """
    payload = _enough_each(sample, sample.payloads.rows_with(rows))
    if len(payload) < MIN_ROWS or len(np.unique(sample.accounts[payload])) < MIN_ACCOUNTS:
        return
    sent = np.bincount(sample.accounts[payload], minlength=sample.account_count)
    judged = np.count_nonzero(sent)
    if family != "infrastructure":
        inside = _inside(sample, rows, np.unique(sample.accounts[rows]))
        if ties(inside, sent) < _LEAST:
            return
    parts = _parts(sample, payload)
    first = _deck(sample, parts[0])
    rough = first.memory(first.all_rows)
    others: list[Deck] = []
    for level in LEVELS:
        kept = _purified(first, level)
        accounts = np.unique(first.accounts[kept])
        if len(kept) < MIN_ROWS or len(accounts) < _LEAST_KEPT * len(np.unique(first.accounts)):
            continue
        others = others or [_deck(sample, part) for part in parts[1:]]
        of_others = [deck.accounts[_purified(deck, level)] for deck in others]
        accounts = np.unique(np.concatenate([accounts, *of_others]))
        if len(accounts) < max(MIN_ACCOUNTS, _LEAST_KEPT * judged):
            continue
        own = rows[np.isin(sample.accounts[rows], accounts)]
        yield Group(
            family=family,
            accounts=accounts,
            rows=own,
            payloads=sent[accounts],
            memory=first.memory(kept, (level,)),
            level=level,
            rough=rough,
            inside=_inside(sample, own, accounts),
            pace=_pace(sample, own),
            what=what,
        )


def ties(inside: float, payloads: np.ndarray) -> float:
    """Returns the strength of a group whose accounts have no memory at all.

    Args:
        inside: Share of neighbours inside.
        payloads: Linked exchanges with a payload of each account.
    """
    return float(inside**2 * np.log2(1 + payloads).sum())


def _pace(sample: LinkSample, rows: np.ndarray) -> float:
    _, sitting, sent = np.unique(sample.sitting[rows], return_inverse=True, return_counts=True)
    return float(np.median(sent[sitting]))


def _inside(sample: LinkSample, rows: np.ndarray, accounts: np.ndarray) -> float:
    held = np.zeros(sample.account_count, np.float32)
    held[accounts] = 1
    near = sample.adjacency[rows]
    share = near @ held[sample.accounts] / np.maximum(np.diff(near.indptr), 1)
    senders = np.searchsorted(accounts, sample.accounts[rows])
    # accounts count alike, however busy
    return float(np.mean(np.bincount(senders, weights=share) / np.bincount(senders)))


def _deck(sample: LinkSample, rows: np.ndarray) -> Deck:
    return Deck(
        sample.payloads.vectors(rows),
        sample.accounts[rows],
        sample.sitting[rows],
        sample.time_s[rows],
    )


def _enough_each(sample: LinkSample, payload: np.ndarray) -> np.ndarray:
    """Payload rows of accounts that have a few of them."""
    sent = np.bincount(sample.accounts[payload], minlength=sample.account_count)
    return np.asarray(payload[sent[sample.accounts[payload]] >= _MIN_PAYLOADS])


def _parts(sample: LinkSample, payload: np.ndarray) -> list[np.ndarray]:
    """The payload rows, in parts of whole accounts drawn at random, each small enough to measure.

    The first part stands for all where memory is measured.
    """
    if len(payload) <= _MOST_ROWS:
        return [payload]
    accounts = np.unique(sample.accounts[payload])
    count = int(np.ceil(len(payload) / _MOST_ROWS))
    part = np.random.default_rng(len(payload)).integers(0, count, len(accounts))
    of_row = part[np.searchsorted(accounts, sample.accounts[payload])]
    return [payload[of_row == number] for number in range(count) if (part == number).any()]


def _purified(deck: Deck, level: str) -> np.ndarray:
    rows = deck.all_rows
    for _ in range(_PURIFYING_ROUNDS):
        if len(rows) < MIN_ROWS:
            break
        kept = rows[np.isin(deck.accounts[rows], deck.deals(rows, level))]
        if len(kept) == len(rows):
            break
        rows = kept
    return rows
