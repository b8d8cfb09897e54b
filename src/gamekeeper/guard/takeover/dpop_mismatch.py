"""A bound credential came without its sender's key: somebody has the credential and not the key."""

from gamekeeper.guard.takeover.card import Card, Reading

CARD = Card(
    name="dpop-mismatch",
    purpose=(
        "A bound credential without a proof, or with a proof by another key, for another request or"
        " address."
    ),
    unit="proofs that do not fit",
    needs=("a credential bound to its sender (RFC 9449)",),
    look_alikes=(
        "the owner's own program without proofs, a client that lost its key, a proxy that rewrites"
        " addresses"
    ),
    evasions="stealing the client's key as well, which may lie in hardware",
    source="RFC 9449, sections 4.3 and 7.2; deterministic",
    innocent="a program of the owner's that does not send proofs yet, or lost its key",
    maturity="stable",
)


def read() -> Reading:
    """Returns the reading of a refused proof."""
    says = "a bound credential was presented without a proof of the key that it is bound to"
    return Reading(signal=CARD.name, says=says, suffices=True)
