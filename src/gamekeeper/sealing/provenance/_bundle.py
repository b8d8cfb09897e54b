"""A signature file: a Sigstore bundle with a DSSE envelope around an in-toto statement, in JSON.

The library decides whether it holds. What is read here names the files in errors and chooses how
they are hashed, and bounds what the library is given.

Source: OpenSSF model signing specification 1.0; sigstore bundle 0.3; the older statement is that of
    model-signing 0.2.
"""

import binascii
import json
import os
import stat
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.sealing.shown import shown

MAX_BUNDLE_BYTES = 1 << 26  # some 200,000 files
PREDICATE = "https://model_signing/signature/v1.0"
OLD_PREDICATE = "https://model_signing/Digests/v0.1"
# as a statement names them, and as the library's configuration does, which knows no "blake2b"
_HASHES = {
    "files": {"sha256": "sha256", "blake2b": "blake2", "blake3": "blake3"},
    "shards": {"sha256": "sha256", "blake2b": "blake2"},
}
_MIN_SHARD_BYTES = 1 << 10
_EXPECTED = "a signature of OpenSSF model signing, a Sigstore bundle in JSON"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a signature says of a model.

    Args:
        model: What it calls the model.
        digests: Algorithm and hexadecimal digest of each file, or of each shard `file:start:end`.
        method: `files` or `shards`.
        hash_type: Of the digests, as the library's configuration names it: `sha256`, `blake2`,
            `blake3`.
        shard_bytes: Length of a shard; 0 for whole files.
        left_out: Paths that the signer left out.
        is_old: Whether it is in the format of model-signing 0.2.
    """

    model: str
    digests: Mapping[str, str]
    method: str
    hash_type: str
    shard_bytes: int
    left_out: tuple[str, ...]
    is_old: bool

    def path_of(self, name: str) -> str:
        """Returns the file that a name in `digests` is of."""
        return name.rsplit(":", 2)[0] if self.method == "shards" else name


def read_bundle(path: Path) -> tuple[bytes, Statement]:
    """Returns a signature file, and the statement in it, of which nothing is proved yet.

    Raises:
        InputError: It is missing, too long, or no bundle with such a statement.
    """
    content = _content(path)
    try:
        envelope = _json(content)["dsseEnvelope"]
        return content, _statement(_json(b64decode(envelope["payload"], validate=True)))
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        binascii.Error,
    ) as fault:
        raise no_bundle(path, fault) from None


def no_bundle(path: Path, fault: Exception) -> InputError:
    """Returns the error for a file that is no signature."""
    return input_error(
        path, "no signature of a model", shown(f"{type(fault).__name__}: {fault}"), _EXPECTED
    )


def _content(path: Path) -> bytes:
    try:
        # a pipe without a writer would else be waited for
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(file, "rb") as stream:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise input_error(path, "no signature of a model", "no regular file", _EXPECTED)
            content = stream.read(MAX_BUNDLE_BYTES + 1)
    except OSError as fault:
        raise input_error(
            path, "the signature cannot be read", fault.strerror or str(fault), _EXPECTED
        ) from None
    if len(content) > MAX_BUNDLE_BYTES:
        raise input_error(
            path, "the signature is too long", f"over {MAX_BUNDLE_BYTES:,} bytes", "a signature"
        )
    return content


def _json(content: bytes) -> Any:
    return json.loads(content, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _statement(document: Any) -> Statement:
    kind = document["predicateType"]
    if kind == OLD_PREDICATE:
        digests = _digests(
            (one["name"], "sha256", one["digest"]["sha256"]) for one in document["subject"]
        )
        how: dict[str, Any] = {"method": "files", "hash_type": "sha256"}
        return _described("", digests, how, is_old=True)
    if kind != PREDICATE:
        raise ValueError(f"a statement of the type {kind}")
    predicate = document["predicate"]
    digests = _digests(
        (one["name"], one["algorithm"], one["digest"]) for one in predicate["resources"]
    )
    return _described(
        _text(document["subject"][0]["name"]), digests, predicate["serialization"], is_old=False
    )


def _described(
    model: str, digests: Mapping[str, str], how: Mapping[str, Any], *, is_old: bool
) -> Statement:
    method = how["method"]
    hash_type = _HASHES[method].get(how["hash_type"])
    if hash_type is None:
        raise ValueError(f"an unknown hash {how['hash_type']}")
    # protobuf writes numbers as 1000.0
    shard_bytes = int(how["shard_size"]) if method == "shards" else 0
    if method == "shards" and shard_bytes < _MIN_SHARD_BYTES:
        raise ValueError(f"shards of {shard_bytes} bytes")
    return Statement(
        model=model,
        digests=digests,
        method=method,
        hash_type=hash_type,
        shard_bytes=shard_bytes,
        left_out=tuple(sorted(map(_text, how.get("ignore_paths", ())))),
        is_old=is_old,
    )


def _digests(resources: Iterable[tuple[Any, Any, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, algorithm, digest in resources:
        path = str(PurePosixPath(_text(name)))
        if path in found:
            raise ValueError(f"{path} stands in it twice")
        found[path] = f"{_text(algorithm)}:{bytes.fromhex(_text(digest)).hex()}"
    if not found:
        raise ValueError("it signs no file")
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, found {type(value).__name__}")
    return value
