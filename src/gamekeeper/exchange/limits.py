"""How much of an exchange is read and kept; light, so that the live path can use it too."""

from collections.abc import Sequence

MAX_PROMPT_CHARS = 65_536
"""Prompts are cut here: what follows changes no signal, and one of 10 MB weighs as much as
20,000.
"""

MAX_FEATURES = 16_384
"""Numbers of a row that are kept, as many as take about the room of a prompt."""


def cut_text(text: str | None) -> str | None:
    """Returns as much of a text as is kept."""
    return text if text is None else text[:MAX_PROMPT_CHARS]


def cut_features(row: Sequence[float]) -> Sequence[float]:
    """Returns as many of a row's numbers as are kept."""
    return row[:MAX_FEATURES]
