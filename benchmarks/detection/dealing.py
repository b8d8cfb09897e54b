"""How a thief's deck is dealt: which prompt goes to which place of which account.

    prompt    at random
    sitting   one subject a sitting: the deck in order of subject, a piece of it for each sitting
    account   one subject an account: a piece of the ordered deck for each account

Copies of a prompt go to different accounts. Subjects are k-means clusters of the prompts' vectors,
each followed by the nearest one left, so that a piece that spans two clusters spans near ones.
"""

import numpy as np

from gamekeeper.encoding.content import load_encoder, unit

DEALINGS = ("prompt", "sitting", "account")
PER_SUBJECT = 12
"""Prompts of a subject, on average."""
ROUNDS = 8
"""Of k-means."""


def deal(
    deck: list[str],
    accounts: np.ndarray,
    sittings: np.ndarray,
    dealing: str,
    copies: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Says which prompt is sent at each place.

    Args:
        deck: Prompts; len(accounts) of them, divided by `copies` and rounded up.
        accounts: Account of each place, shape (n,).
        sittings: Sitting of each place, a number of its own for each, shape (n,).
        dealing: One of `DEALINGS`.
        copies: How many accounts get each prompt.
        rng: Randomness.

    Returns:
        Positions in `deck`, shape (n,).
    """
    if copies > 1:
        return _dealt_in_copies(len(deck), accounts, copies, rng)
    if dealing == "prompt":
        return rng.permutation(len(deck))[: len(accounts)]
    units = sittings if dealing == "sitting" else accounts
    return _dealt_by_subject(by_subject(deck, rng)[: len(units)], units, rng)


def by_subject(deck: list[str], rng: np.random.Generator) -> np.ndarray:
    """Orders a deck so that prompts on one subject follow each other."""
    vectors = load_encoder().encode(deck)
    count = max(1, len(deck) // PER_SUBJECT)
    centres = vectors[rng.choice(len(deck), count, replace=False)]
    for _ in range(ROUNDS):
        subject = (vectors @ centres.T).argmax(axis=1)
        centres = unit(
            np.stack([_mean(vectors, subject == i, old) for i, old in enumerate(centres)])
        )
    rank = np.empty(count, np.int64)
    rank[_chained(centres)] = np.arange(count)
    return np.argsort(rank[subject], kind="stable")


def _mean(vectors: np.ndarray, own: np.ndarray, old: np.ndarray) -> np.ndarray:
    return vectors[own].mean(axis=0) if own.any() else old


def _chained(centres: np.ndarray) -> list[int]:
    left = np.ones(len(centres), bool)
    chain = [0]
    left[0] = False
    while left.any():
        distance = np.square(centres - centres[chain[-1]]).sum(axis=1)
        chain.append(int(np.where(left, distance, np.inf).argmin()))
        left[chain[-1]] = False
    return chain


def _dealt_by_subject(
    ordered: np.ndarray, units: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Gives each unit a piece of the ordered deck, units in any order, shuffled within."""
    _, unit = np.unique(units, return_inverse=True)
    place = rng.permutation(unit.max() + 1)[unit]
    dealt = np.empty(len(units), np.int64)
    dealt[np.lexsort((rng.random(len(units)), place))] = ordered
    return dealt


def _dealt_in_copies(
    deck: int, accounts: np.ndarray, copies: int, rng: np.random.Generator
) -> np.ndarray:
    """Deals every prompt `copies` times and moves copies that meet in one account."""
    dealt = np.resize(np.arange(deck), len(accounts))
    rng.shuffle(dealt)
    for _ in range(1_000):
        order = np.lexsort((dealt, accounts))
        same = np.diff(accounts[order]) == 0
        twice = order[1:][same & (np.diff(dealt[order]) == 0)]
        if not len(twice):
            return dealt
        for place in twice:
            other = rng.integers(len(dealt))
            dealt[place], dealt[other] = dealt[other], dealt[place]
    raise SystemExit("copies of a prompt cannot be kept in different accounts: too few accounts")
