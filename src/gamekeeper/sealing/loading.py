"""Loads tensors of a sealed model into memory; no plaintext file is ever written.

>>> with load_sealed("model.sealed", keys=[key]) as model:   # doctest: +SKIP
...     model.tensors["layer.0.weight"].shape
...     weights = model.torch()
"""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gamekeeper.base.errors import MissingExtraError, UsageError
from gamekeeper.sealing.artifacts.onnx import read_onnx
from gamekeeper.sealing.contents import Member, Tensor, has_known_tensors
from gamekeeper.sealing.recipients import Identity
from gamekeeper.sealing.sealed import SealedFile
from gamekeeper.sealing.sealed.examination import formats_of
from gamekeeper.sealing.sealed.sealed_file import UnlockedMember
from gamekeeper.sealing.shown import shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from onnxruntime import InferenceSession

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
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
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

    def files(self) -> dict[str, int]:
        """Returns the paths of all files of the model, with their lengths in bytes."""
        return {one.path: one.length for one in self._opened.contents.members}

    def numpy(
        self, names: Iterable[str] | None = None, *, skip: Iterable[str] = ()
    ) -> "dict[str, npt.NDArray[Any]]":
        """Returns tensors as numpy arrays.

        Args:
            names: Names of the tensors; all if None.
            skip: Names of tensors to leave out, such as those of types that numpy lacks.

        Raises:
            SealError: A chunk is not authentic; nothing is returned.
            UsageError: There is no such tensor, no file has tensors that can be read here, or numpy
                lacks its type (bfloat16 and 8-bit floats: use `torch`).
        """
        chosen = self._chosen(names, skip)
        _require_types(chosen, NUMPY, "numpy", "use torch(), or ")
        return {
            name: self._decrypt(one).view(NUMPY[one.dtype]).reshape(one.shape)
            for name, one in chosen.items()
        }

    def torch(
        self, names: Iterable[str] | None = None, *, skip: Iterable[str] = ()
    ) -> "dict[str, torch.Tensor]":
        """Returns tensors as torch tensors on the CPU.

        Args:
            names: Names of the tensors; all if None.
            skip: Names of tensors to leave out, such as those of types that torch lacks.

        Raises:
            SealError: A chunk is not authentic; nothing is returned.
            UsageError: There is no such tensor, no file has tensors that can be read here, or
                torch lacks its type.
            MissingExtraError: torch is not installed.
        """
        try:
            import torch
        except ImportError:
            raise MissingExtraError("tensors of torch", "torch") from None
        chosen = self._chosen(names, skip)
        types = {dtype: name for dtype, name in TORCH.items() if hasattr(torch, name)}
        _require_types(chosen, types, "torch", "")
        return {
            name: _as_torch(self._decrypt(one), one, getattr(torch, types[one.dtype]))
            for name, one in chosen.items()
        }

    def onnx_session(self, path: str | None = None, **options: Any) -> "InferenceSession":
        """Returns a session of onnxruntime for an ONNX model; no plaintext is written to disk.

        External data files are decrypted into memory too.

        Args:
            path: Path of the ONNX file; optional if the model has one only.
            options: Arguments of `onnxruntime.InferenceSession`, such as `providers` and
                `sess_options`.

        Raises:
            UsageError: There is no such file, or there are several and none was named.
            SealError: A chunk is not authentic.
            MissingExtraError: onnxruntime is not installed.
        """
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("a session of onnxruntime", "onnx") from None
        member = self._onnx_member(path)
        external = read_onnx(UnlockedMember(self._opened, member)).locations
        settings = options.pop("sess_options", None) or onnxruntime.SessionOptions()
        if external:
            folder = member.path.rpartition("/")[0]
            paths = [f"{folder}/{one}" if folder else one for one in external.values()]
            contents = [self.file(one) for one in paths]
            settings.add_external_initializers_from_files_in_memory(
                list(external), contents, list(map(len, contents))
            )
        return onnxruntime.InferenceSession(self.file(member.path), settings, **options)

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
            found = "name a file" if path is None else f"no file {shown(path)}"
            raise UsageError(f"{found}: there are {_listed(members)}")
        return self._content(members[path])

    def _content(self, member: Member) -> bytes:
        # A BytesIO gives its bytes away without a copy: a file is in memory once.
        content = BytesIO(bytes(member.length))
        with content.getbuffer() as buffer:
            self._opened.read_into(buffer, member.begin)
        return content.getvalue()

    def _onnx_member(self, path: str | None) -> Member:
        members = {one.path: one for one in self._opened.contents.members if one.kind == "onnx"}
        if path is None and len(members) == 1:
            path = next(iter(members))
        if path not in members:
            found = "name an ONNX file" if path is None else f"no ONNX file {shown(path)}"
            raise UsageError(f"{found}: there are {_listed(members)}")
        return members[path]

    def _chosen(self, names: Iterable[str] | None, skip: Iterable[str]) -> dict[str, Tensor]:
        if not has_known_tensors(self._opened.contents):
            raise self._no_tensors()
        skipped = set(skip)
        wanted = list(self.tensors if names is None else names)
        chosen = [name for name in wanted if name not in skipped]
        missing = [name for name in (*wanted, *skipped) if name not in self.tensors]
        if missing:
            raise UsageError(f"no tensor {ascii(missing[0])[:80]} in {self._sealed.path}")
        return {name: self.tensors[name] for name in chosen}

    def _no_tensors(self) -> UsageError:
        contents = self._opened.contents
        formats = formats_of(self._opened, contents)
        kinds = [f"{one.path} ({formats.get(one.path, 'file')})" for one in contents.members]
        call = "file()" if len(kinds) == 1 else "file(PATH)"
        return UsageError(
            f"{self._sealed.path} has no tensors that can be read here: it holds"
            f" {_listed(kinds)}; get the bytes with model.{call}, for the library that reads them"
        )

    def _decrypt(self, tensor: Tensor) -> "npt.NDArray[np.uint8]":
        """Decrypts a tensor into a new buffer, aligned as numpy and torch require."""
        import numpy as np

        buffer = np.empty(tensor.length, dtype=np.uint8)
        self._opened.read_into(buffer.data, tensor.begin)
        return buffer


def _as_torch(
    content: "npt.NDArray[np.uint8]", tensor: Tensor, dtype: "torch.dtype"
) -> "torch.Tensor":
    import torch

    if not tensor.length:  # torch cannot view nothing as another type
        return torch.empty(tensor.shape, dtype=dtype)
    return torch.from_numpy(content).view(dtype).reshape(tensor.shape)


def _require_types(
    tensors: Mapping[str, Tensor], types: Mapping[str, str], library: str, instead: str
) -> None:
    """Checks that a library has the types of all tensors.

    Raises:
        UsageError: It lacks one.
    """
    lacking = [(name, one.dtype) for name, one in tensors.items() if one.dtype not in types]
    if lacking:
        name = ascii(lacking[0][0])[:80]
        more = len(lacking) - 1
        others = f"{more:,} {'other' if more == 1 else 'others'}"
        which = f"{name} and {others} are" if more else f"{name} is"
        lacked = ", ".join(dict.fromkeys(dtype for _, dtype in lacking))
        raise UsageError(
            f"tensor {which} of type {lacked}, which {library} does not have: {instead}leave"
            " tensors out with skip=[...]"
        )


def _listed(names: Iterable[str]) -> str:
    return shown(", ".join(names)) or "none"


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
