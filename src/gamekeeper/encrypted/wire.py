"""The three messages between client and server; all lengths follow from the description.

    keys      "GKHEKEY1" | description(32) | bundle
    request   "GKHEASK1" | description(32) | keys(32) | rows u32 | ciphertext * parts
    answer    "GKHEANS1" | SHA-256 of the request(32) | rows u32 | scale f64 | (numbers | c1) *
              answers

`keys` in a request is the SHA-256 of the message `keys`. Numbers are little-endian; residues are
packed by `residues.pack`.
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

from gamekeeper.base.errors import input_error
from gamekeeper.base.secret import is_same_secret
from gamekeeper.encrypted.backend import Backend
from gamekeeper.encrypted.compiled_model import ModelDescription
from gamekeeper.encrypted.residues import Words, pack, unpack, width
from gamekeeper.encrypted.slot_layout import Layout

_KEYS = b"GKHEKEY1"
_REQUEST = b"GKHEASK1"
_ANSWER = b"GKHEANS1"
_KEYS_HEAD = struct.Struct("<8s32s")
_REQUEST_HEAD = struct.Struct("<8s32s32sI")
_ANSWER_HEAD = struct.Struct("<8s32sId")


class EncryptedRequest(NamedTuple):
    """A parsed request.

    Args:
        keys: Digest of the keys under which it is encrypted.
        rows: Number of rows that it requests and is charged.
        ciphers: Ciphertexts of its parts.
    """

    keys: bytes
    rows: int
    ciphers: tuple[bytes, ...]


def keys_message(description: ModelDescription, bundle: bytes) -> bytes:
    """Returns the message with a client's keys."""
    return _KEYS_HEAD.pack(_KEYS, description.digest) + bundle


def keys_bytes(description: ModelDescription, backend: Backend) -> int:
    """Returns the length of that message."""
    return _KEYS_HEAD.size + backend.bundle_bytes(description.layout.required_keys)


def read_keys_message(raw: bytes, description: ModelDescription, backend: Backend) -> bytes:
    """Returns the bundle in a message with keys.

    Raises:
        InputError: It is malformed, or for another description: parameters are not negotiated.
    """
    _require_length(raw, keys_bytes(description, backend), "keys")
    kind, digest = _KEYS_HEAD.unpack_from(raw)
    _require(kind == _KEYS, "keys", "another kind of message")
    _require_description(digest, description, "keys")
    return raw[_KEYS_HEAD.size :]


def request_message(
    description: ModelDescription, keys: bytes, rows: int, ciphers: Sequence[bytes]
) -> bytes:
    """Returns a request."""
    return _REQUEST_HEAD.pack(_REQUEST, description.digest, keys, rows) + b"".join(ciphers)


def request_bytes(layout: Layout, backend: Backend) -> int:
    """Returns the length of a request."""
    return _REQUEST_HEAD.size + layout.parts * backend.cipher_bytes


def read_request(raw: bytes, description: ModelDescription, backend: Backend) -> EncryptedRequest:
    """Reads an untrusted request.

    Raises:
        InputError: It is malformed, for another description, or for an invalid number of rows.
    """
    layout = description.layout
    size = backend.cipher_bytes
    _require_length(raw, request_bytes(layout, backend), "request")
    kind, digest, keys, rows = _REQUEST_HEAD.unpack_from(raw)
    _require(kind == _REQUEST, "request", "another kind of message")
    _require_description(digest, description, "request")
    layout.require_rows(rows)
    offsets = range(_REQUEST_HEAD.size, len(raw), size)
    return EncryptedRequest(keys, rows, tuple(raw[at : at + size] for at in offsets))


def answer_message(
    request: bytes, rows: int, scale: float, parts: Sequence[tuple[Words, Words]], q: int
) -> bytes:
    """Returns an answer; each part is a pair of numbers and c1."""
    head = _ANSWER_HEAD.pack(_ANSWER, hashlib.sha256(request).digest(), rows, scale)
    return head + b"".join(pack(words, q) for part in parts for words in part)


def read_answer(
    raw: bytes, request: bytes, rows: int, layout: Layout, degree: int, q: int
) -> tuple[float, list[tuple[Words, Words]]]:
    """Returns scale and parts of the answer to a request.

    Raises:
        InputError: It is malformed, or answers another request.
    """
    finished = layout.finished(rows)
    sizes = (finished * width(q), degree * width(q))
    _require_length(raw, _ANSWER_HEAD.size + layout.answers * sum(sizes), "answer")
    kind, digest, answered, scale = _ANSWER_HEAD.unpack_from(raw)
    _require(kind == _ANSWER, "answer", "another kind of message")
    is_ours = is_same_secret(digest, hashlib.sha256(request).digest()) and answered == rows
    _require(is_ours, "answer", "the answer to another request")
    _require(1 < scale < 2.0**200, "answer", f"a scale of {scale}")
    parts = []
    at = _ANSWER_HEAD.size
    for _ in range(layout.answers):
        numbers = unpack(raw[at : at + sizes[0]], q)
        at = at + sizes[0]
        c1 = unpack(raw[at : at + sizes[1]], q)
        at = at + sizes[1]
        if numbers is None or c1 is None:
            raise input_error(
                "answer", "invalid residues", "a number at or above the prime", "numbers below it"
            )
        parts.append((numbers, c1))
    return scale, parts


def keys_digest(message: bytes) -> bytes:
    """Returns the digest by which requests name a client's keys."""
    return hashlib.sha256(message).digest()


def _require_description(digest: bytes, description: ModelDescription, what: str) -> None:
    if not is_same_secret(digest, description.digest):
        found = digest.hex()[:16]
        expected = description.digest.hex()[:16]
        raise input_error(
            what,
            "for another description of the model",
            found,
            expected,
            "request the description again",
        )


def _require(holds: bool, what: str, found: str) -> None:
    if not holds:
        raise input_error(what, f"not a message {what}", found, f"a message {what} of gamekeeper")


def _require_length(raw: bytes, expected: int, what: str) -> None:
    if len(raw) != expected:
        raise input_error(
            what, "of another length", f"{len(raw):,} bytes", f"{expected:,} bytes for this model"
        )
