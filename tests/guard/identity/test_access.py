"""Decisions by a Cedar policy: scopes, overrides, and failing closed."""

from pathlib import Path
from typing import Any

import pytest

from gamekeeper.base.errors import InputError
from gamekeeper.guard.identity.access import DEFAULT_POLICY, Access
from guard.identity.builders import make_principal

ROUTES = ("openai.chat", "openai.embeddings", "anthropic.messages")
SCOPES = DEFAULT_POLICY.read_text()
CONTEXT = {"level": "allow", "hour": 12, "stream": False, "ip": "192.0.2.7"}


def is_allowed(
    policy: str, route: str = "openai.chat", model: str | None = "gpt-x", **fields: Any
) -> bool:
    context = CONTEXT | fields.pop("context", {})
    return bool(
        Access.read(policy, routes=ROUTES).is_allowed(
            make_principal(**fields), route, model, context
        )
    )


@pytest.mark.parametrize(
    ("models", "routes", "wanted"),
    [
        (None, None, True),
        ({"gpt-x"}, {"openai.chat"}, True),
        ({"gpt-*"}, {"openai.*"}, True),
        ({"*"}, {"*"}, True),
        ({"claude", "gpt-*"}, {"open*"}, True),
        ({"gpt"}, None, False),
        ({"GPT-X"}, None, False),
        ({"gpt-x-large"}, None, False),
        (None, {"openai.embeddings"}, False),
        (None, {"anthropic.*"}, False),
        (set(), None, False),
        (None, set(), False),
    ],
)
def test_the_default_policy_permits_what_the_scopes_allow(
    models: set[str] | None, routes: set[str] | None, wanted: bool
) -> None:
    """And an empty scope allows nothing."""
    scopes = (None if scope is None else frozenset(scope) for scope in (models, routes))
    assert is_allowed(SCOPES, models=next(scopes), routes=next(scopes)) is wanted


@pytest.mark.parametrize(
    "model", ["*", "gpt-*", 'gpt-x"', "", "gpt\x00", "g" * 10_000, "\ud800", "Models", "gpt-x\n"]
)
def test_a_models_name_is_a_name_and_no_pattern(model: str) -> None:
    """A client may ask for any text; it means no more than that text."""
    assert not is_allowed(SCOPES, model=model, models=frozenset({"gpt-x", "claude-*"}))


def test_a_route_without_a_model_wants_a_scope_of_all_models() -> None:
    """There is nothing that a narrower scope could be compared with."""
    assert is_allowed(SCOPES, model=None)
    assert not is_allowed(SCOPES, model=None, models=frozenset({"gpt-*"}))


def test_forbid_overrides_permit_and_says_which() -> None:
    """By its id; without one by its place."""
    policy = SCOPES + '@id("acme out") forbid (principal == Account::"acme", action, resource);'
    decision = Access.read(policy).is_allowed(make_principal(), "openai.chat", "gpt-x", CONTEXT)
    assert (decision.allowed, decision.reasons) == (False, ("acme out",))
    assert Access.read(policy).is_allowed(
        make_principal(account="b"), "openai.chat", "m", CONTEXT
    ).reasons == ("scopes",)


def test_a_refusal_is_false() -> None:
    """Whoever writes `if access.is_allowed(...)` means it."""
    assert not is_allowed("forbid (principal, action, resource);")


@pytest.mark.parametrize(
    ("forbidden", "context", "wanted"),
    [
        ('context has ip && context.ip.isInRange(ip("10.0.0.0/8"))', {"ip": "10.1.2.3"}, False),
        (
            'context has ip && context.ip.isInRange(ip("10.0.0.0/8"))',
            {"ip": "::ffff:10.1.2.3"},
            False,
        ),
        ('context has ip && context.ip.isInRange(ip("10.0.0.0/8"))', {"ip": "11.1.2.3"}, True),
        ('context has ip && context.ip.isInRange(ip("10.0.0.0/8"))', {"ip": None}, True),
        ('context has ip && context.ip.isInRange(ip("fe80::/10"))', {"ip": "fe80::1%eth0"}, False),
        ("!(context has ip)", {"ip": "somewhere"}, False),
        ("context.hour < 6", {"hour": 5}, False),
        ("context.hour < 6", {"hour": 6}, True),
        ("context.stream", {"stream": True}, False),
        ('context.level == "slow"', {"level": "slow"}, False),
        ('principal.level == "slow"', {"level": "slow"}, False),
        ('principal.level == "slow"', {"level": "allow"}, True),
        ("!principal.bound", {}, False),
        ('resource.name like "*-x"', {}, False),
        ('resource in Models::"gpt-*"', {}, False),
        ('action in Action::"openai.*"', {}, False),
        ('action in Action::"anthropic.*"', {}, True),
    ],
)
def test_what_a_policy_may_speak_of(forbidden: str, context: dict[str, Any], wanted: bool) -> None:
    """Each of the documented attributes decides."""
    policy = f"{SCOPES} forbid (principal, action, resource) when {{ {forbidden} }};"
    assert is_allowed(policy, context=context) is wanted


