"""How text that strangers wrote is shown: one short line, in which no character can steer a
terminal.
"""

SHOWN_CHARACTERS = 300


def shown(text: str) -> str:
    """Returns the text in one line of printable ASCII, of at most `SHOWN_CHARACTERS` and three
    points.
    """
    line = (
        " ".join(text[: 2 * SHOWN_CHARACTERS].split()).encode("ascii", "backslashreplace").decode()
    )
    line = "".join(one if one.isprintable() else "?" for one in line)
    is_whole = len(line) <= SHOWN_CHARACTERS and len(text) <= 2 * SHOWN_CHARACTERS
    return line if is_whole else f"{line[:SHOWN_CHARACTERS]}..."
