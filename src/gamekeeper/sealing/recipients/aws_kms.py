"""Keys of AWS KMS as recipients: KMS wraps data keys with a symmetric key that never leaves it
(extra "kms").

    wrapped = Encrypt(KeyId, data key, EncryptionContext = {"gamekeeper:sealed-file": hex(context)})

Credentials, region and endpoint come from the environment, as boto3 reads them (AWS_DEFAULT_REGION,
AWS_PROFILE, AWS_ENDPOINT_URL_KMS and so on). An endpoint over http must be a loopback address. The
encryption context is logged in CloudTrail, which therefore shows who opened which file.

What a hostile file can do: a stanza names a key, never an address or a region. An identity with
keys sends `Decrypt` for these keys only, under the names that its user gave. An identity without
keys sends `Decrypt` for any key that the stanza names, to the environment's endpoint and region.
That key may belong to a stranger who lets everybody use it. The stranger then sees in their own
CloudTrail who opened the file, and learns nothing else. Name the keys to prevent it.

Source: AWS KMS API reference, Encrypt and Decrypt; AWS KMS developer guide, encryption context.
"""

import logging
import re
from dataclasses import dataclass
from typing import Any

from gamekeeper.base.errors import Fault, InputError, MissingExtraError
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.recipients._recipient import Stanza
from gamekeeper.sealing.recipients._service import (
    MAX_WRAPPED_BYTES,
    OTHER_FILE,
    TIMEOUT_S,
    WRAPPED_HERE,
    KeyNames,
    base64_text,
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
_KEYS = KeyNames(
    KIND,
    re.compile(rf"{_ARN}|{_ALIAS}|{_ID}", re.ASCII),
    "awskms: and an id, ARN or alias, such as awskms:alias/models",
)
_KEY_ARN = re.compile(
    rf"arn:aws[a-z-]{{0,16}}:kms:[a-z0-9-]{{1,32}}:[0-9]{{12}}:key/{_ID}", re.ASCII
)
_WORKING = "an enabled key for encryption"
_PROBLEMS = {
    "AccessDeniedException": (
        "no permission for this key",
        "a policy that allows kms:Encrypt or kms:Decrypt",
    ),
    "NotFoundException": ("the key is unknown", "a key of this account and region"),
    "DisabledException": ("the key is disabled", _WORKING),
    "KMSInvalidStateException": ("the key cannot be used in its state", _WORKING),
    "InvalidKeyUsageException": ("the key is not for encryption", "a symmetric key for encryption"),
    "InvalidCiphertextException": ("the data key does not unwrap", WRAPPED_HERE),
    "IncorrectKeyException": ("the data key does not unwrap", WRAPPED_HERE),
}
_TRIES = {"InvalidCiphertextException": OTHER_FILE, "IncorrectKeyException": OTHER_FILE}


@dataclass(frozen=True, slots=True)
class AwsKmsRecipient:
    """A recipient: all principals that may use a key of AWS KMS.

    Args:
        key: Id, ARN or alias (`alias/NAME`) of the key.
    """

    key: str

    def wrap(self, data_key: Secret[bytes], context: bytes) -> Stanza:
        """Returns the wrapped data key; see `Recipient`."""
        parameters = {"KeyId": self.key, "Plaintext": data_key.reveal()}
        answer = _call("encrypt", parameters, context)
        values = {"key": str(answer["KeyId"]), "wrapped": base64_text(answer["CiphertextBlob"])}
        return Stanza(kind=KIND, name=f"{KIND}:{self.key}", values=values)


@dataclass(frozen=True, slots=True)
class AwsKmsIdentity:
    """An identity: the principal of the environment's credentials.

    Args:
        keys: The only keys to use, each an id, ARN or alias; if empty, the key that a stanza
            names.
    """

    keys: tuple[str, ...] = ()

    def unwrap(self, stanza: Stanza, context: bytes) -> Secret[bytes] | None:
        """Returns the data key, or None if the stanza is for another key; see `Identity`."""
        if stanza.kind != KIND:
            return None
        arn = stanza_text(stanza, "key", _KEY_ARN, "the ARN of a key")
        wrapped = stanza_bytes(stanza, "wrapped", range(1, MAX_WRAPPED_BYTES + 1))
        refusals: list[Fault] = []
        for key in self._names_for(stanza, arn) if self.keys else (arn,):
            parameters = {"KeyId": key, "CiphertextBlob": wrapped}
            try:
                answer = _call("decrypt", parameters, context, wrapped_with=arn)
            except InputError as error:  # another alias may be of this key
                refusals += error.faults
                continue
            return require_data_key(answer["Plaintext"], SERVICE)
        if refusals:
            raise InputError(refusals)
        return None

    def _names_for(self, stanza: Stanza, arn: str) -> tuple[str, ...]:
        """Returns the user's own names that can be of the key of a stanza.

        KMS is called with these names, and so refuses a data key that another key has wrapped. An
        alias may be of any key, also of one that the file names by its id: only KMS knows.
        """
        names = {stanza.name.removeprefix(f"{KIND}:"), _id(arn)}
        same = tuple(key for key in self.keys if key in names or _id(key) in names)
        return same or tuple(key for key in self.keys if _is_alias(key))


def parse(text: str) -> AwsKmsRecipient:
    """Returns the recipient that `awskms:KEY` names.

    Raises:
        InputError: It does not name a key.
    """
    return AwsKmsRecipient(_KEYS.parse(text))


def identity_from_environment(*texts: str) -> AwsKmsIdentity:
    """Returns the identity with the environment's credentials, restricted to the keys `awskms:KEY`
    if any are given.
    """
    return AwsKmsIdentity(_KEYS.parse_all(texts))


def _id(key: str) -> str:
    """Returns the end of a key's ARN, which replicas of the key in other regions share."""
    return key.rpartition(":key/")[2]


def _is_alias(key: str) -> bool:
    return key.startswith("alias/") or ":alias/" in key


def _call(
    operation: str, parameters: dict[str, Any], context: bytes, *, wrapped_with: str = ""
) -> dict[str, Any]:
    """Returns the answer of KMS to an operation on a key.

    Args:
        operation: `encrypt` or `decrypt`.
        parameters: Of the operation, with the key's name.
        context: Context of the file.
        wrapped_with: ARN of the key that the file names, for messages.
    """
    require_context(context)
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise MissingExtraError("a key of AWS KMS", "kms") from None

    bound = {"EncryptionContext": {CONTEXT_NAME: context.hex()}, "EncryptionAlgorithm": _ALGORITHM}
    try:
        answer: dict[str, Any] = getattr(_client(), operation)(**parameters, **bound)
    except ClientError as error:
        raise _refusal(parameters["KeyId"], error, wrapped_with) from None
    except BotoCoreError as error:
        expected = "credentials, a region and a network connection to KMS"
        raise service_error(
            SERVICE, "it cannot be reached", error, expected, "try `aws kms list-keys`"
        ) from None
    return answer


def _client() -> Any:
    import boto3
    from botocore.config import Config

    # At the level DEBUG it logs request bodies, which contain data keys.
    logger = logging.getLogger("botocore")
    logger.setLevel(max(logger.getEffectiveLevel(), logging.INFO))
    config = Config(
        connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 2}
    )
    client = boto3.session.Session().client("kms", config=config)
    require_private(client.meta.endpoint_url, "AWS_ENDPOINT_URL_KMS")
    return client


def _refusal(key: str, error: Any, wrapped_with: str) -> InputError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    problem, expected = _PROBLEMS.get(code, ("the request is refused", "an answer"))
    try_ = _TRIES.get(code, "")
    if _is_alias(key) and wrapped_with:
        try_ = (
            f"the file names the key {wrapped_with}: if {key} now is another key, and this one is"
            f" yours, --key {KIND}:{_id(wrapped_with)}"
        )
    return service_error(f"{SERVICE}, key {key}", problem, error, expected, try_)
