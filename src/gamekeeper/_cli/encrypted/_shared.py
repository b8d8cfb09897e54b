"""What the verbs on encrypted input share."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from gamekeeper.base.errors import InputError
    from gamekeeper.encrypted.model import CompiledModel

SCHEMA = "gamekeeper/he@1"
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Nothing on standard error.")]
Debug = Annotated[bool, typer.Option("--debug", hidden=True)]
Packing = Literal["latency", "batched"]


def warnings(made: "CompiledModel") -> Iterator[str]:
    """What encryption does not do, said of one model."""
    rows = made.network.determining_rows
    yield (
        "Encryption does not stop extraction by queries: whoever is answered learns f(x), and with"
        " it f."
    )
    yield (
        f"  {made.description.name} has no more freedom than {rows:,} answers have numbers:"
        f" {rows:,} rows copy it"
    )
    if made.network.hidden == 0:
        inputs = made.network.inputs
        yield (
            f"  (a linear model with {inputs} inputs is determined by {inputs + 1:,} answers at"
            " most)"
        )
    yield (
        "What is encrypted cannot be looked at: signals of content are blind, and no defence"
        " touches the scores."
    )
    yield (
        f"So serve it under a hard budget a key for its life: well below {rows:,} rows, one"
        " person's keys together."
    )
    yield "  (a copy that is merely good takes fewer: gamekeeper audit says how many)"


def unreadable(where: object, found: str, expected: str) -> "InputError":
    """Returns the error of what cannot be used."""
    from gamekeeper.base.errors import Fault, InputError

    return InputError(
        [Fault(where=str(where), problem="cannot be used", found=found, expected=expected)]
    )
