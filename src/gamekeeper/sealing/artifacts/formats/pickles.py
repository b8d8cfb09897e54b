"""Finds out whether data could be unpickled up to a call.

An unpickler runs what it reads at once: what follows, broken or not, is too late. Only what makes
every unpickler fail therefore ends the walk: a byte that is not an opcode, an opcode that needs
more values or a mark than there can be, the end of the file. Numbers and strings are not checked:
unpicklers read more of them than `pickletools` does (`I0x1`), and a last line that has no end. A
pickle may be followed by another, as in the files of torch before 1.6.
"""

import pickletools
from collections.abc import Iterator

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._cursor import Cursor
from gamekeeper.sealing.contents import ContentsError

_IMPORTS = {"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"}
_CALLS = {"REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD", "OBJ", "INST"}
_NEED_TWO = {"REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD", "STACK_GLOBAL"}
_MARK = "MARK"
_STOP = "STOP"
_NEED_ONE = {"POP", "DUP", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINPERSID", _STOP}
_LINES = {"stringnl_noescape_pair": 2}
_LENGTH_BYTES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_NEED_MARK = {one.name for one in pickletools.opcodes if pickletools.markobject in one.stack_before}
_OPCODES = {one.code.encode("latin-1"): one for one in pickletools.opcodes}
_MAX_OPCODES = 1_000_000  # data that is not a pickle has a wrong one much earlier


def calls_something(data: ByteSource) -> bool:
    """Returns whether an unpickler could reach a call, or reads too much to tell."""
    has_import = False
    for number, name in enumerate(_reached(data)):
        has_import = has_import or name in _IMPORTS
        if number == _MAX_OPCODES or (has_import and name in _CALLS):
            return True
    return False


def is_pickle(data: ByteSource) -> bool:
    """Returns whether data begins with a whole pickle, or calls something."""
    return calls_something(data) or any(name == _STOP for name in _reached(data))


def _reached(data: ByteSource) -> Iterator[str]:
    """Yields the names of the opcodes that an unpickler could reach."""
    cursor = Cursor(data)
    pushed = 0  # at least as many as values are on the stack
    has_mark = False
    while cursor.left:
        opcode = _OPCODES.get(cursor.take(1))
        if opcode is None:
            return
        lacks_mark = opcode.name in _NEED_MARK and not has_mark
        needed = 2 if opcode.name in _NEED_TWO else int(opcode.name in _NEED_ONE)
        if lacks_mark or pushed + has_mark < needed or not _skip_argument(cursor, opcode.arg):
            return
        has_mark = has_mark or opcode.name == _MARK
        pushed += opcode.name != _MARK and bool(opcode.stack_after)
        yield opcode.name


def _skip_argument(cursor: Cursor, argument: pickletools.ArgumentDescriptor | None) -> bool:
    """Moves behind an argument; returns whether the file goes on until there."""
    if argument is None:
        return True
    try:
        if argument.n == pickletools.UP_TO_NEWLINE:
            for _ in range(_LINES.get(argument.name, 1)):
                cursor.skip_line()
        elif argument.n in _LENGTH_BYTES:
            cursor.skip(cursor.unsigned(_LENGTH_BYTES[argument.n]))
        else:
            cursor.skip(argument.n)
    except ContentsError:
        return False
    return True
