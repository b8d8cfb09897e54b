"""The common part of recipients at key services: checks of untrusted values, and errors without
secrets.

A stanza comes from a file that anybody may have written. Each of its values is matched against a
pattern before it is sent to a service, and no address of a service is ever taken from it.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.recipients._recipient import KEY_BYTES, Stanza
from gamekeeper.sealing.shown import shown

MAX_WRAPPED_BYTES = 6144  # the most that AWS KMS returns; other services return far less
MAX_VALUE_CHARACTERS = 4 * (MAX_WRAPPED_BYTES + 2) // 3 + 1
CONTEXT_BYTES = range(16, 257)
TIMEOUT_S = 10
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
MIN_SCRUBBED_CHARACTERS = 4  # a shorter secret would match parts of ordinary words
WRAPPED_HERE = "a data key that this key wrapped for this file"
OTHER_FILE = "it was wrapped with another key or for another file, or was changed"


@dataclass(frozen=True, slots=True)
class KeyNames:
    """The texts that name the keys of one service, `KIND:NAME`.

    Args:
        kind: The kind of the service's stanzas, such as `awskms`.
        pattern: Pattern of the name.
        expected: Description of the text, for messages.
    """

    kind: str
    pattern: re.Pattern[str]
    expected: str

    def parse(self, text: str) -> str:
        """Returns the name of the key.

        Raises:
            InputError: The text has another kind, or the name does not match the pattern.
        """
        prefix, _, name = text.partition(":")
        if prefix != self.kind or not self.pattern.fullmatch(name):
            problem = f"not a key of the kind {self.kind}"
            raise input_error("recipient", problem, shown(text), self.expected)
        return name

    def parse_all(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Returns the names of several keys, as `parse` does."""
        return tuple(self.parse(text) for text in texts)


def stanza_text(stanza: Stanza, name: str, pattern: re.Pattern[str], expected: str) -> str:
    """Returns a value of a stanza that matches a pattern.

    Args:
        stanza: An untrusted stanza.
        name: Name of the value.
        pattern: The pattern.
        expected: Description of the pattern, for messages.

    Raises:
        InputError: It is missing, or does not match.
    """
    value: object = stanza.values.get(name)
    is_valid = (
        isinstance(value, str) and len(value) <= MAX_VALUE_CHARACTERS and pattern.fullmatch(value)
    )
    if not isinstance(value, str) or not is_valid:
        found = "nothing" if value is None else shown(str(value))
        try_ = "take the file from its source"
        raise input_error(stanza_label(stanza), f'"{name}" cannot be read', found, expected, try_)
    return value


def stanza_bytes(stanza: Stanza, name: str, lengths: range) -> bytes:
    """Returns a binary value of a stanza, which is stored in base64.

    Args:
        stanza: An untrusted stanza.
        name: Name of the value.
        lengths: Allowed lengths in bytes.

    Raises:
        InputError: It is missing, is not base64, or has another length.
    """
    expected = f"{lengths.start} to {lengths.stop - 1} bytes in base64"
    text = stanza_text(stanza, name, re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII), expected)
    label = stanza_label(stanza)
    try:
        value = b64decode(text, validate=True)
    except binascii.Error:
        raise input_error(label, f'"{name}" is not base64', shown(text), expected) from None
    if len(value) not in lengths:
        raise input_error(label, f'"{name}" has another length', f"{len(value)} bytes", expected)
    return value


def require_context(context: bytes) -> None:
    """Raises `ValueError` if a context is too short to distinguish files, or too long for a
    service.
    """
    if len(context) not in CONTEXT_BYTES:
        raise ValueError(f"a context has 16 to 256 bytes, found {len(context)}")


def require_private(address: str, name: str) -> None:
    """Raises `InputError` if data sent to this address could be read on the way.

    Args:
        address: Address of the service.
        name: The setting it was taken from, for messages.
    """
    try:
        parts = urlsplit(address)
        scheme = parts.scheme
        host = parts.hostname or ""
    except ValueError:
        scheme = ""
        host = ""
    is_private = scheme == "https" or (scheme == "http" and host in _LOOPBACK)
    if not host or not is_private or "@" in address:
        expected = "https://HOST:PORT, without a name or password in it; http for localhost only"
        found = f"{shown(scheme) or 'no scheme'}, {shown(host) or 'no host'}"
        raise input_error(name, "data keys cannot be sent there safely", found, expected)


def require_data_key(value: bytes, service: str) -> Secret[bytes]:
    """Returns the value that a service unwrapped, as a data key.

    Raises:
        InputError: It does not have the length of a data key.
    """
    if len(value) != KEY_BYTES:
        problem = "the unwrapped value is not a data key"
        raise input_error(service, problem, f"{len(value)} bytes", f"{KEY_BYTES} bytes")
    return Secret(value)


def service_error(
    service: str, problem: str, fault: object, expected: str, try_: str, secrets: Iterable[str] = ()
) -> InputError:
    """Returns the error of a key service with its library's text, without the secrets."""
    return input_error(service, problem, shown(scrubbed(str(fault), secrets)), expected, try_)


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """Returns the text without the secrets: a service may repeat what was sent to it."""
    for secret in secrets:
        if len(secret) >= MIN_SCRUBBED_CHARACTERS:
            text = text.replace(secret, "...")
    return text


def stanza_label(stanza: Stanza) -> str:
    """Returns the text that denotes a stanza in errors."""
    return f"stanza {shown(stanza.name)}"


def base64_text(value: bytes) -> str:
    """Returns bytes in base64, the form of binary values in a stanza."""
    return b64encode(value).decode("ascii")
