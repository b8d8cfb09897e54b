"""Changes the recipients of a sealed file without touching the encrypted data.

    write the idle slot, sync, wipe the other slot, sync

After an interruption the file still opens, either for the old recipients or for the new ones.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from gamekeeper.base.errors import UsageError
from gamekeeper.base.files import disk_faults, write_at
from gamekeeper.sealing.recipients import Identity, Recipient, Stanza
from gamekeeper.sealing.sealed.sealed_file import SealedFile
from gamekeeper.sealing.sealed.slots import make_slot
from gamekeeper.sealing.sealed.subkeys import context_of
from gamekeeper.sealing.sealed.writing import require_distinct_names
from gamekeeper.sealing.shown import shown


def rewrap(
    path: str | Path,
    *,
    identities: Sequence[Identity],
    add: Sequence[Recipient] = (),
    remove: Sequence[str] = (),
) -> tuple[Stanza, ...]:
    """Adds and removes recipients of a sealed file, in milliseconds for any file size.

    A removed recipient who kept the data key, or an earlier copy of the file, can still read it. A
    removed recipient who can also write to the file can add themselves and others again, or remove
    everybody else. To exclude a recipient from future versions, seal the model again with a new
    data key.

    Args:
        path: The sealed file.
        identities: Keys to open it.
        add: Recipients to add. For one that the file has already, the data key is wrapped again.
        remove: Names of recipients to remove, as `inspect` prints them; an unambiguous prefix
            suffices.

    Returns:
        The recipients that can open the file now.

    Raises:
        UsageError: A name matches no recipient or several, or no recipient would remain.
        SealError: It cannot be opened, was tampered with, or has no room for so many recipients.
        InputError: It cannot be read or written.
    """
    path = Path(path)
    with SealedFile(path, is_written=True) as sealed:
        data_key = sealed.unwrap_data_key(identities)
        keys = sealed.authenticated_subkeys(data_key)
        added = [one.wrap(data_key, context_of(sealed.header.file_id)) for one in add]
        require_distinct_names(added)
        removed = {_matching_name(name, sealed.slot.stanzas) for name in remove}
        replaced = {one.name for one in added}
        kept = [one for one in sealed.slot.stanzas if one.name not in removed | replaced]
        stanzas = (*kept, *added)
        if not stanzas:
            raise UsageError("nobody could open it any more: add a recipient, or keep one")
        length = sealed.header.slot_bytes
        slot = make_slot(sealed.slot.generation + 1, stanzas, keys.slots, sealed.associated, length)
        with disk_faults(path):
            # In this order, each synced: at any time one slot is whole.
            _write_slot(sealed, 1 - sealed.slot_number, slot)
            _write_slot(sealed, sealed.slot_number, bytes(length))
    return stanzas


def _write_slot(sealed: SealedFile, number: int, content: bytes) -> None:
    write_at(sealed.file, content, sealed.header.slot_at(number))
    os.fsync(sealed.file)


def _matching_name(name: str, stanzas: Sequence[Stanza]) -> str:
    names = {one.name for one in stanzas}
    if name in names:
        return name
    matching = [one for one in names if name and one.startswith(name)]
    if len(matching) != 1:
        count = "several" if matching else "no"
        existing = shown(", ".join(one.name for one in stanzas))
        raise UsageError(f'"{shown(name)}" names {count} recipients; there are {existing}')
    return matching[0]
