"""Fields of a record that may hold what is missing, for messages: none is read without being asked.

A field may hold the time if it is called like one and its value is one; the account if it is called
like one and no client chooses it; the prompt if it holds messages, or text under a usual name.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from gamekeeper.exchange.messages import prompt_of
from gamekeeper.exchange.paths import every_path
from gamekeeper.exchange.principals import claimed_by_client
from gamekeeper.exchange.times import TimeReader

_SHOWN = 3
_TIME = re.compile(r"time|date|stamp|created|started|^ts$|_at$|At$", re.IGNORECASE)
_ACCOUNT = re.compile(
    r"key|account|user|tenant|team|customer|client|org|principal|caller|subject|^sub$|^who$|owner"
    r"|consumer|project",
    re.IGNORECASE,
)
_NO_ACCOUNT = re.compile(r"agent|version|name_?space|monkey|keyword|type|status", re.IGNORECASE)
_PROMPT = re.compile(
    r"prompt|question|query|quer|input|text|content|message|ask|request|body|^q$|frage|utterance",
    re.IGNORECASE,
)
_LONGEST_NAME = 200


def candidates(record: Mapping[str, Any], column: str) -> list[str]:
    """Returns the paths of a record that may hold a column, at most three, the shortest first.

    Args:
        record: As the log has it.
        column: `time`, `account` or `prompt`; nothing is known of others.
    """
    may_hold = _MAY_HOLD.get(column)
    if may_hold is None:
        return []
    found = [path for path, value in every_path(record) if may_hold(_last(path), path, value)]
    return sorted(found, key=lambda path: (path.count("."), len(path), path))[:_SHOWN]


def with_candidates(try_: str, record: Mapping[str, Any], column: str) -> str:
    """Returns a remedy, with the fields that it may be about."""
    found = candidates(record, column)
    if not found:
        return try_
    named = " or ".join(f"--{column}-field {path}" for path in found)
    return f"{named}, if that is it; else {try_}"


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _may_be_time(name: str, path: str, value: Any) -> bool:
    if not _TIME.search(name) or isinstance(value, list | bool):
        return False
    times = TimeReader("UTC").read([value])
    return times.times.null_count() == 0


def _may_be_account(name: str, path: str, value: Any) -> bool:
    is_name = isinstance(value, str | int) and not isinstance(value, bool)
    is_called_so = _ACCOUNT.search(name) is not None and _NO_ACCOUNT.search(name) is None
    if not (is_name and is_called_so) or claimed_by_client(path):
        return False
    return 0 < len(str(value)) <= _LONGEST_NAME


def _may_be_prompt(name: str, path: str, value: Any) -> bool:
    if isinstance(value, list | dict):
        return prompt_of(value).get("prompt") is not None
    return isinstance(value, str) and bool(value.strip()) and _PROMPT.search(name) is not None


_MAY_HOLD: dict[str, Callable[[str, str, Any], bool]] = {
    "time": _may_be_time,
    "account": _may_be_account,
    "prompt": _may_be_prompt,
}
