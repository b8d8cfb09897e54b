"""What the verbs on encrypted input share."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from gamekeeper.base.errors import InputError, input_error

if TYPE_CHECKING:
    from gamekeeper.encrypted.compiled_model import CompiledModel

SCHEMA = "gamekeeper/he@1"
Packing = Literal["latency", "batched"]


def warnings(made: "CompiledModel") -> Iterator[str]:
    """What encryption does not protect, for one model."""
    rows = made.network.determining_rows
    yield (
        "Encryption does not stop extraction by queries: a client that receives f(x) can learn f"
        " from enough of it."
    )
    have = "answer has" if rows == 1 else "answers have"
    yield (
        f"  {made.description.name} has no more free parameters than {rows:,} {have} numbers:"
        f" so many rows may suffice to copy it"
    )
    yield (
        "Encrypted input cannot be inspected: signals of content see nothing, and no defence"
        " changes the scores."
    )
    yield (
        "So serve it under a hard budget for the life of each key: well below"
        f" {rows:,} {'row' if rows == 1 else 'rows'} for all keys of one person together."
    )
    yield "  (a copy that is merely good takes fewer: gamekeeper audit says how many)"


def unreadable(where: object, found: str, expected: str) -> InputError:
    """Returns the error for an input that cannot be used."""
    return input_error(where, "cannot be used", found, expected)
