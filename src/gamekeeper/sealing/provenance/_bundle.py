"""Reads signature files: Sigstore bundles in JSON, with an in-toto statement in a DSSE envelope.

The library decides whether a signature is valid. What is read here names the files in errors,
selects how they are hashed, and limits what is passed to the library.

Source: OpenSSF model signing specification 1.0; sigstore bundle 0.3; the older statement is that of
    model-signing 0.2.
"""

import binascii
import json
import os
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.base.files import open_plain
from gamekeeper.sealing.faults import read_faults
from gamekeeper.sealing.shown import shown

MAX_BUNDLE_BYTES = 1 << 26  # about 200,000 files
PREDICATE = "https://model_signing/signature/v1.0"
OLD_PREDICATE = "https://model_signing/Digests/v0.1"
# Names of hashes in a statement, and in the library's configuration, which calls blake2b "blake2".
_HASHES = {
    "files": {"sha256": "sha256", "blake2b": "blake2", "blake3": "blake3"},
    "shards": {"sha256": "sha256", "blake2b": "blake2"},
}
_MIN_SHARD_BYTES = 1 << 10
_EXPECTED = "a signature of OpenSSF model signing, a Sigstore bundle in JSON"
_MALFORMED = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    binascii.Error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The statement of a signature about a model.

    Args:
        model: Name of the model.
        digests: Algorithm and hexadecimal digest of each file, or of each shard `file:start:end`.
        method: `files` or `shards`.
        hash_type: Algorithm of the digests, as the library's configuration names it: `sha256`,
            `blake2`, `blake3`.
        shard_bytes: Length of a shard; 0 for whole files.
        left_out: Paths that the signer excluded.
        is_old: Whether it has the format of model-signing 0.2.
        material: What says who signed: `key`, `certificate`, `sigstore`; empty if that is unclear.
    """

    model: str
    digests: Mapping[str, str]
    method: str
    hash_type: str
    shard_bytes: int
    left_out: tuple[str, ...]
    is_old: bool
    material: str = ""

    def path_of(self, name: str) -> str:
        """Returns the path of the file to which a name in `digests` belongs."""
        return name.rsplit(":", 2)[0] if self.method == "shards" else name


def read_bundle(path: Path) -> tuple[bytes, Statement]:
    """Returns the content of a signature file and its statement, which is not verified yet.

    Raises:
        InputError: It is missing, too long, or not a bundle with such a statement.
    """
    content = _read(path)
    try:
        bundle = _parse_json(content)
        payload = b64decode(bundle["dsseEnvelope"]["payload"], validate=True)
        statement = _statement(_parse_json(payload))
        return content, replace(statement, material=_material(bundle))
    except _MALFORMED as error:
        raise invalid_bundle(path, error) from None


def invalid_bundle(path: Path, error: Exception) -> InputError:
    """Returns the error for a file that is not a signature of a model."""
    found = f"its content is of another form ({type(error).__name__})"
    if type(error) is ValueError:  # one of this module, except for what the parsers say
        found = shown(str(error))
    return input_error(path, "not a signature of a model", found, _EXPECTED)


def _read(path: Path) -> bytes:
    with (
        read_faults(path, "the signature cannot be read", _EXPECTED),
        os.fdopen(open_plain(path), "rb") as stream,
    ):
        content = stream.read(MAX_BUNDLE_BYTES + 1)
    if len(content) > MAX_BUNDLE_BYTES:
        raise input_error(
            path, "the signature is too long", f"over {MAX_BUNDLE_BYTES:,} bytes", "a signature"
        )
    return content


def _parse_json(content: bytes) -> Any:
    # Two parsers may take different values of a name that occurs twice.
    return json.loads(content, object_pairs_hook=_require_unique_names)


def _material(bundle: Any) -> str:
    """Returns what a bundle has for finding its signer; see `Statement`.

    Sigstore's bundles before 0.3 have a chain of certificates too, and an entry of its log.
    """
    material = bundle.get("verificationMaterial", {})
    if "publicKey" in material:
        return "key"
    if "certificate" in material or material.get("tlogEntries"):
        return "sigstore"
    return "certificate" if "x509CertificateChain" in material else ""


def _require_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def _statement(document: Any) -> Statement:
    kind = document["predicateType"]
    if kind == OLD_PREDICATE:
        digests = _digests(
            (one["name"], "sha256", one["digest"]["sha256"]) for one in document["subject"]
        )
        serialization: dict[str, Any] = {"method": "files", "hash_type": "sha256"}
        return _build_statement("", digests, serialization, is_old=True)
    if kind != PREDICATE:
        raise ValueError(f"a statement of the type {kind}")
    predicate = document["predicate"]
    digests = _digests(
        (one["name"], one["algorithm"], one["digest"]) for one in predicate["resources"]
    )
    model = _require_text(document["subject"][0]["name"])
    return _build_statement(model, digests, predicate["serialization"], is_old=False)


def _build_statement(
    model: str, digests: Mapping[str, str], serialization: Mapping[str, Any], *, is_old: bool
) -> Statement:
    method = serialization["method"]
    hash_type = _HASHES[method].get(serialization["hash_type"])
    if hash_type is None:
        raise ValueError(f"an unknown hash {serialization['hash_type']}")
    # protobuf writes numbers as 1000.0
    shard_bytes = int(serialization["shard_size"]) if method == "shards" else 0
    if method == "shards" and shard_bytes < _MIN_SHARD_BYTES:
        raise ValueError(f"shards of {shard_bytes} bytes")
    return Statement(
        model=model,
        digests=digests,
        method=method,
        hash_type=hash_type,
        shard_bytes=shard_bytes,
        left_out=tuple(sorted(map(_require_text, serialization.get("ignore_paths", ())))),
        is_old=is_old,
    )


def _digests(resources: Iterable[tuple[Any, Any, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, algorithm, digest in resources:
        path = str(PurePosixPath(_require_text(name)))
        if path in found:
            raise ValueError(f"{path} occurs twice")
        lower_case_hex = bytes.fromhex(_require_text(digest)).hex()
        found[path] = f"{_require_text(algorithm)}:{lower_case_hex}"
    if not found:
        raise ValueError("it does not sign any file")
    return found


def _require_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, found {type(value).__name__}")
    return value
