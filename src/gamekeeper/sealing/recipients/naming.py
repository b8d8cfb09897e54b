"""Reads recipients and identities that are named by one line of text.

Other packages can add key services: an entry point of the group `gamekeeper.recipients`, named
after its kind, is a module with the functions `parse(text)` and `identity_from_environment(text)`,
as in `vault.py`. This way a key can be released to attested machines only: the attestation's own
client decides inside `unwrap`. An entry point is loaded when a text names it.
"""

import re
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from gamekeeper.sealing.recipients._recipient import Identity, Recipient
from gamekeeper.sealing.recipients.keypairs import read_private_key, read_public_key

GROUP = "gamekeeper.recipients"
_KIND = re.compile(r"[a-z0-9]{2,}:", re.ASCII)  # a single letter is a drive of Windows
_SERVICES = {"awskms": "aws_kms", "vault": "vault", "pkcs11": "pkcs11"}


def read_recipient(text: str | Path) -> Recipient:
    """Returns the recipient that a text names.

    Args:
        text: A public key file, `x25519:HEX`, `awskms:KEY`, `vault:MOUNT/KEY` or `pkcs11:URI`.

    Raises:
        InputError: It does not name a recipient.
    """
    parse = _service_function(str(text), "parse")
    if parse is None:
        return read_public_key(text)
    recipient: Recipient = parse(str(text))
    return recipient


def read_identity(text: str | Path) -> Identity:
    """Returns the identity that a text names; for a key service, with the credentials of the
    environment.

    Args:
        text: A private key file, `awskms:KEY`, `vault:MOUNT/KEY` or `pkcs11:URI`: no other key is
            used.

    Raises:
        InputError: It does not name an identity.
    """
    from_environment = _service_function(str(text), "identity_from_environment")
    if from_environment is None:
        return read_private_key(text)
    identity: Identity = from_environment(str(text))
    return identity


def _service_function(text: str, function: str) -> Callable[[str], Any] | None:
    """Returns a function of the key service that a text names, or None if it names none."""
    if not _KIND.match(text):
        return None
    kind = text.partition(":")[0]
    if kind in _SERVICES:
        module = import_module(f"gamekeeper.sealing.recipients.{_SERVICES[kind]}")
        return getattr(module, function)  # type: ignore[no-any-return]
    found = entry_points(group=GROUP, name=kind)
    return next((getattr(one.load(), function) for one in found), None)
