"""Keys in hardware tokens as recipients: an AES-256 key behind PKCS#11 wraps data keys (extra
"pkcs11").

    wrapped = CKM_AES_GCM(key, nonce of 12 bytes, associated data = context): ciphertext || tag, 48
    bytes

A recipient is a PKCS#11 URI, `pkcs11:token=NAME;object=LABEL`. The module is the attribute
`module-path` of its query or GAMEKEEPER_PKCS11_MODULE. The PIN is read from the file that
`pin-source` names, or from GAMEKEEPER_PKCS11_PIN. A PIN in the URI itself is refused, because other
users of the machine can see command lines.

What a hostile file can do: a stanza names a token and a label, never a module or a PIN. A wrong PIN
locks a token after some attempts, so the PIN is sent only to a token that the user named. An
identity therefore has keys (URIs), or the one token in GAMEKEEPER_PKCS11_TOKEN; in this token a
stanza may choose the key.

Tokens that generate the nonce themselves (some in FIPS mode) refuse the call; they are not
supported.

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
from gamekeeper.sealing.faults import read_faults
from gamekeeper.sealing.recipients._recipient import KEY_BYTES, Stanza
from gamekeeper.sealing.recipients._service import (
    OTHER_FILE,
    WRAPPED_HERE,
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
_WRONG_PIN = ("the token refuses the PIN", f"its PIN in {PIN} or pin-source")
_PROBLEMS = {
    "PinIncorrect": _WRONG_PIN,
    "PinInvalid": _WRONG_PIN,
    "PinLenRange": _WRONG_PIN,
    "PinLocked": ("the token's PIN is locked", "a token that is not locked"),
    "EncryptedDataInvalid": ("the data key does not unwrap", WRAPPED_HERE),
    "EncryptedDataLenRange": ("the data key does not unwrap", WRAPPED_HERE),
    "GeneralError": ("the token fails, or the data key does not unwrap", WRAPPED_HERE),
}
_LOCK = Lock()  # a login applies to all sessions of the process, and so does a logout


@dataclass(frozen=True, slots=True)
class Pkcs11Key:
    """A secret key in a token.

    Args:
        token: Label of the token.
        label: Label of the key.
        module: Path of the token's PKCS#11 library; empty for the one in the environment.
        pin_source: Path of the file with the PIN; empty for the PIN in the environment.
    """

    token: str
    label: str
    module: str = field(default="", compare=False)
    pin_source: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{KIND}:token={quote(self.token, safe='')};object={quote(self.label, safe='')}"


@dataclass(frozen=True, slots=True)
class Pkcs11Recipient:
    """A recipient: all holders of a token and its PIN.

    Args:
        key: The key in the token.
    """

    key: Pkcs11Key

    def wrap(self, data_key: Secret[bytes], context: bytes) -> Stanza:
        """Returns the wrapped data key; see `Recipient`."""
        nonce = os.urandom(_NONCE_BYTES)
        wrapped = _call(self.key, "encrypt", data_key.reveal(), nonce, context)
        if len(wrapped) != _WRAPPED_BYTES:
            problem = "the wrapped key has another length"
            found = f"{len(wrapped)} bytes"
            raise input_error(self.key, problem, found, f"{_WRAPPED_BYTES} bytes")
        values = {
            "token": self.key.token,
            "object": self.key.label,
            "nonce": base64_text(nonce),
            "wrapped": base64_text(wrapped),
        }
        return Stanza(kind=KIND, name=str(self.key), values=values)


@dataclass(frozen=True, slots=True)
class Pkcs11Identity:
    """An identity: the holder of a token and its PIN.

    Args:
        keys: The only keys to use; if empty, the key in `token` that a stanza names.
        token: Label of the token whose PIN is in the environment.
    """

    keys: tuple[Pkcs11Key, ...] = ()
    token: str = ""

    def unwrap(self, stanza: Stanza, context: bytes) -> Secret[bytes] | None:
        """Returns the data key, or None if the stanza is for another key; see `Identity`."""
        if stanza.kind != KIND:
            return None
        token = stanza_text(stanza, "token", _LABEL, "a label")
        label = stanza_text(stanza, "object", _LABEL, "a label")
        nonce = stanza_bytes(stanza, "nonce", range(_NONCE_BYTES, _NONCE_BYTES + 1))
        wrapped = stanza_bytes(stanza, "wrapped", range(_WRAPPED_BYTES, _WRAPPED_BYTES + 1))
        key = self._allowed_key(Pkcs11Key(token, label))
        if key is None:
            return None
        return require_data_key(_call(key, "decrypt", wrapped, nonce, context), str(key))

    def _allowed_key(self, named: Pkcs11Key) -> Pkcs11Key | None:
        """Returns the user's own entry for the key of a stanza, with its module and PIN."""
        if not self.keys and self.token and named.token == self.token:
            return named
        return next((key for key in self.keys if key == named), None)


def parse(text: str) -> Pkcs11Recipient:
    """Returns the recipient that a PKCS#11 URI names.

    Raises:
        InputError: It does not name a key, or contains a PIN.
    """
    try:
        uri = urlsplit(text)
    except ValueError:
        raise input_error("recipient", "not a PKCS#11 URI", shown(text), _EXPECTED) from None
    if uri.scheme != KIND or uri.netloc or uri.fragment:
        raise input_error("recipient", "not a PKCS#11 URI", _without_query(text), _EXPECTED)
    path = _attributes(uri.path, ";", _PATH)
    query = _attributes(uri.query, "&", _QUERY)
    token = path.get("token", "")
    label = path.get("object", "")
    is_secret_key = path.get("type", "secret-key") == "secret-key"
    if not _LABEL.fullmatch(token) or not _LABEL.fullmatch(label) or not is_secret_key:
        problem = "the URI does not name a secret key"
        raise input_error("recipient", problem, _without_query(text), _EXPECTED)
    module = query.get("module-path", "")
    pin_source = query.get("pin-source", "").removeprefix("file:")
    return Pkcs11Recipient(Pkcs11Key(token, label, module=module, pin_source=pin_source))


