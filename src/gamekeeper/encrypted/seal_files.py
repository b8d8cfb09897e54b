"""Converts between residues and the uncompressed files of SEAL.

sealapi reads and writes paths only, so each object passes through a file in memory without a name.
Untrusted bytes never reach SEAL's parser: we write all fields of a file ourselves, except for the
residues and the Galois elements.

    file       head(16) | members                 head: magic a15e, 16, version 4.3, compression, 0,
                                                  length of all
    words      head(16) | count u64 | u64 * count
    cipher     parms_id(32) | is_ntt u8 | polynomials u64 | degree u64 | primes u64 | scale f64 |
               correction u64 | words
    plain      parms_id(32) | count u64 | scale f64 | words
    keys       parms_id(32) | slots u64 | for each slot: digits u64 | file(cipher) * digits

Source: Microsoft SEAL 4.1, native/src/seal: serialization.h, ciphertext.cpp, plaintext.cpp,
    kswitchkeys.cpp.
"""

import os
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.base.files import write_at
from gamekeeper.base.zstd import ZstdDecompressor
from gamekeeper.encrypted.residues import Words

_HEAD = struct.Struct("<HBBBBHQ")
_MAGIC = 0xA15E
_VERSION = (4, 3)
_RAW = 0
_ZSTD = 2
_CIPHER = struct.Struct("<4QBQQQdQ")
_PLAIN = struct.Struct("<4QQd")


@contextmanager
def _nameless() -> Iterator[tuple[int, str]]:
    """Yields descriptor and path of a file that nobody else can open, and that disappears with the
    process, however it ends.

    On systems without files in memory it is a file in a folder that only its owner can read.
    """
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("gamekeeper-he")
        try:
            yield file, f"/proc/self/fd/{file}"
        finally:
            os.close(file)
        return
    with tempfile.TemporaryDirectory(prefix="gamekeeper-he-") as folder:  # mode 0700
        path = f"{folder}/file"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            yield file, path
        finally:
            os.close(file)


def members(thing: Any) -> bytes:
    """Returns the file that SEAL saves of one of its objects, decompressed and without its head."""
    with _nameless() as (file, path):
        thing.save(path)
        raw = os.pread(file, os.fstat(file).st_size, 0)
    magic, _, *version, compression, _, _ = _HEAD.unpack_from(raw)
    if magic != _MAGIC or tuple(version) != _VERSION:
        raise GamekeeperError(
            f"this SEAL writes files of version {version}, expected {_VERSION}: use tenseal 0.3.16+"
        )
    body = raw[_HEAD.size :]
    return ZstdDecompressor().decompress(body) if compression == _ZSTD else body


def loaded(thing: Any, context: Any, body: bytes) -> Any:
    """Loads a file that we made into one of SEAL's objects, and returns the object."""
    with _nameless() as (file, path):
        write_at(file, _file(body), 0)
        thing.load(context, path)
    return thing


def cipher_words(body: bytes) -> Words:
    """Returns the residues of a ciphertext or public key, shape (polynomials, primes, degree)."""
    *_, polynomials, degree, primes, _, _ = _CIPHER.unpack_from(body)
    words = np.frombuffer(body, "<u8", offset=_CIPHER.size + _HEAD.size + 8)
    return words.reshape(polynomials, primes, degree).astype(np.uint64)


def cipher_body(parms_id: Sequence[int], words: Words, scale: float, *, is_ntt: bool) -> bytes:
    """Returns a ciphertext in SEAL's format, from the words that `cipher_words` returns."""
    polynomials, primes, degree = words.shape
    return _CIPHER.pack(*parms_id, is_ntt, polynomials, degree, primes, scale, 1) + _words(words)


def plain_words(body: bytes) -> Words:
    """Returns the residues of a plaintext or secret key, flat."""
    return np.frombuffer(body, "<u8", offset=_PLAIN.size + _HEAD.size + 8).astype(np.uint64)


def plain_body(parms_id: Sequence[int], words: Words) -> bytes:
    """Returns a secret key in SEAL's format."""
    return _PLAIN.pack(*parms_id, words.size, 1.0) + _words(words)


def keys_body(parms_id: Sequence[int], slots: int, keys: Mapping[int, Sequence[Words]]) -> bytes:
    """Returns key-switching keys in SEAL's format.

    Args:
        parms_id: Identifier of the parameters with all primes.
        slots: Number of places for keys.
        keys: The keys by their place: an encryption for each digit, shape (2, primes, degree).
    """
    parts = [struct.pack("<4QQ", *parms_id, slots)]
    for place in range(slots):
        digits = keys.get(place, ())
        parts.append(struct.pack("<Q", len(digits)))
        parts += [_file(cipher_body(parms_id, words, 1.0, is_ntt=True)) for words in digits]
    return b"".join(parts)


def keys_words(body: bytes) -> dict[int, list[Words]]:
    """Returns the keys in a body that `keys_body` or SEAL wrote."""
    (slots,) = struct.unpack_from("<Q", body, 32)
    at = 40
    found: dict[int, list[Words]] = {}
    for place in range(slots):
        (digits,) = struct.unpack_from("<Q", body, at)
        at += 8
        for _ in range(digits):
            size = _HEAD.unpack_from(body, at)[-1]
            found.setdefault(place, []).append(cipher_words(body[at + _HEAD.size : at + size]))
            at += size
    return found


def _file(body: bytes) -> bytes:
    return _HEAD.pack(_MAGIC, _HEAD.size, *_VERSION, _RAW, 0, _HEAD.size + len(body)) + body


def _words(words: Words) -> bytes:
    data = np.ascontiguousarray(words, "<u8").tobytes()
    return _file(struct.pack("<Q", words.size) + data)
