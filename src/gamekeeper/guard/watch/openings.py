"""Accounts that use the template of a campaign that is known: what comes after a ban.

A campaign's template is the sentences that its members put around different content and few others
use. An account outside that sends them around `MIN_TIMES` different texts, as a good part of what
it asks from then on, joins the campaign. So a replacement is known by its third prompt, not after
the weeks in which a group shows by itself.

Whose template is it? Thieves may use the system prompt of a product, and its tenants are innocent.
A sentence is learned only if it is the campaign's own:

- Accounts outside used it fewer than `MIN_TIMES` times before the campaign's first use. What others
  used first belongs to them.
- Besides, at most one account outside uses it, or the window shows that the campaign came first: it
  holds `_LEAD` of traffic from before the campaign's first use. Without that nobody can say who was
  first, and a sentence of several others is not learned.

Of those who use a campaign's own template after it, many are members that no pass has found yet (26
to 48 % of its users in composed traffic), so that "nobody outside uses it" would learn nothing. And
one account that copies the template afterwards does not make the guard blind. One that uses it
three times beforehand does: a thief who plans that keeps replacements from being watched until a
pass finds them. That is accepted, since to be watched changes no answer, and the other error
puts innocent tenants before a person.

Where a campaign has several sentences of its own, an account must use two of them: one may be
picked up somewhere. All of them cannot be asked for, since some are alternatives of each other.

What is learned is kept in a file, so that it survives a restart; what accounts sent since then is
counted again from the log.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import polars as pl

from gamekeeper.base.files import write_private
from gamekeeper.base.log import get_logger
from gamekeeper.campaigns import Campaign
from gamekeeper.encoding import fragments
from gamekeeper.evidence import rank_p_value

log = get_logger("gamekeeper.watch")

MIN_TIMES = 3
MIN_SENTENCES = 2
"""Different sentences that an account must use, where a campaign has as many of its own."""

_SHARE = 0.25  # of what an account asks from its first use on
_RARE = 0.005  # p-value of the condition among ordinary accounts of the window
_LEAD = timedelta(days=2)
_FORMAT = "gamekeeper/campaign-openings@1"
_DAY_S = 86_400


@dataclass(slots=True)
class _Template:
    """Sentences that are a campaign's own, each with when it was learned, epoch seconds."""

    sentences: dict[str, float] = field(default_factory=dict)
    last_found: float = 0

    @property
    def wanted(self) -> int:
        """Different sentences that an account must use."""
        return min(MIN_SENTENCES, len(self.sentences))


@dataclass(slots=True)
class _Uses:
    """How an account uses a template, from its first use on."""

    exchanges: int = 0
    times: int = 0
    sentences: set[str] = field(default_factory=set)


