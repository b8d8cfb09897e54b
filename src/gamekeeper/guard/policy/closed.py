"""Settings that are each sensible and together let anybody in: refused at start, all at once.

A guard is closed by default. What authenticates a caller must still be there after every other
setting was applied.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from gamekeeper.base.errors import Fault, InputError
from gamekeeper.guard.policy.model import GuardPolicy
from gamekeeper.guard.policy.reading import line_of

AUTHORIZATION = "GAMEKEEPER_UPSTREAM_AUTHORIZATION"
"""Environment variable with the credential that the upstream wants of the guard."""

_NEVER_PASSED = frozenset(
    (
        "authorization",
        "api-key",
        "x-api-key",
        "proxy-authorization",
        "cookie",
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "upgrade",
    )
)
_OF_KEYS = ("keys", "jwt")


def require_closed(
    policy: GuardPolicy,
    *,
    authorization: str | None,
    routes: Collection[str],
    unjudged: Collection[str],
    path: Path | None = None,
) -> None:
    """Raises if settings contradict each other so that nobody is authenticated, or nothing holds.

    Args:
        policy: As read.
        authorization: The operator's credential for the upstream; None if the callers' own go on.
        routes: Names of the judged routes.
        unjudged: Names of the APIs that can be passed without judgement.
        path: Where the policy was read from, for the lines; None for the default policy.

    Raises:
        InputError: They do; all faults together.
    """
    text = path.read_text(encoding="utf-8") if path is not None else ""
    where = str(path) if path is not None else "the default policy"
    faults = [
        Fault(
            where=f"{where}:{line_of(text, place)}" if text else where,
            problem=problem,
            found=found,
            expected=expected,
            try_=remedy,
        )
        for place, problem, found, expected, remedy in (
            *_identity(policy, authorization),
            *_names(policy, routes, unjudged),
        )
    ]
    if faults:
        raise InputError(faults)


_Found = tuple[tuple[str, ...], str, str, str, str]
"""Place in the policy, problem, found, expected, remedy."""


def _identity(policy: GuardPolicy, authorization: str | None) -> Iterator[_Found]:
    identity = policy.identity
    modes = identity.modes
    place = ("identity", "modes")
    if "upstream" in modes and authorization is not None:
        yield (
            place,
            "nobody would check the callers' credentials",
            f'mode "upstream" (callers are who the upstream accepts), and {AUTHORIZATION}, which'
            " replaces what the upstream would check",
            "one of the two",
            'set [identity] modes = ["keys"] and give out keys by `gamekeeper keys issue`, or'
            f" unset {AUTHORIZATION}",
        )
    if "host" in modes and len(modes) > 1:
        yield (
            place,
            "two things say who asks",
            f'mode "host" (the app around the guard says it) beside {_others(modes, "host")}',
            "one of the two",
            'set [identity] modes = ["host"] in a middleware, and leave it out elsewhere',
        )
    if "jwt" in modes and not identity.issuers:
        yield (
            place,
            "no token could be accepted",
            'mode "jwt" without [[identity.issuers]]',
            "at least one issuer",
            "name the issuer, its audience and its keys",
        )
    if identity.issuers and "jwt" not in modes:
        yield (
            place,
            "tokens of the issuers that are named would not be accepted",
            f"modes {list(modes)}",
            '"jwt" among the modes',
            'add "jwt" to [identity] modes, or leave the issuers out',
        )
    if identity.dpop == "required" and not set(modes) <= set(_OF_KEYS):
        yield (
            ("identity", "dpop"),
            "credentials would be accepted that cannot be bound to their sender",
            f'dpop = "required" with modes {list(modes)}',
            "modes of keys and tokens alone",
            'set [identity] modes = ["keys"] or ["jwt"], or dpop = "optional"',
        )


def _names(
    policy: GuardPolicy, routes: Collection[str], unjudged: Collection[str]
) -> Iterator[_Found]:
    """Names that nothing has: what is meant would silently not hold."""
    judged = [name for name in policy.passed if name in routes]
    for name in judged:
        yield (
            ("passed", name),
            "this API is judged, and need not be passed",
            name,
            "an API that is not judged",
            "leave it out",
        )
    never = sorted(_NEVER_PASSED.intersection(policy.allow.headers))
    if never:
        yield (
            ("allow", "headers"),
            "these headers are never passed on as a client wrote them",
            ", ".join(never),
            "other headers",
            "leave them out",
        )
    for table, named, known in (
        (("passed",), set(policy.passed) - set(judged), unjudged),
        (("allow", "fields"), policy.allow.fields, routes),
        (("allow", "parameters"), policy.allow.parameters, routes),
    ):
        yield from _unknown_names(table, named, known)


def _unknown_names(
    table: tuple[str, ...], named: Collection[str], known: Collection[str]
) -> Iterator[_Found]:
    for name in sorted(named):
        if name not in known:
            expected = f"one of {', '.join(sorted(known))}"
            yield (
                (*table, name),
                f"{'.'.join(table)}: there is no such API",
                name,
                expected,
                "`gamekeeper list routes` says what each is",
            )


def _others(modes: Collection[str], but: str) -> str:
    return ", ".join(f'"{mode}"' for mode in modes if mode != but)


def authorization_of(environment: Mapping[str, str] = os.environ) -> str | None:
    """Returns the operator's credential for the upstream; None if there is none."""
    return environment.get(AUTHORIZATION) or None
