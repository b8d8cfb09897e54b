"""Changes who can open a sealed file; its data stay where they are.

    write the idle slot, sync, wipe the other slot, sync

An interruption leaves a file that opens: for the old recipients, or for the new ones.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from gamekeeper.base.errors import UsageError
from gamekeeper.base.files import disk_faults, write_at
from gamekeeper.sealing.recipients import Identity, Recipient, Stanza
from gamekeeper.sealing.sealed.reading import SealedFile
from gamekeeper.sealing.sealed.slots import make_slot
from gamekeeper.sealing.sealed.subkeys import context_of
from gamekeeper.sealing.sealed.writing import require_names_apart
from gamekeeper.sealing.shown import shown


def rewrap(
    path: Path,
    *,
    identities: Sequence[Identity],
    add: Sequence[Recipient] = (),
    remove: Sequence[str] = (),
) -> tuple[Stanza, ...]:
    """Adds and removes recipients of a sealed file, in milliseconds whatever its size.

    Who is removed and kept the data key, or a copy of the file from before, can still read it;
    where he can write to it, he can let himself and others in again, or shut all out. To shut
    somebody out of what follows, seal anew.

    Args:
        path: The sealed file.
        identities: Keys to open it.
        add: Who can open it from now on. One who could already is wrapped for anew.
        remove: Names of those who cannot any more, as `inspect` shows them; a beginning that fits
            one only suffices.

    Returns:
        Who can open it now.

    Raises:
        UsageError: A name fits none or several, or nobody would be left.
        SealError: It does not open, was tampered with, or has no room for so many.
        InputError: It cannot be read or written.
    """
    with SealedFile(path, is_written=True) as sealed:
        data_key = sealed.data_key(identities)
        keys = sealed.keys(data_key)
        added = [one.wrap(data_key, context_of(sealed.header.file_id)) for one in add]
        require_names_apart(added)
        gone = {_named(name, sealed.slot.stanzas) for name in remove} | {one.name for one in added}
        stanzas = (*(one for one in sealed.slot.stanzas if one.name not in gone), *added)
        if not stanzas:
            raise UsageError("nobody could open it any more: add a recipient, or keep one")
        length = sealed.header.slot_bytes
        slot = make_slot(sealed.slot.generation + 1, stanzas, keys.slots, sealed.associated, length)
        with disk_faults(path):
            _replace(sealed, slot)
    return stanzas


def _replace(sealed: SealedFile, slot: bytes) -> None:
    for number, content in ((1 - sealed.slot_number, slot), (sealed.slot_number, bytes(len(slot)))):
        write_at(sealed.file, content, sealed.header.slot_at(number))
        os.fsync(sealed.file)


def _named(name: str, stanzas: Sequence[Stanza]) -> str:
    names = {one.name for one in stanzas}
    fits = [name] if name in names else [one for one in names if name and one.startswith(name)]
    if len(fits) != 1:
        there = shown(", ".join(one.name for one in stanzas))
        raise UsageError(
            f'"{shown(name)}" names {"several" if fits else "no"} recipients; there are {there}'
        )
    return fits[0]
