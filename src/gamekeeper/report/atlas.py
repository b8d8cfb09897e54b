"""What MITRE ATLAS calls what was found, so that a finding can be filed beside others.

A tag names a technique, not an intention: what an innocent explanation would look like is in the
report beside it.

Source: MITRE ATLAS, https://atlas.mitre.org, in the release of `RELEASE`; its case study AML.CS0056
    is the campaign of February 2026.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

RELEASE = "MITRE ATLAS 5.6.0, May 2026"


@dataclass(frozen=True, slots=True, kw_only=True)
class Technique:
    """A technique of ATLAS, and what in a campaign is an instance of it.

    Args:
        id: As ATLAS numbers it.
        name: As ATLAS calls it.
        family: The family of evidence that shows it; None: every campaign does.
    """

    id: str
    name: str
    family: str | None


TECHNIQUES = (
    Technique(id="AML.T0024.002", name="Extract AI Model", family=None),
    # one operator behind accounts that claim to be strangers, as resellers of access are
    Technique(id="AML.T0008.005", name="AI Service Proxies", family="schedule"),
    # machines that ask day and night
    Technique(id="AML.T0034.000", name="Excessive Queries", family="rhythm"),
)


def techniques(families: Collection[str]) -> list[Technique]:
    """Returns the techniques of a campaign against which `families` count."""
    return [each for each in TECHNIQUES if each.family is None or each.family in families]


def techniques_document(families: Collection[str]) -> dict[str, Any]:
    """Returns the techniques as JSON can hold them, with the release that they are of."""
    found = [{"id": each.id, "name": each.name} for each in techniques(families)]
    return {"release": RELEASE, "techniques": found}
