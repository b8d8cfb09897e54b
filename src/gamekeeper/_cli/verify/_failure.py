"""What `--json` prints when something is not valid."""

from collections.abc import Sequence
from typing import Any

from gamekeeper.base.errors import Fault

_NAMES = ("where", "problem", "found", "expected", "try_", "count")


def failure(schema: str, faults: Sequence[Fault]) -> dict[str, Any]:
    """Returns the document: all that is wrong."""
    listed = [{name.rstrip("_"): getattr(fault, name) for name in _NAMES} for fault in faults]
    return {"schema": schema, "holds": False, "faults": listed}
