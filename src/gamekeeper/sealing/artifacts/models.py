"""Reads a model on disk, one file or a folder, in the order in which its files will be sealed."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from gamekeeper.base.errors import Fault, GamekeeperError, InputError, input_error
from gamekeeper.sealing.artifacts._bytes import ByteSource, FileBytes
from gamekeeper.sealing.artifacts.onnx import OnnxFile, is_onnx, read_onnx
from gamekeeper.sealing.artifacts.pickles import is_pickle
from gamekeeper.sealing.artifacts.safetensors import is_safetensors, safetensors_member
from gamekeeper.sealing.contents import Contents, ContentsError, Member, is_safe_path
from gamekeeper.sealing.faults import read_faults

_PICKLE_TRY = (
    "if you trust it, save it with safetensors.torch.save_file or as ONNX; or remove it from the"
    " folder"
)
_FORMATS = "a safetensors or ONNX file, or a folder with one"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The files of a model on disk.

    Args:
        contents: Its files and tensors.
        paths: Location of each file on disk, in the same order.
        states: `FileBytes.state` of each file when its tensors were located.
    """

    contents: Contents
    paths: tuple[Path, ...]
    states: tuple[tuple[int, ...], ...]


def read_model(path: Path, *, follow_links: bool = False) -> ModelFiles:
    """Reads which files a model has and locates its tensors.

    The external data files of an ONNX file belong to the model.

    Args:
        path: A safetensors or ONNX file, or a folder with at least one of them and any other files.
        follow_links: Whether links that lead out of the model's folder are followed, as those of a
            download cache do.

    Raises:
        InputError: There is no such model, or one of its files is a pickle, is damaged, or is a
            link that leads out of the folder; all of them are named.
    """
    if not path.exists():
        raise input_error(path, "no such file or folder", "nothing", _FORMATS)
    names = _folder_names(path) if path.is_dir() else _file_names(path)
    folder = path if path.is_dir() else path.parent
    if not follow_links:
        _require_inside(folder, names if path.is_dir() else names[1:])
    with ExitStack() as stack:
        parts = [_open(folder / name, stack) for name in names]
        states = tuple(part.state() for part in parts)
        contents = contents_of(names, parts, path, is_folder=path.is_dir() or len(names) > 1)
        paths = tuple(folder / name for name in names)
        return ModelFiles(contents=contents, paths=paths, states=states)


def contents_of(
    names: Sequence[str], parts: Sequence[ByteSource], where: object, *, is_folder: bool
) -> Contents:
    """Returns the contents of these files.

    Sealing takes the index from here. `verify_sealed` calls it again on the sealed files and
    compares the result with their index.

    Args:
        names: Paths in the model.
        parts: The files, in the same order.
        where: The model, for messages.
        is_folder: Whether the model is a folder.

    Raises:
        InputError: One of them is a pickle or damaged, or none is a model; carries all faults.
    """
    scan = _Scan(names, parts)
    members = []
    faults = []
    for name, part in zip(names, parts, strict=True):
        try:
            members.append(scan.member(name, part))
        except ContentsError as error:
            faults.append(_damaged_fault(f"{where}: {name}", str(error)))
        except _PickleError:
            faults.append(_pickle_fault(f"{where}: {name}"))
    if faults:
        raise InputError(faults)
    if all(one.kind == "file" for one in members):
        found = ", ".join(names)[:80] or "an empty folder"
        raise input_error(where, "no model that can be sealed", found, _FORMATS)
    complete = tuple(scan.with_external_tensors(one) for one in members)
    return Contents(members=complete, is_folder=is_folder)


class _PickleError(GamekeeperError):
    """The file is a pickle."""


