"""Recipients of sealed files: one module for each kind of key."""

from gamekeeper.sealing.recipients._recipient import KEY_BYTES, Identity, Recipient, Stanza
from gamekeeper.sealing.recipients.keypairs import (
    PrivateKey,
    PublicKey,
    read_private_key,
    read_public_key,
)
from gamekeeper.sealing.recipients.naming import read_identity, read_recipient
from gamekeeper.sealing.recipients.passphrase import Passphrase, passphrase

__all__ = [
    "KEY_BYTES",
    "Identity",
    "Passphrase",
    "PrivateKey",
    "PublicKey",
    "Recipient",
    "Stanza",
    "passphrase",
    "read_identity",
    "read_private_key",
    "read_public_key",
    "read_recipient",
]
