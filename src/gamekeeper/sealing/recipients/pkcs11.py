"""Data keys wrapped by an AES-256 key in a hardware token that speaks PKCS#11 (extra "pkcs11").

    wrapped = CKM_AES_GCM(key, nonce of 12 bytes, associated data = context): ciphertext || tag, 48
    bytes

A recipient is a PKCS#11 URI, `pkcs11:token=NAME;object=LABEL`. The module is `module-path` of its
query or GAMEKEEPER_PKCS11_MODULE, the PIN stands in the file `pin-source` names or in
GAMEKEEPER_PKCS11_PIN. A PIN in the URI itself is refused: command lines are seen by others.

What a file can do: a stanza names a token and a label, never a module or a PIN. A wrong PIN locks a
token after some attempts, so the PIN goes to the token that the user named and no other: an
identity has keys (URIs), or the one token in GAMEKEEPER_PKCS11_TOKEN, whose key a stanza may then
choose.

Tokens that insist on a nonce of their own (some in FIPS mode) refuse; they are not supported.

Source: OASIS PKCS#11 v3.0, current mechanisms, AES-GCM; RFC 7512.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from gamekeeper.base.errors import InputError, MissingExtraError, input_error
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.recipients._recipient import KEY_BYTES, Stanza
from gamekeeper.sealing.recipients._service import (
    OTHER_FILE,
    base64_text,
    require_context,
    require_data_key,
    service_error,
    stanza_bytes,
    stanza_text,
)
from gamekeeper.sealing.shown import shown

KIND = "pkcs11"
MODULE = "GAMEKEEPER_PKCS11_MODULE"
PIN = "GAMEKEEPER_PKCS11_PIN"
TOKEN = "GAMEKEEPER_PKCS11_TOKEN"
_NONCE_BYTES = 12
_TAG_BYTES = 16
_WRAPPED_BYTES = KEY_BYTES + _TAG_BYTES
_MAX_PIN_BYTES = 256
_LABEL = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_EXPECTED = "pkcs11:token=NAME;object=LABEL, and if needed ?module-path=FILE&pin-source=FILE"
_PATH = {"token", "object", "type"}
_QUERY = {"module-path", "pin-source"}
_PROBLEMS = {
    "PinIncorrect": ("the token refuses the PIN", f"its PIN in {PIN} or pin-source"),
    "PinInvalid": ("the token refuses the PIN", f"its PIN in {PIN} or pin-source"),
    "PinLenRange": ("the token refuses the PIN", f"its PIN in {PIN} or pin-source"),
    "PinLocked": ("the token's PIN is locked", "a token that is not locked"),
    "EncryptedDataInvalid": ("the data key does not unwrap", "what this key wrapped for this file"),
    "EncryptedDataLenRange": (
        "the data key does not unwrap",
        "what this key wrapped for this file",
    ),
    "GeneralError": (
        "the token fails, or the data key does not unwrap",
        "what this key wrapped for this file",
    ),
}
_LOCK = Lock()  # a login counts for all sessions of the process, and so does a logout


@dataclass(frozen=True, slots=True)
class Pkcs11Key:
    """A secret key in a token.

    Args:
        token: The token's label.
        label: The key's.
        module: The library that speaks to the token; empty for that of the environment.
        pin_source: The file with the PIN; empty for the PIN of the environment.
    """

    token: str
    label: str
    module: str = field(default="", compare=False)
    pin_source: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{KIND}:token={quote(self.token, safe='')};object={quote(self.label, safe='')}"


@dataclass(frozen=True, slots=True)
class Pkcs11Recipient:
    """Whoever has the token and its PIN.

    Args:
        key: The key in it.
    """

    key: Pkcs11Key

    def wrap(self, data_key: Secret[bytes], context: bytes) -> Stanza:
        """Returns the wrapped data key; see `Recipient`."""
        nonce = os.urandom(_NONCE_BYTES)
        wrapped = _run(self.key, "encrypt", data_key.reveal(), nonce, context)
        if len(wrapped) != _WRAPPED_BYTES:
            raise input_error(
                self.key, "what the token wrapped has another length", f"{len(wrapped)} bytes", "48"
            )
        values = {
            "token": self.key.token,
            "object": self.key.label,
            "nonce": base64_text(nonce),
            "wrapped": base64_text(wrapped),
        }
        return Stanza(kind=KIND, name=str(self.key), values=values)


@dataclass(frozen=True, slots=True)
class Pkcs11Identity:
    """Whoever has a token and its PIN.

    Args:
        keys: The only keys to ask for; without any, the one that a stanza names in `token`.
        token: Label of the token whose PIN the environment holds.
    """

    keys: tuple[Pkcs11Key, ...] = ()
    token: str = ""

    def unwrap(self, stanza: Stanza, context: bytes) -> Secret[bytes] | None:
        """Returns the data key, or None where the stanza is not for one of the keys; see
        `Identity`.
        """
        if stanza.kind != KIND:
            return None
        token, label = (
            stanza_text(stanza, name, _LABEL, "a label") for name in ("token", "object")
        )
        nonce = stanza_bytes(stanza, "nonce", range(_NONCE_BYTES, _NONCE_BYTES + 1))
        wrapped = stanza_bytes(stanza, "wrapped", range(_WRAPPED_BYTES, _WRAPPED_BYTES + 1))
        key = self._allowed(Pkcs11Key(token, label))
        return (
            require_data_key(_run(key, "decrypt", wrapped, nonce, context), str(key))
            if key
            else None
        )

    def _allowed(self, named: Pkcs11Key) -> Pkcs11Key | None:
        """The user's own entry for the key of a stanza, with its module and PIN."""
        if not self.keys and self.token and named.token == self.token:
            return named
        return next((key for key in self.keys if key == named), None)


