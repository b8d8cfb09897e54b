"""Text: UTF-8 without NUL. JSON is parsed, and models that are text are recognised by it.

A text is harmless unless somebody unpickles it, which pickles of protocol 0, all text, allow. The
name decides what loaders do with a file: a text that has a text's name is one, a text with no name
that is known is refused if it parses as a pickle that calls something, and one with a pickle's name
if it parses as a pickle that imports something.
"""

import codecs
import json
import pickletools
import re
from pathlib import PurePosixPath
from typing import Any

import orjson

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import (
    Recognised,
    is_named_as_pickle,
    stem_of,
    suffix_of,
)
from gamekeeper.sealing.artifacts.formats.code import code_in_json, code_in_name, code_in_yaml
from gamekeeper.sealing.contents import ContentsError

_WINDOW_BYTES = 1 << 20
_MAX_PARSED_BYTES = 1 << 28
_SUFFIXES = {
    *(".txt", ".md", ".rst", ".csv", ".tsv", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".xml"),
    *(".py", ".sh", ".js", ".c", ".h", ".cpp", ".html", ".css", ".svg", ".tex", ".bib", ".log"),
    *(".jinja", ".vocab", ".tiktoken", ".bpe", ".metadata", ".lock"),
    *(".gitattributes", ".gitignore", ".dockerignore"),
}
_NAMES = {"license", "readme", "notice", "vocab", "merges", "labels", "mlmodel"}
_JSON_LINES = {".jsonl", ".ndjson"}
_JSON = {".json", ".ipynb"}
_YAML = {".yaml", ".yml"}
_LIGHTGBM = re.compile(rb"tree\r?\nversion=v\d+\r?\n")
_PMML = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<PMML\b", re.DOTALL)
_START_BYTES = 1 << 14
_MAX_OPCODES = 1_000_000  # a text that is not a pickle has a wrong one much earlier
_NUL = re.compile(rb"\0")
_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_MARK = "MARK"
_MARKED_CALLS = {"INST", "OBJ"}
_IMPORTS = {"GLOBAL", "STACK_GLOBAL"}
_CALLS = {"REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD", "EXT1", "EXT2", "EXT4"}


def recognise_text(data: ByteSource, path: str) -> Recognised | None:
    """Recognises text, JSON, and models that are written as text.

    Raises:
        ContentsError: It is a pickle of protocol 0.
    """
    if not is_text(data, _NUL if _has_text_name(path) else _CONTROLS):
        return None
    suffix = suffix_of(path)
    start = data.read(0, _START_BYTES)
    if suffix in _JSON or (start.startswith(b"{") and not _has_text_name(path)):
        document = _json_or_none(data)
        if document is not None:
            return _recognised_json(document[0], suffix)
    if _LIGHTGBM.match(start):
        return Recognised(name="LightGBM", is_model=True)
    if _PMML.match(start):
        return Recognised(name="PMML", is_model=True)
    if not _has_text_name(path) and _is_pickle(data, _opcodes_that_count(path)):
        raise ContentsError("a pickle of protocol 0, which is text", "unpickled")
    code = code_in_name(suffix)
    if suffix in _YAML or stem_of(path) == "mlmodel":
        code += code_in_yaml(_whole(data))
    return Recognised(name="text", code=code)


def is_text(data: ByteSource, excluded: re.Pattern[bytes] = _CONTROLS) -> bool:
    """Returns whether a file is UTF-8 without some characters; it is read to its end if it is.

    Args:
        data: The file.
        excluded: Matches the characters. Vocabularies can have any but NUL.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, data.size, _WINDOW_BYTES):
            window = data.read(at, _WINDOW_BYTES)
            decoder.decode(window)
            if excluded.search(window):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def parsed_json(text: bytes) -> Any:
    """Returns the value of a text of JSON; NaN and Infinity, which Python writes, are read too.

    Raises:
        ContentsError: It is not JSON.
    """
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ContentsError("a text that is not JSON") from None


def _json_or_none(data: ByteSource) -> tuple[Any] | None:
    try:
        return (parsed_json(_whole(data)),)
    except ContentsError as error:
        if error.reason == "unknown":
            raise
        return None  # JSON with comments, or lines of JSON: a text like others


def _recognised_json(document: Any, suffix: str) -> Recognised:
    keys = set(document) if isinstance(document, dict) else set()
    code = (*code_in_name(suffix), *code_in_json(document))
    if {"learner", "version"} <= keys:
        return Recognised(name="XGBoost", is_model=True, code=code)
    if "oblivious_trees" in keys:
        return Recognised(name="CatBoost", is_model=True, code=code)
    return Recognised(name="JSON", code=code)


def _has_text_name(path: str) -> bool:
    name = PurePosixPath(path).name.lower()
    return name in _NAMES or bool({name, suffix_of(path)} & (_SUFFIXES | _JSON_LINES))


def _opcodes_that_count(path: str) -> set[str]:
    return _CALLS | _IMPORTS if is_named_as_pickle(path) else _CALLS


def _is_pickle(data: ByteSource, counted: set[str]) -> bool:
    """Returns whether a text parses as a pickle up to an opcode that counts.

    What follows does not matter: the code has run by then, also if the rest is broken.
    """
    has_mark = False
    try:
        for number, (code, _, _) in enumerate(pickletools.genops(_whole(data))):
            has_mark = has_mark or code.name == _MARK
            is_call = code.name in counted or (has_mark and code.name in _MARKED_CALLS)
            if is_call or number == _MAX_OPCODES:
                return True
            if code.name == "STOP":
                return False
    except (ValueError, UnicodeDecodeError, OverflowError, IndexError):
        pass
    return False


def _whole(data: ByteSource) -> bytes:
    if data.size > _MAX_PARSED_BYTES:
        raise ContentsError(f"a text of {data.size:,} bytes is not parsed", "unknown")
    return data.read(0, data.size)
