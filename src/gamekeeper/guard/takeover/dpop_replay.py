"""A proof came a second time: somebody reads along.

Libraries that repeat a request after a broken connection send the same proof again, from the same
system; such a reading counts as any other. From another system it is enough by itself.
"""

from gamekeeper.guard.takeover.card import Card, Reading

CARD = Card(
    name="dpop-replay",
    purpose="A proof of a bound credential that was used before.",
    unit="proofs used again",
    needs=("a credential bound to its sender (RFC 9449)",),
    look_alikes=(
        "a library that sends a request again with the same proof: from the same address and client"
    ),
    evasions="none with the proof alone; it counts once, for one request",
    source="RFC 9449, section 11.1; deterministic",
    innocent="a library that repeats requests without making a new proof",
    maturity="stable",
)


def read(is_same_system: bool) -> Reading:
    """Returns the reading of a proof that was used before.

    Args:
        is_same_system: Whether the credential's latest use was from the same address and client.
    """
    where = (
        "the system of its latest use" if is_same_system else "another system than its latest use"
    )
    return Reading(
        signal=CARD.name,
        says=f"a proof that was used before came again, from {where}",
        suffices=not is_same_system,
    )
