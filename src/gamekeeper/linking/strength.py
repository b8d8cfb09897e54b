"""How strong a group's claim to be one campaign is.

    strength = (1 - memory / .5)^2 * inside^2 * sum of log2(1 + linked exchanges with a payload)

`memory` is the group's memory at the level at which it may have been dealt, in units of what
ordinary groups remember: 0 for one deck, 1 for groups like those that the same steps make of
ordinary accounts; from half of ordinary memory on nothing is claimed. `inside` is the share of
neighbours that are of the group: people who ask what everybody asks have theirs everywhere. It is
left out where accounts share something else than prompts, since a relay's customers ask about
anything. The sum is over accounts, and the logarithm keeps one busy account from standing for many.
An exchange without payload is canned text, which says nothing of a deck.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np

from gamekeeper.linking.groups import Group, ties
from gamekeeper.linking.memory import Memory

ONE_DECK = 0.5
"""Memory below which a group is nearer to one deck than to ordinary groups."""

# of ordinary groups, where the log has too few to measure it; detection.md of the docs
_USUAL = {"own_interest": np.log(2.0), "follow_up": 0.1, "back": np.log(1.5)}
_MEASURES = {
    "prompt": ("own_interest", "follow_up"),
    "sitting": ("back",),
}
_ENOUGH = 20
_ONE_SUBJECT = 1.5  # follow-up of sittings of one subject each, in units of ordinary sittings
Z = 1.64
"""Standard errors to the end of a one-sided 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordinary:
    """What ordinary groups of this log remember: medians over decoys, as `Memory` has them."""

    own_interest: float
    follow_up: float
    back: float

    @classmethod
    def of(cls, groups: Iterable[Group]) -> "Ordinary":
        """Measures it on decoys, with the accounts that have subjects of their own; falls back on
        usual values below 20 of them.
        """
        # groups of one community remember the same
        rough = {id(group.rough): group.rough for group in groups}.values()
        measured = {}
        for name, usual in _USUAL.items():
            values = np.array([getattr(memory, name) for memory in rough])
            values = values[~np.isnan(values)]
            # a log whose decoys remember next to nothing must not make everything look like memory
            low = usual / 2
            measured[name] = max(float(np.median(values)), low) if len(values) >= _ENOUGH else usual
        return cls(**measured)

    def share(self, group: Group) -> float:
        """Returns what a group remembers at its level, as a share of ordinary memory, 0..1.

        Where a level has two measures they are averaged by their precision. It is 1 where
        memory could not be measured, and where one measure alone speaks clearly for memory: tenants
        of an app keep to their subjects without following up.
        """
        memory = group.memory
        names = _MEASURES[group.level]
        usual = np.array([getattr(self, name) for name in names])
        shares = np.array([getattr(memory, name) for name in names]) / usual
        errors = np.array([getattr(memory, f"{name}_error") for name in names]) / usual
        if np.isnan(shares).any() or (shares - Z * errors > ONE_DECK).any():
            return 1.0
        if group.level == "sitting" and not self._follows_up(group.rough):
            return 1.0
        precision = errors**-2
        return float(np.clip((shares @ precision) / precision.sum(), 0.0, 1.0))

    def _follows_up(self, rough: Memory) -> bool:
        """Whether sittings keep to a subject more than ordinary ones: who writes prompts for a
        collection, another subject each time, does not come back to one either.
        """
        follow_up = rough.follow_up - Z * rough.follow_up_error
        return follow_up > _ONE_SUBJECT * self.follow_up


def strength(group: Group, ordinary: Ordinary) -> float:
    """Returns the strength of a group; 0 for one that remembers as ordinary groups do."""
    memory = ordinary.share(group)
    if memory >= ONE_DECK:
        return 0.0
    inside = 1.0 if group.family == "infrastructure" else group.inside
    return float((1 - memory / ONE_DECK) ** 2 * ties(inside, group.payloads))


def usual_strength(accounts: int) -> float:
    """Returns the mean strength of ordinary groups of so many accounts, those of any.

    Of 120 claims in six logs the nine strongest, of 9 to 81 accounts, had 1.2 to 3 times this
    strength, as much as the largest of so many exponential values have.
    """
    return 2.0 + 0.11 * accounts


def precedence(group: Group, ordinary: Ordinary) -> float:
    """Returns which of several groups of much the same accounts comes first: the highest.

    Of a campaign alone and the same with people who ask about its subjects, the first must: a
    crowd is strong because it is large, so strengths are compared in units of what is usual.
    """
    return strength(group, ordinary) * group.inside / usual_strength(len(group.accounts))


def claim(
    groups: Iterable[Group],
    ordinary: Ordinary,
    min_accounts: int,
    rest_of: Callable[[Group, np.ndarray], Iterable[Group]],
) -> list[Group]:
    """Chooses groups that do not share accounts, by their `precedence`.

    Those of no strength come too: each is a claim that was tested, and counts when false
    discoveries are controlled. A group of which some accounts are an earlier group's is judged by
    what is left of it; with fewer than `min_accounts` left it is let go.

    Args:
        groups: Candidates; they may overlap.
        ordinary: What ordinary groups remember.
        min_accounts: Of a claim.
        rest_of: Makes groups again of some accounts (numbers, ascending) of a group.
    """

    def rank(group: Group) -> float:
        return -precedence(group, ordinary)

    waiting = [(rank(g), -len(g.rows), g.family, i, g) for i, g in enumerate(groups)]
    heapify(waiting)
    chosen: list[Group] = []
    taken = np.zeros(0, np.int64)
    number = len(waiting)
    while waiting:
        group = heappop(waiting)[-1]
        free = np.setdiff1d(group.accounts, taken)
        if len(free) < min_accounts:
            continue
        if len(free) == len(group.accounts):
            chosen.append(group)
            taken = np.union1d(taken, group.accounts)
            continue
        for rest in rest_of(group, free):
            if rest.level == group.level:
                number += 1
                key = (rank(rest), -len(rest.rows), rest.family, number)
                heappush(waiting, (*key, rest))
    return chosen
