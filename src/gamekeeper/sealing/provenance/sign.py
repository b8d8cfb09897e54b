"""Signs a model with a key: ECDSA over the SHA-256 of each of its files, in OpenSSF's format."""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from gamekeeper.base.errors import Fault, InputError, input_error
from gamekeeper.base.files import replace_file, require_another_file
from gamekeeper.sealing.artifacts import FileBytes
from gamekeeper.sealing.artifacts.faults import fault_of
from gamekeeper.sealing.artifacts.formats.refused import require_downloaded
from gamekeeper.sealing.contents import ContentsError
from gamekeeper.sealing.faults import read_faults
from gamekeeper.sealing.pem import Password
from gamekeeper.sealing.provenance._bundle import read_bundle
from gamekeeper.sealing.provenance._keys import (
    as_file,
    read_certificates,
    read_model_key,
    require_certificate_of,
)
from gamekeeper.sealing.provenance._library import StrictHashing, load_library, quiet
from gamekeeper.sealing.provenance._tree import excluded_paths, list_files
from gamekeeper.sealing.shown import shown


def sign_model(
    model: str | Path,
    signature: str | Path,
    private_key: str | Path,
    *,
    password: Password = None,
    certificate: str | Path | None = None,
    chain: Collection[str | Path] = (),
    ignored: Collection[str] = (),
) -> int:
    """Signs all files of a model.

    Only `ignored` and the signature itself are excluded, and the signature lists them. The library
    would exclude git's files too: to verify a model that contains git's files with the library, use
    its option `--no-ignore-git-paths`.

    Args:
        model: A file or a folder.
        signature: Path of the signature; it is written whole or not at all, and replaces an earlier
            signature, but no other file.
        private_key: PEM; P-256, P-384 or P-521.
        password: Of the private key; a function is called if the key has one.
        certificate: Certificate of the key, PEM, for verification by certificates.
        chain: Certificates between it and a root.
        ignored: Paths to exclude, in the model or from the current folder.

    Returns:
        The number of signed files.

    Raises:
        InputError: Something cannot be read, or a signature cannot cover it: links, empty folders,
            pointers of Git LFS and empty downloads; or a file that is not a signature has the
            signature's name.
        UsageError: A path to exclude is not there, the signature would replace an input, or a
            password is given for a key without one.
        MissingExtraError: The extra "provenance" is not installed.
    """
    library = load_library()
    signature = Path(signature)
    require_another_file(signature, model, private_key, certificate, *chain)
    _require_replaceable(signature)
    root = Path(model).resolve()
    excluded = excluded_paths(Path(model), ignored, signature)
    tree = list_files(root, excluded)
    faults = [*tree.faults, *_faults_of_downloads(root, tree.files)]
    if faults:
        raise InputError(faults)
    if not tree.files:
        raise input_error(model, "there is nothing to sign", "no files", "a model")
    key = read_model_key(Path(private_key), password)
    config = _config(key, certificate, chain)
    hashing = library.hashing.Config()
    hashing.set_ignored_paths(paths=sorted(excluded), ignore_git_paths=False)
    config.set_hashing_config(StrictHashing(hashing, lambda: tree.files))
    _write(signature, _make_signature(config, root))
    return len(tree.files)


def _faults_of_downloads(root: Path, files: Sequence[Path]) -> Iterator[Fault]:
    """Yields a fault for each file that is only what a download left in its place: its signature
    would say that this is the model.
    """
    for path in files:
        name = path.relative_to(root).as_posix() if path != root else path.name
        try:
            with read_faults(path), FileBytes(path) as part:
                require_downloaded(part, name)
        except ContentsError as error:
            yield fault_of(root if path != root else path, name, error, is_folder=path != root)


def _require_replaceable(signature: Path) -> None:
    """Checks that a signature replaces nothing but an earlier one: in the model's folder, any other
    file would be lost and left unsigned.
    """
    if not os.path.lexists(signature):
        return
    try:
        read_bundle(signature)
    except InputError:
        raise input_error(
            signature,
            "this name is already in use",
            "something that is not a signature of a model",
            "a new name, or an earlier signature",
            "name another file with --out, or remove this one",
        ) from None


def _config(
    key: EllipticCurvePrivateKey, certificate: str | Path | None, chain: Collection[str | Path]
) -> Any:
    """Returns the library's configuration with this signer."""
    config = load_library().signing.Config()
    with as_file(key) as key_file:
        if certificate is None:
            return config.use_elliptic_key_signer(private_key=key_file)
        require_certificate_of(key, Path(certificate))
        for path in chain:
            read_certificates(Path(path))
        return config.use_certificate_signer(
            private_key=key_file, signing_certificate=certificate, certificate_chain=chain
        )


def _make_signature(config: Any, model: Path) -> bytes:
    """Returns the signature.

    It is made in a temporary folder: the library writes it in place, and may fail half way.
    """
    try:
        with TemporaryDirectory() as folder, quiet():
            made = Path(folder, "signature")
            config.sign(model, made)
            return made.read_bytes()
    except (OSError, ValueError) as error:
        raise input_error(
            model, "the model cannot be signed", shown(str(error)), "files that do not change"
        ) from None


def _write(signature: Path, content: bytes) -> None:
    try:
        replace_file(signature, content, mode=0o644)
    except OSError as error:
        found = error.strerror or str(error)
        raise input_error(
            signature, "the signature cannot be written", found, "a folder with free space"
        ) from None
