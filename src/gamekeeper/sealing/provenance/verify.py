"""Verifies that a model is what somebody signed, in OpenSSF's format, and lists what differs.

Stricter than the library: every file in the folder must be signed, whatever the signature says that
it leaves out, but for the signature itself and what the caller leaves out by name.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from gamekeeper.base.errors import Fault, InputError, input_error
from gamekeeper.sealing.faults import SealError, seal_error
from gamekeeper.sealing.provenance._bundle import Statement, no_bundle, read_bundle
from gamekeeper.sealing.provenance._library import StrictHashing, library, quiet
from gamekeeper.sealing.provenance._tree import Tree, paths_in, place_in, tree_of
from gamekeeper.sealing.provenance.signers import Signer, use_verifier
from gamekeeper.sealing.shown import shown

MAX_FAULTS = 100
_LEAVE_OUT = "if it belongs there all the same, leave it out by name with --ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedModel:
    """A model that is as it was signed.

    Args:
        name: What the signature calls it; it may have been renamed since.
        files: How many files are signed.
        left_out: Paths that the signer left out; nothing stands there, but for what the caller left
            out too.
        is_old: Whether the signature is in the format of model-signing 0.2.
    """

    name: str
    files: int
    left_out: tuple[str, ...]
    is_old: bool


def verify_model(
    model: Path, signature: Path, signer: Signer, *, ignored: Collection[str] = ()
) -> VerifiedModel:
    """Checks the signature, then every file of the model.

    Args:
        model: A file or a folder.
        signature: The signature of it.
        signer: By whom it must be.
        ignored: Paths in the model that need not be signed, with all beneath them; what is signed
            is wanted anyway.

    Returns:
        What is known of it now.

    Raises:
        SealError: It is not by this signer, or the model differs from what was signed; lists what
            does.
        InputError: Model, signature or key cannot be read.
        MissingExtraError: The extra "provenance" is not installed.
    """
    root = model.resolve()
    left_out = paths_in(root, ignored) | place_in(root, signature)
    config = library().verifying.Config()
    content, statement = read_bundle(signature)
    use_verifier(config, signer)
    tree = Tree()

    def files() -> list[Path]:
        found = tree_of(root, left_out)
        tree.files = found.files
        tree.faults = found.faults
        return found.files

    hashing = StrictHashing(_hashing(statement), files)
    config.set_hashing_config(hashing)
    fault = _fault_of(config, root, content)
    if not hashing.is_asked:
        raise _unproved(signature, fault)
    if hashing.manifest is None:
        raise input_error(
            model,
            "the model cannot be read",
            shown(str(fault)),
            "files that stay while they are read",
        )
    faults = [
        *tree.faults,
        *_differences(model, statement, _digests(hashing.manifest), _names(root, tree)),
    ]
    if fault or faults:
        raise SealError(faults or [_unlisted(model, fault)])
    return VerifiedModel(
        name=statement.model,
        files=len(tree.files),
        left_out=statement.left_out,
        is_old=statement.is_old,
    )


def _hashing(statement: Statement) -> Any:
    config = library().hashing.Config()
    if statement.method == "shards":
        config.use_shard_serialization(
            hashing_algorithm=statement.hash_type, shard_size=statement.shard_bytes
        )
    else:
        config.use_file_serialization(hashing_algorithm=statement.hash_type)
    return config.set_ignored_paths(paths=(), ignore_git_paths=False)


def _fault_of(config: Any, model: Path, content: bytes) -> Exception | None:
    """What the library has against it; it reads a copy of the very bytes that were looked at."""
    try:
        with TemporaryDirectory() as folder, quiet():
            copy = Path(folder, "signature")
            copy.write_bytes(content)
            config.verify(model, copy)
    except InputError:
        raise
    except Exception as fault:  # errors of five libraries; whichever it is, it does not hold
        return fault
    return None


def _unproved(signature: Path, fault: Exception | None) -> Exception:
    from pydantic import ValidationError

    if isinstance(fault, ValidationError):
        return no_bundle(signature, fault)
    found = shown(f"{type(fault).__name__}: {fault}".removesuffix(": "))
    return seal_error(
        signature,
        "the signature does not hold",
        found,
        "one by this signer, as it was made",
        "ask the signer for his key or certificate, and for the signature, on another way",
    )


def _unlisted(model: Path, fault: Exception | None) -> Fault:
    return Fault(
        where=str(model), problem="the model differs", found=shown(str(fault)), expected="as signed"
    )


def _digests(manifest: Any) -> dict[str, str]:
    """What the library found, as it stands in a statement."""
    resources = manifest.resource_descriptors()
    return {one.identifier: f"{one.digest.algorithm}:{one.digest.digest_hex}" for one in resources}


def _names(root: Path, tree: Tree) -> set[str]:
    return {path.relative_to(root).as_posix() for path in tree.files}


def _differences(
    model: Path, statement: Statement, actual: Mapping[str, str], files: set[str]
) -> Iterator[Fault]:
    """What was changed, is missing or was added, file by file; not more than `MAX_FAULTS`.

    An empty file has no shard, so in a signature by shards nothing but its name shows that it was
    added.
    """
    signed = statement.digests
    names = {name for name in signed.keys() | actual.keys() if signed.get(name) != actual.get(name)}
    added = files - set(map(statement.path_of, signed))
    differing = sorted({*map(statement.path_of, names), *added})
    yield from (_difference(model, path, statement, actual) for path in differing[:MAX_FAULTS])
    if len(differing) > MAX_FAULTS:
        found = f"{len(differing):,} files, of which the first {MAX_FAULTS} are told"
        yield Fault(
            where=str(model), problem="more files differ", found=found, expected="as signed"
        )


def _difference(model: Path, path: str, statement: Statement, actual: Mapping[str, str]) -> Fault:
    where = shown(str(model / path))
    signed = _of(path, statement.digests, statement)
    found = _of(path, actual, statement)
    if not signed:
        left = " (the signer left it out)" if _is_in(path, statement.left_out) else ""
        expected = f"no such file{left}"
        return Fault(
            where=where,
            problem="the file is not signed",
            found="a file",
            expected=expected,
            try_=_LEAVE_OUT,
        )
    if not found:
        return Fault(where=where, problem="the file is missing", found="nothing", expected=signed)
    return Fault(where=where, problem="the file was changed", found=found, expected=signed)


def _of(path: str, digests: Mapping[str, str], statement: Statement) -> str:
    """The digest of a file, or what there is of it in shards."""
    if statement.method == "files":
        return digests.get(path, "")
    shards = [digest for name, digest in digests.items() if statement.path_of(name) == path]
    return f"{len(shards)} shards, {shards[0]} and so on" if shards else ""


def _is_in(path: str, folders: Collection[str]) -> bool:
    return any(PurePosixPath(path).is_relative_to(folder) for folder in folders)
