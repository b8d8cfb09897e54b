"""Signs a model with a key: ECDSA over the SHA-256 of each of its files, in OpenSSF's format."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.base.files import replace_file
from gamekeeper.sealing.provenance._library import StrictHashing, library, quiet
from gamekeeper.sealing.provenance._tree import paths_in, place_in, tree_of
from gamekeeper.sealing.shown import shown


def sign_model(
    model: Path,
    signature: Path,
    private_key: Path,
    *,
    certificate: Path | None = None,
    chain: Collection[Path] = (),
    ignored: Collection[str] = (),
) -> int:
    """Signs all files of a model.

    Nothing is left out but `ignored` and the signature itself, which the signature says; the
    library would leave out git's files too. Whoever verifies with the library a model with such
    files wants its `--no-ignore-git-paths`.

    Args:
        model: A file or a folder.
        signature: Where the signature goes; written whole or not at all, an earlier one is
            replaced.
        private_key: PEM without a password; P-256, P-384 or P-521.
        certificate: The key's certificate, PEM, for who verifies by certificates.
        chain: Certificates between it and a root.
        ignored: Paths in the model to leave out.

    Returns:
        How many files are signed.

    Raises:
        InputError: Something cannot be read, or a signature cannot hold it: links, empty folders.
        MissingExtraError: The extra "provenance" is not installed.
    """
    model = model.resolve()
    left_out = paths_in(model, ignored) | place_in(model, signature)
    _discard_unfinished(signature)  # in the model it would be signed, and then be gone
    tree = tree_of(model, left_out)
    if tree.faults:
        raise InputError(tree.faults)
    if not tree.files:
        raise input_error(model, "there is nothing to sign", "no files", "a model")
    config = _config(private_key, certificate, chain)
    hashing = (
        library().hashing.Config().set_ignored_paths(paths=sorted(left_out), ignore_git_paths=False)
    )
    config.set_hashing_config(StrictHashing(hashing, lambda: tree.files))
    _write(signature, _signed(config, model))
    return len(tree.files)


def _config(private_key: Path, certificate: Path | None, chain: Collection[Path]) -> Any:
    config = library().signing.Config()
    where = ", ".join(map(str, [private_key, *([certificate] if certificate else []), *chain]))
    try:
        if certificate is None:
            return config.use_elliptic_key_signer(private_key=private_key)
        return config.use_certificate_signer(
            private_key=private_key, signing_certificate=certificate, certificate_chain=chain
        )
    except (ValueError, TypeError, AttributeError, OSError) as fault:
        expected = (
            "a private key in PEM without a password; P-256, P-384 or P-521; and its certificate,"
            " if any"
        )
        raise input_error(
            where, "nothing to sign with", shown(f"{type(fault).__name__}: {fault}"), expected
        ) from None


def _signed(config: Any, model: Path) -> bytes:
    """The signature, made in a folder of its own: the library writes it in place, and may die while
    it does.
    """
    try:
        with TemporaryDirectory() as folder, quiet():
            made = Path(folder, "signature")
            config.sign(model, made)
            return made.read_bytes()
    except (OSError, ValueError) as fault:
        raise input_error(
            model, "the model cannot be signed", shown(str(fault)), "files that do not change"
        ) from None


def _write(signature: Path, content: bytes) -> None:
    try:
        replace_file(signature, content, mode=0o644)
    except OSError as fault:
        _discard_unfinished(signature)
        found = fault.strerror or str(fault)
        raise input_error(
            signature, "the signature cannot be written", found, "a folder with room in it"
        ) from None


def _discard_unfinished(signature: Path) -> None:
    """Removes what `replace_file` leaves when the disk is full or the process dies."""
    with suppress(OSError):
        signature.with_name(f"{signature.name}.new").unlink(missing_ok=True)
