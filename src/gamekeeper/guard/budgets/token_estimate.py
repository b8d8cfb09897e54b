"""Estimates tokens where an upstream does not state them: what is not stated is never free.

    tokens = .19 letters + 1 digit + .75 punctuation + .26 words + .5 lines + ...

Characters are counted by class; UTF-8 shows a script by the first byte of a character. Letters that
no space or sign breaks for more than twelve (keys, base64) cost several times as much as others.
The weights are fitted to two real tokenizers on 17 sources of text, and were checked on 25 others:
docs/measurements/guard-load.md, "Token estimates".

What is not text counts a constant each, whatever its bytes: an image, a piece of audio, a file.
"""

import re
from typing import Any

import orjson

from gamekeeper.guard.routes import Json
from gamekeeper.guard.routes.query import Query

IMAGE_TOKENS = 1_000
"""An image: about 1,024 x 1,024 pixels at OpenAI and Anthropic."""
AUDIO_TOKENS = 1_000
"""A piece of audio: some 100 s at OpenAI."""
FILE_TOKENS = 4_000
"""A file: two pages of PDF at Anthropic."""
OPAQUE_TOKENS = 500
"""Reasoning that is sent back encrypted."""
UNSEEN_ANSWER_TOKENS = {"openai.images": 6_240, "openai.speech": 6_000}
"""Held for an answer that is not text, by its route, until it is settled: the largest picture of
gpt-image-1 (1,024 x 1,536 pixels, high quality); some five minutes of speech, which is what the
longest text that the API takes makes.
"""
MOST_HELD_TOKENS = 10_000_000
"""Held at most for each side of one request, whatever it asks for: more than any answer has."""
MESSAGE_TOKENS = 4
"""A message: its role and the marks around it."""

_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = b"0123456789"
_SPACES = b" \t\r\n\f\v"
_ASCII = bytes(range(128))
_LONGEST_WORD = 12
_LETTER = 0.19
_DIGIT = 1.0
_SIGN = 0.75
_WORD = 0.26
_LINE = 0.5
_UNBROKEN = 0.5

# Tokens a character, by the first bytes of its UTF-8.
_SCRIPTS = (
    (1.8, range(0xC2, 0xCC)),  # Latin beyond ASCII: breaks the word that it is in
    (1.15, range(0xCC, 0xD0)),  # Greek
    (0.52, range(0xD0, 0xD5)),  # Cyrillic
    (0.93, range(0xD5, 0xE0)),  # Armenian, Hebrew, Arabic
    (1.25, range(0xE0, 0xE2)),  # India, Thailand; Latin with two marks
    (1.0, range(0xE2, 0xE3)),  # signs
    (1.15, range(0xE3, 0xEF)),  # China, Japan, Korea
    (2.2, range(0xEF, 0xF5)),  # wide forms, emoji, rare scripts
)
_SCRIPT_OF = bytes(
    next((at for at, (_, first) in enumerate(_SCRIPTS) if byte in first), len(_SCRIPTS))
    for byte in range(256)
)

_NUMBERS = (int, float)
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]*")
_LONG = 1_000  # characters

_SAMPLE = 1_024  # characters
_SAMPLES = 16

_NOT_READ = frozenset(
    {
        "cache_control",
        "call_id",
        "encoding_format",
        "id",
        "metadata",
        "model",
        "previous_response_id",
        "prompt_cache_key",
        "reasoning_effort",
        "role",
        "safety_identifier",
        "service_tier",
        "signature",
        "tool_call_id",
        "tool_use_id",
        "type",
        "user",
    }
)
"""Fields of a request whose text a model does not read."""
_SCHEMAS = frozenset({"format", "functions", "input_schema", "response_format", "tools"})
"""Fields of a request that a model reads as JSON, names of fields included."""
_MEDIA = frozenset(
    {"b64_json", "bytes", "data", "file_data", "file_id", "file_url", "image_url", "url"}
)
_OPAQUE = frozenset({"encrypted_content"})
_ANSWERED_MEDIA = frozenset({"b64_json", "data"})
_ARGUMENTS = frozenset({"arguments", "input"})
"""Fields of an answer that hold a call's arguments: the model wrote their names too."""
_NOT_WRITTEN = frozenset(
    {
        "created",
        "embedding",
        "encrypted_content",
        "event_id",
        "finish_reason",
        "id",
        "index",
        "instructions",
        "item_id",
        "logprobs",
        "metadata",
        "model",
        "native_finish_reason",
        "object",
        "obfuscation",
        "prompt_logprobs",
        "provider",
        "request_id",
        "role",
        "service_tier",
        "signature",
        "status",
        "stop_reason",
        "stop_sequence",
        "system_fingerprint",
        "call_id",
        "tools",
        "type",
        "usage",
    }
)
"""Fields of an answer whose text the model did not write, or that repeat the request."""


def estimate_tokens(text: str) -> int:
    """Returns about how many tokens a text has; of a long one, by a sample of it.

    Args:
        text: Any text; at least 1 token unless it is empty.
    """
    if len(text) <= _SAMPLE * _SAMPLES:
        return _tokens(text)
    apart = len(text) / _SAMPLES
    starts = (int(at * apart) for at in range(_SAMPLES))
    sample = "".join(text[start : start + _SAMPLE] for start in starts)
    return round(_tokens(sample) * len(text) / len(sample))


def estimate_input(body: Json, query: Query) -> int:
    """Returns about how many tokens a request's body has, at least 1.

    Args:
        body: As it goes to the upstream.
        query: What its route read; token ids are counted there.
    """
    text, others = _input(body, query)
    return max(1, text + others)


