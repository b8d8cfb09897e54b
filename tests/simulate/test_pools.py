"""Key pools and relays: who has which request, and what their accounts share."""

import numpy as np
import pytest

from gamekeeper.simulate.account_kinds import SimulatedAccount
from gamekeeper.simulate.pools import ROUTERS, KeyPools, Relays, Router, key_pool, relay
from gamekeeper.simulate.scene import Scene


def scene() -> Scene:
    return Scene.open(3, 20)


@pytest.mark.parametrize("router", ROUTERS)
def test_keys_of_a_product_share_card_and_address(router: Router) -> None:
    """And its system prompt; every key gets about as much."""
    keys = key_pool(scene(), router, declared=False)
    assert len({(k.network.ip, k.network.payment, k.systems[0]) for k in keys}) == 1
    assert len(keys) >= 10 and all(len(k.times) >= 15 for k in keys)
    require_sound(keys)


def test_router_by_conversation_keeps_a_conversation_with_one_key() -> None:
    """By request it is split."""
    whole = key_pool(scene(), "conversation", declared=False)
    split = key_pool(scene(), "request", declared=False)
    assert np.concatenate([k.turns for k in whole]).max() > 1
    assert (
        np.concatenate([k.turns for k in whole]).mean()
        > np.concatenate([k.turns for k in split]).mean()
    )


def test_round_robin_gives_every_key_the_same_number() -> None:
    """But for the last round."""
    counts = [len(k.times) for k in key_pool(scene(), "round-robin", declared=False)]
    assert max(counts) - min(counts) <= 1


def test_relay_deals_conversations_to_the_account_idle_longest() -> None:
    """Its accounts are paid for apart, use one client, and get conversations in turn."""
    accounts = relay(scene(), declared=False)
    require_sound(accounts)
    assert len({a.network.payment for a in accounts}) == len(accounts)
    assert len({a.network.client for a in accounts}) == 1
    counts = [len(a.turns) for a in accounts]
    assert max(counts) - min(counts) <= max(3, 0.1 * np.mean(counts))


def test_owners_are_declared_in_turn() -> None:
    """Each router with an owner and without; one owner for all accounts of a pool."""
    made = scene()
    pools = KeyPools()
    drawn = [pools(made) for _ in range(6)]
    owners = [{account.owner for account in pool} for pool in drawn]
    assert [owner == {None} for owner in owners] == [False, True] * 3
    assert all(len(owner) == 1 for owner in owners)
    relays = Relays()
    assert [relays(made)[0].owner is None for _ in range(2)] == [False, True]


def require_sound(accounts: list[SimulatedAccount]) -> None:
    """Times ascend in every conversation, and all sequences have one length."""
    for account in accounts:
        count = len(account.times)
        assert account.turns.sum() == count == len(account.prompts) == len(account.models)
        ends = np.cumsum(account.turns)[:-1]
        assert all((np.diff(part) >= 0).all() for part in np.split(account.times, ends))
