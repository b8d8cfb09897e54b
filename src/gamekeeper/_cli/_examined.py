"""What the verbs on sealed files say about files that were not examined, and about code."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gamekeeper.sealing.contents import Contents

_MOST_NAMED = 5
Allow = Annotated[
    list[str] | None,
    typer.Option(
        help="File in the model to accept although its format is not known and its owner did not"
        " name it; a path or pattern. Repeat."
    ),
]


def examined_json(contents: "Contents") -> dict[str, Any]:
    """Returns the fields for JSON output."""
    return {
        "allowed": list(contents.allowed),
        "code": [{"path": path, "what": what} for path, what in contents.code],
    }


def examined_lines(contents: "Contents") -> list[str]:
    """Returns the sentences for people; none if all files were examined and none has code."""
    lines = []
    if contents.allowed:
        count = len(contents.allowed)
        were = "1 file was" if count == 1 else f"{count:,} files were"
        lines.append(
            f"{were} allowed by name and not examined; loading may run code:"
            f" {_listed(contents.allowed)}"
        )
    if contents.code:
        found = [f"{path}: {what}" for path, what in contents.code]
        lines.append(f"a loader may run code of the model: {_listed(found)}")
    return lines


def _listed(names: "list[str] | tuple[str, ...]") -> str:
    from gamekeeper.sealing.shown import shown

    more = len(names) - _MOST_NAMED
    text = "; ".join(shown(name) for name in names[:_MOST_NAMED])
    return f"{text}; and {more:,} more" if more > 0 else text
