"""Hard budgets of a key, a day each: requests, tokens, money, and new ground.

A budget of new ground is the one that counts against copying: dollars and tokens do not tell ten
thousand different questions from one asked ten thousand times. It is counted by the linking
process, so that a key may overdraw it by what it asks within a second or two.

Source of counting ground: Dubinski et al., Bucks for Buckets (B4B), NeurIPS 2023.
"""

from gamekeeper.guard.decisions.ladder import Refusal
from gamekeeper.guard.identity import Budget
from gamekeeper.guard.store import Spent

_DAY_S = 86_400


_BUSY_S = 2
"""When to ask again where requests under way hold the rest of a budget."""


def refused_by(budget: Budget, spent: Spent, held: Spent, now: float) -> Refusal | None:
    """Returns a refusal if any budget is used up, or is held by requests under way.

    Args:
        budget: Of the credential.
        spent: By the account today.
        held: For its requests that are under way.
        now: Epoch seconds.
    """
    refusal = overdrawn(budget, spent.plus(held), now)
    if refusal is None or overdrawn(budget, spent, now) is not None:
        return refusal
    message = (
        "what is left of this key's budget for the day is held by requests under way;"
        " ask again when they are answered"
    )
    retry = (("retry-after", str(_BUSY_S)),)
    return Refusal(status=429, code="budget", message=message, headers=retry)


def overdrawn(budget: Budget, spent: Spent, now: float) -> Refusal | None:
    """Returns a refusal if any budget is used up; days begin at midnight, UTC."""
    for name, has, allowed in (
        ("requests", spent.requests, budget.requests),
        ("tokens", spent.tokens, budget.tokens),
        ("usd", spent.micro_usd / 1e6, budget.usd),
        ("new ground", spent.cells, budget.cells),
    ):
        if allowed is not None and has >= allowed:
            retry = (("retry-after", str(int(_DAY_S - now % _DAY_S) + 1)),)
            message = f"this key's budget of {name} for the day is used up: {allowed:g}"
            return Refusal(status=429, code="budget", message=message, headers=retry)
    return None
