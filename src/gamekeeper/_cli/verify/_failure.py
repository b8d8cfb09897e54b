"""What `--json` prints when something does not hold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gamekeeper.base.errors import Fault

_NAMES = ("where", "problem", "found", "expected", "try_", "count")


def failure(schema: str, faults: "Sequence[Fault]") -> dict[str, Any]:
    """Returns the document: all that is wrong."""
    told = [{name.rstrip("_"): getattr(fault, name) for name in _NAMES} for fault in faults]
    return {"schema": schema, "holds": False, "faults": told}
