"""What a replay found, for people and for programs."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gamekeeper.base.text import one_line
from gamekeeper.guard.replay.outcome import CampaignOutcome, OrdinaryOutcome, Outcome
from gamekeeper.guard.replay.player import FEW, Followed, Replayed
from gamekeeper.report.formatting import count, counted, iso, share

SCHEMA = "gamekeeper/replay@1"


def replay_document(replayed: Replayed, outcome: Outcome | None) -> dict[str, Any]:
    """Returns a replay as JSON can hold it."""
    return {
        "schema": SCHEMA,
        "exchanges": len(replayed.exchanges),
        "accounts": replayed.exchanges["account"].n_unique(),
        "searches": replayed.searches,
        "searched_at_end": replayed.searched_at_end,
        "actions": dict(_actions(replayed)),
        "campaigns": [_followed(each) for each in replayed.followed],
        "held": [
            {
                "account": account,
                "slowed": iso(slowed),
                "limited": iso(limited) if limited else None,
            }
            for account, slowed, limited in replayed.held.sort("slowed", "account").iter_rows()
        ],
        "truth": None if outcome is None else asdict(outcome),
    }


def print_replay(replayed: Replayed, outcome: Outcome | None, console: Console) -> None:
    """Prints which accounts the guard would have slowed, what would have been done, and, with
    labels, how often that was right.
    """
    _say(console, headline(replayed), "bold")
    if replayed.followed:
        console.print(_campaigns(replayed))
    _say(
        console,
        "exchanges by action: "
        + ", ".join(f"{count(n)} {action}" for action, n in _actions(replayed)),
    )
    if outcome is None:
        return
    if outcome.campaigns:
        console.print(_outcome_table(outcome.campaigns))
    for sentence in _ordinary(outcome.ordinary):
        _say(console, sentence)


def headline(replayed: Replayed) -> str:
    """Returns the result in a sentence."""
    refused = len(replayed.exchanges) - int(replayed.exchanges["is_answered"].sum())
    return (
        f"the guard would have slowed {counted(len(replayed.held), 'account')} of"
        f" {count(replayed.exchanges['account'].n_unique())} and refused"
        f" {counted(refused, 'exchange')} of {count(len(replayed.exchanges))};"
        f" {_searched(replayed)}"
    )


def _searched(replayed: Replayed) -> str:
    """How often the log was searched for campaigns, and why not where it was not."""
    if not replayed.searches:
        return (
            "nothing was searched, so no campaign could have been found: at no time were there"
            f" {FEW} answered exchanges to compare"
        )
    searched = f"{counted(replayed.searches, 'search')} of the log"
    if replayed.searched_at_end:
        return f"{searched}, at its end, because it is shorter than --every-hours"
    return searched


def _campaigns(replayed: Replayed) -> Table:
    table = _table("Campaign", "accounts", "joined, watched", "found", "verdict", "why")
    for each in replayed.followed:
        campaign = each.campaign
        row = (
            campaign.id,
            count(len(campaign.accounts)),
            count(len(campaign.joined)),
            f"{each.found:%m-%d %H:%M}",
            _decided(each),
            one_line(campaign.reasons[0]) if campaign.reasons else "",
        )
        table.add_row(*map(Text, row))
    return table


def _decided(each: Followed) -> str:
    """The strictest verdict for any member: families without corroboration are only watched."""
    return str(max(each.decided, key=lambda verdict: verdict.step, default="none"))


def _outcome_table(campaigns: tuple[CampaignOutcome, ...]) -> Table:
    table = _table(
        "true campaign", "accounts", "slowed", "hours", "wanted", "before", "after", "refused"
    )
    for campaign in campaigns:
        hours = "never" if campaign.hours is None else f"{campaign.hours:,.0f}"
        numbers = (campaign.exchanges, campaign.before, campaign.after, campaign.refused)
        table.add_row(
            Text(campaign.campaign),
            count(campaign.accounts),
            count(campaign.slowed),
            hours,
            *(count(number) for number in numbers),
        )
    return table


def _ordinary(truth: OrdinaryOutcome) -> Iterator[str]:
    """Sentences on ordinary accounts."""
    low, high = truth.share(truth.slowed)
    yield (
        f"of {count(truth.accounts)} ordinary accounts {count(truth.slowed)} would have been slowed"
        f" ({share(truth.slowed, truth.accounts)}; 95 % {low:.2%} to {high:.2%}),"
        f" {count(truth.limited)} limited, {count(truth.refused)} refused an answer"
        f" ({count(truth.exchanges_refused)} of {count(truth.exchanges)} exchanges);"
        f" {count(truth.grouped)} were in a campaign that was at least watched"
    )


def _actions(replayed: Replayed) -> Iterator[tuple[str, int]]:
    yield from (
        replayed.exchanges["action"]
        .value_counts(sort=True)
        .sort("count", "action", descending=True)
        .iter_rows()
    )


def _followed(each: Followed) -> dict[str, Any]:
    decided = {str(verdict): iso(at) for verdict, at in each.decided.items()}
    return each.campaign.document() | {"found": iso(each.found), "decided": decided}


def _table(first: str, *others: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(
            name,
            justify="left" if name in ("verdict", "why", "found") else "right",
            no_wrap=name != "why",
        )
    return table


def _say(console: Console, sentence: str, style: str = "") -> None:
    console.print(Text(sentence, style=style), soft_wrap=True)
