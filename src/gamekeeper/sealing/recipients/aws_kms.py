"""Data keys wrapped by a symmetric key of AWS KMS, which never leaves KMS (extra "kms").

    wrapped = Encrypt(KeyId, data key, EncryptionContext = {"gamekeeper:sealed-file": hex(context)})

Credentials, region and endpoint come from the environment, as boto3 reads them (AWS_DEFAULT_REGION,
AWS_PROFILE, AWS_ENDPOINT_URL_KMS and so on); an endpoint over http is for loopback addresses only.
The encryption context stands in
CloudTrail: who opened which file can be read there.

What a file can do: a stanza names a key, never an address or a region. An identity with keys sends
`Decrypt` for these only, under the names that its user gave. An identity without any sends it for
whatever key the stanza names, at the environment's endpoint and region. That key may belong to a
stranger who lets everybody use it: he then reads in his own CloudTrail who opened his file, and
learns nothing else. Name the keys to prevent it.

Source: AWS KMS API reference, Encrypt and Decrypt; AWS KMS developer guide, encryption context.
"""

import logging
import re
from dataclasses import dataclass
from typing import Any

from gamekeeper.base.errors import InputError, MissingExtraError
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.recipients._recipient import Stanza
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
    stanza_bytes,
    stanza_text,
)

KIND = "awskms"
SERVICE = "AWS KMS"
CONTEXT_NAME = "gamekeeper:sealed-file"
_ALGORITHM = "SYMMETRIC_DEFAULT"
_ID = r"[A-Za-z0-9-]{1,64}"
_ALIAS = r"alias/[A-Za-z0-9/_-]{1,250}"
_ARN = rf"arn:aws[a-z-]{{0,16}}:kms:[a-z0-9-]{{1,32}}:[0-9]{{12}}:(?:key/{_ID}|{_ALIAS})"
_KEY = re.compile(rf"{_ARN}|{_ALIAS}|{_ID}", re.ASCII)
_KEY_ARN = re.compile(
    rf"arn:aws[a-z-]{{0,16}}:kms:[a-z0-9-]{{1,32}}:[0-9]{{12}}:key/{_ID}", re.ASCII
)
_EXPECTED = "awskms: and an id, ARN or alias, such as awskms:alias/models"
_WORKING = "a key for encryption that is enabled"
_PROBLEMS = {
    "AccessDeniedException": (
        "no permission for this key",
        "a policy that allows kms:Encrypt or kms:Decrypt",
    ),
    "NotFoundException": ("the key is unknown", "a key of this account and region"),
    "DisabledException": ("the key is disabled", _WORKING),
    "KMSInvalidStateException": ("the key cannot be used in its state", _WORKING),
    "InvalidKeyUsageException": ("the key is not for this", "a symmetric key for encryption"),
    "InvalidCiphertextException": (
        "the data key does not unwrap",
        "what this key wrapped for this file",
    ),
    "IncorrectKeyException": (
        "the data key does not unwrap",
        "what this key wrapped for this file",
    ),
}
_TRIES = {"InvalidCiphertextException": OTHER_FILE, "IncorrectKeyException": OTHER_FILE}


@dataclass(frozen=True, slots=True)
class AwsKmsRecipient:
    """Whoever may use a key of AWS KMS.

    Args:
        key: Its id, ARN or alias (`alias/NAME`).
    """

    key: str

    def wrap(self, data_key: Secret[bytes], context: bytes) -> Stanza:
        """Returns the wrapped data key; see `Recipient`."""
        sent = {"KeyId": self.key, "Plaintext": data_key.reveal()}
        answer = _call("encrypt", sent, context)
        values = {"key": str(answer["KeyId"]), "wrapped": base64_text(answer["CiphertextBlob"])}
        return Stanza(kind=KIND, name=f"{KIND}:{self.key}", values=values)


@dataclass(frozen=True, slots=True)
class AwsKmsIdentity:
    """Whoever the environment's credentials are.

    Args:
        keys: The only keys to ask for, each an id, ARN or alias; without any, the one that a stanza
            names.
    """

    keys: tuple[str, ...] = ()

    def unwrap(self, stanza: Stanza, context: bytes) -> Secret[bytes] | None:
        """Returns the data key, or None where the stanza is not for one of the keys; see
        `Identity`.
        """
        if stanza.kind != KIND:
            return None
        arn = stanza_text(stanza, "key", _KEY_ARN, "the ARN of a key")
        wrapped = stanza_bytes(stanza, "wrapped", range(1, MAX_WRAPPED_BYTES + 1))
        key = self._named(stanza, arn) if self.keys else arn
        if key is None:
            return None
        answer = _call("decrypt", {"KeyId": key, "CiphertextBlob": wrapped}, context)
        return require_data_key(answer["Plaintext"], SERVICE)

    def _named(self, stanza: Stanza, arn: str) -> str | None:
        """The user's own name for the key of a stanza: KMS holds what is sent against it."""
        names = {stanza.name.removeprefix(f"{KIND}:"), _id(arn)}
        return next((key for key in self.keys if key in names or _id(key) in names), None)


def parse(text: str) -> AwsKmsRecipient:
    """Returns the recipient that `awskms:KEY` names.

    Raises:
        InputError: It names none.
    """
    return AwsKmsRecipient(key_name(text, KIND, _KEY, _EXPECTED))


def identity_from_environment(*texts: str) -> AwsKmsIdentity:
    """Returns who opens with the environment's credentials, only with the keys `awskms:KEY` if any
    are given.

    Raises:
        InputError: One of them is no key.
    """
    return AwsKmsIdentity(tuple(parse(text).key for text in texts))


def _id(key: str) -> str:
    """What all names of a key end with; replicas of a key in other regions share it."""
    return key.rpartition(":key/")[2]


def _call(operation: str, sent: dict[str, Any], context: bytes) -> dict[str, Any]:
    """The answer of KMS."""
    require_context(context)
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise MissingExtraError("a key of AWS KMS", "kms") from None

    bound = {"EncryptionContext": {CONTEXT_NAME: context.hex()}, "EncryptionAlgorithm": _ALGORITHM}
    try:
        answer: dict[str, Any] = getattr(_client(), operation)(**sent, **bound)
    except ClientError as fault:
        raise _refusal(sent["KeyId"], fault) from None
    except BotoCoreError as fault:
        expected = "credentials, a region and a way to KMS"
        raise service_error(
            SERVICE, "it cannot be reached", fault, expected, "see `aws kms list-keys`"
        ) from None
    return answer


def _client() -> Any:
    import boto3
    from botocore.config import Config

    logger = logging.getLogger("botocore")  # at DEBUG it logs bodies, and so data keys
    logger.setLevel(max(logger.getEffectiveLevel(), logging.INFO))
    config = Config(
        connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 2}
    )
    client = boto3.session.Session().client("kms", config=config)
    require_private(client.meta.endpoint_url, "AWS_ENDPOINT_URL_KMS")
    return client


def _refusal(key: str, fault: Any) -> InputError:
    code = str(fault.response.get("Error", {}).get("Code", ""))
    problem, expected = _PROBLEMS.get(code, ("it refuses", "an answer"))
    return service_error(f"{SERVICE}, key {key}", problem, fault, expected, _TRIES.get(code, ""))
