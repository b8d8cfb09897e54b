"""How results are printed for machines."""

from typing import Any


def print_json(schema: str, fields: dict[str, Any]) -> None:
    """Prints an object under its schema, in ASCII: no character of a stranger's name may steer a
    terminal.
    """
    import json

    print(json.dumps({"schema": schema, **fields}, indent=2).replace("\x7f", "\\u007f"))