class Openings:
    """Recognises accounts by the templates of known campaigns.

    Args:
        path: Where what is learned is kept; None keeps it in memory only.
        days: A campaign that no pass has found for so long is forgotten.

    `joined` are accounts outside a campaign that use its template, each with the campaign.
    """

    def __init__(self, path: Path | None = None, days: int = 14) -> None:
        self._path = path
        self._keep_s = days * _DAY_S
        self._templates: dict[str, _Template] = {}
        self._owner: dict[str, str] = {}  # sentence -> campaign
        self._members: set[str] = set()
        self.joined: dict[str, str] = {}
        self._involved: dict[str, float] = {}  # members and joined accounts, and when last
        self._uses: dict[tuple[str, str], _Uses] = {}  # by campaign and account
        if path is not None and path.exists():
            self._load(path)

    def learn(self, campaigns: tuple[Campaign, ...], window: pl.DataFrame, now: float) -> None:
        """Learns the templates of what a pass found.

        Args:
            campaigns: What it found.
            window: What was compared: columns `account`, `time`, `prompt`, `system`.
            now: Epoch seconds.
        """
        self._members = {account for c in campaigns for account in c.accounts}
        self.joined = {a: c for a, c in self.joined.items() if a not in self._members}
        self._involved |= dict.fromkeys(self._members, now)
        self._learn_new(campaigns, window, now)
        for campaign in campaigns:
            if campaign.id in self._templates:
                self._templates[campaign.id].last_found = now
        self._forget(now)
        self._save()

    def match(self, exchanges: pl.DataFrame) -> dict[str, str]:
        """Returns accounts that now meet the condition, each with its campaign; an account is
        named once.

        Args:
            exchanges: In order of time: columns `account`, `time`, `prompt`, `system`.
        """
        if not self._owner:
            return {}
        others = exchanges.filter(~pl.col("account").is_in([*self._members, *self.joined]))
        rows = _with_sentences(others, self._owner)
        users = set(rows.drop_nulls("sentences")["account"]) | {user for _, user in self._uses}
        joined = {}
        for account, at, sentences in rows.filter(pl.col("account").is_in(users)).iter_rows():
            for campaign in self._count(account, at, sentences or ()):
                joined[account] = campaign
        if joined:
            self.joined |= joined
            self._involved |= dict.fromkeys(joined, _epoch(exchanges["time"].max()))
            self._save()
        return joined

    def _count(self, account: str, at: datetime, sentences: Iterable[str]) -> list[str]:
        """Counts an exchange; returns campaigns whose condition the account now meets."""
        used: dict[str, set[str]] = defaultdict(set)
        for sentence in sentences:
            campaign = self._owner[sentence]
            if self._templates[campaign].sentences[sentence] <= _epoch(at):
                used[campaign].add(sentence)
        found = []
        for campaign, template in self._templates.items():
            uses = self._uses.get((campaign, account))
            if uses is None and campaign not in used:
                continue
            uses = self._uses.setdefault((campaign, account), uses or _Uses())
            uses.exchanges += 1
            uses.times += campaign in used
            uses.sentences |= used.get(campaign, set())
            if len(uses.sentences) >= template.wanted and _meets(uses.times, uses.exchanges):
                found.append(campaign)
        return found

    def _learn_new(self, campaigns: tuple[Campaign, ...], window: pl.DataFrame, now: float) -> None:
        new = {s: c for c in reversed(campaigns) for s in c.fragments if s not in self._owner}
        if not new:
            return
        outside = ~pl.col("account").is_in(list(self._involved))
        rows = _with_sentences(window, new).with_columns(outside.alias("is_outside"))
        begins = window["time"].min()
        for campaign in campaigns:
            own = [
                sentence
                for sentence, owner in new.items()
                if owner is campaign and _is_own(sentence, campaign, rows, begins)
            ]
            if own and _is_rare(own, rows.filter("is_outside")):
                template = self._templates.setdefault(campaign.id, _Template())
                template.sentences |= dict.fromkeys(own, now)
                self._owner |= dict.fromkeys(own, campaign.id)

    def _forget(self, now: float) -> None:
        oldest = now - self._keep_s
        self._involved = {a: at for a, at in self._involved.items() if at > oldest}
        self._templates = {c: t for c, t in self._templates.items() if t.last_found > oldest}
        self._index()
        self.joined = {
            account: campaign
            for account, campaign in self.joined.items()
            if account in self._involved and campaign in self._templates
        }
        self._uses = {key: uses for key, uses in self._uses.items() if key[0] in self._templates}

    def _index(self) -> None:
        self._owner = {s: c for c, t in self._templates.items() for s in t.sentences}

    def _save(self) -> None:
        if self._path is None:
            return
        templates = {
            campaign: {"sentences": template.sentences, "last_found": template.last_found}
            for campaign, template in self._templates.items()
        }
        content = {
            "format": _FORMAT,
            "templates": templates,
            "members": sorted(self._members),
            "joined": self.joined,
            "involved": self._involved,
        }
        write_private(self._path, orjson.dumps(content))

    def _load(self, path: Path) -> None:
        try:
            read = orjson.loads(path.read_bytes())
            if read["format"] != _FORMAT:
                raise ValueError(f"format {read['format']}, expected {_FORMAT}")
            self._templates = {name: _Template(**t) for name, t in read["templates"].items()}
            self._members = set(read["members"])
            self.joined = dict(read["joined"])
            self._involved = read["involved"]
        except (ValueError, KeyError, TypeError) as error:
            log.error("%s cannot be read (%s): templates are learned again", path, error)
        self._index()


def _epoch(at: object) -> float:
    assert isinstance(at, datetime)
    return at.timestamp()


def _meets(times: int, exchanges: int) -> bool:
    return times >= MIN_TIMES and times >= _SHARE * exchanges


def _is_own(sentence: str, campaign: Campaign, rows: pl.DataFrame, begins: object) -> bool:
    """Whether a sentence is the campaign's own, see the beginning of this file."""
    uses = rows.filter(pl.col("sentences").list.contains(sentence))
    first = uses.filter(pl.col("account").is_in(campaign.accounts))["time"].min()
    if first is None:
        return False
    outside = uses.filter("is_outside")
    if len(outside.filter(pl.col("time") < first)) >= MIN_TIMES:
        return False
    is_first = first - begins >= _LEAD  # type: ignore[operator]
    return is_first or outside["account"].n_unique() <= 1


def _is_rare(sentences: list[str], outside: pl.DataFrame) -> bool:
    """Whether hardly any ordinary account meets the condition with these sentences."""
    if not len(outside):
        return False
    is_use = pl.col("sentences").list.set_intersection(sentences).list.len() > 0
    used = outside.group_by("account").agg(
        pl.len().alias("exchanges"), is_use.fill_null(False).sum().alias("times")
    )
    meets = used.select(
        (pl.col("times") >= MIN_TIMES) & (pl.col("times") >= _SHARE * pl.col("exchanges"))
    )
    return rank_p_value(1.0, meets.to_series().cast(pl.Float64).to_numpy()) <= _RARE


def _with_sentences(exchanges: pl.DataFrame, sentences: Iterable[str]) -> pl.DataFrame:
    """Columns `account`, `time` and `sentences` (which of `sentences` an exchange puts around
    something else), a row an exchange.

    A sentence by itself is a question, not a template: two people may ask it.
    """
    is_sentence = pl.col("text").is_in(list(sentences))
    pieces = fragments(exchanges).with_columns(is_sentence.alias("is_sentence"))
    payload = ~pl.col("is_sentence") & (pl.col("part") == "prompt")
    by_row = pieces.group_by("row").agg(
        pl.col("text").filter("is_sentence").unique().alias("sentences"),
        payload.any().alias("has_payload"),
    )
    held = by_row.filter(pl.col("has_payload") & (pl.col("sentences").list.len() > 0))
    return (
        exchanges.select("account", "time")
        .with_row_index("row")
        .join(held.drop("has_payload"), on="row", how="left", maintain_order="left")
        .drop("row")
    )
