"""How text that strangers wrote is shown in messages of this package."""

from gamekeeper.base.text import one_line

SHOWN_CHARACTERS = 300


def shown(text: str) -> str:
    """Returns the text on one line, cleaned, cut at `SHOWN_CHARACTERS`."""
    return one_line(text, SHOWN_CHARACTERS)
