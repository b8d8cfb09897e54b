"""How improbable a claim is among the groups that ordinary accounts make by the same steps.

A decoy is a claim of a search among a part of the accounts. Those that are in part made of accounts
of a campaign are no ordinary ones, so each claim is compared with the decoys outside it and outside
every stronger one, from the weakest claim to the strongest, until one is improbable by itself; the
weaker ones are ordinary. A log with five campaigns hides none of them behind the others, and a weak
one hides no stronger one.

A claim is compared with decoys of its own kind: what ties it, at which level it may be dealt, and
whether it sends in bulk. Evaluators of one benchmark send hundreds of prompts in a sitting, and are
as near to each other as a campaign; accounts that are burnt after a sitting do not. Looking at
several kinds is paid for: p is multiplied by their number.

Where decoys reach, p is the claim's rank. Beyond the strongest, strengths are taken to fall off
exponentially, no faster than on average in ordinary logs: see `tail_p_value`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gamekeeper.evidence import discoveries, least_tail_p_value, tail_p_value
from gamekeeper.linking import MIN_ACCOUNTS, PART, Group, Ordinary, strength, usual_strength

_BULK = 20  # linked exchanges of a sitting: more than people and scripts that act like them send
_OF_A_CAMPAIGN = 0.25  # of a decoy's accounts; from there on its strength may be the campaign's
_NOT_ORDINARY = 0.02  # p of a claim that may be a campaign, whether or not it holds beside others

Kind = tuple[str, str, bool]


@dataclass(frozen=True, kw_only=True)
class Decoys:
    """Claims of searches among ordinary accounts.

    Args:
        strengths: Of each, shape (n,).
        kinds: Of each.
        accounts: Account numbers of each.
        searched: Numbers of the accounts that were searched.
        rounds: Searches that they come from.
        tested: Claims that the search among all accounts makes.
    """

    strengths: np.ndarray
    kinds: tuple[Kind, ...]
    accounts: tuple[np.ndarray, ...]
    searched: np.ndarray
    rounds: int = 1
    tested: int = 1

    @classmethod
    def of(
        cls,
        rounds: Sequence[Sequence[Group]],
        ordinary: Ordinary,
        searched: np.ndarray,
        tested: int,
    ) -> "Decoys":
        """Takes claims of rounds; a round holds a part of the accounts, so its groups are as much
        smaller.
        """
        groups = [group for claims in rounds for group in claims]
        strengths = [strength(g, ordinary) / (PART if g.family == "content" else 1) for g in groups]
        return cls(
            strengths=np.array(strengths),
            kinds=tuple(kind(g) for g in groups),
            accounts=tuple(g.accounts for g in groups),
            searched=searched,
            rounds=len(rounds),
            tested=tested,
        )

    def __len__(self) -> int:
        return len(self.strengths)

    @property
    def count(self) -> int:
        """For how many decoys they count.

        A search that makes fewer claims than were tested counts as if the others had no strength.
        There are never more than groups that do not overlap: drawing the same accounts again tells
        nothing new.
        """
        made = max(len(self), self.rounds * self.tested)
        return min(made, len(self.searched) // MIN_ACCOUNTS)

    @property
    def least_p(self) -> float:
        """The smallest p-value that they support: 0 where there are enough to extrapolate."""
        return least_tail_p_value(self.count)

    def outside(self, accounts: np.ndarray) -> "Decoys":
        """Returns those of which less than a quarter of the accounts is among `accounts`."""
        kept = [np.isin(own, accounts).mean() < _OF_A_CAMPAIGN for own in self.accounts]
        return replace(
            self,
            strengths=self.strengths[np.array(kept, bool)],
            kinds=tuple(k for k, ok in zip(self.kinds, kept, strict=True) if ok),
            accounts=tuple(a for a, ok in zip(self.accounts, kept, strict=True) if ok),
            searched=np.setdiff1d(self.searched, accounts),
        )

    def like(self, group: Group) -> np.ndarray:
        """Returns the strengths, 0 for decoys of another kind than the group's and for those that
        count without having been made, shape (at least `count`,).
        """
        own = kind(group)
        alike = np.where([k == own for k in self.kinds], self.strengths, 0.0)
        return np.append(alike, np.zeros(max(self.count - len(alike), 0)))

    def p_value(self, group: Group, value: float) -> float:
        """Returns the p-value of a group of this strength."""
        if value <= 0:
            return 1.0
        positive = {k for k, s in zip(self.kinds, self.strengths, strict=True) if s > 0}
        kinds = len(positive | {kind(group)})
        p_value = tail_p_value(
            value,
            self.like(group),
            count=self.count,
            scale=_usual_scale(group),
            repeats=self.rounds,
        )
        return min(1.0, kinds * p_value)


def _usual_scale(group: Group) -> float:
    """Mean strength of ordinary groups of its kind and size; evaluators in bulk had up to 48."""
    return 25.0 if group.pace > _BULK else usual_strength(len(group.accounts))


def kind(group: Group) -> Kind:
    """Returns what a group may be compared with: its family, its level, and whether it sends in
    bulk.
    """
    return group.family, group.level, group.pace > _BULK


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """Claims among decoys.

    Args:
        p_values: Of each claim, in its order, shape (claims,).
        holds: Which hold under false discovery control, bool, shape (claims,).
        decoys: Those that are not of a claim that holds.
    """

    p_values: np.ndarray
    holds: np.ndarray
    decoys: Decoys


def rank_claims(claims: Sequence[Group], ordinary: Ordinary, decoys: Decoys, rate: float) -> Ranked:
    """Ranks claims that share no account.

    Args:
        claims: Groups, those of no strength too.
        ordinary: What ordinary groups remember.
        decoys: From searches among all accounts.
        rate: False discovery rate.

    Source: outliers are tested from the inside out, so that they do not mask each other: Davies and
        Gather, The identification of multiple outliers, JASA 1993.
    """
    strengths = np.array([strength(c, ordinary) for c in claims])
    p_values = np.ones(len(claims))
    order = [int(i) for i in np.argsort(-strengths, kind="stable") if strengths[i] > 0]
    for held in range(len(order), 0, -1):
        stronger = order[:held]
        weakest = stronger[-1]
        left = decoys.outside(np.concatenate([claims[i].accounts for i in stronger]))
        p_values[stronger] = [left.p_value(claims[i], strengths[i]) for i in stronger]
        if p_values[weakest] <= max(_NOT_ORDINARY, rate):
            decoys = left
            break
    return Ranked(p_values=p_values, holds=discoveries(p_values, rate), decoys=decoys)
