"""Reads a model as it lies on disk: one file, or a folder of them, in the order in which it will be
sealed.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from gamekeeper.base.errors import Fault, GamekeeperError, InputError, input_error
from gamekeeper.sealing.artifacts._bytes import Bytes, FileBytes
from gamekeeper.sealing.artifacts.onnx import OnnxFile, is_onnx, read_onnx
from gamekeeper.sealing.artifacts.pickles import is_pickle
from gamekeeper.sealing.artifacts.safetensors import is_safetensors, safetensors_member
from gamekeeper.sealing.contents import Contents, ContentsError, Member, is_safe_path

_PICKLE_TRY = (
    "save it by safetensors.torch.save_file where you trust it, or as ONNX; or take it out of the"
    " folder"
)
_FORMATS = "a safetensors or ONNX file, or a folder with one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model on disk.

    Args:
        contents: Its files and tensors.
        paths: Where each file lies, in the same order.
        marks: Which file it was that was looked into, and in which state.
    """

    contents: Contents
    paths: tuple[Path, ...]
    marks: tuple[tuple[int, ...], ...]


def read_model(path: Path, *, is_linked: bool = False) -> Model:
    """Reads which files a model has and where its tensors lie.

    An ONNX file brings the files beside it that hold its tensors.

    Args:
        path: A safetensors or ONNX file, or a folder with at least one, and whatever goes with it.
        is_linked: Whether links that lead out of the model's folder are followed, as those of a
            download cache do.

    Raises:
        InputError: There is no such model, or a file of it is a pickle or damaged, or a link that
            leads elsewhere; all of them are named.
    """
    if not path.exists():
        raise input_error(path, "no such file or folder", "nothing", _FORMATS)
    names = _folder_names(path) if path.is_dir() else _file_names(path)
    folder = path if path.is_dir() else path.parent
    if not is_linked:
        _require_inside(folder, names if path.is_dir() else names[1:])
    with ExitStack() as stack:
        parts = [_opened(folder / name, stack) for name in names]
        marks = tuple(part.mark() for part in parts)
        contents = contents_of(names, parts, path, is_folder=path.is_dir() or len(names) > 1)
        return Model(contents=contents, paths=tuple(folder / name for name in names), marks=marks)


def contents_of(
    names: Sequence[str], parts: Sequence[Bytes], where: object, *, is_folder: bool
) -> Contents:
    """Returns what these files hold; of one that was sealed it must be what its index says.

    Raises:
        InputError: One of them is a pickle or damaged, or none is a model; all faults together.
    """
    sizes = dict(zip(names, (part.size for part in parts), strict=True))
    members = []
    faults = []
    begin = 0
    beside: dict[str, tuple[str, OnnxFile]] = {}
    for name, part in zip(names, parts, strict=True):
        try:
            members.append(_member(name, part, begin, sizes, beside))
        except ContentsError as lie:
            faults.append(_damaged(f"{where}: {name}", str(lie)))
        except _PickleError:
            faults.append(_pickle(f"{where}: {name}"))
        begin += part.size
    if faults:
        raise InputError(faults)
    if all(one.kind == "file" for one in members):
        raise input_error(
            where,
            "no model that can be sealed",
            ", ".join(names)[:80] or "an empty folder",
            _FORMATS,
        )
    return Contents(members=tuple(_beside(one, beside) for one in members), is_folder=is_folder)


class _PickleError(GamekeeperError):
    """The file is a pickle."""


def _member(
    name: str,
    part: Bytes,
    begin: int,
    sizes: dict[str, int],
    beside: dict[str, tuple[str, OnnxFile]],
) -> Member:
    if name.endswith(".safetensors") or is_safetensors(part):
        return safetensors_member(part, name, begin)
    if is_pickle(part, name):
        raise _PickleError
    if name.endswith(".onnx") or is_onnx(part):
        return _onnx_member(name, part, begin, sizes, beside)
    return Member(path=name, kind="file", begin=begin, length=part.size)


def _onnx_member(
    name: str,
    part: Bytes,
    begin: int,
    sizes: dict[str, int],
    beside: dict[str, tuple[str, OnnxFile]],
) -> Member:
    if not is_onnx(part):
        raise ContentsError("no ONNX model")
    found = read_onnx(part)
    folder = name.rpartition("/")[0]
    for location in found.outside:
        path = f"{folder}/{location}" if folder else location
        if path not in sizes:
            raise ContentsError(f"its tensors lie in {ascii(path)[:80]}, which is not there")
        beside[path] = (location, found)
    return found.member(name, begin, part.size)


def _beside(member: Member, beside: dict[str, tuple[str, OnnxFile]]) -> Member:
    if member.kind != "file" or member.path not in beside:
        return member
    location, found = beside[member.path]
    placed = found.beside(location, member.begin, member.length)
    return Member(
        path=member.path,
        kind="file",
        begin=member.begin,
        length=member.length,
        tensors=placed.tensors,
    )


def _folder_names(folder: Path) -> list[str]:
    """All files below a folder, by name, but for what version control keeps for itself."""
    found = [
        one for one in sorted(folder.rglob("*")) if ".git" not in one.relative_to(folder).parts
    ]
    # A link to a folder is not followed; to leave its files out without a word would seal half a
    # model.
    odd = [one for one in found if not one.is_file() and (one.is_symlink() or not one.is_dir())]
    names = [one.relative_to(folder).as_posix() for one in found if one.is_file()]
    bad = [str(one) for one in odd] + [name for name in names if not is_safe_path(name)]
    if bad:
        raise input_error(
            folder, "a name that cannot be sealed", ascii(bad[0])[:80], "plain names of plain files"
        )
    return names


def _require_inside(folder: Path, names: Sequence[str]) -> None:
    """Raises where a link would seal a file for strangers that belongs to the machine and not to
    the model.
    """
    home = folder.resolve()
    away = [name for name in names if not (folder / name).resolve().is_relative_to(home)]
    if away:
        found = ", ".join(f"{ascii(name)[1:-1]} -> {(folder / name).resolve()}" for name in away)
        try_ = "--follow-links, where they are meant, as in a download cache"
        raise input_error(
            folder, "links that lead out of the model's folder", found[:300], "plain files", try_
        )


def _file_names(path: Path) -> list[str]:
    if not is_safe_path(path.name):
        raise input_error(
            path, "a name that cannot be sealed", ascii(path.name)[:80], "a plain name"
        )
    with ExitStack() as stack:
        part = _opened(path, stack)
        try:
            is_model = not is_safetensors(part) and not is_pickle(part, path.name) and is_onnx(part)
            outside = read_onnx(part).outside if is_model else {}
        except ContentsError as lie:
            raise InputError([_damaged(str(path), str(lie))]) from None
    return [path.name, *sorted(name for name in outside if (path.parent / name).is_file())]


def _opened(path: Path, stack: ExitStack) -> FileBytes:
    try:
        part = FileBytes(path)
    except OSError as fault:
        raise input_error(
            path, "the file cannot be read", fault.strerror or str(fault), "a file"
        ) from None
    stack.callback(part.close)
    return part


def _pickle(where: str) -> Fault:
    return Fault(
        where=where,
        problem="a pickle is not sealed: whoever opens it would run the code that is in it",
        found="a pickle",
        expected="safetensors or ONNX, which hold numbers only",
        try_=_PICKLE_TRY,
    )


def _damaged(where: str, lie: str) -> Fault:
    return Fault(
        where=where,
        problem="the file is damaged",
        found=lie,
        expected="a whole file",
        try_="copy it again",
    )
