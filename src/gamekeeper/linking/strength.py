"""How strong a group's claim to be one campaign is.

    strength = (1 - memory) * sum over accounts of log2(1 + linked exchanges with a payload)

`memory` is the group's memory of who asked, in units of what ordinary groups remember: 0 for one
deck, 1 for groups like those that the same steps build around ordinary accounts. The logarithm
keeps one busy account from standing for many; an exchange without payload is canned text, which
says nothing of a deck.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gamekeeper.linking.groups import Group

ONE_DECK = 0.5
"""Memory below which a group is nearer to one deck than to ordinary groups."""

# of ordinary groups, where the log has too few to measure it; detection.md of the docs
_USUAL = (
    np.log(2.0),
    0.1,
)
_ENOUGH = 20
Z = 1.64
"""Standard errors to the end of a one-sided 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordinary:
    """What ordinary groups of this log remember: medians over decoys."""

    own_interest: float
    follow_up: float

    @classmethod
    def of(cls, groups: Sequence[Group]) -> "Ordinary":
        """Measures it on decoys; falls back on usual values below 20 of them."""
        measured = [g.memory for g in groups if not np.isnan(g.memory.follow_up)]
        if len(measured) < _ENOUGH:
            return cls(own_interest=_USUAL[0], follow_up=_USUAL[1])
        own, follow = (
            np.median([getattr(m, k) for m in measured]) for k in ("own_interest", "follow_up")
        )
        # a log whose decoys remember next to nothing must not make everything look like memory
        return cls(
            own_interest=max(float(own), _USUAL[0] / 2), follow_up=max(float(follow), _USUAL[1] / 2)
        )

    def share(self, group: Group) -> float:
        """Returns what a group may at most remember, as a share of ordinary memory, 0..1.

        The two measures are averaged by their precision and the upper end of the 95 % interval
        counts: a group too small to tell is not taken for one deck. It is 1 where memory could not
        be measured, and where one measure alone speaks clearly for memory: tenants of an app keep
        to their subjects without following up.
        """
        memory = group.memory
        if np.isnan(memory.follow_up) or np.isnan(memory.own_interest):
            return 1.0
        shares = np.array(
            [memory.own_interest / self.own_interest, memory.follow_up / self.follow_up]
        )
        errors = np.array(
            [memory.own_interest_error / self.own_interest, memory.follow_up_error / self.follow_up]
        )
        if (shares - Z * errors > ONE_DECK).any():
            return 1.0
        precision = errors**-2
        upper = (shares @ precision) / precision.sum() + Z / np.sqrt(precision.sum())
        return float(np.clip(upper, 0.0, 1.0))


def strength(group: Group, ordinary: Ordinary) -> float:
    """Returns the strength of a group; 0 for one that remembers as ordinary groups do."""
    memory = ordinary.share(group)
    if memory >= ONE_DECK:
        return 0.0
    return float((1 - memory) * np.log2(1 + group.payloads).sum())


def claim(groups: Iterable[Group], ordinary: Ordinary, min_accounts: int) -> list[Group]:
    """Chooses groups that do not share accounts, the strongest first.

    Those of no strength come too: each is a claim that was tested, and counts when false
    discoveries are controlled. Groups with fewer than `min_accounts` that are not an earlier
    group's are let go.
    """
    ranked = sorted(groups, key=lambda g: (-strength(g, ordinary), -len(g.rows), g.family))
    chosen: list[Group] = []
    taken: set[int] = set()
    for group in ranked:
        free = set(group.accounts.tolist()) - taken
        if len(free) >= max(min_accounts, len(group.accounts) / 2):
            chosen.append(group)
            taken |= free
    return chosen
