"""Keys of the transit engine of HashiCorp Vault or OpenBao as recipients; the keys stay in the
engine (extra "vault").

    wrapped = POST MOUNT/encrypt/KEY: plaintext = data key || SHA-256(context), associated_data =
    context

The context is bound twice: servers before 1.13 silently ignore associated data, and so would unwrap
a data key in any context. The digest after the data key is checked here.

VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE and VAULT_CACERT come from the environment. Redirects are
not followed, because the token would be sent to the new address. http is allowed for loopback
addresses only, because the data key would be sent in the clear.

What a hostile file can do: a stanza names a mount and a key, never an address. An identity with
keys uses these only. An identity without keys uses any key that the stanza names, but only in the
mount `transit`: another mount may be an engine in which the request would write something.

Source: HashiCorp Vault and OpenBao, API documentation of the transit secrets engine; the two agree
    in what is used here.
"""

import binascii
import os
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from gamekeeper.base.errors import InputError, MissingExtraError, input_error
from gamekeeper.base.secret import Secret, is_same_secret
from gamekeeper.sealing.recipients._recipient import KEY_BYTES, Stanza
from gamekeeper.sealing.recipients._service import (
    MAX_WRAPPED_BYTES,
    OTHER_FILE,
    TIMEOUT_S,
    KeyNames,
    base64_text,
    require_context,
    require_data_key,
    require_private,
    service_error,
    stanza_text,
)

KIND = "vault"
DEFAULT_MOUNT = "transit"
_NAME = r"\w(?:[\w.-]{0,126}\w)?"
_KEYS = KeyNames(
    KIND,
    re.compile(rf"{_NAME}(?:/{_NAME}){{1,7}}", re.ASCII),
    "vault: and a mount and a key, such as vault:transit/models",
)
_WRAPPED = re.compile(
    rf"vault:v[0-9]{{1,9}}:[A-Za-z0-9+/]{{1,{MAX_WRAPPED_BYTES}}}={{0,2}}", re.ASCII
)
# Not a type of key. The engine would otherwise create a key that does not exist; now it refuses.
_NO_UPSERT = "as-it-is"
_PROBLEMS = {
    400: ("the request is refused", "a key that exists and may be used"),
    401: ("the token is refused", "a token that is valid"),
    403: (
        "no permission for this key",
        "a token whose policy allows `update` on MOUNT/encrypt/KEY or decrypt/KEY",
    ),
    404: ("there is no transit engine", "a mount of the transit engine in this namespace"),
    429: ("too many requests", "an answer"),
    503: ("it is sealed or in maintenance", "an unsealed server"),
}


@dataclass(frozen=True, slots=True)
class VaultRecipient:
    """A recipient: all clients that may use a key of the transit engine.

    Args:
        key: `MOUNT/KEY`.
    """

    key: str

    def wrap(self, data_key: Secret[bytes], context: bytes) -> Stanza:
        """Returns the wrapped data key; see `Recipient`."""
        plaintext = base64_text(data_key.reveal() + sha256(context).digest())
        answer = _call("encrypt", self.key, {"plaintext": plaintext, "type": _NO_UPSERT}, context)
        wrapped = answer.get("ciphertext")
        if not isinstance(wrapped, str) or not _WRAPPED.fullmatch(wrapped):
            problem = "the answer has no wrapped key"
            raise input_error(_key_label(self.key), problem, "something else", "vault:vN:...")
        values = {"key": self.key, "wrapped": wrapped}
        return Stanza(kind=KIND, name=f"{KIND}:{self.key}", values=values)


@dataclass(frozen=True, slots=True)
class VaultIdentity:
    """An identity: the client that the environment's token authenticates.

    Args:
        keys: The only keys to use, each `MOUNT/KEY`; if empty, the key in the mount `transit` that
            a stanza names.
    """

    keys: tuple[str, ...] = ()

    def unwrap(self, stanza: Stanza, context: bytes) -> Secret[bytes] | None:
        """Returns the data key, or None if the stanza is for another key; see `Identity`."""
        if stanza.kind != KIND:
            return None
        key = stanza_text(stanza, "key", _KEYS.pattern, "MOUNT/KEY")
        wrapped = stanza_text(
            stanza, "wrapped", _WRAPPED, "the answer of the transit engine, vault:vN:..."
        )
        if not self._is_allowed(key):
            return None
        answer = _call("decrypt", key, {"ciphertext": wrapped}, context)
        return _checked_data_key(_decode(answer.get("plaintext"), key), context, key)

    def _is_allowed(self, key: str) -> bool:
        return key in self.keys if self.keys else key.rpartition("/")[0] == DEFAULT_MOUNT


