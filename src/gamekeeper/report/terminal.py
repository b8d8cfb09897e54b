"""Results on a terminal. Names and prompts are written by attackers: they are printed as `Text`,
never as markup.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gamekeeper.base.text import one_line
from gamekeeper.campaigns.result import Campaign, HuntResult, Power
from gamekeeper.report.account_names import AccountNames
from gamekeeper.report.atlas import RELEASE, techniques
from gamekeeper.report.explanation import Explanation, evidence_of_members, explain
from gamekeeper.report.formatting import (
    VERDICTS,
    count,
    counted,
    headline,
    measure,
    moment,
    period,
    probability,
    rank,
    verdicts_of,
)
from gamekeeper.report.power import power_sentence
from gamekeeper.report.reading import reading_lines
from gamekeeper.verdict import Verdict

_STYLES = {
    Verdict.WATCH: "yellow",
    Verdict.SLOW: "dark_orange",
    Verdict.LIMIT: "red",
    Verdict.DENY: "bold red",
}
_REASONS = 2
_LINKS = 10
_EXAMPLES = 5
_ACCOUNTS = 20  # named in one line
_PROMPT_CHARS = 300
_SENTENCE_CHARS = 1_000


def print_hunt(result: HuntResult, console: Console, out: str | Path) -> None:
    """Prints the campaigns, what was read, what the log could not show, and what to do next.

    Args:
        result: What was found.
        console: Where to print.
        out: The folder it was written to.
    """
    out = Path(out)
    suspects = sum(len(campaign.accounts) for campaign in result.campaigns)
    theirs = sum(campaign.exchanges for campaign in result.campaigns)
    found = headline(
        len(result.campaigns),
        suspects,
        theirs,
        result.exchanges,
        could_find_nothing=result.could_find_nothing,
    )
    _say(console, found, "bold")
    if result.power:
        _print_power(result.power, console)
    if result.campaigns:
        console.print(_campaign_table(result.campaigns))
    _say(console, _read_line(result))
    _, *others = reading_lines(result.read)
    for line in others:
        _say(console, line)
    for remark in result.read.remarks:
        _say(console, f"note      {remark}", "yellow")
    for sentence in result.could_not_show:
        _say(console, f"could not show: {sentence}", "dim")
    console.print()
    if result.campaigns:
        _say(console, f"next    gamekeeper explain {result.campaigns[0].id} --in {out}")
    _say(console, f"report  {out / 'report.html'}")


def _print_power(power: Power, console: Console) -> None:
    _say(console, power_sentence(power))
    for reason in power.why:
        _say(console, f"  because {reason}")
    for sentence in power.untested:
        _say(console, f"  but     {sentence}")
    for remedy in power.remedy:
        _say(console, f"  try     {remedy}")


def print_explanation(result: HuntResult, subject: str, console: Console) -> None:
    """Prints why a campaign, an account or an owner was judged as it was.

    Raises:
        UsageError: There is no such campaign, account or owner, or several; names the closest.
    """
    known = explain(result, subject)
    names = AccountNames(result.accounts)
    _say(console, _title(known, names), "bold")
    _say(console, f"p_benign {probability(known.p_benign)}: {_ranked(known)}")
    _print_owner(known, names, console)
    if known.campaign:
        if known.kind == "account":
            _print_own_evidence(known, console)
        _print_campaign(known.campaign, console)
    if known.kind == "campaign" and known.campaign:
        _print_members(result, known.campaign, names, console)
    if known.readings.height:
        _head(console, "Readings")
        console.print(_readings_table(known.readings))
    if known.links.height:
        _head(
            console,
            f"Strongest links, {min(known.links.height, _LINKS)} of {count(_links_in_all(known))}",
        )
        console.print(_links_table(known.links, names))
    _print_examples(known, names, result.redacted, console)
    if known.campaign:
        _head(console, "What an innocent explanation would look like")
        _list(console, known.campaign.innocent)


def _campaign_table(campaigns: Iterable[Campaign]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("Campaign", "Verdict"):
        table.add_column(name, no_wrap=True)
    for name in ("Accounts", "Exchanges", "p_benign"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Why", ratio=1)
    for one in campaigns:
        why = Text(
            "\n".join(one_line(reason, _SENTENCE_CHARS) for reason in one.reasons[:_REASONS])
        )
        numbers = (count(len(one.accounts)), count(one.exchanges), probability(one.p_benign))
        table.add_row(Text(one.id), _verdict_of(one), *numbers, why)
    return table


def _read_line(result: HuntResult) -> str:
    read = result.read
    formats = ", ".join(sorted(set(read.formats.values()))) or "no known format"
    # what the others are is in the lines that follow
    of = f" out of {counted(read.records, 'record')}" if read.records > read.kept_rows else ""
    return (
        f"read {counted(len(read.files), 'file')} ({formats}):"
        f" {counted(result.exchanges, 'exchange')} of {counted(result.accounts.height, 'account')},"
        f" {period(result.first_seen, result.last_seen)}{of}"
    )


def _links_in_all(known: Explanation) -> int:
    """All links of a campaign, of which a result keeps the strongest; those kept of an account."""
    if known.kind == "campaign" and known.campaign:
        return max(known.campaign.links, known.links.height)
    return known.links.height


def _title(known: Explanation, names: AccountNames) -> str:
    is_member = known.kind != "campaign" and known.campaign
    member = f" in campaign {known.campaign.id}" if is_member and known.campaign else ""
    name = names(known.subject) if known.kind == "account" else known.subject
    verdict = f"{known.verdict} ({VERDICTS[known.verdict]})"
    return (
        f"{known.kind} {one_line(name)}{member}: {verdict}, {counted(known.exchanges, 'exchange')}"
    )


def _ranked(known: Explanation) -> str:
    if known.kind != "campaign":
        return "its rank among ordinary accounts" + (
            "" if known.campaign else "; it belongs to no campaign"
        )
    return rank(known.p_benign, known.campaign.decoys if known.campaign else None)


def _print_owner(known: Explanation, names: AccountNames, console: Console) -> None:
    if known.kind == "owner":
        some = ", ".join(one_line(names(account)) for account in known.accounts[:_ACCOUNTS])
        more = len(known.accounts) - _ACCOUNTS
        rest = f" and {count(more)} more" if more > 0 else ""
        _say(console, f"{counted(len(known.accounts), 'account')}: {some}{rest}")
    elif known.owner is not None:
        _say(console, f"its owner is {one_line(known.owner)}")


def _print_campaign(campaign: Campaign, console: Console) -> None:
    span = f"{moment(campaign.first_seen)} to {moment(campaign.last_seen)} UTC"
    size = counted(len(campaign.accounts), "account")
    # a single account, and accounts that are judged as one, have no links
    connected = f" connected by {counted(campaign.links, 'link')}" if campaign.links else ""
    _say(console, f"{campaign.id} is {size}{connected}, {span}")
    if campaign.owners:
        some = ", ".join(one_line(owner) for owner in campaign.owners[:_ACCOUNTS])
        more = len(campaign.owners) - _ACCOUNTS
        rest = f" and {count(more)} more" if more > 0 else ""
        _say(console, f"declared owners: {some}{rest}")
    _head(console, f"Why {campaign.id}")
    _list(console, campaign.reasons)
    tags = ", ".join(f"{each.id} {each.name}" for each in techniques(campaign.families))
    _say(console, f"  {RELEASE}: {tags}", "dim")


def _print_own_evidence(known: Explanation, console: Console) -> None:
    """What the account shows by itself, of what counts against its campaign."""
    assert known.campaign is not None
    shows = ", ".join(known.families) or "nothing"
    of = ", ".join(known.campaign.families)
    _say(console, f"of what counts against its campaign ({of}) it shows itself: {shows}")
    sentences = [row["says"] for row in known.readings.iter_rows(named=True) if row["counts"]]
    _list(console, [sentence for sentence in sentences if sentence])


def _print_members(
    result: HuntResult, campaign: Campaign, names: AccountNames, console: Console
) -> None:
    """Each member with what it shows by itself, which is what its verdict follows from."""
    members = campaign.known_members
    _head(console, f"What each account shows itself ({verdicts_of(members)})")
    for one in evidence_of_members(result, campaign, _ACCOUNTS):
        shows = ", ".join(one.member.families) or "nothing"
        _say(console, f"  {one_line(names(one.member.account))}: {one.member.verdict}, {shows}")
    if len(members) > _ACCOUNTS:
        more = counted(len(members) - _ACCOUNTS, "more account")
        _say(console, f"  {more}: campaigns.json lists all", "dim")


def _readings_table(readings: pl.DataFrame) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Signal and unit")
    for name in ("Value", "Ordinary", "95 %", "p_value", "Decoys"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in readings.iter_rows(named=True):
        what = Text.assemble(f"{row['family']}: {row['signal']}\n", (row["unit"] or "", "dim"))
        table.add_row(what, *map(Text, _reading(row)))
    return table


def _reading(row: dict[str, Any]) -> tuple[str, ...]:
    levels = (measure(row["value"]), measure(row["ordinary"]), measure(row["ordinary_high"]))
    return *levels, probability(row["p_value"]), count(row["decoys"] or 0)


def _links_table(links: pl.DataFrame, names: AccountNames) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("Account", "Account", "Family"):
        # an account that is cut short could be any of several
        table.add_column(name, overflow="fold")
    table.add_column("Neighbouring exchanges", justify="right")
    for row in links.head(_LINKS).iter_rows(named=True):
        table.add_row(
            *(Text(one_line(names(row[end]))) for end in ("a", "b")),
            Text(one_line(row["family"])),
            measure(row["exchanges"]),
        )
    return table


def _print_examples(
    known: Explanation, names: AccountNames, redacted: bool, console: Console
) -> None:
    if not known.examples.height:
        return
    _head(console, "Example exchanges")
    if redacted:
        _say(console, "  prompts were left out of this run (redacted)", "dim")
    for row in known.examples.head(_EXAMPLES).iter_rows(named=True):
        about = [one_line(names(row["account"])), one_line(row["model"] or "")]
        _say(console, "  " + "  ".join([moment(row["time"]), *filter(None, about)]), "dim")
        if row["prompt"] is not None:
            _say(console, f"    {one_line(row['prompt'], _PROMPT_CHARS)}")


def _verdict(verdict: Verdict) -> Text:
    return Text(verdict.value, style=_STYLES.get(verdict, ""))


def _verdict_of(campaign: Campaign) -> Text:
    """The highest verdict of its members, and how many have it where not all do."""
    members = campaign.known_members
    having = sum(member.verdict is campaign.verdict for member in members)
    verdict = _verdict(campaign.verdict)
    if having < len(members):
        verdict.append(f"\n{count(having)} of {count(len(members))}", "dim")
    return verdict


def _head(console: Console, title: str) -> None:
    console.print()
    _say(console, title, "bold")


def _list(console: Console, sentences: Sequence[str]) -> None:
    for sentence in sentences:
        _say(console, f"  - {one_line(sentence, _SENTENCE_CHARS)}")


def _say(console: Console, sentence: str, style: str = "") -> None:
    console.print(Text(sentence, style=style), soft_wrap=True)
