"""The evidence against a campaign, family by family, each reading ranked among matched ordinary
accounts.

Decoys for a reading are sets of ordinary accounts, one for each member and about as active as it. A
family counts when its best reading is significant after correction for the number of readings in
it. `content` and `shape` were ranked when the campaign was found; `coverage` (memory) is what made
content count at all, so it is shown and not counted again. Whether a family counts against one
member is decided in `own_evidence`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from gamekeeper.base.wording import counted, plural
from gamekeeper.campaigns.claims import Claims, FoundGroup
from gamekeeper.campaigns.comparison import name_of_units
from gamekeeper.campaigns.own_evidence import OwnReadings, own_readings
from gamekeeper.campaigns.result import distance
from gamekeeper.evidence import rank_p_value
from gamekeeper.linking import Group, LinkSample, strength
from gamekeeper.linking.card import Card
from gamekeeper.linking.lone import LONE
from gamekeeper.linking.memory import MEMORY
from gamekeeper.linking.neighbours import CONTENT
from gamekeeper.linking.schedules import SCHEDULE, read_schedule
from gamekeeper.linking.templates import SHAPE
from gamekeeper.signals import SIGNALS, Counts, Signal
from gamekeeper.signals.infrastructure import SIGN_UPS, opening_days

_SETS = 999
_SCHEDULES = 199  # decoys of each kind; more take seconds a campaign
_SIGNIFICANT = 0.01  # p-value of a family, after correction for its readings
_NEAR_RANKS = 25  # a matched account is drawn from so many ranks of activity above or below
COUNTED = ("content", "shape", "schedule", "elicitation", "rhythm", "infrastructure", "pivot")
"""Families that count as independent evidence."""

_TIES = {"content": CONTENT, "shape": SHAPE}


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedReading:
    """One measurement of one campaign and what it was ranked against.

    Args:
        card: The signal's card.
        value: The reading.
        ordinary: The decoys' median.
        ordinary_high: Their 95th percentile.
        p_value: Rank among them.
        decoys: How many.
        says: The reading as a sentence.
        own: What each member shows by itself; None where that was not read.
    """

    card: Card
    value: float
    ordinary: float
    ordinary_high: float
    p_value: float
    decoys: int
    says: str
    own: OwnReadings | None = None

    @property
    def is_tested(self) -> bool:
        """Whether readings of its kind may count as evidence."""
        return self.card.maturity in ("tested", "stable")

    @property
    def distance(self) -> float:
        """How far it is from ordinary, see `distance`."""
        return distance(self.value, self.ordinary, self.ordinary_high)


def weigh(
    claims: Claims,
    summaries: Mapping[str, pl.DataFrame],
    accounts: pl.DataFrame,
    seed: int,
    are_owners: np.ndarray | None = None,
    sample: LinkSample | None = None,
) -> list[list[RankedReading]]:
    """Returns the readings of each found campaign: what tied it, then the others, the strongest
    first.

    Args:
        claims: What was found.
        summaries: Of the signals, by account.
        accounts: Columns `account`, `number`, `exchanges`, by number.
        seed: Of the sets of ordinary accounts.
        are_owners: Which of them are owners, whose accounts are linked as one; None: none is.
        sample: The exchanges that are compared; None: no schedule is read.
    """
    rng = np.random.default_rng(seed)
    exchanges = accounts["exchanges"].to_numpy().astype(np.int64)
    counts = _counts(summaries, accounts.select("account", "number"), exchanges)
    weighed = []
    for found in claims.found:
        sets = matched_sets(found.accounts, claims.innocent, exchanges, rng)
        read = (
            [_read(SIGNALS[n], c, found.accounts, sets) for n, c in counts.items()] if sets else []
        )
        if found.groups:
            read = [_with_own(r, counts, found, claims) for r in read]
        if sample is not None:
            read.append(_schedule(found, sample, seed))
        measured = sorted(
            (r for r in read if r is not None), key=lambda r: (-r.distance, r.card.name)
        )
        called = "account"
        if are_owners is not None and found.pooled is None:
            called = name_of_units(are_owners[found.accounts])
        weighed.append([*_ties(found, claims, called), *measured])
    return weighed


def _schedule(found: FoundGroup, sample: LinkSample, seed: int) -> RankedReading | None:
    """Whether one piece of software chooses which account starts the next sitting; None where there
    is too little to read.
    """
    if not found.groups:
        return None
    rng = np.random.default_rng(seed)
    reading = read_schedule(sample, found.accounts, rng, _SCHEDULES)
    if reading is None:
        return None
    dealt = reading.p_value <= _SIGNIFICANT
    return RankedReading(
        card=SCHEDULE,
        value=reading.statistic,
        ordinary=reading.usual,
        ordinary_high=reading.high,
        p_value=reading.p_value,
        decoys=reading.decoys,
        says=f"one operator: {reading.says}" if dealt else _INDEPENDENT,
    )


_INDEPENDENT = (
    "which account starts the next sitting says nothing: accounts of people who know nothing of"
    " each other would look the same"
)


def families(readings: Sequence[RankedReading]) -> tuple[str, ...]:
    """Returns the independent families that are evidence of a campaign, in order of `COUNTED`."""
    return tuple(family for family in COUNTED if significant_readings(readings, family))


def families_of_members(
    readings: Sequence[RankedReading], against: Sequence[str], members: int
) -> list[tuple[str, ...]]:
    """Returns the families that each member shows itself, of those that count against the campaign.

    A family counts against a member that shows one of the readings by which it counts at all. What
    was not read of the members counts against none.

    Args:
        readings: Of the campaign.
        against: Families that count against it.
        members: How many it has.
    """
    has = {family: np.zeros(members, bool) for family in against}
    for family in against:
        significant = significant_readings(readings, family)
        for reading in significant:
            if reading.own is not None:
                has[family] |= reading.own.counts(len(significant))
    return [tuple(f for f in against if has[f][member]) for member in range(members)]


def significant_readings(readings: Sequence[RankedReading], family: str) -> list[RankedReading]:
    """Returns the readings of a family that are significant after correction for their number."""
    of_family = [r for r in readings if r.card.family == family and r.is_tested]
    return [r for r in of_family if r.p_value * len(of_family) <= _SIGNIFICANT]


def matched_sets(
    members: np.ndarray, innocent: np.ndarray, exchanges: np.ndarray, rng: np.random.Generator
) -> list[np.ndarray]:
    """Returns sets of ordinary accounts about as active as `members`, one for one; an empty list if
    there are too few.
    """
    if len(innocent) < 2 * len(members):
        return []
    ranked = innocent[np.argsort(exchanges[innocent], kind="stable")]
    activity = exchanges[ranked]
    first = np.searchsorted(activity, exchanges[members], side="left")
    last = np.searchsorted(activity, exchanges[members], side="right") - 1
    # among accounts that are exactly as active any place will do: always the first one would put
    # the same few accounts into every set
    place = rng.integers(first, np.maximum(last, first) + 1, (_SETS, len(members)))
    # at either end the window moves inwards, so that the busiest account is not drawn again and
    # again
    width = min(2 * _NEAR_RANKS + 1, len(ranked))
    lowest = np.clip(place - _NEAR_RANKS, 0, len(ranked) - width)
    drawn = ranked[lowest + rng.integers(0, width, (_SETS, len(members)))]
    return [np.unique(row) for row in drawn]


def _counts(
    summaries: Mapping[str, pl.DataFrame], accounts: pl.DataFrame, exchanges: np.ndarray
) -> dict[str, Counts]:
    """The summaries as matrices, which know when accounts were opened."""
    opened = None
    if SIGN_UPS in summaries:
        opened = opening_days(Counts(summaries[SIGN_UPS], accounts, exchanges))
    return {name: Counts(s, accounts, exchanges, opened) for name, s in summaries.items()}


def _with_own(
    reading: RankedReading | None,
    counts: Mapping[str, Counts],
    found: FoundGroup,
    claims: Claims,
) -> RankedReading | None:
    """The reading with what each member shows, where it is one that may count."""
    if reading is None or reading.card.family not in COUNTED or not reading.is_tested:
        return reading
    name = reading.card.name
    others = np.setdiff1d(claims.innocent, found.accounts)
    if reading.card.family == "infrastructure":
        others = _far_from_campaigns(others, claims)
    return replace(reading, own=own_readings(SIGNALS[name], counts[name], found.accounts, others))


def _far_from_campaigns(others: np.ndarray, claims: Claims) -> np.ndarray:
    """Ordinary accounts that sent nothing near a campaign, where they are at least half of all.

    Members that were not found ask what the campaign asks from its network: they are no measure of
    who shares a network by chance, and a few of them would hide the others.
    """
    far = others[claims.near_sittings[others] == 0]
    return far if 2 * len(far) >= len(others) else others


def _read(
    signal: Signal, counts: Counts, members: np.ndarray, sets: list[np.ndarray]
) -> RankedReading | None:
    if not counts.matrix.shape[1]:
        return None  # the log has nothing that this signal needs
    values = signal.read(counts, [members, *sets])
    # a set that could not be measured says nothing of what is ordinary
    decoys = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or not len(decoys):
        return None
    says = signal.say(values[0], float(np.median(decoys)))
    return _ranked(signal.card, values[0], decoys, says)


def _ranked(card: Card, value: float, decoys: np.ndarray, says: str) -> RankedReading:
    return RankedReading(
        card=card,
        value=float(value),
        ordinary=float(np.nanmedian(decoys)),
        ordinary_high=float(np.nanquantile(decoys, 0.95)),
        p_value=rank_p_value(float(value), decoys),
        decoys=len(decoys),
        says=says,
    )


def _ties(found: FoundGroup, claims: Claims, called: str) -> list[RankedReading]:
    """The readings that found the campaign: what ties it, and that its prompts are interchangeable
    between accounts.
    """
    if found.pooled is not None:
        return _ties(found.pooled, claims, called)
    if found.portfolio is not None:
        unlike = found.portfolio
        reading = _ranked(unlike.card, unlike.value, unlike.decoys, unlike.says)
        return [replace(reading, p_value=unlike.p_value)]  # its bound where ranks end
    if not found.groups:
        # the strength is follow-up with its sign turned, which as a share of pairs is easier to
        # read: a half is what chance gives
        value = 0.5 + found.strength
        decoys = 0.5 + found.decoys
        says = (
            "a single account asks about a broad range of subjects in no order: a prompt has little"
            f" to do with the one before it, as {value:.0%} of the pairs of its prompts from"
            " different sittings are closer to each other (sittings of ordinary accounts joined"
            f" together: {np.median(decoys):.0%}; chance: 50%)"
        )
        return [_ranked(LONE, value, decoys, says)]
    readings = [
        replace(
            _ranked(
                _card_of(g),
                strength(g, claims.ordinary),
                found.decoys,
                _say_tie(g, found, called),
            ),
            p_value=p,  # its bound where ranks end
        )
        for g, p in zip(found.groups, found.p_ties, strict=True)
    ]
    memory = claims.ordinary.share(found.groups[0])
    says = (
        "prompts are interchangeable between accounts: they keep to their own subjects"
        f" {memory:.0%} as much as accounts of ordinary groups"
    )
    interchangeable = RankedReading(
        card=MEMORY,
        value=memory,
        ordinary=1.0,
        ordinary_high=0.5,
        p_value=readings[0].p_value,
        decoys=len(found.decoys),
        says=says,
    )
    return [*readings, interchangeable]


def _card_of(tie: Group) -> Card:
    """The card of what ties a group. One that was named by something else, such as a common client,
    is tied by that its prompts are interchangeable.
    """
    named = replace(CONTENT, name=f"named-by-{tie.family}", family=tie.family)
    return _TIES.get(tie.family, named)


def _say_tie(group: Group, found: FoundGroup, called: str) -> str:
    """What ties a campaign, in numbers of the campaign as it is listed; who else is tied by it is
    said, since it is an innocent explanation.
    """
    members = len(np.intersect1d(group.accounts, found.accounts))
    rows = np.intersect1d(group.rows, found.rows)
    who = counted(members, called)
    if group.family == "shape":
        uses = "uses" if members == 1 else "use"
        tie = f"{who} {uses} the same rare template with different content, {len(rows):,} times"
    else:
        tie = (
            f"{counted(len(rows), 'prompt')} of {who} are closer to each other's than to those of"
            f" other {plural(called)}"
        )
    others = len(group.accounts) - members
    also = f" (also true of {others:,} more, not of the campaign)" if others else ""
    return tie + also