def parse(text: str) -> VaultRecipient:
    """Returns the recipient that `vault:MOUNT/KEY` names.

    Raises:
        InputError: It does not name a key.
    """
    return VaultRecipient(_KEYS.parse(text))


def identity_from_environment(*texts: str) -> VaultIdentity:
    """Returns the identity with the environment's token, restricted to the keys `vault:MOUNT/KEY`
    if any are given.
    """
    return VaultIdentity(_KEYS.parse_all(texts))


def _key_label(key: str) -> str:
    return f"Vault, key {key}"


def _decode(plaintext: object, key: str) -> bytes:
    try:
        return b64decode(plaintext if isinstance(plaintext, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        problem = "the answer has no plaintext"
        raise input_error(_key_label(key), problem, "something else", "base64") from None


def _checked_data_key(plaintext: bytes, context: bytes, key: str) -> Secret[bytes]:
    """Returns the data key, after checking the digest of the context that follows it."""
    data_key = plaintext[:KEY_BYTES]
    digest = plaintext[KEY_BYTES:]
    label = _key_label(key)
    if not is_same_secret(digest, sha256(context).digest()):
        found = "the digest of another file's id"
        expected = "the digest of this file's id after the data key"
        raise input_error(label, "the data key does not unwrap", found, expected, OTHER_FILE)
    return require_data_key(data_key, label)


def _call(operation: str, key: str, sent: Mapping[str, str], context: bytes) -> dict[str, Any]:
    """Returns the field `data` of the transit engine's answer to an operation on a key."""
    require_context(context)
    try:
        import hvac
        from requests.exceptions import RequestException
    except ImportError:
        raise MissingExtraError("a key of Vault", "vault") from None

    address = _variable("VAULT_ADDR")
    token = Secret(_variable("VAULT_TOKEN").encode())
    require_private(address, "VAULT_ADDR")
    mount, _, name = key.rpartition("/")
    body = {**sent, "associated_data": base64_text(context)}
    try:
        client = _client(hvac, address, token)
        answer = client.adapter.post(
            f"/v1/{mount}/{operation}/{name}", json=body, raise_exception=False
        )
    except (RequestException, OSError) as error:
        raise _unreachable(address, error, token) from None
    if isinstance(answer, dict) and isinstance(answer.get("data"), dict):
        return dict(answer["data"])
    raise _refusal(key, operation, answer, token)


def _client(hvac: Any, address: str, token: Secret[bytes]) -> Any:
    return hvac.Client(
        url=address,
        token=token.reveal().decode(),
        namespace=os.environ.get("VAULT_NAMESPACE") or None,
        verify=os.environ.get("VAULT_CACERT") or True,
        timeout=TIMEOUT_S,
        allow_redirects=False,
    )


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value or not value.isascii() or not value.isprintable():
        problem = (
            "the environment variable has an invalid value"
            if value
            else "the environment variable is not set"
        )
        found = "characters that are not allowed in a header" if value else "nothing"
        raise input_error(name, problem, found, "as for the command `vault`")
    return value


def _unreachable(address: str, error: Exception, token: Secret[bytes]) -> InputError:
    secrets = [token.reveal().decode()]
    return service_error(
        address,
        "it cannot be reached",
        error,
        "Vault or OpenBao at VAULT_ADDR",
        "try `vault status`",
        secrets,
    )


def _refusal(key: str, operation: str, answer: Any, token: Secret[bytes]) -> InputError:
    status = getattr(answer, "status_code", 200)
    problem, expected = _PROBLEMS.get(
        status, ("the answer is not from a transit engine", "an answer in JSON")
    )
    may_be_another_file = (operation, status) == ("decrypt", 400)
    try_ = f"if the key exists: {OTHER_FILE}" if may_be_another_file else ""
    found = f"{status}: {_errors(answer)}"
    secrets = [token.reveal().decode()]
    return service_error(_key_label(key), problem, found, expected, try_, secrets)


def _errors(answer: Any) -> str:
    """Returns the field `errors` of an answer as text; the rest may repeat what was sent."""
    try:
        errors = answer.json().get("errors")
    except (AttributeError, ValueError):
        return "no JSON"
    if not isinstance(errors, list) or not errors:
        return "no reason given"
    return "; ".join(map(str, errors))
