"""Accounts behind which somebody deals requests: one product with several keys, and relays.

A key pool is one product whose requests a router spreads over the keys of one customer, so that the
limits of a single key do not hold it up. A relay sells access: its accounts each carry many people,
and its software gives a new conversation to the account that was idle longest. Neither copies the
model, and both look coordinated. The owner is declared in some, as a log may or may not hold it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Literal

import numpy as np

from gamekeeper.simulate import lexicon
from gamekeeper.simulate.account_kinds import SimulatedAccount
from gamekeeper.simulate.arrivals import IntArray, burst_starts, unfold
from gamekeeper.simulate.network import Network
from gamekeeper.simulate.scene import Scene
from gamekeeper.simulate.voices import Customers, Person

Router = Literal["request", "conversation", "round-robin"]
ROUTERS: tuple[Router, ...] = ("request", "conversation", "round-robin")
"""What a router gives the next key to: each request or conversation at random, or requests in
turn.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pooled:
    """What one pool sends, before it is spread over accounts."""

    kind: str
    times: np.ndarray
    turns: IntArray
    prompts: Sequence[str]
    models: Sequence[str]
    system: str | None
    owner: str | None


class KeyPools:
    """The key pools of one simulation; routers, and whether the owner is declared, take turns."""

    def __init__(self) -> None:
        # six in all: each router with and without a declared owner
        self._variants = cycle(zip(ROUTERS * 2, (True, False) * 3, strict=True))

    def __call__(self, scene: Scene) -> list[SimulatedAccount]:
        """Draws the accounts of one product: its keys, with one card, address and client."""
        router, declared = next(self._variants)
        return key_pool(scene, router, declared=declared)


class Relays:
    """The relays of one simulation; every second one declares its owner."""

    def __init__(self) -> None:
        self._declared = cycle([True, False])

    def __call__(self, scene: Scene) -> list[SimulatedAccount]:
        """Draws the accounts of one relay."""
        return relay(scene, declared=next(self._declared))


def key_pool(scene: Scene, router: Router, *, declared: bool) -> list[SimulatedAccount]:
    """Draws the accounts of one product behind several keys of one customer.

    Args:
        scene: What all accounts share.
        router: What the next key is given to.
        declared: Whether the log says who owns the keys.
    """
    keys = int(scene.rng.integers(10, 16))
    turns = scene.split(scene.size(50 * keys, 0.3, 25 * keys, 90 * keys), ends=0.8)
    voice = Customers(lexicon.draw_language(scene.dice), scene.dice)
    starts = np.sort(burst_starts(scene.rng, len(turns), scene.days))
    times = unfold(scene.rng, starts, turns, scene.days)
    pooled = _Pooled(
        kind="key-pool",
        times=times,
        turns=turns,
        prompts=[text for n in turns for text in voice.conversation(int(n))],
        models=scene.habitual_models(times),
        system=voice.system,
        owner=_owner(scene) if declared else None,
    )
    return _spread(pooled, _routed(scene, router, turns, keys), [scene.internet.join()] * keys)


def relay(scene: Scene, *, declared: bool) -> list[SimulatedAccount]:
    """Draws the accounts of a relay, each with a card and an address of its own.

    Args:
        scene: What all accounts share.
        declared: Whether the log says who owns the accounts.
    """
    accounts = int(scene.rng.integers(16, 28))
    turns = scene.split(scene.size(45 * accounts, 0.2, 20 * accounts, 70 * accounts))
    people = [
        Person(lexicon.draw_language(scene.dice), scene.dice) for _ in range(len(turns) // 4 + 1)
    ]
    who = scene.rng.integers(0, len(people), len(turns))
    starts = np.sort(burst_starts(scene.rng, len(turns), scene.days))
    times = unfold(scene.rng, starts, turns, scene.days)
    pooled = _Pooled(
        kind="relay",
        times=times,
        turns=turns,
        prompts=[
            text for i, n in zip(who, turns, strict=True) for text in people[i].conversation(int(n))
        ],
        models=scene.habitual_models(times),
        system=None,
        owner=_owner(scene) if declared else None,
    )
    software = scene.internet.join().client
    networks = [replace(scene.internet.join(), client=software) for _ in range(accounts)]
    return _spread(pooled, _idle_longest(times, turns, accounts), networks)


def _owner(scene: Scene) -> str:
    return f"org-{scene.rng.integers(10**9):09d}"


def _routed(scene: Scene, router: Router, turns: IntArray, keys: int) -> IntArray:
    """The key of each request, shape (sum(turns),)."""
    requests = int(turns.sum())
    if router == "conversation":
        return np.repeat(scene.rng.integers(0, keys, len(turns)), turns)
    if router == "round-robin":
        return np.arange(requests) % keys
    return scene.rng.integers(0, keys, requests)


def _idle_longest(times: np.ndarray, turns: IntArray, accounts: int) -> IntArray:
    """The account of each request: a conversation goes to the one whose last request is oldest."""
    last = np.full(accounts, -np.inf)
    ends = np.cumsum(turns)
    chosen = np.zeros(len(turns), np.int64)
    for number, end in enumerate(ends):
        chosen[number] = int(last.argmin())
        last[chosen[number]] = times[end - 1]
    return np.repeat(chosen, turns)


def _spread(
    pooled: _Pooled, account: IntArray, networks: Sequence[Network]
) -> list[SimulatedAccount]:
    """Each account's share of the requests; parts of a conversation stay in their order."""
    conversation = np.repeat(np.arange(len(pooled.turns)), pooled.turns)
    spread = []
    for number, network in enumerate(networks):
        own = np.flatnonzero(account == number).tolist()
        if not own:
            continue
        turns = np.unique(conversation[own], return_counts=True)[1].astype(np.int64)
        spread.append(
            SimulatedAccount(
                kind=pooled.kind,
                network=network,
                times=pooled.times[own],
                turns=turns,
                models=[pooled.models[i] for i in own],
                prompts=[pooled.prompts[i] for i in own],
                systems=[pooled.system] * len(own),
                output_tokens=70 if pooled.kind == "key-pool" else 180,
                temperature=None,
                owner=pooled.owner,
            )
        )
    return spread
