"""Data keys wrapped by a key in the transit engine of HashiCorp Vault or OpenBao, which keeps it
(extra "vault").

    wrapped = POST MOUNT/encrypt/KEY: plaintext = data key || SHA-256(context), associated_data =
    context

The context is bound twice: servers before 1.13 ignore associated data without a word, and so would
open anything. The digest behind the data key is checked here.

VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE and VAULT_CACERT come from the environment. Redirects are
not followed, as the token would go along, and http is for loopback addresses only, as the data key
would go in the clear.

What a file can do: a stanza names a mount and a key, never an address. An identity with keys asks
for these only. An identity without any asks for whatever key the stanza names, but in the mount
`transit` only: another one may be an engine in which the request would write something.

Source: HashiCorp Vault and OpenBao, API documentation of the transit secrets engine, which are the
    same here.
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
    base64_text,
    key_name,
    require_context,
    require_data_key,
    require_private,
    service_error,
    stanza_text,
)

KIND = "vault"
DEFAULT_MOUNT = "transit"
_NAME = r"\w(?:[\w.-]{0,126}\w)?"
_KEY = re.compile(rf"{_NAME}(?:/{_NAME}){{1,7}}", re.ASCII)
_WRAPPED = re.compile(
    rf"vault:v[0-9]{{1,9}}:[A-Za-z0-9+/]{{1,{MAX_WRAPPED_BYTES}}}={{0,2}}", re.ASCII
)
_EXPECTED = "vault: and a mount and a key, such as vault:transit/models"
_NO_UPSERT = (
    "as-it-is"  # no type of key: a key that is not there is an error, where it would else be made
)
_PROBLEMS = {
    400: ("the request is refused", "a key that is there and may be used"),
    401: ("the token is refused", "a token that is valid"),
    403: (
        "no permission for this key",
        "a token whose policy allows `update` on MOUNT/encrypt/KEY or decrypt/KEY",
    ),
    404: ("there is no transit engine", "a mount of the transit engine in this namespace"),
    429: ("it is asked too often", "an answer"),
    503: ("it is sealed or in maintenance", "an unsealed server"),
}


@dataclass(frozen=True, slots=True)
class VaultRecipient:
    """Whoever may use a key of the transit engine.

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
            raise input_error(
                _where(self.key),
                "the answer holds no wrapped key",
                "something else",
                "vault:vN:...",
            )
        return Stanza(
            kind=KIND, name=f"{KIND}:{self.key}", values={"key": self.key, "wrapped": wrapped}
        )


@dataclass(frozen=True, slots=True)
class VaultIdentity:
    """Whoever the environment's token stands for.

    Args:
        keys: The only keys to ask for, each `MOUNT/KEY`; without any, the one in mount `transit`
            that a stanza names.
    """

    keys: tuple[str, ...] = ()

    def unwrap(self, stanza: Stanza, context: bytes) -> Secret[bytes] | None:
        """Returns the data key, or None where the stanza is not for one of the keys; see
        `Identity`.
        """
        if stanza.kind != KIND:
            return None
        key = stanza_text(stanza, "key", _KEY, "MOUNT/KEY")
        wrapped = stanza_text(
            stanza, "wrapped", _WRAPPED, "what the transit engine returned, vault:vN:..."
        )
        if not self._is_allowed(key):
            return None
        answer = _call("decrypt", key, {"ciphertext": wrapped}, context)
        return _opened(_decoded(answer.get("plaintext"), key), context, key)

    def _is_allowed(self, key: str) -> bool:
        return key in self.keys if self.keys else key.rpartition("/")[0] == DEFAULT_MOUNT


def parse(text: str) -> VaultRecipient:
    """Returns the recipient that `vault:MOUNT/KEY` names.

    Raises:
        InputError: It names none.
    """
    return VaultRecipient(key_name(text, KIND, _KEY, _EXPECTED))


def identity_from_environment(*texts: str) -> VaultIdentity:
    """Returns who opens with the environment's token, only with the keys `vault:MOUNT/KEY` if any
    are given.

    Raises:
        InputError: One of them is no key.
    """
    return VaultIdentity(tuple(parse(text).key for text in texts))


def _where(key: str) -> str:
    return f"Vault, key {key}"


def _decoded(plaintext: object, key: str) -> bytes:
    try:
        return b64decode(plaintext if isinstance(plaintext, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise input_error(
            _where(key), "the answer holds no plaintext", "something else", "base64"
        ) from None


def _opened(plaintext: bytes, context: bytes, key: str) -> Secret[bytes]:
    """The data key in front of the digest of the context."""
    data_key = plaintext[:KEY_BYTES]
    digest = plaintext[KEY_BYTES:]
    if not is_same_secret(digest, sha256(context).digest()):
        found = "the digest of another file's id"
        expected = "the digest of this file's id behind the data key"
        raise input_error(_where(key), "the data key does not unwrap", found, expected, OTHER_FILE)
    return require_data_key(data_key, _where(key))


def _call(operation: str, key: str, sent: Mapping[str, str], context: bytes) -> dict[str, Any]:
    """The field `data` of the answer of the transit engine."""
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
    except (RequestException, OSError) as fault:
        raise _unreachable(address, fault, token) from None
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
        found = "something that cannot go into a header" if value else "nothing"
        raise input_error(
            name, "the variable of the environment is not set", found, "as for the command `vault`"
        )
    return value


def _unreachable(address: str, fault: Exception, token: Secret[bytes]) -> InputError:
    secrets = [token.reveal().decode()]
    return service_error(
        address,
        "it cannot be reached",
        fault,
        "Vault or OpenBao at VAULT_ADDR",
        "see `vault status`",
        secrets,
    )


def _refusal(key: str, operation: str, answer: Any, token: Secret[bytes]) -> InputError:
    status = getattr(answer, "status_code", 200)
    problem, expected = _PROBLEMS.get(
        status, ("the answer is none of the transit engine", "an answer in JSON")
    )
    try_ = f"if the key is there: {OTHER_FILE}" if (operation, status) == ("decrypt", 400) else ""
    secrets = [token.reveal().decode()]
    return service_error(
        _where(key), problem, f"{status}: {_errors(answer)}", expected, try_, secrets
    )


def _errors(answer: Any) -> str:
    """What `errors` of an answer says; never the rest of it, which may hold what was sent."""
    try:
        errors = answer.json().get("errors")
    except (AttributeError, ValueError):
        return "no JSON"
    return "; ".join(map(str, errors)) if isinstance(errors, list) and errors else "no reason given"