def parse(text: str) -> Pkcs11Recipient:
    """Returns the recipient that a PKCS#11 URI names.

    Raises:
        InputError: It names none, or holds a PIN.
    """
    try:
        uri = urlsplit(text)
    except ValueError:
        raise input_error("recipient", "no PKCS#11 URI", shown(text), _EXPECTED) from None
    if uri.scheme != KIND or uri.netloc or uri.fragment:
        raise input_error("recipient", "no PKCS#11 URI", _shown(text), _EXPECTED)
    path = _attributes(uri.path, ";", _PATH)
    query = _attributes(uri.query, "&", _QUERY)
    token = path.get("token", "")
    label = path.get("object", "")
    if (
        not _LABEL.fullmatch(token)
        or not _LABEL.fullmatch(label)
        or path.get("type", "secret-key") != "secret-key"
    ):
        raise input_error("recipient", "the URI names no secret key", _shown(text), _EXPECTED)
    pin_source = query.get("pin-source", "").removeprefix("file:")
    return Pkcs11Recipient(
        Pkcs11Key(token, label, module=query.get("module-path", ""), pin_source=pin_source)
    )


def identity_from_environment(*texts: str) -> Pkcs11Identity:
    """Returns who opens with the keys that the URIs name, or else with any key of the environment's
    token.

    Raises:
        InputError: A URI names no key, or there is neither a URI nor GAMEKEEPER_PKCS11_TOKEN.
    """
    token = os.environ.get(TOKEN, "")
    if not texts and not token:
        try_ = f"set {TOKEN}, or name the key: {_EXPECTED}"
        raise input_error(
            TOKEN, "no token is named", "nothing", "the token whose PIN is known here", try_
        )
    return Pkcs11Identity(tuple(parse(text).key for text in texts), token)


def _attributes(text: str, separator: str, known: set[str]) -> dict[str, str]:
    """The attributes of one part of a URI; an unknown one might narrow what is meant, and so is
    refused.
    """
    found: dict[str, str] = {}
    for attribute in filter(None, text.split(separator)):
        name, _, value = attribute.partition("=")
        if name not in known or name in found:
            try_ = (
                "put the PIN into a file and name it with pin-source"
                if name.startswith("pin")
                else ""
            )
            raise input_error(
                "recipient", "an attribute of the URI is not taken", shown(name), _EXPECTED, try_
            )
        found[name] = unquote(value)  # what is no UTF-8 becomes U+FFFD, and names no token
    return found


