"""How a log is read, kept in a file, so that it need not be typed again.

    # app.toml
    format = "openai"
    timezone = "Europe/Berlin"
    time_format = "%d/%m/%Y %H:%M:%S"

    [fields]
    account = "auth.key_id"
    prompt = "messages.*.content"

The names are those of `ReadOptions`. What is given beside the file comes before what is in it.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit, urlunsplit

from gamekeeper.base.errors import Fault, InputError, UsageError, input_error
from gamekeeper.exchange.columns import SCHEMA
from gamekeeper.exchange.faults import excerpt
from gamekeeper.exchange.options import Calls, ReadOptions
from gamekeeper.exchange.times import require_time_format, require_zone
from gamekeeper.exchange.typed import REQUEST

_FIELDS = "fields"
_COLUMNS = (*SCHEMA, REQUEST)
_KEYS = tuple(ReadOptions.__dataclass_fields__)
_MAX_BYTES = 1 << 20
_WRITTEN = 'a file as `gamekeeper read --save-mapping` prints it: timezone = "UTC"'
_PASSWORD = re.compile(r"(?i)(^|[?&;\s])(?:password|passwd|pwd|token|secret)=[^&;\s]*[&;]?")
_AT_LINE = re.compile(r"at line (\d+)")


def read_mapping(path: Path) -> dict[str, Any]:
    """Returns the arguments of `ReadOptions` that a file holds.

    Args:
        path: A TOML file.

    Raises:
        InputError: The file cannot be read, or something in it is not an option; with all that is
            wrong.
    """
    text = _text(path)
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = _AT_LINE.search(str(error))
        where = f"{path}:{line[1]}" if line else path
        raise input_error(where, "the mapping is not TOML", str(error), _WRITTEN) from None
    faults = list(_faults(str(path), text, found))
    if faults:
        raise InputError(faults)
    return found


def write_mapping(options: ReadOptions) -> str:
    """Returns the file that `read_mapping` reads as `options`; what is as usual is left out.

    A password in the address of a database is not written.
    """
    usual = ReadOptions()
    lines = []
    for name in _KEYS:
        value = getattr(options, name)
        if name == _FIELDS or value == getattr(usual, name):
            continue
        lines.append(
            f"{name} = {_as_toml(_without_password(value) if name == 'database' else value)}"
        )
    if options.fields:
        lines += ["", f"[{_FIELDS}]"] if lines else [f"[{_FIELDS}]"]
        lines += [f"{column} = {_as_toml(path)}" for column, path in options.fields.items()]
    return "".join(f"{line}\n" for line in lines)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise input_error(path, "the mapping cannot be read", reason, _WRITTEN) from None
    if len(content) > _MAX_BYTES:
        raise input_error(path, "the mapping is too large", "more than 1 MiB", _WRITTEN)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise input_error(path, "the mapping is not UTF-8", str(error), _WRITTEN) from None


def _faults(file: str, text: str, found: dict[str, Any]) -> Iterator[Fault]:
    for name, value in found.items():
        where = f"{file}:{_line_of(text, name, None)}"
        if name not in _KEYS:
            yield _unknown(where, name, value, _KEYS)
        elif name == _FIELDS:
            yield from _field_faults(file, text, value)
        elif (expected := _CHECKS[name](value)) is not None:
            yield _wrong(where, name, value, expected)


def _field_faults(file: str, text: str, fields: Any) -> Iterator[Fault]:
    if not isinstance(fields, dict):
        where = f"{file}:{_line_of(text, _FIELDS, None)}"
        yield _wrong(where, _FIELDS, fields, '[fields], and below it lines as account = "key_id"')
        return
    for name, value in fields.items():
        where = f"{file}:{_line_of(text, name, _FIELDS)}"
        if name not in _COLUMNS:
            yield _unknown(where, name, value, _COLUMNS)
        elif not isinstance(value, str) or not value:
            yield _wrong(where, name, value, "the name of a field of the log, or a path to it")


def _unknown(where: str, name: str, value: Any, known: Collection[str]) -> Fault:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    # an account is often written above [fields]
    is_column = name in _COLUMNS and _FIELDS in known
    return Fault(
        where=where,
        problem=f'"{name}" is not known',
        found=f"{name} = {excerpt(value)}",
        expected=f"one of {', '.join(known)}",
        try_=f"{name} below [{_FIELDS}]" if is_column else ", ".join(near),
    )


def _wrong(where: str, name: str, value: Any, expected: str) -> Fault:
    return Fault(
        where=where,
        problem=f'"{name}" is not valid',
        found=f"{name} = {excerpt(value)}",
        expected=expected,
    )


def _line_of(text: str, name: str, section: str | None) -> int:
    """Returns the line, from 1, in which a name is given a value; 1 if that is not found."""
    inside: str | None = None
    key = re.compile(rf"""\s*["']?{re.escape(name)}["']?\s*[=.]""")
    dotted = re.compile(
        rf"""\s*{re.escape(section or "")}\s*\.\s*["']?{re.escape(name)}["']?\s*="""
    )
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+([^\]]+)\]", line)
        if header is not None:
            inside = header[1].strip(" \"'")
            if section is None and inside.split(".")[0] == name:
                return number
        elif (inside == section and key.match(line)) or (section and dotted.match(line)):
            return number
    return 1


def _text_fault(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "text"


def _format_fault(value: Any) -> str | None:
    from gamekeeper.exchange.formats import FORMATS

    known = ("auto", *FORMATS)
    return None if isinstance(value, str) and value in known else f"one of {', '.join(known)}"


def _share_fault(value: Any) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number and 0 <= value <= 1 else "a share of the rows, 0 to 1"


def _calls_fault(value: Any) -> str | None:
    known = get_args(Calls)
    return None if isinstance(value, str) and value in known else f"one of {', '.join(known)}"


def _accepted_by(require: Callable[[str | None], None]) -> Callable[[Any], str | None]:
    def fault(value: Any) -> str | None:
        if not isinstance(value, str):
            return "text"
        try:
            require(value)
        except UsageError as error:
            return str(error)
        return None

    return fault


_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "format": _format_fault,
    "timezone": _accepted_by(require_zone),
    "time_format": _accepted_by(require_time_format),
    "max_bad_rows": _share_fault,
    "calls": _calls_fault,
    "sql": _text_fault,
    "database": _text_fault,
}


def _as_toml(value: str | float) -> str:
    """Returns a value as TOML, whose texts are written as those of JSON, but for DEL."""
    plain = value.encode(errors="replace").decode() if isinstance(value, str) else value
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")


def _without_password(address: str) -> str:
    plain = _PASSWORD.sub(r"\1", address)
    try:
        parts = urlsplit(plain)
        if parts.password is None:
            return plain
    except ValueError:
        return plain
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{host}"))