def identity_from_environment(*texts: str) -> Pkcs11Identity:
    """Returns the identity with the keys that the URIs name, or without URIs with any key of the
    environment's token.

    Raises:
        InputError: A URI does not name a key, or there is neither a URI nor
            GAMEKEEPER_PKCS11_TOKEN.
    """
    token = os.environ.get(TOKEN, "")
    if not texts and not token:
        expected = "the token whose PIN is in the environment"
        try_ = f"set {TOKEN}, or name the key: {_EXPECTED}"
        raise input_error(TOKEN, "no token is named", "nothing", expected, try_)
    return Pkcs11Identity(tuple(parse(text).key for text in texts), token)


def _attributes(text: str, separator: str, known: set[str]) -> dict[str, str]:
    """Returns the attributes of one part of a URI.

    Unknown attributes are refused: they might restrict which key is meant.
    """
    found: dict[str, str] = {}
    for attribute in filter(None, text.split(separator)):
        name, _, value = attribute.partition("=")
        if name not in known or name in found:
            hint = "put the PIN into a file and name it with pin-source"
            try_ = hint if name.startswith("pin") else ""
            problem = "an attribute of the URI is unknown or repeated"
            raise input_error("recipient", problem, shown(name), _EXPECTED, try_)
        found[name] = unquote(value)  # invalid UTF-8 becomes U+FFFD, which matches no token
    return found


def _without_query(text: str) -> str:
    """Returns a URI for messages, without its query, which may contain a PIN."""
    return shown(text.partition("?")[0])


def _call(key: Pkcs11Key, operation: str, value: bytes, nonce: bytes, context: bytes) -> bytes:
    """Returns the result of an operation of the token on a value."""
    require_context(context)
    try:
        import pkcs11
    except ImportError:
        raise MissingExtraError("a key in a hardware token", "pkcs11") from None

    pin = _pin(key)
    try:
        with _LOCK, _session(pkcs11, key, pin) as session:
            params = pkcs11.GCMParams(nonce, context, 8 * _TAG_BYTES)
            # The library omits the methods that the key's attributes do not allow.
            method = getattr(_secret_key(pkcs11, session, key), operation, None)
            if method is None:
                problem = f"the key may not {operation}"
                raise input_error(key, problem, "its attributes", "CKA_ENCRYPT and CKA_DECRYPT")
            return bytes(method(value, mechanism=pkcs11.Mechanism.AES_GCM, mechanism_param=params))
    except pkcs11.PKCS11Error as error:
        raise _refusal(key, error, pin) from None


@contextmanager
def _session(pkcs11: Any, key: Pkcs11Key, pin: Secret[bytes]) -> Iterator[Any]:
    tokens = list(pkcs11.lib(_module(key)).get_tokens(token_label=key.token))
    token = _require_single(tokens, key, "token")
    try:
        session = token.open(user_pin=pin.reveal().decode())
    except pkcs11.UserAlreadyLoggedIn:  # by other code of this process
        session = token.open()
    with session:
        yield session


def _secret_key(pkcs11: Any, session: Any, key: Pkcs11Key) -> Any:
    name = pkcs11.Attribute
    template = {
        name.CLASS: pkcs11.ObjectClass.SECRET_KEY,
        name.KEY_TYPE: pkcs11.KeyType.AES,
        name.LABEL: key.label,
    }
    secret = _require_single(list(session.get_objects(template)), key, "AES key")
    if secret.key_length != 8 * KEY_BYTES:
        raise input_error(key, "the key has another length", f"{secret.key_length} bits", "AES-256")
    return secret


def _require_single(found: list[Any], key: Pkcs11Key, kind: str) -> Any:
    if len(found) != 1:
        problem = f"the label does not denote exactly one {kind}"
        raise input_error(key, problem, str(len(found)), "1")
    return found[0]


def _module(key: Pkcs11Key) -> str:
    module = key.module or os.environ.get(MODULE, "")
    if not Path(module).is_absolute() or not Path(module).is_file():
        found = shown(module) if module else "nothing"
        expected = "the absolute path of a library, or module-path in the URI"
        raise input_error(MODULE, "not a PKCS#11 module", found, expected)
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
        found = "a value that cannot be a PIN" if pin else "nothing"
        expected = f"the token's PIN in {PIN}, or in the file that pin-source names"
        raise input_error(where, "no usable PIN", found, expected)
    return Secret(pin)


def _first_line(path: str) -> bytes:
    with (
        read_faults(path, "the file with the PIN cannot be read", "a file with one line"),
        Path(path).open("rb") as file,
    ):
        return file.readline(_MAX_PIN_BYTES + 2).rstrip(b"\r\n")


def _refusal(key: Pkcs11Key, error: Exception, pin: Secret[bytes]) -> InputError:
    kind = type(error).__name__
    problem, expected = _PROBLEMS.get(
        kind, ("the token refuses", "a key that may encrypt and decrypt with AES-GCM")
    )
    try_ = f"if the token works otherwise: {OTHER_FILE}" if "unwrap" in problem else ""
    found = f"{kind} {error}".strip()
    return service_error(str(key), problem, found, expected, try_, [pin.reveal().decode()])
