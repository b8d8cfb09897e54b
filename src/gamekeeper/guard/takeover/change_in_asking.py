"""What is asked changed: the last day's queries are unlike the account's own history.

The signal that is tied to extraction: a thief asks for what he needs. It is measured in the linking
process, see `asking`, and by account, since exchanges are charged to accounts; it adds to what a
credential of the account did.
"""

from gamekeeper.guard.takeover.card import Card, Reading

CARD = Card(
    name="change-in-asking",
    purpose=(
        "The last day's queries lie further from the account's history than those of any earlier"
        " day."
    ),
    unit="squared distance of means; p by permutation of the account's own sittings",
    needs=("prompts or features", "6 earlier days with 8 exchanges each"),
    look_alikes="a new project, an evaluation, a service that takes on another customer",
    evasions=(
        "asking about the owner's subjects, or hiding the harvest among many such queries (costs"
        " queries)"
    ),
    source=(
        "two-sample test by distance of kernel means: Gretton et al., JMLR 2012, with blocks of"
        " time permuted; Juuti et al., PRADA, EuroS&P 2019 (the query distribution as what gives"
        " extraction away)"
    ),
    innocent="a new project, or an evaluation",
    maturity="experimental",
)


def read(p_value: float, says: str) -> Reading:
    """Returns the reading of what the linking process told."""
    return Reading(signal=CARD.name, says=f"{says} (p = {p_value:.3g})")
