"""The library `model-signing`, with strict settings instead of its defaults.

model-signing 1.1.1 imports pyOpenSSL without depending on it; the extra "provenance" depends on it.
"""

import contextlib
import io
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from gamekeeper.base.errors import MissingExtraError


def load_library() -> Any:
    """Returns the package, with its modules `hashing`, `signing` and `verifying`.

    Raises:
        MissingExtraError: The package or pyOpenSSL is not installed.
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
    """A replacement of the library's `hashing.Config` that hashes exactly the given files.

    The library calls it after it has verified the signature.

    Args:
        config: The library's own configuration, with method and algorithm.
        files: Returns the files; called when the library hashes the model.

    Attributes:
        is_called: Whether the library has hashed the model, and so has found the signature valid.
        manifest: The manifest of the files; None until all are hashed.
    """

    manifest: Any

    def __init__(self, config: Any, files: Callable[[], Collection[Path]]) -> None:
        self.is_called = False
        self.manifest = None
        self._config = config
        self._files = files

    def add_ignored_paths(self, **_: object) -> None:
        """Does nothing: paths that a signature declares as ignored are hashed all the same."""

    def hash(self, model_path: Path, **_: object) -> Any:
        """Returns the manifest of the files."""
        self.is_called = True
        self.manifest = self._config.hash(model_path, files_to_hash=self._files())
        return self.manifest


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discards what the library prints to standard output, which is reserved for results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
