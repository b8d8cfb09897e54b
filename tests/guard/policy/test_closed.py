"""Combinations of settings that let anybody in are refused, with the line and the remedy."""

from pathlib import Path

import pytest

from gamekeeper.base.errors import InputError
from gamekeeper.guard.identity.entrance import require_known
from gamekeeper.guard.policy import GuardPolicy, parse_policy, read_policy

OPERATORS = "Bearer sk-of-the-operator"
ISSUER = (
    '[[identity.issuers]]\nissuer = "https://id.example"\naudience = "api"\njwks = "keys.json"\n'
)


def fault_of(text: str, tmp_path: Path, authorization: str | None = None) -> str:
    path = tmp_path / "guard.toml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        require_known(read_policy(path), authorization, path)
    return str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[identity]\nmodes = ["upstream"]\n',
        '[identity]\nmodes = ["keys", "upstream"]\n',
        f'[identity]\nmodes = ["jwt", "upstream"]\n{ISSUER}',
    ],
)
def test_credential_that_nobody_checks_is_refused(text: str, tmp_path: Path) -> None:
    """The upstream would check the operator's own, and answer anybody on it."""
    fault = fault_of(text, tmp_path, OPERATORS)
    assert "GAMEKEEPER_UPSTREAM_AUTHORIZATION" in fault and 'modes = ["keys"]' in fault
    assert "sk-of-the-operator" not in fault
    require_known(parse_policy(text))


def test_the_line_is_named(tmp_path: Path) -> None:
    """So that one need not look for it."""
    text = 'enforce = true\n\n[identity]\nmodes = ["upstream"]\n'
    assert "guard.toml:4" in fault_of(text, tmp_path, OPERATORS)


def test_the_line_of_a_name_with_dots_is_named(tmp_path: Path) -> None:
    """Names of APIs hold dots themselves."""
    assert "guard.toml:2" in fault_of('enforce = true\n[passed."openai.fils"]\n', tmp_path)


def test_keys_beside_an_operators_credential_are_what_it_is_for() -> None:
    """The guard checks the callers, the upstream the guard."""
    require_known(parse_policy('[identity]\nmodes = ["keys"]\n'), OPERATORS)
    require_known(parse_policy(f'[identity]\nmodes = ["jwt"]\n{ISSUER}'), OPERATORS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[identity]\nmodes = ["host", "upstream"]\n', "two things say who asks"),
        ('[identity]\nmodes = ["keys", "jwt"]\n', "no token could be accepted"),
        (f'[identity]\nmodes = ["keys"]\n{ISSUER}', "would not be accepted"),
        ('[identity]\nmodes = ["keys", "upstream"]\ndpop = "required"\n', "cannot be bound"),
        ('[passed."openai.fils"]\n', "openai.files"),
        ('[allow.fields]\n"openai.chatt" = ["top_k"]\n', "openai.chat"),
        ('[allow.parameters]\n"nothing" = ["x"]\n', "gamekeeper list routes"),
    ],
)
def test_settings_that_would_silently_not_hold_are_refused(
    text: str, told: str, tmp_path: Path
) -> None:
    """Each would be read, and mean nothing."""
    assert told in fault_of(text, tmp_path)


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    """Not one after the other."""
    text = '[identity]\nmodes = ["upstream"]\n[passed.nothing]\n[allow.fields]\nnothing = ["x"]\n'
    fault = fault_of(text, tmp_path, OPERATORS)
    assert fault.count("guard.toml:") == 3


def test_no_mode_at_all_is_a_fault_of_the_policy() -> None:
    """Nobody could come in."""
    with pytest.raises(InputError):
        parse_policy("[identity]\nmodes = []\n")


def test_default_policy_accepts_keys_and_the_upstreams_own_credentials() -> None:
    """A key that was issued counts without a policy file."""
    assert GuardPolicy().identity.modes == ("keys", "upstream")
