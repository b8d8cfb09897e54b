"""Recipients and identities as people name them, in one line of text.

Other key services come from packages: an entry point of the group `gamekeeper.recipients`, named as
its kind, is a module with `parse(text)` and `identity_from_environment(text)` as `vault.py` has
them. So a key can be released to an attested machine only: the attestation's own client decides
inside `unwrap`. It is loaded when a text names it.
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
_NAMED = re.compile(r"[a-z0-9]{2,}:", re.ASCII)  # one letter is a drive
_SERVICES = {"awskms": "aws_kms", "vault": "vault", "pkcs11": "pkcs11"}


def read_recipient(text: str) -> Recipient:
    """Returns the recipient that a text names.

    Args:
        text: A public key file, `x25519:HEX`, `awskms:KEY`, `vault:MOUNT/KEY` or `pkcs11:URI`.

    Raises:
        InputError: It names none.
    """
    parse = _of_service(text, "parse")
    recipient: Recipient = parse(text) if parse else read_public_key(text)
    return recipient


def read_identity(text: str) -> Identity:
    """Returns the identity that a text names; of a key service, whoever the environment's
    credentials are.

    Args:
        text: A private key file, `awskms:KEY`, `vault:MOUNT/KEY` or `pkcs11:URI`: only that key is
            asked for.

    Raises:
        InputError: It names none.
    """
    from_environment = _of_service(text, "identity_from_environment")
    identity: Identity = (
        from_environment(text) if from_environment else read_private_key(Path(text))
    )
    return identity


def _of_service(text: str, function: str) -> Callable[[str], Any] | None:
    kind = text.partition(":")[0] if _NAMED.match(text) else ""
    if kind in _SERVICES:
        return getattr(import_module(f"gamekeeper.sealing.recipients.{_SERVICES[kind]}"), function)  # type: ignore[no-any-return]
    found = entry_points(group=GROUP, name=kind) if kind else ()
    return next((getattr(one.load(), function) for one in found), None)
