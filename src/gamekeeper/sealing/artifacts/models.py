"""Reads a model on disk, one file or a folder, in the order in which its files will be sealed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.sealing.artifacts._bytes import ByteSource, FileBytes
from gamekeeper.sealing.artifacts.faults import MODEL_FORMATS, fault_of
from gamekeeper.sealing.artifacts.folders import (
    files_in,
    require_inside,
    require_safe_name,
)
from gamekeeper.sealing.artifacts.formats import (
    Recognised,
    is_like_numbers,
    recognise,
    require_known_name,
    require_no_private_key,
)
from gamekeeper.sealing.artifacts.onnx import OnnxFile, are_all_tensors, is_onnx, read_onnx
from gamekeeper.sealing.artifacts.safetensors import is_safetensors, safetensors_member
from gamekeeper.sealing.contents import Contents, ContentsError, Member
from gamekeeper.sealing.faults import read_faults
from gamekeeper.sealing.selection import Selection

Source = Callable[[], AbstractContextManager[ByteSource]]
"""Opens a file for as long as it is examined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The files of a model on disk.

    Args:
        contents: Its files and tensors.
        paths: Location of each file on disk, in the same order.
        states: `FileBytes.state` of each file when its tensors were located.
        root: The model, as it was named.
        empty_folders: Paths of folders without files, which a sealed file does not keep.
    """

    contents: Contents
    paths: tuple[Path, ...]
    states: tuple[tuple[int, ...], ...]
    root: Path
    empty_folders: tuple[str, ...] = ()


def read_model(
    path: Path,
    *,
    follow_links: bool = False,
    allow: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> ModelFiles:
    """Reads which files a model has and locates its tensors.

    The external data files of an ONNX file belong to the model.

    Args:
        path: A model file, or a folder with at least one model file and any other files of formats
            that are known.
        follow_links: Whether links that lead out of the model's folder are followed, as those of a
            download cache do.
        allow: Paths in the model, or patterns, of files that are sealed although their format is
            not known.
        ignore: Paths in the model, or patterns, of files that are left out.

    Raises:
        InputError: There is no such model, or one of its files is of no format that is known, is
            damaged, is a private key, or is a link that leads out of the folder; all of them are
            named.
        UsageError: A path or pattern matches nothing.
    """
    if not path.exists():
        raise input_error(path, "no such file or folder", "nothing", MODEL_FORMATS)
    allowed = Selection("--allow", allow, path)
    ignored = Selection("--ignore", ignore, path)
    is_folder = path.is_dir()
    folder = path if is_folder else path.parent
    listed = files_in(path, ignored) if is_folder else None
    names = listed.names if listed else _file_names(path, ignored)
    ignored.require_all_matched()
    by_name = {name for name in names if allowed.matches(name)}
    allowed.require_all_matched()
    if not follow_links:
        require_inside(folder, names if is_folder else names[1:])
    states: list[tuple[int, ...]] = []
    sources = [_disk_source(folder / name, states) for name in names]
    contents = contents_of(
        names,
        sources,
        path,
        is_folder=is_folder or len(names) > 1,
        is_allowed=by_name.__contains__,
        check=require_no_private_key,
    )
    return ModelFiles(
        contents=contents,
        paths=tuple(folder / name for name in names),
        states=tuple(states),
        root=path,
        empty_folders=listed.empty if listed else (),
    )


def contents_of(
    names: Sequence[str],
    sources: Sequence[Source],
    where: object,
    *,
    is_folder: bool,
    is_allowed: Callable[[str], bool],
    check: Callable[[ByteSource, str], None] | None = None,
) -> Contents:
    """Returns the contents of these files.

    Sealing takes the index from here. `open_sealed` and `verify_sealed` call it again on the sealed
    files.

    Args:
        names: Paths in the model.
        sources: The files, in the same order; one is open at a time.
        where: The model, for messages.
        is_folder: Whether the model is a folder.
        is_allowed: Whether a file is accepted although its format is not known.
        check: Called with each file first; raises `ContentsError` for one that must not be sealed,
            even if it is allowed.

    Raises:
        InputError: The format of one of them is not known, or one is damaged, or there is no model;
            carries all faults.
    """
    scan = _Scan(names)
    for name, source in zip(names, sources, strict=True):
        with source() as part:
            scan.examine(name, part, check)
    faults = [
        fault_of(where, name, error, is_folder=is_folder)
        for name, error in scan.refused(is_allowed)
    ]
    if faults:
        raise InputError(faults)
    allowed = tuple(name for name in names if name in scan.unknown)
    if not scan.has_model and not allowed:
        found = ", ".join(names)[:80] or "an empty folder"
        raise input_error(where, "no model that can be sealed", found, MODEL_FORMATS)
    return Contents(
        members=tuple(scan.members()),
        is_folder=is_folder,
        allowed=allowed,
        code=tuple(scan.code()),
    )


class _Scan:
    """Examines files one after another, and remembers the external data files of ONNX.

    Args:
        names: Paths in the model, in the order of the payload, in which they are examined.

    Attributes:
        unknown: Why a file was not recognised, by its path.
        has_model: Whether one of the files is a model.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._members: dict[str, Member] = {}
        self._recognised: dict[str, Recognised] = {}
        self._external: dict[str, list[tuple[str, OnnxFile]]] = {}
        self._numbers: set[str] = set()
        self._forbidden: dict[str, ContentsError] = {}
        self._end = 0
        self.unknown: dict[str, ContentsError] = {}
        self.has_model = False

    def examine(
        self, name: str, part: ByteSource, check: Callable[[ByteSource, str], None] | None
    ) -> None:
        """Locates the tensors of a file, or notes why it cannot be examined."""
        begin = self._end
        self._end += part.size
        self._members[name] = Member(path=name, kind="file", begin=begin, length=part.size)
        try:
            if check:
                check(part, name)
        except ContentsError as error:
            self._forbidden[name] = error
            return
        try:
            self._recognise(name, part, begin)
        except ContentsError as error:
            self.unknown[name] = error
            if error.reason == "unknown" and is_like_numbers(part, name):
                self._numbers.add(name)

    def refused(self, is_allowed: Callable[[str], bool]) -> list[tuple[str, ContentsError]]:
        """Returns the files that must not be sealed, with the reason.

        Args:
            is_allowed: Whether a file is accepted although its format is not known.
        """
        for path in self._external:
            self._forgive_numbers(path)
        faults = self._forbidden | {
            name: error for name, error in self.unknown.items() if not is_allowed(name)
        }
        return [(name, faults[name]) for name in self._names if name in faults]

    def members(self) -> Iterator[Member]:
        """Yields the files in the order of the payload, with their tensors."""
        for name in self._names:
            yield self._with_external_tensors(self._members[name])

    def code(self) -> Iterator[tuple[str, str]]:
        """Yields what a loader may run, with the file that it is in."""
        for name in self._names:
            if name in self._recognised:
                for text in self._recognised[name].code:
                    yield name, text

    def _recognise(self, name: str, part: ByteSource, begin: int) -> None:
        if is_safetensors(part, name):
            self._members[name] = safetensors_member(part, name, begin)
            self.has_model = True
        elif is_onnx(part, name):
            require_known_name(name)
            self._members[name] = self._onnx_member(name, part, begin)
            self.has_model = True
        else:
            found = recognise(part, name)
            self._recognised[name] = found
            self.has_model = self.has_model or found.is_model

    def _onnx_member(self, name: str, part: ByteSource, begin: int) -> Member:
        onnx = read_onnx(part)
        folder = name.rpartition("/")[0]
        for location in onnx.external:
            path = f"{folder}/{location}" if folder else location
            if path not in self._names:
                raise ContentsError(f"its tensors are in {ascii(path)[:80]}", "missing")
            self._external.setdefault(path, []).append((location, onnx))
        return onnx.member(name, begin, part.size)

    def _forgive_numbers(self, path: str) -> None:
        """Accepts a file that is of no format if it is nothing but numbers of ONNX models.

        What was recognised stays, also the code in it: to be named in an ONNX file changes nothing
        for those who load it in another way.
        """
        ranges = [one for location, onnx in self._external[path] for one in onnx.ranges[location]]
        if path in self._numbers and are_all_tensors(ranges, self._members[path].length):
            self.unknown.pop(path, None)

    def _with_external_tensors(self, member: Member) -> Member:
        """Returns a file with the tensors that an ONNX file stores in it."""
        if member.kind != "file" or member.path not in self._external:
            return member
        location, onnx = self._external[member.path][-1]
        tensors = onnx.external_tensors(location, member.begin, member.length)
        return replace(member, tensors=tensors)


def _file_names(path: Path, ignored: Selection) -> list[str]:
    """Returns the name of a model file, and those of its external data files."""
    require_safe_name(path)
    external: Iterable[str] = ()
    with read_faults(path), FileBytes(path) as part, suppress(ContentsError):
        # what is wrong with it is said when it is examined
        if not is_safetensors(part, path.name) and is_onnx(part, path.name):
            external = read_onnx(part).external
    beside = [name for name in external if (path.parent / name).is_file()]
    return [path.name, *sorted(name for name in beside if not ignored.matches(name))]


def _disk_source(path: Path, states: list[tuple[int, ...]]) -> Source:
    """Returns what opens a file on disk, and then notes its state."""

    @contextmanager
    def opened() -> Iterator[ByteSource]:
        with read_faults(path):
            part = FileBytes(path)
        with part:
            states.append(part.state())
            with read_faults(path):
                yield part

    return opened