def _shown(text: str) -> str:
    """A URI without its query, where a PIN may stand."""
    return shown(text.partition("?")[0])


def _run(key: Pkcs11Key, operation: str, value: bytes, nonce: bytes, context: bytes) -> bytes:
    """What the token makes of the value."""
    require_context(context)
    try:
        import pkcs11
    except ImportError:
        raise MissingExtraError("a key in a hardware token", "pkcs11") from None

    pin = _pin(key)
    try:
        with _LOCK, _session(pkcs11, key, pin) as session:
            params = pkcs11.GCMParams(nonce, context, 8 * _TAG_BYTES)
            run = getattr(_secret_key(pkcs11, session, key), operation, None)
            if run is None:  # the library leaves out what the key's attributes do not allow
                raise input_error(
                    key,
                    f"the key may not {operation}",
                    "its attributes",
                    "CKA_ENCRYPT and CKA_DECRYPT",
                )
            return bytes(run(value, mechanism=pkcs11.Mechanism.AES_GCM, mechanism_param=params))
    except pkcs11.PKCS11Error as fault:
        raise _refusal(key, fault, pin) from None


@contextmanager
def _session(pkcs11: Any, key: Pkcs11Key, pin: Secret[bytes]) -> Iterator[Any]:
    token = _only(list(pkcs11.lib(_module(key)).get_tokens(token_label=key.token)), key, "token")
    try:
        session = token.open(user_pin=pin.reveal().decode())
    except pkcs11.UserAlreadyLoggedIn:  # by other code of this process
        session = token.open()
    with session:
        yield session


def _secret_key(pkcs11: Any, session: Any, key: Pkcs11Key) -> Any:
    name = pkcs11.Attribute
    wanted = {
        name.CLASS: pkcs11.ObjectClass.SECRET_KEY,
        name.KEY_TYPE: pkcs11.KeyType.AES,
        name.LABEL: key.label,
    }
    secret = _only(list(session.get_objects(wanted)), key, "AES key")
    if secret.key_length != 8 * KEY_BYTES:
        raise input_error(key, "the key has another length", f"{secret.key_length} bits", "AES-256")
    return secret


def _only(found: list[Any], key: Pkcs11Key, what: str) -> Any:
    if len(found) != 1:
        raise input_error(key, f"no single {what} has this label", f"{len(found)} of them", "one")
    return found[0]


def _module(key: Pkcs11Key) -> str:
    module = key.module or os.environ.get(MODULE, "")
    if not Path(module).is_absolute() or not Path(module).is_file():
        found = shown(module) if module else "nothing"
        raise input_error(
            MODULE,
            "no PKCS#11 module",
            found,
            "the whole path of a library, or module-path in the URI",
        )
    return module


def _pin(key: Pkcs11Key) -> Secret[bytes]:
    where = PIN
    pin = os.fsencode(os.environ.get(PIN, ""))
    if key.pin_source:
        where = key.pin_source
        pin = _first_line(key.pin_source)
    try:
        is_text = pin.decode().isprintable()
    except UnicodeDecodeError:
        is_text = False
    if not is_text or not 0 < len(pin) <= _MAX_PIN_BYTES:
        found = "something that is no PIN" if pin else "nothing"
        raise input_error(
            where,
            "no PIN",
            found,
            f"the token's PIN in {PIN}, or in the file that pin-source names",
        )
    return Secret(pin)


def _first_line(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.readline(_MAX_PIN_BYTES + 2).rstrip(b"\r\n")
    except OSError as fault:
        found = fault.strerror or type(fault).__name__
        raise input_error(
            path, "the file with the PIN cannot be read", found, "a file with one line"
        ) from None


def _refusal(key: Pkcs11Key, fault: Exception, pin: Secret[bytes]) -> InputError:
    kind = type(fault).__name__
    problem, expected = _PROBLEMS.get(
        kind, ("the token refuses", "a key that may encrypt and decrypt with AES-GCM")
    )
    try_ = f"if the token works otherwise: {OTHER_FILE}" if "unwrap" in problem else ""
    return service_error(
        str(key), problem, f"{kind} {fault}".strip(), expected, try_, [pin.reveal().decode()]
    )
