"""One simulated month: how many households of each kind there are, and the campaigns among them."""

from gamekeeper.base.errors import UsageError
from gamekeeper.simulate.account_kinds import (
    Benchmarks,
    Household,
    SimulatedAccount,
    app,
    classroom,
    framework,
    office,
    person,
    redteam,
    reseller,
)
from gamekeeper.simulate.campaigns import PLANS, campaign
from gamekeeper.simulate.labelled_traffic import LabelledTraffic, book
from gamekeeper.simulate.pools import KeyPools, Relays
from gamekeeper.simulate.scene import Scene


def simulate(*, seed: int, days: int = 30, scale: float = 1.0) -> LabelledTraffic:
    """Simulates labelled traffic of a model API.

    Args:
        seed: Same seed, days and scale: same frames.
        days: Length of the traffic; at least 1.
        scale: Number of accounts over that of the standard month (about 1,600 accounts, 48,600
            exchanges). A campaign keeps at least 12 accounts, and every kind at least one
            household.

    Returns:
        The log and its labels.

    Raises:
        UsageError: `days` or `scale` is out of range.
    """
    if days < 1 or scale <= 0:
        raise UsageError(
            f"days must be at least 1 and scale above 0; found days={days}, scale={scale}"
        )
    scene = Scene.open(seed, days)
    accounts = _benign(scene, scale)
    for plan in PLANS:
        accounts += campaign(scene, plan, scale)
    # drawn last, so that the accounts of a seed stay what they were before there were pools
    accounts += _households(scene, scale, ((KeyPools(), 6), (Relays(), 2)))
    return book(accounts, scene.rng)


def _benign(scene: Scene, scale: float) -> list[SimulatedAccount]:
    households: tuple[tuple[Household, int], ...] = (
        (person, 920),
        (app, 60),
        (framework, 100),
        (office, 9),
        (classroom, 4),
        (Benchmarks(), 10),
        (reseller, 6),
        (redteam, 14),
    )
    return _households(scene, scale, households)


def _households(
    scene: Scene, scale: float, households: tuple[tuple[Household, int], ...]
) -> list[SimulatedAccount]:
    return [
        account
        for open_accounts, count in households
        for _ in range(max(1, round(count * scale)))
        for account in open_accounts(scene)
    ]
