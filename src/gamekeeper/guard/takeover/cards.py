"""The cards of all signals of stolen keys."""

from gamekeeper.guard.takeover import (
    change_in_asking,
    dormant_wakes,
    dpop_mismatch,
    dpop_replay,
    far_places,
    new_hours,
    new_system,
    rate_jump,
)
from gamekeeper.guard.takeover.card import Card

CARDS: dict[str, Card] = {
    module.CARD.name: module.CARD
    for module in (
        new_system,
        far_places,
        dormant_wakes,
        rate_jump,
        new_hours,
        change_in_asking,
        dpop_mismatch,
        dpop_replay,
    )
}


def stolen_cards() -> tuple[Card, ...]:
    """Returns the cards of all signals of stolen keys."""
    return tuple(CARDS.values())
