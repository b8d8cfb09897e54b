"""Loads tensors of a sealed model into memory; no plaintext file is ever written.

>>> with load_sealed("model.sealed", keys=[key]) as model:   # doctest: +SKIP
...     model.tensors["layer.0.weight"].shape
...     weights = model.torch()
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gamekeeper.base.errors import MissingExtraError, UsageError
from gamekeeper.sealing.contents import Tensor
from gamekeeper.sealing.recipients import Identity
from gamekeeper.sealing.sealed import SealedFile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

NUMPY = {
    "BOOL": "?",
    "U8": "<u1",
    "I8": "<i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
}
TORCH = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "F16": "float16",
    "BF16": "bfloat16",
    "U32": "uint32",
    "I32": "int32",
    "F32": "float32",
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
}


class SealedModel:
    """A sealed model whose tensors are decrypted on access; a context manager.

    Args:
        sealed: The sealed file; it is closed with the model.
        identities: Keys to try.
        signer: Ed25519 public key of the required signer, 32 bytes; None requires no particular
            one.

    Raises:
        SealError: It cannot be opened, or is not signed by `signer`.
    """

    def __init__(
        self, sealed: SealedFile, identities: Sequence[Identity], signer: bytes | None
    ) -> None:
        self._sealed = sealed
        self._opened = sealed.unlock(identities, signer)
        self.tensors: dict[str, Tensor] = self._opened.contents.tensors()

    def __enter__(self) -> "SealedModel":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._sealed.__exit__(kind, error, at)

    def numpy(self, names: Iterable[str] | None = None) -> "dict[str, npt.NDArray[Any]]":
        """Returns tensors as numpy arrays.

        Args:
            names: Names of the tensors; all if None.

        Raises:
            SealError: A chunk is not authentic; nothing is returned.
            UsageError: There is no such tensor, or numpy lacks its type (bfloat16 and 8-bit
                floats: use `torch`).
        """
        chosen = self._chosen(names)
        missing = sorted({one.dtype for one in chosen.values() if one.dtype not in NUMPY})
        if missing:
            raise UsageError(f"numpy has no type {', '.join(missing)}: use torch()")
        return {
            name: self._decrypt(one).view(NUMPY[one.dtype]).reshape(one.shape)
            for name, one in chosen.items()
        }

    def torch(self, names: Iterable[str] | None = None) -> "dict[str, torch.Tensor]":
        """Returns tensors as torch tensors on the CPU.

        Args:
            names: Names of the tensors; all if None.

        Raises:
            SealError: A chunk is not authentic; nothing is returned.
            UsageError: There is no such tensor, or torch lacks its type.
            MissingExtraError: torch is not installed.
        """
        try:
            import torch
        except ImportError:
            raise MissingExtraError("tensors of torch", "torch") from None
        chosen = self._chosen(names)
        types = {one.dtype for one in chosen.values()}
        missing = sorted(name for name in types if not hasattr(torch, TORCH.get(name, "?")))
        if missing:
            raise UsageError(f"torch has no type {', '.join(missing)}")
        return {
            name: torch.from_numpy(self._decrypt(one))
            .view(getattr(torch, TORCH[one.dtype]))
            .reshape(one.shape)
            for name, one in chosen.items()
        }

    def file(self, path: str | None = None) -> bytes:
        """Returns a whole file of the model, for example for
        `onnxruntime.InferenceSession(model.file())`.

        Args:
            path: Path of the file; optional if the model has one file only.

        Raises:
            UsageError: There is no such file, or there are several and none was named.
            SealError: A chunk is not authentic.
        """
        members = {one.path: one for one in self._opened.contents.members}
        if path is None and len(members) == 1:
            path = next(iter(members))
        if path not in members:
            raise UsageError(f"no file {path!r}: there are {', '.join(members)}")
        content = bytearray(members[path].length)
        self._opened.read_into(memoryview(content), members[path].begin)
        return bytes(content)

    def _chosen(self, names: Iterable[str] | None) -> dict[str, Tensor]:
        chosen = list(self.tensors if names is None else names)
        missing = [name for name in chosen if name not in self.tensors]
        if missing:
            raise UsageError(f"no tensor {ascii(missing[0])[:80]} in {self._sealed.path}")
        return {name: self.tensors[name] for name in chosen}

    def _decrypt(self, tensor: Tensor) -> "npt.NDArray[np.uint8]":
        """Decrypts a tensor into a new buffer, aligned as numpy and torch require."""
        import numpy as np

        buffer = np.empty(tensor.length, dtype=np.uint8)
        self._opened.read_into(buffer.data, tensor.begin)
        return buffer


def load_sealed(
    path: str | Path, *, keys: Sequence[Identity], signer: bytes | None = None
) -> SealedModel:
    """Opens a sealed model in memory.

    Args:
        path: The sealed file.
        keys: Keys to try, as returned by `read_private_key`, `passphrase` or `read_identity`.
        signer: Ed25519 public key of the required signer, 32 bytes, as returned by `read_signer`;
            every chunk is then checked against the digests that this key signed. None: the content
            is authentic, but anybody may have sealed it.

    Raises:
        SealError: It cannot be opened, was tampered with, or is not signed by `signer`.
        InputError: It cannot be read.
    """
    sealed = SealedFile(Path(path))
    try:
        return SealedModel(sealed, keys, signer)
    except BaseException:
        sealed.__exit__()
        raise