class _Scan:
    """Locates the tensors of files one after another, and remembers the external data files.

    Args:
        names: Paths in the model.
        parts: The files, in the same order.
    """

    def __init__(self, names: Sequence[str], parts: Sequence[ByteSource]) -> None:
        self._names = frozenset(names)
        sizes = [part.size for part in parts]
        self._begins = dict(zip(names, accumulate(sizes, initial=0), strict=False))
        self._external: dict[str, tuple[str, OnnxFile]] = {}

    def member(self, name: str, part: ByteSource) -> Member:
        """Returns a file with its tensors.

        Raises:
            ContentsError: It is damaged.
            _PickleError: It is a pickle.
        """
        begin = self._begins[name]
        if name.endswith(".safetensors") or is_safetensors(part):
            return safetensors_member(part, name, begin)
        if is_pickle(part, name):
            raise _PickleError
        if name.endswith(".onnx") or is_onnx(part):
            return self._onnx_member(name, part, begin)
        return Member(path=name, kind="file", begin=begin, length=part.size)

    def with_external_tensors(self, member: Member) -> Member:
        """Returns a file with the tensors that an ONNX file stores in it."""
        if member.kind != "file" or member.path not in self._external:
            return member
        location, onnx = self._external[member.path]
        tensors = onnx.external_tensors(location, member.begin, member.length)
        return replace(member, tensors=tensors)

    def _onnx_member(self, name: str, part: ByteSource, begin: int) -> Member:
        if not is_onnx(part):
            raise ContentsError("not an ONNX model")
        onnx = read_onnx(part)
        folder = name.rpartition("/")[0]
        for location in onnx.external:
            path = f"{folder}/{location}" if folder else location
            if path not in self._names:
                raise ContentsError(f"its tensors are in {ascii(path)[:80]}, which is missing")
            self._external[path] = (location, onnx)
        return onnx.member(name, begin, part.size)


def _folder_names(folder: Path) -> list[str]:
    """Returns the paths of all files below a folder, sorted, except those in `.git`."""
    found = [
        one for one in sorted(folder.rglob("*")) if ".git" not in one.relative_to(folder).parts
    ]
    # Links to folders are not followed. They are refused: to omit their files silently would seal
    # half a model.
    irregular = [
        one for one in found if not one.is_file() and (one.is_symlink() or not one.is_dir())
    ]
    names = [one.relative_to(folder).as_posix() for one in found if one.is_file()]
    unsafe = [name for name in names if not is_safe_path(name)]
    refused = [*map(str, irregular), *unsafe]
    if refused:
        expected = "regular files with portable names"
        raise input_error(folder, "a name that cannot be sealed", ascii(refused[0])[:80], expected)
    return names


def _require_inside(folder: Path, names: Sequence[str]) -> None:
    """Raises `InputError` if a link leads out of the model's folder.

    Such a link could seal a file of this machine that is not part of the model, and so hand it to
    others.
    """
    root = folder.resolve()
    outside = [name for name in names if not (folder / name).resolve().is_relative_to(root)]
    if outside:
        found = ", ".join(f"{ascii(name)[1:-1]} -> {(folder / name).resolve()}" for name in outside)
        try_ = "use --follow-links if they are intended, as in a download cache"
        raise input_error(
            folder, "links that lead out of the model's folder", found[:300], "regular files", try_
        )


def _file_names(path: Path) -> list[str]:
    """Returns the name of a model file, and those of its external data files."""
    if not is_safe_path(path.name):
        raise input_error(
            path, "a name that cannot be sealed", ascii(path.name)[:80], "a portable name"
        )
    with ExitStack() as stack:
        part = _open(path, stack)
        try:
            has_graph = (
                not is_safetensors(part) and not is_pickle(part, path.name) and is_onnx(part)
            )
            external = read_onnx(part).external if has_graph else {}
        except ContentsError as error:
            raise InputError([_damaged_fault(str(path), str(error))]) from None
    return [path.name, *sorted(name for name in external if (path.parent / name).is_file())]


def _open(path: Path, stack: ExitStack) -> FileBytes:
    with read_faults(path):
        part = FileBytes(path)
    stack.callback(part.close)
    return part


def _pickle_fault(where: str) -> Fault:
    return Fault(
        where=where,
        problem="pickles are not sealed: loading one would run the code that is in it",
        found="a pickle",
        expected="safetensors or ONNX, which contain numbers only",
        try_=_PICKLE_TRY,
    )


def _damaged_fault(where: str, found: str) -> Fault:
    return Fault(
        where=where,
        problem="the file is damaged",
        found=found,
        expected="a whole file",
        try_="copy it again",
    )
