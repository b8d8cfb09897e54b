"""SEAL's files, uncompressed: written by us around residues, read by us for theirs.

sealapi reads and writes paths only, so that each passes through a file in memory without a name. A
stranger's bytes never reach SEAL's parser: every field of a file but the residues and the galois
elements is ours.

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
    """Descriptor and path of a file that nobody else can open and that goes with the process,
    however it ends.

    Where the system has no files in memory, it is one in a folder that its owner alone reads.
    """
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("gamekeeper-he")
        try:
            yield file, f"/proc/self/fd/{file}"
        finally:
            os.close(file)
        return
    with tempfile.TemporaryDirectory(prefix="gamekeeper-he-") as folder:  # mode 0700
        file = os.open(path := f"{folder}/file", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            yield file, path
        finally:
            os.close(file)


def members(thing: Any) -> bytes:
    """Returns what SEAL saves of an object of its own, decompressed and without its head."""
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
    """Returns an object of SEAL's, filled from a file that we made."""
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
    """Returns a ciphertext as SEAL reads it; words as `cipher_words` gives them."""
    polynomials, primes, degree = words.shape
    return _CIPHER.pack(*parms_id, is_ntt, polynomials, degree, primes, scale, 1) + _words(words)


def plain_words(body: bytes) -> Words:
    """Returns the residues of a plaintext or secret key, flat."""
    return np.frombuffer(body, "<u8", offset=_PLAIN.size + _HEAD.size + 8).astype(np.uint64)


def plain_body(parms_id: Sequence[int], words: Words) -> bytes:
    """Returns a secret key as SEAL reads it."""
    return _PLAIN.pack(*parms_id, words.size, 1.0) + _words(words)


def keys_body(parms_id: Sequence[int], slots: int, keys: Mapping[int, Sequence[Words]]) -> bytes:
    """Returns keys for switching as SEAL reads them.

    Args:
        parms_id: Of the whole modulus.
        slots: Places that there are.
        keys: By place: an encryption for each digit, shape (2, primes, degree).
    """
    parts = [struct.pack("<4QQ", *parms_id, slots)]
    for place in range(slots):
        digits = keys.get(place, ())
        parts.append(struct.pack("<Q", len(digits)))
        parts += [_file(cipher_body(parms_id, words, 1.0, is_ntt=True)) for words in digits]
    return b"".join(parts)


def keys_words(body: bytes) -> dict[int, list[Words]]:
    """Returns what `keys_body` takes."""
    (slots,), at = struct.unpack_from("<Q", body, 32), 40
    found: dict[int, list[Words]] = {}
    for place in range(slots):
        (digits,), at = struct.unpack_from("<Q", body, at), at + 8
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
