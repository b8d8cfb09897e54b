"""Text: UTF-8 without NUL. JSON is parsed, and models that are text are recognised by it.

A text is harmless unless somebody unpickles it, which pickles of protocol 0, all text, allow. The
name decides what loaders do with a file: a text that has a text's name is one, and one with no name
that is known is refused if an unpickler could reach a call in it. A file with the name of a pickle
or of another format is never text.
"""

import codecs
import json
import re
from pathlib import PurePosixPath
from typing import Any

import orjson

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import (
    Recognised,
    stem_of,
    suffix_of,
)
from gamekeeper.sealing.artifacts.formats.code import code_in_json, code_in_name, code_in_yaml
from gamekeeper.sealing.artifacts.formats.pickles import calls_something
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
_NEVER = re.compile(rb"(?!)")
_NUL = re.compile(rb"\0")
_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def recognise_text(data: ByteSource, path: str) -> Recognised | None:
    """Recognises text, JSON, and models that are written as text.

    Raises:
        ContentsError: It is a pickle of protocol 0.
    """
    if not _is_text_of_its_name(data, path):
        return None
    model = recognise_text_model(data, path)
    if model:
        return model
    suffix = suffix_of(path)
    document = _document_or_none(data, path)
    if document is not None:
        return Recognised(name="JSON", code=(*code_in_name(suffix), *code_in_json(document[0])))
    if not has_text_name(path) and calls_something(data):
        raise ContentsError("a pickle of protocol 0, which is text", "unpickled")
    code = code_in_name(suffix)
    if suffix in _YAML or stem_of(path) == "mlmodel":
        code += code_in_yaml(_as_utf_8(data))
    return Recognised(name="text", code=code)


def recognise_text_model(data: ByteSource, path: str) -> Recognised | None:
    """Recognises a model that is written as text; no unpickler gets beyond its first byte.

    Raises:
        ContentsError: It is too large to be parsed.
    """
    start = data.read(0, _START_BYTES)
    if _LIGHTGBM.match(start) and is_text(data):
        return Recognised(name="LightGBM", is_model=True)
    if _PMML.match(start) and is_text(data):
        return Recognised(name="PMML", is_model=True)
    document = _document_or_none(data, path) if start.startswith(b"{") else None
    name = _model_of(document[0]) if document else ""
    if document is None or not name:
        return None
    code = (*code_in_name(suffix_of(path)), *code_in_json(document[0]))
    return Recognised(name=name, is_model=True, code=code)


def is_text(
    data: ByteSource, excluded: re.Pattern[bytes] = _CONTROLS, encoding: str = "utf-8"
) -> bool:
    """Returns whether a file is text without some characters; it is read to its end if it is.

    Args:
        data: The file.
        excluded: Matches the characters. Vocabularies can have any but NUL.
        encoding: Its encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
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


def _document_or_none(data: ByteSource, path: str) -> tuple[Any] | None:
    """Returns the value of a file of JSON, in a tuple, since None is a value."""
    is_json = suffix_of(path) in _JSON or data.read(0, 1) == b"{"
    if not is_json or (has_text_name(path) and suffix_of(path) not in _JSON):
        return None
    try:
        return (parsed_json(_whole(data)),)
    except ContentsError as error:
        if error.reason == "unknown":
            raise
        return None  # JSON with comments, or lines of JSON: a text like others


def _model_of(document: Any) -> str:
    """Returns whose model a document is; empty if it is not a model."""
    keys = set(document) if isinstance(document, dict) else set()
    if {"learner", "version"} <= keys:
        return "XGBoost"
    return "CatBoost" if "oblivious_trees" in keys else ""


def _is_text_of_its_name(data: ByteSource, path: str) -> bool:
    """Returns whether a file is text: UTF-8, and UTF-16 or an encoding of single bytes only if its
    name says that it is text.
    """
    if not has_text_name(path):
        return is_text(data)
    if data.read(0, 2) in _UTF_16:
        return is_text(data, _NEVER, "utf-16")
    return is_text(data, _NUL) or is_text(data, _CONTROLS, "latin-1")


def has_text_name(path: str) -> bool:
    """Returns whether a file of this name is text to everyone."""
    name = PurePosixPath(path).name.lower()
    return name in _NAMES or bool({name, suffix_of(path)} & (_SUFFIXES | _JSON_LINES))


def _as_utf_8(data: ByteSource) -> bytes:
    text = _whole(data)
    is_utf_16 = text[:2] in _UTF_16
    return text.decode("utf-16", "replace").encode() if is_utf_16 else text


def _whole(data: ByteSource) -> bytes:
    if data.size > _MAX_PARSED_BYTES:
        raise ContentsError(f"a text of {data.size:,} bytes is not parsed", "unknown")
    return data.read(0, data.size)
