"""Who is charged, what they may use, and how a credential is refused.

The account is the authenticated one. Nothing here is taken from what a client says of itself.
"""

from dataclasses import dataclass, replace
from typing import Literal

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.base.names import NameMask
from gamekeeper.base.text import has_secret

Kind = Literal["key", "jwt", "upstream", "host"]

_MAX_NAME_CHARS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What an account may use up in a day (UTC), and a key over its life; None is no limit.

    Args:
        requests: Requests answered.
        tokens: Input and output tokens.
        usd: Money, in dollars.
        cells: New ground: cells of the space of prompts that the account had not touched before.
        rows: Rows of encrypted input, over the key's whole life; None: none are answered.
    """

    requests: int | None = None
    tokens: int | None = None
    usd: float | None = None
    cells: int | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller.

    Args:
        account: Who is charged.
        credential: Which credential spoke for the account: id of a key, subject and client of a
            token. Never a secret.
        kind: How it was authenticated.
        models: Models that it may ask; a trailing `*` stands for any ending; None for all.
        routes: Routes that it may use, such as `openai.chat` or `openai.*`; None for all.
        budget: Limits of a day.
        bound: Whether the credential counts only with a proof of its sender's key (RFC 9449); if
            so, it was given.
        jkt: RFC 7638 thumbprint of that key; None if not bound.
        authenticated_at: When somebody last authenticated to get the credential, epoch s: the
            token's `auth_time`, the making of the key's present secret. None where that is not
            known.
        is_claim: Whether only the upstream can tell that the credential counts, and has not yet.
    """

    account: str
    credential: str
    kind: Kind
    models: frozenset[str] | None = None
    routes: frozenset[str] | None = None
    budget: Budget = Budget()
    bound: bool = False
    jkt: str | None = None
    authenticated_at: float | None = None
    is_claim: bool = False

    def masked(self, mask: NameMask) -> "Principal":
        """Returns the caller with the secrets in its names masked: names are stored and shown."""
        if not has_secret(self.account) and not has_secret(self.credential):
            return self
        account = mask.mask(self.account)
        return replace(self, account=account, credential=mask.mask(self.credential))

    @property
    def is_scoped(self) -> bool:
        """Whether it may not use everything."""
        return self.models is not None or self.routes is not None

    @property
    def subject(self) -> str:
        """What a decision about this credential alone is made about: the account, where it has no
        other.
        """
        if self.kind == "key":
            return f"credential:{self.credential}"
        return (
            f"credential:{self.account}/{self.credential}"
            if self.kind == "jwt"
            else f"account:{self.account}"
        )


class CredentialError(GamekeeperError):
    """A credential that does not count. What it says may be shown to whoever sent it.

    Args:
        code: Short and stable, such as `invalid_key`.
        message: One sentence for the caller; never says which part of a guess was right.
        status: HTTP status, 401 or 403.
        www_authenticate: Value of the header of that name.
        dpop_nonce: Value of the header `dpop-nonce`, if the client is to use one.
        signal: What the attempt says of a stolen credential: `dpop-replay`, `dpop-mismatch`; None
            for nothing.
        account: Whose credential it was, if that is certain; for the operator, never for the
            answer.
        subject: Which credential it was, as `Principal.subject`, if that is certain.
        authenticated_at: Of that credential, as `Principal.authenticated_at`.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 401,
        www_authenticate: str = 'Bearer error="invalid_token"',
        dpop_nonce: str | None = None,
        signal: str | None = None,
        account: str | None = None,
        subject: str | None = None,
        authenticated_at: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.www_authenticate = www_authenticate
        self.dpop_nonce = dpop_nonce
        self.signal = signal
        self.account = account
        self.subject = subject
        self.authenticated_at = authenticated_at

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The answer's headers, as ASGI wants them."""
        pairs = [(b"www-authenticate", self.www_authenticate.encode("ascii"))]
        if self.dpop_nonce is not None:
            pairs.append((b"dpop-nonce", self.dpop_nonce.encode("ascii")))
        return pairs


def is_name(value: object) -> bool:
    """Returns whether a value may stand as an account or credential: 1..256 printable
    characters.
    """
    return isinstance(value, str) and 0 < len(value) <= _MAX_NAME_CHARS and value.isprintable()


def is_in_scope(name: str, pattern: str) -> bool:
    """Returns whether a model or route falls under a pattern; `*` counts at the end only."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
