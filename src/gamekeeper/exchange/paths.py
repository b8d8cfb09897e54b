"""Where a field is in a record: `auth.key_id`, `meta.team` through JSON text, `msgs.0.content`."""

from collections.abc import Mapping
from typing import Any


def dig(record: Mapping[str, Any], path: str) -> Any:
    """Returns the value at a path, None where it leads nowhere; keys that hold dots come first."""
    if path in record:
        return record[path]
    value: Any = record
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value
