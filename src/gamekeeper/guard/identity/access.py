"""What an account may use: decisions by a Cedar policy, parsed once.

Entities that a policy may speak of:

    Account::"acme"         who is charged; `name`, `kind` ("key", "jwt", "upstream", "host"),
                            `bound`, `level` (the guard's verdict: "allow", "watch", "slow",
                            "limit", "deny"), `routes` (set of Action) and `models` (set of Models):
                            the scopes of the credential
    Action::"openai.chat"   the route; in Action::"openai.*" and Action::"*"
    Model::"gpt-x"          the model asked for, "" if the route has none; `name`; in
                            Models::"gpt-*" wherever a scope or the policy names that pattern, and
                            in Models::"*"
    context                 `level`, `hour` (0..23, UTC), `stream`, and `ip` (an ipaddr; test it by
                            `context has ip`)

What no policy permits is denied, and `forbid` overrides `permit`. An error while a policy is
evaluated denies too: Cedar alone would pass over a `forbid` that fails.

A policy whose text never mentions `context` decides by account, level, route and model alone, and
Cedar knows no clock and no randomness: its decisions are remembered. This is read off the parsed
policy, not off its text.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import orjson

from gamekeeper.base.errors import Fault, InputError, MissingExtraError
from gamekeeper.guard.identity.bounded import Bounded
from gamekeeper.guard.identity.principal import Principal, is_in_scope

DEFAULT_POLICY = Path(__file__).with_name("default.cedar")

_DECISIONS = 16_384
_FAILED = "evaluation-error"
_PIECES = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;', re.DOTALL)
_BLANK = re.compile(r"(?:\s+|//[^\n]*)*")
_SHOWN_CHARS = 80
_SCHEMA = """
entity Models;
entity Model in [Models] = {{ name: String }};
entity Account = {{
    name: String, kind: String, bound: Bool, level: String,
    routes: Set<Action>, models: Set<Models>
}};
action {groups};
{routes}
"""
_ROUTE_SCHEMA = """
action {route} in [{groups}] appliesTo {{ principal: Account, resource: Model,
    context: {{ level: String, hour: Long, stream: Bool, ip?: ipaddr }} }};