def test_a_forbid_that_fails_denies() -> None:
    """Cedar alone would pass over it: without an address, this one never applied."""
    policy = (
        SCOPES
        + 'forbid (principal, action, resource) when { context.ip.isInRange(ip("10.0.0.0/8")) };'
    )
    access = Access.read(policy)
    assert access.is_allowed(make_principal(), "openai.chat", "m", CONTEXT)
    decision = access.is_allowed(make_principal(), "openai.chat", "m", {"hour": 1})
    assert (decision.allowed, decision.reasons) == (False, ("evaluation-error",))


@pytest.mark.parametrize(
    "policy",
    [
        SCOPES + "forbid (principal, action, resource) when { context.hour < 6 };",
        SCOPES
        + "forbid (principal, action, resource) unless { {Var: [context]}.Var.contains(context) };",
        SCOPES
        + "forbid (principal, action, resource) when { if context has ip then true else false };",
    ],
)
def test_a_policy_that_looks_at_the_context_is_asked_each_time(policy: str) -> None:
    """However deep it is hidden."""
    assert Access.read(policy).uses_context


def test_a_policy_that_only_mentions_context_is_remembered() -> None:
    """In a comment, a text or a name."""
    policy = f'// context.hour\n@note("context") {SCOPES} forbid (principal == Account::"context", action, resource);'
    assert not Access.read(policy).uses_context


def test_a_remembered_decision_is_not_another_accounts() -> None:
    """All that a policy may look at tells decisions apart: account, kind, binding, scopes, level,
    route, model.
    """
    access = Access.read(
        SCOPES
        + """forbid (principal == Account::"b", action, resource);
        forbid (principal, action, resource) when { principal.kind == "jwt" || principal.bound };
        forbid (principal, action, resource) when { principal.level == "deny" };"""
    )
    assert not access.uses_context
    asked: list[tuple[dict[str, Any], str, str, str, bool]] = [
        ({}, "openai.chat", "gpt-x", "allow", True),
        ({"account": "b"}, "openai.chat", "gpt-x", "allow", False),
        ({"kind": "jwt"}, "openai.chat", "gpt-x", "allow", False),
        ({"bound": True}, "openai.chat", "gpt-x", "allow", False),
        ({"models": frozenset({"gpt-y"})}, "openai.chat", "gpt-x", "allow", False),
        ({"models": frozenset({"gpt-y"})}, "openai.chat", "gpt-y", "allow", True),
        ({"routes": frozenset({"openai.chat"})}, "openai.embeddings", "gpt-x", "allow", False),
        ({}, "openai.chat", "gpt-x", "deny", False),
    ]
    for _ in range(2):
        for fields, route, model, level, wanted in asked:
            decision = access.is_allowed(make_principal(**fields), route, model, {"level": level})
            assert decision.allowed is wanted, (fields, route, model, level)


def test_all_faults_of_a_file_come_together_with_their_lines(tmp_path: Path) -> None:
    """Semicolons in texts and comments end nothing."""
    path = tmp_path / "access.cedar"
    path.write_text(
        '// a; b\npermit (principal == Account::"a;\\"b", action, resource);\n\n'
        "forbid (principal, action, resource) when { context.ip == };\n"
        "permit (principal, action, resource) // the end; is missing\n"
    )
    with pytest.raises(InputError) as caught:
        Access.read(path)
    assert [fault.where for fault in caught.value.faults] == [f"{path}:4", f"{path}:5"]


@pytest.mark.parametrize(
    "statement",
    [
        'forbid (principal, action == Action::"openai.chatt", resource);',
        'forbid (principal, action in Action::"opnai.*", resource);',
        'forbid (principal, action, resource) when { context.levle == "slow" };',
        "forbid (principal, action, resource) when { principal.nmae == 1 };",
        "forbid (principal, action, resource) when { context.hour };",
        'forbid (principal == User::"a", action, resource);',
    ],
)
def test_what_would_silently_never_apply_is_refused(statement: str) -> None:
    """A misspelt `forbid` is a hole; its line is named."""
    with pytest.raises(InputError) as caught:
        Access.read(f"{SCOPES}\n{statement}", routes=ROUTES)
    line = len(SCOPES.splitlines()) + 2
    assert {fault.where for fault in caught.value.faults} == {f"policy:{line}"}


@pytest.mark.parametrize(
    "policy", ["", "// nothing\n", "permit (principal == ?principal, action, resource);"]
)
def test_a_policy_that_decides_nothing_is_refused(policy: str) -> None:
    """It would deny everybody, or wait for links that nobody makes."""
    with pytest.raises(InputError):
        Access.read(policy)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    """Whether it is missing or no text."""
    path = tmp_path / "access.cedar"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"access\.cedar"):
        Access.read(path)


def test_the_default_policy_fits_the_schema() -> None:
    """As a file, too."""
    assert not Access.read(DEFAULT_POLICY, routes=ROUTES).uses_context