def estimate_text_input(body: Json, query: Query) -> int:
    """Returns the same without what is not text, whose real size may be far from its constant."""
    return _input(body, query)[0]


def _input(body: Json, query: Query) -> tuple[int, int]:
    texts: list[str] = []
    others = _read_by_model(body, texts)
    ids: int = getattr(query, "input_tokens", None) or 0
    return estimate_tokens("\n".join(texts)) + ids, others


def collect_written(document: Json, texts: list[str]) -> int:
    """Adds to `texts` what a model wrote in an answer, or in one event of a stream: content,
    reasoning, arguments of tools, wherever they are; returns the tokens of what is not text.

    A field that is not known counts: only what is known not to be the model's is left out.
    """
    others = 0
    left = [document]
    for inner in left:  # grows while it is read: no depth of nesting is too deep
        for name, value in inner.items():
            if not value or name in _NOT_WRITTEN:
                continue
            kind = type(value)
            if kind is str:
                if name in _ANSWERED_MEDIA or (len(value) > _LONG and _is_base64(value)):
                    others += _media(inner)
                else:
                    texts.append(value)
            elif kind is list:
                _sort_out(value, texts, left)
            elif kind is dict:
                if name in _ARGUMENTS:
                    texts.append(_as_json(value))
                else:
                    left.append(value)
    return others


def estimate_written(document: Json) -> int:
    """Returns about how many tokens a model wrote in an answer."""
    texts: list[str] = []
    others = collect_written(document, texts)
    return estimate_tokens("".join(texts)) + others


def _sort_out(values: list[Any], texts: list[str], left: list[Json]) -> None:
    """Takes a list's texts and objects; numbers are scores or a vector."""
    if _is_numbers(values):
        return
    for value in values:
        kind = type(value)
        if kind is dict:
            left.append(value)
        elif kind is str:
            texts.append(value)
        elif kind is list:
            left.append({"": value})


def estimate_bytes(size: int) -> int:
    """Returns about how many tokens so many bytes of an answer's JSON hold, where they cannot be
    read: a token for four bytes.
    """
    return -(-size // 4)


def _tokens(text: str) -> int:
    raw = text.encode("ascii", "ignore")
    wide = b"" if len(raw) == len(text) else text.encode("utf-8", "replace").translate(None, _ASCII)
    no_letters = raw.translate(None, _LETTERS)
    no_digits = no_letters.translate(None, _DIGITS)
    signs = len(no_digits.translate(None, _SPACES))
    letters = len(raw) - len(no_letters)
    lines = no_digits.count(b"\n")
    words = max(0, no_digits.count(b" ") - 2 * text.count("  "))  # spaces in a row are one token
    unbroken = max(0, letters - _LONGEST_WORD * (words + lines + signs + len(wide) + 1))
    total = (
        _LETTER * letters
        + _DIGIT * (len(no_letters) - len(no_digits))
        + _SIGN * signs
        + _WORD * words
        + _LINE * lines
        + _UNBROKEN * unbroken
        + _in_scripts(wide)
    )
    return max(round(total), bool(text))


def _in_scripts(wide: bytes) -> float:
    """Tokens of the characters beyond ASCII."""
    if not wide:
        return 0.0
    scripts = wide.translate(_SCRIPT_OF)
    return sum(weight * scripts.count(at) for at, (weight, _) in enumerate(_SCRIPTS))


def _read_by_model(body: Any, texts: list[str]) -> int:
    """Collects the texts that a model reads, and returns the tokens of all that is not text."""
    tokens = 0
    left: list[tuple[str, Any]] = [("", body)]
    while left:
        name, value = left.pop()
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif name in _SCHEMAS and value:
            texts.append(_as_json(value))
        elif kind is dict:
            tokens += MESSAGE_TOKENS if "role" in value else 0
            for inner, each in value.items():
                if inner in _OPAQUE and each:
                    tokens += OPAQUE_TOKENS
                elif type(each) is str and _is_media(inner, each, value):
                    tokens += _media(value)
                elif inner not in _NOT_READ:
                    left.append((inner, each))
        elif kind is list and not _is_numbers(value):
            left += [("", each) for each in value]
    return tokens


def _is_media(name: str, text: str, part: Json) -> bool:
    """Whether a field holds what is not text; only where no API reads text from it."""
    if name == "result":  # an image that a tool of the API's own made
        return len(text) > _LONG and _is_base64(text)
    return name in _MEDIA and part.get("type") != "text"


def _is_base64(text: str) -> bool:
    """Whether a long text is base64, by its beginning: no prose has a thousand such characters."""
    start = text.find(",", 0, _LONG) + 1 if text.startswith("data:") else 0
    return _BASE64.fullmatch(text, start, start + _LONG) is not None


def _media(part: Json) -> int:
    """Tokens of a part that is not text, by what it says of itself."""
    said = f"{part.get('type')} {part.get('media_type')} {part.get('format')} {part.get('url')}"
    hints = said[:200] + " ".join(part)
    if "audio" in hints or part.get("format") in ("wav", "mp3"):
        return AUDIO_TOKENS
    return FILE_TOKENS if "file" in hints or "pdf" in hints else IMAGE_TOKENS


def _is_numbers(values: list[Any]) -> bool:
    """Whether a list is numbers: token ids (counted by the route), features, a vector."""
    return bool(values) and type(values[0]) in _NUMBERS and type(values[-1]) in _NUMBERS


def _as_json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # nested too deeply to be written: no upstream gets it
        return str(value)