"""


@dataclass(frozen=True, slots=True)
class Allowed:
    """A decision; true if it allows.

    Args:
        allowed: Whether the request may go on.
        reasons: Policies that decided, by their `@id` or `policy0`, `policy1` in order of the file;
            none if no policy permits; `evaluation-error` if one failed.
    """

    allowed: bool
    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.allowed


class Access:
    """A Cedar policy; made by `read`.

    Attributes:
        only_scopes: Whether it permits what the scopes of a credential do, and nothing else
            matters.
    """

    def __init__(
        self,
        policy: Any,
        nodes: object,
        decide: Callable[..., Any],
        *,
        only_scopes: bool = False,
    ) -> None:
        self.only_scopes = only_scopes
        self._policy = policy
        self._decide = decide
        self._model_patterns = frozenset(_named(nodes, "Models")) | {"*"}
        self._route_patterns = frozenset(_named(nodes, "Action")) | {"*"}
        self.uses_context = _uses_context(nodes)
        self._decisions: Bounded[tuple[object, ...], Allowed] = Bounded(_DECISIONS)

    @classmethod
    def read(cls, source: Path | str, *, routes: Collection[str] = ()) -> "Access":
        """Reads a policy.

        Args:
            source: A file, or the policy's text.
            routes: Names of the routes that there are. With them a policy that speaks of an unknown
                route or attribute is refused; without, such a `forbid` would silently never apply.

        Raises:
            InputError: The policy cannot be read; all faults of it together, each with its line.
            MissingExtraError: cedarpy is not installed.
        """
        try:
            import cedarpy
        except ImportError as missing:
            raise MissingExtraError("a Cedar policy", "guard") from missing
        where, text = _text_of(source)
        try:
            policy = cedarpy.PolicySet.from_str(text)
        except ValueError as error:
            raise InputError(
                _syntax_faults(where, text, cedarpy.PolicySet.from_str, str(error))
            ) from None
        if not len(policy) or policy.templates():
            raise InputError(
                [
                    _fault(
                        f"{where}:1", "nothing that decides", "no policy, or a template with slots"
                    )
                ]
            )
        if routes and (
            faults := _type_faults(where, text, cedarpy.validate_policies(text, _schema(routes)))
        ):
            raise InputError(faults)
        nodes = orjson.loads(cedarpy.policies_to_json_str(text))
        only_scopes = source == DEFAULT_POLICY
        return cls(policy, nodes, cedarpy.is_authorized, only_scopes=only_scopes)

    def is_allowed(
        self, principal: Principal, route: str, model: str | None, context: Mapping[str, object]
    ) -> Allowed:
        """Decides one request.

        Args:
            principal: Who asks.
            route: Such as `openai.chat`.
            model: As asked for; None if the route has none, which only a credential for all models
                may use.
            context: `level`, `hour`, `stream` and `ip` (text; left out where it is no address).
        """
        level = str(context.get("level", "allow"))
        if self.uses_context:
            return self._decided(principal, route, model or "", level, context)
        scopes = principal.models, principal.routes
        key = (principal.account, principal.kind, principal.bound, *scopes, level, route, model)
        decision = self._decisions.get(key)
        if decision is None:
            decision = self._decided(principal, route, model or "", level, {})
            self._decisions.put(key, decision)
        return decision

    def _decided(
        self,
        principal: Principal,
        route: str,
        model: str,
        level: str,
        context: Mapping[str, object],
    ) -> Allowed:
        try:
            request = {
                "principal": {"type": "Account", "id": principal.account},
                "action": {"type": "Action", "id": route},
                "resource": {"type": "Model", "id": model},
                "context": (
                    orjson.dumps(_context(context, level)).decode() if self.uses_context else "{}"
                ),
            }
            entities = orjson.dumps(self._entities(principal, route, model, level)).decode()
            answer = self._decide(request, self._policy, entities)
        except Exception:  # whatever a name does to an encoder: what cannot be decided is denied
            return Allowed(False, (_FAILED,))
        if answer.diagnostics.errors:
            return Allowed(False, (_FAILED,))
        names = answer.diagnostics.id_annotations_by_reason
        return Allowed(
            answer.allowed, tuple(sorted(names.get(id) or id for id in answer.diagnostics.reasons))
        )

    def _entities(
        self, principal: Principal, route: str, model: str, level: str
    ) -> list[dict[str, Any]]:
        models = {"*"} if principal.models is None else principal.models
        routes = {"*"} if principal.routes is None else principal.routes
        account = {
            "name": principal.account,
            "kind": principal.kind,
            "bound": principal.bound,
            "level": level,
            "models": [_reference("Models", pattern) for pattern in sorted(models)],
            "routes": [_reference("Action", pattern) for pattern in sorted(routes)],
        }
        return [
            _entity("Account", principal.account, account, ()),
            _entity(
                "Model",
                model,
                {"name": model},
                _over("Models", model, models | self._model_patterns),
            ),
            _entity(
                "Action",
                route,
                {},
                _over("Action", route, (routes | self._route_patterns) - {route}),
            ),
        ]


def _uses_context(node: object) -> bool:
    """Whether the variable `context` stands anywhere in a policy's JSON form."""
    if isinstance(node, dict):
        return node.get("Var") == "context" or any(map(_uses_context, node.values()))
    return isinstance(node, list) and any(map(_uses_context, node))


def _named(node: object, type: str) -> Iterator[str]:
    """Ids of the entities of one type that a policy names."""
    if isinstance(node, dict):
        if node.get("type") == type and isinstance(node.get("id"), str):
            yield node["id"]
        for value in node.values():
            yield from _named(value, type)
    elif isinstance(node, list):
        for value in node:
            yield from _named(value, type)


