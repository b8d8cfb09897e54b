"""Verifies a model against its signature in OpenSSF's format, and lists all differences.

It is stricter than the library: every file in the folder must be signed, even if the signature
declares it as ignored. Exceptions are the signature itself and the paths that the caller excludes.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from gamekeeper.base.errors import Fault, InputError, input_error
from gamekeeper.sealing.faults import SealError, seal_error
from gamekeeper.sealing.ignoring import is_below
from gamekeeper.sealing.provenance._bundle import Statement, invalid_bundle, read_bundle
from gamekeeper.sealing.provenance._library import StrictHashing, load_library, quiet
from gamekeeper.sealing.provenance._tree import ModelTree, excluded_paths, list_files
from gamekeeper.sealing.provenance.signers import (
    CertificateSigner,
    PublicKeySigner,
    Signer,
    SigstoreSigner,
    use_verifier,
)
from gamekeeper.sealing.shown import shown

MAX_FAULTS = 100
_OPTIONS = {
    PublicKeySigner: ("key", "--public-key"),
    CertificateSigner: ("certificate", "--root"),
    SigstoreSigner: ("sigstore", "--identity"),
}
_MATERIALS = {
    "key": ("a key without a certificate", "--public-key FILE"),
    "certificate": ("a certificate", "--root FILE"),
    "sigstore": ("an identity at Sigstore", "--identity NAME --issuer URL"),
}
# The beginnings of what the library says when it has checked a signature.
_VERDICTS = {
    "Key mismatch": "it was made with another key",
    "Signing certificate cannot be used": "its certificate is not for signing",
    "Expected ": "what was signed is not a statement about a model",
    "Predicate type mismatch": "what was signed is not a statement about a model",
    "Manifest is inconsistent": "what was signed contradicts itself",
}
_LEAVE_OUT = "if it is meant to be there, exclude it with --ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedModel:
    """The result of verifying a model that matches its signature.

    Args:
        name: Name of the model in the signature; it may have been renamed since.
        files: Number of signed files.
        left_out: Paths that the signer excluded; there are no files at these paths, except for
            those that the caller excluded too.
        is_old: Whether the signature has the format of model-signing 0.2.
    """

    name: str
    files: int
    left_out: tuple[str, ...]
    is_old: bool


def verify_model(
    model: str | Path, signature: str | Path, signer: Signer, *, ignored: Collection[str] = ()
) -> VerifiedModel:
    """Checks the signature, then every file of the model.

    Args:
        model: A file or a folder.
        signature: Its signature.
        signer: The signer that is accepted.
        ignored: Paths that need not be signed, in the model or from the current folder, with
            everything below them; a file that is signed must be there all the same.

    Returns:
        What the signature says of the model.

    Raises:
        SealError: The signature is not by this signer, or the model differs from what was signed;
            lists the differences.
        InputError: Model, signature or key cannot be read, or the signature is of another kind than
            the signer, so that nothing is known about the model.
        UsageError: A path to exclude is neither in the model nor left out by the signer.
        MissingExtraError: The extra "provenance" is not installed.
    """
    model = Path(model)
    signature = Path(signature)
    root = model.resolve()
    config = load_library().verifying.Config()
    content, statement = read_bundle(signature)
    excluded = excluded_paths(model, ignored, signature, statement.left_out)
    _require_same_kind(signature, statement, signer)
    use_verifier(config, signer)
    tree = ModelTree()

    def files() -> list[Path]:
        found = list_files(root, excluded)
        tree.files = found.files
        tree.faults = found.faults
        return found.files

    hashing = StrictHashing(_hashing_config(statement), files)
    config.set_hashing_config(hashing)
    error = _verification_error(config, root, content)
    # The library hashes the model only after it has found the signature valid.
    if not hashing.is_called:
        raise _rejection(signature, error)
    if hashing.manifest is None:
        raise input_error(
            model,
            "the model cannot be read",
            shown(str(error)),
            "files that do not change while they are read",
        )
    digests = _digests(hashing.manifest)
    differences = _differences(model, statement, digests, _names(root, tree), excluded)
    faults = [*tree.faults, *differences]
    if error or faults:
        raise SealError(faults or [_unlisted(model, error)])
    return VerifiedModel(
        name=statement.model,
        files=len(tree.files),
        left_out=statement.left_out,
        is_old=statement.is_old,
    )


def _hashing_config(statement: Statement) -> Any:
    config = load_library().hashing.Config()
    if statement.method == "shards":
        config.use_shard_serialization(
            hashing_algorithm=statement.hash_type, shard_size=statement.shard_bytes
        )
    else:
        config.use_file_serialization(hashing_algorithm=statement.hash_type)
    return config.set_ignored_paths(paths=(), ignore_git_paths=False)


def _verification_error(config: Any, model: Path, content: bytes) -> Exception | None:
    """Returns the error with which the library rejects the model, or None if it accepts it.

    The library reads a copy of the signature, so that it verifies the same bytes that were parsed
    here.
    """
    try:
        with TemporaryDirectory() as folder, quiet():
            copy = Path(folder, "signature")
            copy.write_bytes(content)
            config.verify(model, copy)
    except InputError:
        raise
    except Exception as error:  # of one of five libraries; with any of them verification failed
        return error
    return None


def _require_same_kind(signature: Path, statement: Statement, signer: Signer) -> None:
    """Checks that a signature can be checked against this kind of signer at all."""
    kind, option = _OPTIONS[type(signer)]
    if statement.material in ("", kind):
        return
    made_with, needed = _MATERIALS[statement.material]
    raise input_error(
        signature,
        f"the signature cannot be checked with {option}",
        f"it was made with {made_with}, which says nothing about the model yet",
        f"the signer of such a signature: {needed}",
        f"verify it with {needed}, or ask the signer which kind they use",
    )


def _rejection(signature: Path, error: Exception | None) -> Exception:
    """Returns the error for a signature that the library did not accept.

    Only what the library says after it has checked the signature is a verdict; with any other of
    its errors the signature could not be checked.
    """
    from cryptography.exceptions import InvalidSignature
    from OpenSSL.crypto import X509StoreContextError
    from sigstore.errors import VerificationError

    found = next((said for start, said in _VERDICTS.items() if str(error).startswith(start)), "")
    if isinstance(error, InvalidSignature):
        found = "its text was changed, or another key made it"
    elif isinstance(error, X509StoreContextError):
        found = f"its certificate is not under these roots: {shown(str(error))}"
    elif isinstance(error, VerificationError):
        found = f"Sigstore does not confirm it: {shown(str(error))}"
    if not found:
        return invalid_bundle(signature, error or ValueError("the library did not say why"))
    return seal_error(
        signature,
        "the signature is invalid",
        found,
        "an unchanged signature by this signer",
        "ask the signer for their key or certificate, and for the signature, over another channel",
    )


def _unlisted(model: Path, error: Exception | None) -> Fault:
    return Fault(
        where=str(model), problem="the model differs", found=shown(str(error)), expected="as signed"
    )


def _digests(manifest: Any) -> dict[str, str]:
    """Returns the digests that the library computed, in the form of a statement."""
    resources = manifest.resource_descriptors()
    return {one.identifier: f"{one.digest.algorithm}:{one.digest.digest_hex}" for one in resources}


def _names(root: Path, tree: ModelTree) -> set[str]:
    return {path.relative_to(root).as_posix() for path in tree.files}


def _differences(
    model: Path,
    statement: Statement,
    actual: Mapping[str, str],
    files: set[str],
    excluded: Collection[PurePosixPath],
) -> Iterator[Fault]:
    """Yields the changed, missing and added files, at most `MAX_FAULTS`.

    Added files are found by name too: an empty file has no shard, so the digests of a signature by
    shards cannot show that it was added.
    """
    signed = statement.digests
    names = {name for name in signed.keys() | actual.keys() if signed.get(name) != actual.get(name)}
    added = files - set(map(statement.path_of, signed))
    differing = sorted({*map(statement.path_of, names), *added})
    for path in differing[:MAX_FAULTS]:
        is_ignored = is_below(PurePosixPath(path), excluded) and os.path.lexists(model / path)
        yield _difference(model, path, statement, actual, is_ignored=is_ignored)
    if len(differing) > MAX_FAULTS:
        found = f"{len(differing):,} files, of which the first {MAX_FAULTS} are listed"
        yield Fault(
            where=str(model), problem="more files differ", found=found, expected="as signed"
        )


def _difference(
    model: Path, path: str, statement: Statement, actual: Mapping[str, str], *, is_ignored: bool
) -> Fault:
    where = shown(str(model / path))
    signed = _digest_of(path, statement.digests, statement)
    found = _digest_of(path, actual, statement)
    if not signed:
        is_excluded = _is_below(path, statement.left_out)
        return Fault(
            where=where,
            problem="the file is not signed",
            found="a file",
            expected="no such file (the signer excluded it)" if is_excluded else "no such file",
            try_=_LEAVE_OUT,
        )
    if not found and is_ignored:
        return Fault(
            where=where,
            problem="the file is signed, but left out now",
            found="a file that was not checked",
            expected=signed,
            try_="verify it too, without --ignore",
        )
    if not found:
        return Fault(where=where, problem="the file is missing", found="nothing", expected=signed)
    return Fault(where=where, problem="the file was changed", found=found, expected=signed)


def _digest_of(path: str, digests: Mapping[str, str], statement: Statement) -> str:
    """Returns the digest of a file, or a summary of the digests of its shards; empty if none."""
    if statement.method == "files":
        return digests.get(path, "")
    shards = [digest for name, digest in digests.items() if statement.path_of(name) == path]
    return f"{len(shards)} shards, {shards[0]} and so on" if shards else ""


def _is_below(path: str, folders: Collection[str]) -> bool:
    return any(PurePosixPath(path).is_relative_to(folder) for folder in folders)
