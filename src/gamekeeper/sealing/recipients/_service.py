"""What recipients at a key service have in common: checks of what a file says, and errors that tell
no secret.

A stanza stands in a file that anybody may have written. Each of its values is held against a form
before it goes to a service, and no address of a service is read from it.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from urllib.parse import urlsplit

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.recipients._recipient import KEY_BYTES, Stanza
from gamekeeper.sealing.shown import shown

MAX_WRAPPED_BYTES = 6144  # what AWS KMS returns at most; the others stay far below
MAX_VALUE_CHARACTERS = 4 * (MAX_WRAPPED_BYTES + 2) // 3 + 1
CONTEXT_BYTES = range(16, 257)
TIMEOUT_S = 10
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
MIN_SCRUBBED_CHARACTERS = 4  # shorter ones would be found in every other word
OTHER_FILE = "it was wrapped with another key or for another file, or was changed"


def key_name(text: str, kind: str, form: re.Pattern[str], expected: str) -> str:
    """Returns the name of the key in a recipient's text, `KIND:NAME`.

    Raises:
        InputError: It is of another kind or form.
    """
    prefix, _, name = text.partition(":")
    if prefix != kind or not form.fullmatch(name):
        raise input_error("recipient", f"no key of the kind {kind}", shown(text), expected)
    return name


def stanza_text(stanza: Stanza, name: str, form: re.Pattern[str], expected: str) -> str:
    """Returns a value of a stanza that has the form.

    Raises:
        InputError: It is missing, or of another form.
    """
    value: object = stanza.values.get(name)
    if not isinstance(value, str) or len(value) > MAX_VALUE_CHARACTERS or not form.fullmatch(value):
        found = "nothing" if value is None else shown(str(value))
        raise input_error(
            where(stanza),
            f'"{name}" cannot be read',
            found,
            expected,
            "take the file from its source",
        )
    return value


def stanza_bytes(stanza: Stanza, name: str, lengths: range) -> bytes:
    """Returns a binary value of a stanza, base64, of one of the lengths.

    Raises:
        InputError: It is missing, no base64, or of another length.
    """
    expected = f"{lengths.start} to {lengths.stop - 1} bytes in base64"
    text = stanza_text(stanza, name, re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII), expected)
    try:
        value = b64decode(text, validate=True)
    except binascii.Error:
        raise input_error(where(stanza), f'"{name}" is no base64', shown(text), expected) from None
    if len(value) not in lengths:
        raise input_error(
            where(stanza), f'"{name}" has another length', f"{len(value)} bytes", expected
        )
    return value


def require_context(context: bytes) -> None:
    """Raises ValueError where a context is too short to tell files apart, or too long for a
    service.
    """
    if len(context) not in CONTEXT_BYTES:
        raise ValueError(f"a context has 16 to 256 bytes, found {len(context)}")


def require_private(address: str, name: str) -> None:
    """Raises InputError where others could read on the way what is sent to an address.

    Args:
        address: Of the service.
        name: Where it was taken from.
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
        raise input_error(name, "data keys would not go there safely", found, expected)


def require_data_key(value: bytes, service: str) -> Secret[bytes]:
    """Returns what a service unwrapped, as a data key.

    Raises:
        InputError: It has another length.
    """
    if len(value) != KEY_BYTES:
        raise input_error(
            service, "what it unwrapped is no data key", f"{len(value)} bytes", f"{KEY_BYTES} bytes"
        )
    return Secret(value)


def service_error(
    service: str, problem: str, fault: object, expected: str, try_: str, secrets: Iterable[str] = ()
) -> InputError:
    """Returns the error of a key service, with the text of its library, from which the secrets are
    taken out.
    """
    return input_error(service, problem, shown(scrubbed(str(fault), secrets)), expected, try_)


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """Returns the text without the secrets: a service may send back what it was sent."""
    for secret in secrets:
        if len(secret) >= MIN_SCRUBBED_CHARACTERS:
            text = text.replace(secret, "...")
    return text


def where(stanza: Stanza) -> str:
    """Returns how an error calls a stanza."""
    return f"stanza {shown(stanza.name)}"


def base64_text(value: bytes) -> str:
    """Returns bytes as they stand in a stanza."""
    return b64encode(value).decode("ascii")
