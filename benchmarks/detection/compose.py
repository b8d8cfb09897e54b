"""Adds one scenario to ordinary traffic.

    python benchmarks/detection/compose.py SCENARIO[@DECK] [--seed 1] [--set FIELD=VALUE ...]
    [--data DATA --tools TOOLS | --base FOLDER [--data DATA]] --out OUT

writes OUT/exchanges.parquet (the log), OUT/labels.parquet (an account a row: kind, campaign or
null, whether it is a victim of framers, and how many of its exchanges are of a thief's deck) and
OUT/stolen.parquet (account and time of each of these). The same arguments write the same files.
Without DATA, texts and ordinary traffic are of the project's own making.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
from bases import ordinary as ordinary_traffic
from dealing import deal
from members import Account, Composed, Network, Ordinary, Sitting, Talk, added, sittings_of, timed
from scenarios import PRESETS, Campaign, Framing, Pool, Scenario, scenario
from schedulers import SCHEDULERS
from texts import OwnTexts, RealTexts, Texts, dress, follow_up, paraphrase

from gamekeeper.simulate.arrivals import DAY_S, balanced_starts

WORK = Path(tempfile.gettempdir()) / "gamekeeper-bench"
PRODUCT = (
    "You are the study helper of Lumenwald. Greet the learner by name, keep answers under ninety"
    " words, and end with one question about the chapter."
)
"""System prompt of a small product with few tenants."""
VICTIM_PROMPTS = (25, 70)
"""Prompts of an account that is worth framing: enough to differ from those of others."""


def compose(
    base: Path,
    wanted: Scenario,
    out: Path,
    *,
    seed: int,
    data: Sequence[Path] = (),
    name: str = "campaign",
) -> Path:
    """Writes ordinary traffic with a scenario in it.

    Args:
        base: Folder of ordinary traffic.
        wanted: The scenario.
        out: Folder to write.
        seed: Of everything drawn.
        data: Folders of prompt sets; the project's own texts if empty.
        name: Of the campaign, in the labels.
    """
    rng = np.random.default_rng([seed, *name.encode()])
    dice = Random(int(rng.integers(2**62)))
    exchanges = pl.read_parquet(base / "exchanges.parquet")
    labels = pl.read_parquet(base / "labels.parquet")
    used = set(exchanges["prompt"])
    folders = [base / "cover", *data]
    texts: Texts = RealTexts(folders, used, dice) if data else OwnTexts(used, dice)
    ordinary = Ordinary(exchanges=exchanges, labels=labels, rng=rng)
    composed = Composer(ordinary=ordinary, texts=texts, dice=dice, name=name).composed(wanted)
    out.mkdir(parents=True, exist_ok=True)
    composed.exchanges.write_parquet(out / "exchanges.parquet")
    composed.stolen.write_parquet(out / "stolen.parquet")
    composed.labels.write_parquet(out / "labels.parquet")
    return out


class Composer:
    """Makes the accounts of scenarios.

    Args:
        ordinary: The traffic to which they are added.
        texts: Where decks and cover come from.
        dice: Randomness of words.
        name: Of the campaign.
    """

    def __init__(self, *, ordinary: Ordinary, texts: Texts, dice: Random, name: str) -> None:
        self._ordinary = ordinary
        self._texts = texts
        self._dice = dice
        self._name = name
        self._rng = ordinary.rng

    def composed(self, wanted: Scenario) -> Composed:
        """Returns the traffic with the scenario in it."""
        if isinstance(wanted, Campaign):
            return added(self._ordinary, self._campaign(wanted), [])
        if isinstance(wanted, Pool):
            return added(self._ordinary, self._pool(wanted), [])
        return self._framing(wanted)

    # a thief's own accounts

    def _campaign(self, plan: Campaign) -> list[Account]:
        hub = self._ordinary.hub()
        days = float(plan.days or self._ordinary.days)
        owner = "org-campaign" if plan.declared else None
        accounts = []
        for sittings in self._sittings(plan):
            talks, times = timed(sittings, plan.rhythm, days, self._rng)
            whole = Account(
                kind="campaign",
                campaign=self._name,
                network=self._ordinary.behind(hub, plan.network),
                talks=talks,
                times=times + self._rng.integers(0, self._ordinary.days - days + 1) * DAY_S,
                owner=owner,
            )
            accounts += self._replaced(whole, hub, plan) if plan.ban_after else [whole]
        return accounts

    def _sittings(self, plan: Campaign) -> list[list[Sitting]]:
        """The sittings of each account, with the deck dealt to them."""
        blanks = [self._blank(plan) for _ in range(plan.accounts)]
        places = [
            (account, sitting)
            for account, sittings in enumerate(blanks)
            for sitting, talks in enumerate(sittings)
            for talk in talks
            if talk.is_stolen
        ]
        tasks = iter(self._dealt(plan, places))
        return [
            [[self._filled(t, tasks, plan) for t in talks] for talks in sittings]
            for sittings in blanks
        ]

    def _blank(self, plan: Campaign) -> list[Sitting]:
        """An account's sittings, with places for tasks that are still empty."""
        size = max(3, int(self._rng.poisson(plan.per_account)))
        asked = int(self._rng.binomial(size, 1 - plan.cover))
        whole = asked // (1 + plan.follow_ups)
        talks = [Talk(texts=[""] * (1 + plan.follow_ups), is_stolen=True)] * whole
        talks += [Talk(texts=texts) for texts in self._cover(size - asked)]
        if not talks:
            talks = [Talk(texts=[""], is_stolen=True)]
        self._dice.shuffle(talks)
        return sittings_of(talks, plan.sittings, self._rng)

    def _cover(self, count: int) -> Iterator[list[str]]:
        """Conversations of `count` messages in all, each of another person."""
        while count > 0:
            texts = self._texts.talk(min(int(self._rng.integers(2, 9)), count))
            count -= len(texts)
            yield texts

    def _dealt(self, plan: Campaign, places: list[tuple[int, int]]) -> list[str]:
        """The task of each place."""
        if not places:
            return []
        tasks = self._texts.deck(plan.deck, plan.language, -(-len(places) // plan.copies))
        if plan.demand:
            tasks = dress(tasks, plan.demand, plan.language, self._dice)
        accounts, sittings = np.array(places).T
        units = accounts * (sittings.max() + 1) + sittings
        dealt = deal(tasks, accounts, units, plan.dealing, plan.copies, self._rng)
        chosen = [tasks[i] for i in dealt]
        if not plan.paraphrase:
            return chosen
        return [paraphrase(text, plan.paraphrase, self._dice) for text in chosen]

    def _filled(self, talk: Talk, tasks: Iterator[str], plan: Campaign) -> Talk:
        if not talk.is_stolen:
            return talk
        task = next(tasks)
        later = [follow_up(task, self._dice) for _ in talk.texts[1:]]
        return replace(talk, texts=[task, *later])

    def _replaced(self, seat: Account, hub: Network, plan: Campaign) -> Iterator[Account]:
        """One seat's accounts, each in use until it is banned, the next opened hours before."""
        begin = 0
        talks: list[Talk] = []
        size = 0
        for number, talk in enumerate(seat.talks):
            talks.append(talk)
            size += len(talk.texts)
            if size < (plan.ban_after or 0) and number + 1 < len(seat.talks):
                continue
            times = seat.times[begin : begin + size]
            network = seat.network
            if begin:
                opened = self._ordinary.start + times[0] - self._rng.uniform(1, 24) * 3_600
                network = replace(self._ordinary.behind(hub, plan.network), created=opened)
            yield replace(seat, network=network, talks=talks, times=times)
            begin, talks, size = begin + size, [], 0

    # a relay

    def _pool(self, plan: Pool) -> list[Account]:
        total = round(plan.accounts * plan.per_account)
        stolen = round(total * plan.thief)
        talks, times, customers = self._customers(plan, total - stolen)
        if stolen:
            tasks = self._texts.deck(plan.deck, plan.language, stolen)
            talks += [Talk(texts=[task], is_stolen=True) for task in tasks]
            starts = balanced_starts(self._rng, stolen, self._ordinary.days)
            times += [np.array([start]) for start in starts]
            # a program that asks one task after the other has a session for each
            customers += range(len(customers), len(customers) + stolen)
        order = sorted(range(len(talks)), key=lambda i: float(times[i][0]))
        talks = [talks[i] for i in order]
        times = [times[i] for i in order]
        starts = np.array([t[0] for t in times])
        ends = np.array([t[-1] for t in times])
        sessions = np.array([customers[i] for i in order])
        deal_to = SCHEDULERS[plan.scheduler]
        chosen = deal_to(starts, ends, sessions, plan.accounts, self._rng)
        client = f"relay/{self._rng.integers(1, 9)}.{self._rng.integers(0, 40)}"
        return [
            Account(
                kind="pool",
                campaign=self._name if stolen else None,
                network=replace(self._ordinary.join(), client=client),
                talks=[talks[i] for i in own],
                times=np.concatenate([times[i] for i in own]),
                owner="org-relay" if plan.declared else None,
            )
            for own in (np.flatnonzero(chosen == n) for n in range(plan.accounts))
            if len(own)
        ]

    def _customers(self, plan: Pool, total: int) -> tuple[list[Talk], list[np.ndarray], list[int]]:
        """People's conversations, their times, and a session number of each."""
        talks: list[Talk] = []
        times: list[np.ndarray] = []
        middle = np.log(plan.customer_exchanges) - 0.405  # of a lognormal with that mean, sigma .9
        while total > 0:
            most = int(np.clip(self._rng.lognormal(middle, 0.9), 2, min(250, max(total, 2))))
            said = self._texts.person(min(most, total))
            total -= len(said)
            own = [Talk(texts=texts) for texts in self._cut(said)]
            sittings = sittings_of(own, None, self._rng)
            placed, moments = timed(sittings, "person", self._ordinary.days, self._rng)
            talks += placed
            times += np.split(moments, np.cumsum([len(t.texts) for t in placed])[:-1])
        return talks, times, list(range(len(talks)))

    def _cut(self, said: list[str]) -> Iterator[list[str]]:
        begin = 0
        while begin < len(said):
            size = int(self._rng.integers(1, 7))
            yield said[begin : begin + size]
            begin += size

    # framers

    def _framing(self, plan: Framing) -> Composed:
        if plan.method == "template":
            tenants = self._tenants(plan.victims)
            attackers = self._attackers(plan, self._own_deck(plan), PRODUCT, self._ordinary.hub())
            return added(self._ordinary, [*tenants, *attackers], [])
        victims = self._victims(plan.victims)
        names = victims["account"].to_list()
        if plan.method == "network":
            hub = self._network_of(victims.row(0, named=True))
            return added(
                self._ordinary, self._attackers(plan, self._own_deck(plan), None, hub), names
            )
        prompts = self._ordinary.exchanges.filter(pl.col("account").is_in(names))["prompt"]
        deck = [
            paraphrase(text, plan.strength, self._dice)
            for text in prompts
            for _ in range(plan.paraphrases)
        ]
        self._dice.shuffle(deck)
        return added(self._ordinary, self._attackers(plan, deck, None, self._ordinary.hub()), names)

    def _victims(self, count: int) -> pl.DataFrame:
        worth = self._ordinary.people.filter(pl.col("len").is_between(*VICTIM_PROMPTS))
        return worth.sample(count, seed=int(self._rng.integers(2**31)), shuffle=True)

    def _network_of(self, victim: dict[str, object]) -> Network:
        """A victim's address, provider and program; nobody has another's card."""
        own = self._ordinary.hub()
        shared = {name: victim[name] for name in ("ip", "asn", "client")}
        return replace(own, **shared)  # type: ignore[arg-type]

    def _own_deck(self, plan: Framing) -> list[str]:
        count = round(plan.attackers * plan.per_account)
        return self._texts.deck(plan.deck, plan.language, count)

    def _tenants(self, count: int) -> list[Account]:
        """New tenants of the small product: people whose calls have its system prompt."""
        sizes = self._rng.integers(*VICTIM_PROMPTS, count)
        tenants = []
        for size in sizes:
            talks = [Talk(texts=texts, system=PRODUCT) for texts in self._cover(int(size))]
            sittings = sittings_of(talks, None, self._rng)
            placed, times = timed(sittings, "person", self._ordinary.days, self._rng)
            own = self._ordinary.join()
            tenants.append(
                Account(
                    kind="tenant",
                    campaign=None,
                    network=own,
                    talks=placed,
                    times=times,
                    victim=True,
                )
            )
        return tenants

    def _attackers(
        self, plan: Framing, deck: list[str], system: str | None, hub: Network
    ) -> list[Account]:
        accounts = []
        for own in np.array_split(np.arange(len(deck)), plan.attackers):
            talks = [Talk(texts=[deck[i]], is_stolen=True, system=system) for i in own]
            sittings = sittings_of(talks, None, self._rng)
            placed, times = timed(sittings, "person", self._ordinary.days, self._rng)
            accounts.append(
                Account(
                    kind="framer",
                    campaign=self._name,
                    network=self._ordinary.behind(hub, plan.network),
                    talks=placed,
                    times=times,
                )
            )
        return accounts


def main() -> None:
    """Composes what the command line asks for."""
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("scenario", help=f"one of {', '.join(PRESETS)}")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    ap.add_argument("--base", type=Path, help="folder of ordinary traffic")
    ap.add_argument("--data", type=Path, action="append", default=[])
    ap.add_argument("--tools", type=Path, help="folder of compose_traffic.py")
    ap.add_argument("--work", type=Path, default=WORK, help="where ordinary traffic is kept")
    ap.add_argument("--out", type=Path, required=True)
    args = ap.parse_args()
    changes = dict(change.split("=", 1) for change in args.set)
    base = args.base or ordinary_traffic(args.work, args.seed, args.data, args.tools)
    wanted = scenario(args.scenario, changes)
    compose(base, wanted, args.out, seed=args.seed, data=args.data, name=args.scenario)
    labels = pl.read_parquet(args.out / "labels.parquet")
    print(f"{args.out}: {len(labels)} accounts, {labels['stolen'].sum()} exchanges of the deck")


if __name__ == "__main__":
    main()
