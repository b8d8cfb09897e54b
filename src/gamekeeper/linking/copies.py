"""Prompts that do not count, because another account sent the same or nearly the same.

What somebody else sent too says nothing of who works together: a class repeats its sheet, and a
rival who wants an innocent account accused sends paraphrases of its prompts. So a prompt does not
count, for any account, where

    more than `_MOST_HOLDERS` accounts sent exactly it, or
    another account sent exactly or nearly it, and one of the two took much of what it repeats from
    the other: who repeats one account copies it; who repeats many shares a deck or a grammar with
    them. Two prompts of canned text alone, without a payload, nearly repeat each other

What is left counts: a campaign that sends each prompt through two accounts still does.

Source: this project; docs/measurements/detection.md has how many prompts of people, campaigns and
    victims have a near-copy.
"""

import numpy as np

from gamekeeper.encoding import Payloads
from gamekeeper.linking.search import Nearest

_MOST_HOLDERS = 3
_NEAR_COPY = 0.85  # cosine of two payloads
_NO_DISTANCE = 1e-6  # squared, of vectors of length 1: rounding
_FROM_ONE = 1 / 3  # share of an account's repeated prompts that come from one other account


def do_not_count(
    found: Nearest, rows: np.ndarray, accounts: np.ndarray, prompts: np.ndarray, payloads: Payloads
) -> np.ndarray:
    """Returns which of `rows` do not count, bool, shape (len(rows),).

    Args:
        found: Their nearest neighbours among themselves, by content.
        rows: Row numbers of the sample, ascending.
        accounts: Account number of every row of the sample, shape (n,).
        prompts: Number of every row's prompt: equal where the texts are, shape (n,).
        payloads: Of the sample.
    """
    copied = _copied_from_one(accounts[rows], prompts[rows])
    if payloads.are_features:  # no scale on which rows of any table are nearly the same
        copied |= _coincide(found, rows, accounts)
    else:
        copied |= _near_copies(found, rows, accounts, prompts, payloads)
    return copied


def _coincide(found: Nearest, rows: np.ndarray, accounts: np.ndarray) -> np.ndarray:
    """Rows at the very place of another account's: which neighbours they have is arbitrary."""
    other = np.where(found.rows >= 0, found.rows, 0)
    same = (found.rows >= 0) & (found.squares < _NO_DISTANCE)
    same &= accounts[rows][other] != accounts[rows][:, None]
    return np.asarray(same.any(axis=1))


def repeated_by_many(accounts: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """Returns which prompts more than `_MOST_HOLDERS` accounts sent, bool, shape (n,)."""
    return np.asarray(_holders(accounts, prompts) > _MOST_HOLDERS)


def _holders(accounts: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """How many accounts sent each row's prompt."""
    if not len(prompts):
        return np.zeros(0, np.int64)
    pairs = np.unique(np.stack([prompts, accounts]), axis=1)
    return np.asarray(np.bincount(pairs[0], minlength=int(prompts.max()) + 1)[prompts])


def _near_copies(
    found: Nearest, rows: np.ndarray, accounts: np.ndarray, prompts: np.ndarray, payloads: Payloads
) -> np.ndarray:
    # what is left of two prompts is alike only if the prompts are
    near = (found.rows >= 0) & (found.squares < 2 * (1 - _NEAR_COPY))
    other = np.where(found.rows >= 0, found.rows, 0)
    near &= accounts[rows][other] != accounts[rows][:, None]
    near &= prompts[rows][other] != prompts[rows][:, None]
    one, place = np.nonzero(near)
    another = other[one, place]
    has_payload = np.zeros(len(accounts), bool)
    has_payload[payloads.rows_with(rows)] = True
    alike = ~(has_payload[rows[one]] & has_payload[rows[another]])  # canned text alone
    compared = np.flatnonzero(~alike)
    for start in range(0, len(compared), _PAIRS):
        part = compared[start : start + _PAIRS]
        a = payloads.vectors(rows[one[part]])
        b = payloads.vectors(rows[another[part]])
        alike[part] = _cosine(a, b) > _NEAR_COPY
    return _mostly_of_one(accounts[rows], one[alike], another[alike])


def _mostly_of_one(accounts: np.ndarray, one: np.ndarray, another: np.ndarray) -> np.ndarray:
    """Rows of two accounts that nearly repeat each other, where that is much of what either
    repeats: the prompts of one grammar are alike too, but everybody's.
    """
    copied = np.zeros(len(accounts), bool)
    if not len(one):
        return copied
    count = int(accounts.max()) + 1
    row = np.append(one, another)
    other = accounts[np.append(another, one)]
    row, other = np.divmod(np.unique(row.astype(np.int64) * count + other), count)
    # a row stands for one repetition, however many accounts it is shared with
    weight = 1 / np.bincount(row, minlength=len(accounts))[row]
    repeated = np.bincount(accounts[row], weights=weight, minlength=count)
    code = accounts[row].astype(np.int64) * count + other
    pair, place = np.unique(code, return_inverse=True)
    from_pair = np.bincount(place, weights=weight)
    much = from_pair > _FROM_ONE * repeated[pair // count]
    # either end's view decides for both
    back = (pair % count) * count + pair // count
    much |= np.isin(pair, back[much])
    copied[row[much[place]]] = True
    return copied


_PAIRS = 65_536  # compared at a time


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(np.einsum("ij,ij->i", a, b) / np.maximum(size, 1e-9))


def _copied_from_one(accounts: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """Rows sent exactly by an account of which the sender repeats most, or the reverse."""
    copied = np.zeros(len(accounts), bool)
    shared = _holders(accounts, prompts) > 1
    if not shared.any():
        return copied
    held = np.unique(np.stack([prompts[shared], accounts[shared]]), axis=1)
    repeated = np.bincount(held[1], minlength=int(accounts.max()) + 1)
    a, b = _pairs_of_holders(held)
    together = np.stack([held[1][a], held[1][b]])
    _, which, times = np.unique(together, axis=1, return_inverse=True, return_counts=True)
    fewer = np.minimum(repeated[together[0]], repeated[together[1]])
    often = times[which.ravel()] > _FROM_ONE * fewer
    bad = np.unique(np.concatenate([a[often], b[often]]))
    code = prompts.astype(np.int64) * (int(accounts.max()) + 1) + accounts
    bad_code = held[0][bad].astype(np.int64) * (int(accounts.max()) + 1) + held[1][bad]
    copied[np.isin(code, bad_code)] = True
    return copied


def _pairs_of_holders(held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places in `held` (prompt, account; in order) of two accounts of one prompt."""
    firsts = []
    seconds = []
    for lag in range(1, _MOST_HOLDERS):
        same = np.flatnonzero(held[0][lag:] == held[0][:-lag])
        firsts.append(same)
        seconds.append(same + lag)
    return np.concatenate(firsts), np.concatenate(seconds)
