"""What of a request's headers and query string goes on to the upstream: what is known, and no more.

A header or parameter that the guard does not know may mean something to the upstream: another model
(`?model=`), another host (`x-portkey-custom-host`), another caller (`x-goog-api-key`, a cookie).
The lists name what the SDKs of the judged APIs send; a policy may add to them.
"""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple
from urllib.parse import unquote_plus

from gamekeeper.guard.decisions.ladder import Refusal
from gamekeeper.guard.gate import StoppedError

Headers = Sequence[tuple[bytes, bytes]]

_HEADERS = frozenset(
    b"accept accept-language user-agent traceparent tracestate x-request-id idempotency-key"
    b" openai-beta anthropic-version anthropic-beta".split()
)
_HEADER_PREFIXES = (b"x-stainless-",)  # the OpenAI and Anthropic SDKs say their version in them
# Of the client's own account at the upstream: they mean nothing beside another's credential.
_ACCOUNT_HEADERS = frozenset((b"openai-organization", b"openai-project"))
# For an app around which the guard is a middleware: it builds URLs by the host.
_APP_HEADERS = frozenset((b"host",))
_CREDENTIAL = re.compile(
    r"(^|[-_.])(key|api-?_?key|apikey|token|auth|authorization|bearer|secret|password|passwd"
    r"|credentials?|signature|sig|jwt|session|sessionid)$",
    re.IGNORECASE,
)


class Filtered(NamedTuple):
    """What is left, and the names of what was taken out."""

    query: bytes
    dropped: tuple[str, ...]


class HeaderFilter:
    """Keeps the headers that are known.

    Args:
        allowed: Further ones, in lower case.
    """

    def __init__(self, allowed: Collection[str] = ()) -> None:
        self._allowed = _HEADERS | _APP_HEADERS | {name.encode() for name in allowed}

    def kept(
        self, headers: Headers, credentials: Collection[bytes], *, own_account: bool
    ) -> list[tuple[bytes, bytes]]:
        """Returns the headers that go on.

        Args:
            headers: Of the request, names in lower case.
            credentials: Headers whose credential goes on, because the upstream checks it.
            own_account: Whether the client has an account of its own at the upstream.
        """
        ended = _named_in_connection(headers)
        return [
            (name, value)
            for name, value in headers
            if name not in ended
            and (
                name in self._allowed
                or name in credentials
                or name.startswith(_HEADER_PREFIXES)
                or (own_account and name in _ACCOUNT_HEADERS)
            )
        ]


def filtered_query(query: bytes, known: Collection[str], *, drop: bool) -> Filtered:
    """Returns a query string with the parameters that are known, as the client wrote them.

    Args:
        query: As sent, without `?`.
        known: Names of parameters that the route takes.
        drop: Whether unknown ones are taken out; else they are refused.

    Raises:
        StoppedError: A parameter is not known, or looks like a credential.
    """
    if not query:
        return Filtered(b"", ())
    kept = []
    dropped: dict[str, None] = {}
    for part in re.split(rb"[&;]", query):
        name = unquote_plus(part.partition(b"=")[0].decode("latin-1"))
        if name in known:
            kept.append(part)
        elif part and not drop:
            raise StoppedError(_unknown(name))
        elif part:
            dropped[_shown(name)] = None
    return Filtered(b"&".join(kept), tuple(dropped))


def require_no_credential(query: bytes) -> None:
    """Raises if a query string holds what looks like a credential: nobody here would check it.

    Raises:
        StoppedError: It does.
    """
    if not query:
        return
    for part in re.split(rb"[&;]", query):
        name = unquote_plus(part.partition(b"=")[0].decode("latin-1"))
        if _CREDENTIAL.search(name):
            message = f'query parameter "{_shown(name)}": send credentials in a header'
            raise StoppedError(Refusal(status=400, code="credential_in_query", message=message))


def _named_in_connection(headers: Headers) -> frozenset[bytes]:
    named = [value for name, value in headers if name == b"connection"]
    return frozenset(
        part.strip().lower() for value in named for part in value.split(b",") if part.strip()
    )


def _unknown(name: str) -> Refusal:
    message = (
        f'query parameter "{_shown(name)}" is not known here, and what is not known is not passed'
        " on; the operator may allow it in the policy, under [allow.parameters]"
    )
    return Refusal(status=400, code="unknown_parameter", message=message)


def _shown(name: str) -> str:
    return "".join(letter for letter in name[:40] if letter.isprintable() and letter != '"')
