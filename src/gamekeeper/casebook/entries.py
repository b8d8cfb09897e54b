"""The lines of `entries.jsonl`: a header, then one entry in each line, in canonical form.

    {"created":"2026-11-02T00:30:00.000000Z","format":"gamekeeper/casebook@1","public_key":"<64 hex
    digits>"}
    {"body":{...},"index":1,"kind":"verdict","subject":"acct-7","time":"2026-11-02T00:30:01.250000Z"}

Keys are sorted, without spaces: if an entry could be written in two ways, it could have two leaves.
The leaf of a line is its bytes without the line feed. The header is leaf 0, so heads cover it too.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

import orjson

from gamekeeper.base.canonical import canonical_json, parse_object
from gamekeeper.base.errors import UsageError

FORMAT = "gamekeeper/casebook@1"
MAX_LINE_BYTES = 1 << 20
OWN_KINDS = "casebook."
_FIELDS = frozenset({"body", "index", "kind", "subject", "time"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CasebookHeader:
    """The first line of `entries.jsonl`.

    Args:
        public_key: Ed25519 public key of the writer, 64 hexadecimal digits.
        created: Time of creation, UTC, ISO 8601 with microseconds.
    """

    public_key: str
    created: str

    def to_line(self) -> bytes:
        """Returns the line in the file, without the line feed."""
        return canonical_json(
            {"created": self.created, "format": FORMAT, "public_key": self.public_key}
        )

    @classmethod
    def parse(cls, line: bytes) -> "CasebookHeader | None":
        """Returns the header in a line, or None if the line is not a header."""
        fields = parse_object(line)
        if fields is None or fields.get("format") != FORMAT:
            return None
        key = fields.get("public_key")
        created = fields.get("created")
        if not (isinstance(key, str) and _KEY.fullmatch(key) and is_time(created)):
            return None
        header = cls(public_key=key, created=created)
        return header if header.to_line() == line else None


def entry_line(index: int, time: str, kind: str, subject: str, body: Mapping[str, Any]) -> bytes:
    """Returns an entry as a line, without the line feed.

    Raises:
        UsageError: Writing and reading would not preserve the entry, or it is too long.
    """
    fields = {"body": dict(body), "index": index, "kind": kind, "subject": subject, "time": time}
    try:
        line = canonical_json(fields)
    except orjson.JSONEncodeError as error:
        raise UsageError(f'an entry of kind "{kind}" cannot be written as JSON: {error}') from None
    if b"null" in line:  # orjson writes null for NaN and infinities
        _require_finite(body, "body")
    if len(line) >= MAX_LINE_BYTES:
        raise UsageError(
            f'an entry of kind "{kind}" has {len(line)} bytes, the limit is {MAX_LINE_BYTES}: store'
            " long texts elsewhere and write their salted_digest"
        )
    return line


def entry_problem(line: bytes, index: int) -> tuple[str, str] | None:
    """Checks the line of entry `index`.

    Returns:
        What is wrong and what was expected; None if nothing is wrong.
    """
    fields = parse_object(line)
    if fields is None:
        return "the line is not JSON", "one JSON object"
    if fields.keys() != _FIELDS or not _are_typed(fields):
        return "the line is not an entry", "body, index, kind, subject and time"
    if fields["index"] != index:
        return "an entry is missing, out of order or inserted", f'"index":{index}'
    if canonical_json(fields) != line:
        return "the entry is not canonical JSON", "sorted keys, each once, no spaces"
    return None


def format_time(seconds: float) -> str:
    """Returns a time, in seconds since 1970, in UTC as ISO 8601 with microseconds."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def is_time(value: object) -> TypeGuard[str]:
    """Returns whether a value is a time in the form of `format_time`."""
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def _are_typed(fields: Mapping[str, Any]) -> bool:
    return (
        isinstance(fields["body"], dict)
        and type(fields["index"]) is int
        and isinstance(fields["kind"], str)
        and isinstance(fields["subject"], str)
        and is_time(fields["time"])
    )


def _require_finite(value: object, where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(
            f"{where} is {value}, which JSON lacks; write None for a value that was not measured"
        )
    if isinstance(value, Mapping):
        for key, one in value.items():
            _require_finite(one, f"{where}.{key}")
    if isinstance(value, list | tuple):
        for number, one in enumerate(value):
            _require_finite(one, f"{where}[{number}]")
