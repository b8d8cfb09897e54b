"""The library `model-signing`, its defaults made strict.

Model-signing 1.1.1 imports pyOpenSSL, which it does not depend on; the extra does.
"""

import contextlib
import io
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from gamekeeper.base.errors import MissingExtraError


def library() -> Any:
    """Returns the package, with its modules `hashing`, `signing` and `verifying`.

    Raises:
        MissingExtraError: It, or pyOpenSSL, is not installed.
    """
    try:
        import model_signing
        import model_signing.hashing
        import model_signing.signing
        import model_signing.verifying
    except ImportError:
        raise MissingExtraError("signatures of models", "provenance") from None
    return model_signing


class StrictHashing:
    """Stands where the library takes a `hashing.Config`: hashes the files of a tree, whatever else
    it is told.

    Args:
        config: The library's own, with method and algorithm.
        files: Returns the files; called once the signature is known to hold.
    """

    manifest: Any

    def __init__(self, config: Any, files: Callable[[], Collection[Path]]) -> None:
        self.is_asked = False
        self.manifest = None
        self._config = config
        self._files = files

    def add_ignored_paths(self, **_: object) -> None:
        """Does nothing: what a signature says that it leaves out is not left out unasked."""

    def hash(self, model_path: Path, **_: object) -> Any:
        """Returns the manifest of the files."""
        self.is_asked = True
        self.manifest = self._config.hash(model_path, files_to_hash=self._files())
        return self.manifest


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what the library prints from standard output, which belongs to results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
