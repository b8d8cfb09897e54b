"""Who can open what is sealed: one file a kind of key."""

from gamekeeper.sealing.recipients._recipient import KEY_BYTES, Identity, Recipient, Stanza

__all__ = ["KEY_BYTES", "Identity", "Recipient", "Stanza"]
