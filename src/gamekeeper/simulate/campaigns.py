"""Campaigns: accounts that harvest one deck of tasks together; each campaign hides in its own way.

A member sends tasks of the deck, which are assigned at random and never twice, among cover traffic:
whole conversations of ordinary people. Campaigns differ in language, demand, cover, infrastructure,
rhythm, and in how fast they move to a new model. Their plans are in `campaigns.toml`.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import numpy as np

from gamekeeper.simulate import decks, lexicon
from gamekeeper.simulate.account_kinds import SimulatedAccount
from gamekeeper.simulate.arrivals import (
    DAY_S,
    FloatArray,
    Starts,
    balanced_starts,
    burst_starts,
    session_starts,
    unfold,
)
from gamekeeper.simulate.network import Infra, Network
from gamekeeper.simulate.scene import NEW_MODEL, Scene
from gamekeeper.simulate.voices import Person

Arrival = Literal["person", "app", "balanced"]
ARRIVALS: Mapping[Arrival, Starts] = {
    "person": session_starts,
    "app": burst_starts,
    "balanced": balanced_starts,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPlan:
    """The plan of one campaign: what its accounts ask for, and how they hide.

    Args:
        name: As labelled.
        language: Language of the deck.
        deck: Rule of the tasks.
        accounts: Number of accounts at scale 1; at least 12 at any scale, unless it is a single
            account.
        per_account: Mean number of exchanges of an account.
        cover: Share of exchanges that are ordinary conversations, 0..1.
        infra: How much infrastructure the accounts share.
        arrival: Rhythm of an account.
        form: The demand that the tasks are wrapped in; see `decks.dress`.
        has_roles: Whether the system prompt holds a role, which varies over calls.
        pivots: Whether it moves to the new model within a day of its release.
        output_tokens: Median length of an answer, in tokens.
        temperature: As asked for.
    """

    name: str
    language: str
    deck: str
    accounts: int
    per_account: float
    cover: float
    infra: Infra
    arrival: Arrival = "person"
    form: str | None = None
    has_roles: bool = False
    pivots: bool = False
    output_tokens: float = 400.0
    temperature: float | None = None


def _read_plans() -> tuple[CampaignPlan, ...]:
    text = files("gamekeeper.simulate").joinpath("campaigns.toml").read_text(encoding="utf-8")
    return tuple(CampaignPlan(**fields) for fields in tomllib.loads(text)["campaign"])


PLANS = _read_plans()
"""The campaigns of a standard month, from `campaigns.toml`."""


def campaign(scene: Scene, plan: CampaignPlan, scale: float) -> list[SimulatedAccount]:
    """Draws the accounts of one campaign, which share only the deck and the infrastructure of
    `plan.infra`.
    """
    wanted = 1 if plan.accounts == 1 else max(12, round(plan.accounts * scale))
    sizes = np.maximum(scene.rng.poisson(plan.per_account, wanted), 3)
    stolen = scene.rng.binomial(sizes, 1 - plan.cover)
    tasks = _deal(scene, plan, int(stolen.sum()))
    hub = scene.internet.hub()
    return [
        _member(scene, plan, hub, [next(tasks) for _ in range(own)], int(size - own))
        for size, own in zip(sizes, stolen, strict=True)
    ]


def _deal(scene: Scene, plan: CampaignPlan, count: int) -> Iterator[str]:
    speech = lexicon.load(plan.language)
    tasks = decks.make_deck(speech, plan.deck, count, scene.dice)
    return iter(decks.dress(speech, plan.form, tasks, scene.dice) if plan.form else tasks)


def _member(
    scene: Scene, plan: CampaignPlan, hub: Network, tasks: list[str], cover: int
) -> SimulatedAccount:
    talks = _shuffled(scene, [[task] for task in tasks] + _cover(scene, cover))
    turns = np.array([len(talk) for talk in talks], np.int64)
    starts = np.sort(ARRIVALS[plan.arrival](scene.rng, len(talks), scene.days))
    times = unfold(scene.rng, starts, turns, scene.days)
    prompts = [text for talk in talks for text in talk]
    return SimulatedAccount(
        kind="campaign",
        campaign=plan.name,
        network=scene.internet.behind(hub, plan.infra),
        times=times,
        turns=turns,
        models=_models(scene, plan, times),
        prompts=prompts,
        systems=_roles(scene, plan, set(tasks), prompts),
        output_tokens=plan.output_tokens,
        temperature=plan.temperature,
    )


def _cover(scene: Scene, count: int) -> list[list[str]]:
    """Draws conversations of `count` messages in all, each by a different person, as resellers pass
    them on.
    """
    turns = scene.split(count).tolist() if count else []
    return [Person(lexicon.draw_language(scene.dice), scene.dice).conversation(n) for n in turns]


def _shuffled(scene: Scene, talks: list[list[str]]) -> list[list[str]]:
    return scene.dice.sample(talks, len(talks))


def _models(scene: Scene, plan: CampaignPlan, times: FloatArray) -> list[str]:
    if not plan.pivots:
        return scene.habitual_models(times)
    since = scene.release_s + scene.rng.uniform(0, DAY_S)
    moved = (times > since) & (scene.rng.random(len(times)) < 0.7)
    return [NEW_MODEL if new else "atlas-large" for new in moved]


def _roles(
    scene: Scene, plan: CampaignPlan, tasks: set[str], prompts: list[str]
) -> list[str | None]:
    if not plan.has_roles:
        return []
    speech = lexicon.load(plan.language).base
    return [speech.expand("{preamble}", scene.dice) if text in tasks else None for text in prompts]