def _context(given: Mapping[str, object], level: str) -> dict[str, object]:
    context = {name: given[name] for name in ("hour", "stream") if name in given} | {"level": level}
    try:
        ip = ip_address(str(given.get("ip")))
    except ValueError:
        return context
    # ::ffff:10.0.0.1 is 10.0.0.1 to whoever writes a policy
    plain = getattr(ip, "ipv4_mapped", None) or ip
    return context | {"ip": {"__extn": {"fn": "ip", "arg": str(plain).partition("%")[0]}}}


def _over(type: str, name: str, patterns: Collection[str]) -> list[dict[str, str]]:
    return [
        {"type": type, "id": pattern} for pattern in sorted(patterns) if is_in_scope(name, pattern)
    ]


def _entity(
    type: str, id: str, attributes: Mapping[str, Any], parents: Collection[Any]
) -> dict[str, Any]:
    return {"uid": {"type": type, "id": id}, "attrs": attributes, "parents": list(parents)}


def _reference(type: str, id: str) -> dict[str, Any]:
    return {"__entity": {"type": type, "id": id}}


def _schema(routes: Collection[str]) -> str:
    groups = {route: _groups(route) for route in sorted(routes)}
    every = sorted({group for of in groups.values() for group in of})
    return _SCHEMA.format(
        groups=", ".join(map(_quoted, every)),
        routes="".join(
            _ROUTE_SCHEMA.format(route=_quoted(route), groups=", ".join(map(_quoted, of)))
            for route, of in groups.items()
        ),
    )


def _groups(route: str) -> list[str]:
    parts = route.split(".")
    return ["*", *(f"{'.'.join(parts[:n])}.*" for n in range(1, len(parts)))]


def _quoted(name: str) -> str:
    return orjson.dumps(name).decode()


def _text_of(source: Path | str) -> tuple[str, str]:
    if isinstance(source, str):
        return "policy", source
    try:
        return str(source), source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = getattr(error, "strerror", None) or "not UTF-8"
        raise InputError([_fault(str(source), "the policy cannot be read", found)]) from error


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each policy of a file with the line that it begins on: Cedar's parser tells neither line nor
    column.
    """
    begin = 0
    ends = [found.end() for found in _PIECES.finditer(text) if found[0] == ";"]
    for end in [*ends, len(text)]:
        blank = _BLANK.match(text, begin, end)
        start = blank.end() if blank else begin
        if start < end:
            yield text.count("\n", 0, start) + 1, text[start:end]
        begin = end


def _syntax_faults(
    where: str, text: str, parse: Callable[[str], object], message: str
) -> list[Fault]:
    faults = []
    for line, statement in _statements(text):
        try:
            parse(statement)
        except ValueError as error:
            faults.append(
                _fault(f"{where}:{line}", f"not a Cedar policy: {error}", _shortened(statement))
            )
    return faults or [_fault(where, f"not a Cedar policy: {message}", _shortened(text))]


def _type_faults(where: str, text: str, checked: Any) -> list[Fault]:
    statements = list(_statements(text))
    faults = []
    for error in () if checked.validation_passed else checked.errors:
        number = error.policy_id.removeprefix("policy")
        line, statement = statements[int(number)] if number.isdigit() else (1, text)
        faults.append(
            _fault(
                f"{where}:{line}",
                error.error.partition(", ")[2] or error.error,
                _shortened(statement),
            )
        )
    return faults


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else f"{line[:_SHOWN_CHARS]}..."


def _fault(where: str, problem: str, found: str) -> Fault:
    return Fault(
        where=where,
        problem=problem,
        found=found,
        expected=(
            'such as: permit (principal == Account::"acme", action in Action::"openai.*",'
            " resource);"
        ),
        try_="see gamekeeper.guard.identity.access for what a policy may speak of",
    )
