"""Headers and parameters that are not known do not reach the upstream."""

import pytest

from gamekeeper.guard.doors.request_filter import (
    HeaderFilter,
    filtered_query,
    require_no_credential,
)
from gamekeeper.guard.gate import StoppedError

CREDENTIALS = frozenset((b"authorization",))


def kept(*names: str, allowed: tuple[str, ...] = (), own: bool = False) -> list[str]:
    headers = [(name.encode(), b"x") for name in names]
    found = HeaderFilter(allowed).kept(headers, CREDENTIALS, own_account=own)
    return [name.decode() for name, _ in found]


@pytest.mark.parametrize(
    "name",
    [
        "cookie", "x-forwarded-for", "forwarded", "x-real-ip", "x-http-method-override",
        "x-original-url", "x-rewrite-url", "x-portkey-custom-host", "x-portkey-provider",
        "x-litellm-api-key", "x-goog-api-key", "x-user-id", "helicone-target-url", "via",
        "proxy-authorization", "te", "upgrade", "transfer-encoding", "content-length",
        "accept-encoding", "x-api-key", "api-key", "openai-organization", "openai-project",
        "x_portkey_config", "x-amz-security-token", "litellm-model", "x-envoy-original-path",
    ],
)  # fmt: skip
def test_header_that_could_steer_the_upstream_does_not_pass(name: str) -> None:
    """Nor any other that is not on the list."""
    assert kept(name) == []


def test_headers_of_the_sdks_pass() -> None:
    """What their requests need, and no credential but the one that is to."""
    usual = [
        "accept", "user-agent", "traceparent", "anthropic-version", "anthropic-beta",
        "openai-beta", "x-stainless-lang", "x-stainless-retry-count", "idempotency-key",
        "authorization",
    ]  # fmt: skip
    assert kept(*usual) == usual


def test_header_named_in_connection_is_for_this_hop_only() -> None:
    """Whatever it is called."""
    headers = [(b"connection", b"close, Anthropic-Beta"), (b"anthropic-beta", b"x")]
    assert HeaderFilter().kept(headers, (), own_account=False) == []


def test_policy_may_allow_more() -> None:
    """For servers that need them."""
    assert kept("x-tenant", allowed=("x-tenant",)) == ["x-tenant"]


def test_organisation_goes_with_the_clients_own_account_only() -> None:
    """Beside the operator's credential it would choose whom the operator pays for."""
    assert kept("openai-organization", own=True) == ["openai-organization"]


@pytest.mark.parametrize("query", [b"model=expensive", b"%6dodel=x", b"a=1&model=x", b"a;model=x"])
def test_unknown_parameter_is_refused_or_taken_out(query: bytes) -> None:
    """Under every spelling."""
    with pytest.raises(StoppedError) as stopped:
        filtered_query(query, {"a"}, drop=False)
    assert stopped.value.refusal.status == 400
    found = filtered_query(query, {"a"}, drop=True)
    assert b"odel" not in found.query and found.dropped == ("model",)


def test_known_parameter_passes_as_it_was_written() -> None:
    """Azure's version, for one."""
    query = b"api-version=2026-01-01&include%5B%5D=x"
    assert filtered_query(query, {"api-version", "include[]"}, drop=False).query == query


@pytest.mark.parametrize(
    "name",
    ["key", "api_key", "api-key", "apikey", "KEY", "token", "access_token", "auth", "sig",
     "x-api-key", "authorization", "ke%79", "jwt", "secret", "session"],
)  # fmt: skip
def test_credential_in_the_query_is_refused(name: str) -> None:
    """Whichever route: the upstream might accept it, and nobody here has checked it."""
    with pytest.raises(StoppedError):
        require_no_credential(f"x=1&{name}=abc".encode())


@pytest.mark.parametrize("name", ["api-version", "include[]", "limit", "monkey", "after", "tokens"])
def test_other_parameters_are_no_credentials(name: str) -> None:
    """So that pages of lists can be asked for."""
    require_no_credential(f"{name}=1".encode())
