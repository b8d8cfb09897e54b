"""TOML text -> policy; all faults at once, each with its line. A guard whose policy has a fault
does not start.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gamekeeper.base.errors import Fault, InputError
from gamekeeper.guard.policy.model import GuardPolicy

EXAMPLE = """\
format = "gamekeeper/policy@1"
enforce = false              # dry run: verdicts are recorded, nothing is done

[identity]
modes = ["keys", "upstream"] # keys of ours, and credentials that the upstream checks itself

[ladder]
highest = "limit"            # the most that the guard decides by itself

[ladder.slow]
requests_per_minute = 6

[watch]
every_s = 300
"""
"""A policy to begin with."""

_HEADER = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?")
_NAME = re.compile(r""""[^"]*"|'[^']*'|[^.\s]+""")
_KEY = re.compile(r"""^\s*("[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*[^=]+)?\s*=""")


def read_policy(path: str | Path) -> GuardPolicy:
    """Reads a policy file.

    Raises:
        InputError: It cannot be read, or has faults; all of them together, each with its line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            [_fault(str(path), "cannot be read", str(error), "a TOML file, UTF-8")]
        ) from error
    return parse_policy(text, str(path))


def parse_policy(text: str, where: str = "policy") -> GuardPolicy:
    """Parses a policy; `where` names it in messages. Raises as `read_policy`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise InputError(
            [_fault(f"{where}:{line[1] if line else 1}", "not TOML", str(error), "TOML")]
        ) from error
    try:
        return GuardPolicy.model_validate(_frozen(document))
    except ValidationError as error:
        raise InputError([_fault_of(e, text, where) for e in error.errors()]) from error


def _frozen(value: Any) -> Any:
    """Lists as tuples: what is parsed strictly is frozen too."""
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _fault_of(error: Any, text: str, where: str) -> Fault:
    place = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        known = _known(error["loc"][:-1])
        problem = f"{place}: the setting does not exist"
        expected = f"one of {', '.join(known)}" if known else "nothing"
    else:
        problem = f"{place}: not a valid value of this setting"
        expected = error["msg"].removeprefix("Value error, ")
    return _fault(
        f"{where}:{line_of(text, error['loc'])}", problem, repr(error["input"])[:80], expected
    )


def _known(parents: tuple[Any, ...]) -> list[str]:
    """Settings of the table that a path of names leads to."""
    part: Any = GuardPolicy
    for name in parents:
        field = getattr(part, "model_fields", {}).get(name)
        if field is not None:
            part = field.annotation
    return list(getattr(part, "model_fields", {}))


def line_of(text: str, place: tuple[Any, ...]) -> int:
    """Line (from 1) of the setting that a path of names and indices leads to; of its table if it is
    not there.
    """
    names = [str(p) for p in place]
    best = 0
    line = 1
    table: list[str] = []
    seen: dict[str, int] = {}
    for number, content in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(content):
            table = _names(header[1])
            if content.lstrip().startswith("[["):
                seen[header[1]] = seen.get(header[1], -1) + 1
                table.append(str(seen[header[1]]))
            here = table
        elif _KEY.match(content):
            here = [*table, *_names(content.split("=", 1)[0])]
        else:
            continue
        common = len(here) if names[: len(here)] == here else 0
        if common > best:
            best = common
            line = number
    return line


def _names(dotted: str) -> list[str]:
    """The names of a dotted key; those in quotes may hold dots themselves."""
    return [name.strip("\"'") for name in _NAME.findall(dotted)]


def _fault(where: str, problem: str, found: str, expected: str) -> Fault:
    return Fault(
        where=where,
        problem=problem,
        found=found,
        expected=expected,
        try_="see docs/reference/policy.md",
    )
