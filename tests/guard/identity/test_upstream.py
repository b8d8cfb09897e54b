"""Accounts named by credentials that only the upstream knows."""

from pathlib import Path

import pytest

from gamekeeper.guard.identity.upstream import UpstreamAccounts

KEY = b"k" * 32


def resident_bytes() -> int:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4_096


def test_one_credential_is_one_account() -> None:
    """The same at each replica with the same key, another at any other."""
    one = UpstreamAccounts(KEY).find("sk-a")
    two = UpstreamAccounts(KEY).find("sk-a")
    assert one == two and one.kind == "upstream" and one.models is None
    assert (
        UpstreamAccounts(b"j" * 32).find("sk-a").account
        != one.account
        != UpstreamAccounts(KEY).find("sk-b").account
    )


def test_the_account_does_not_tell_the_credential() -> None:
    """Nor is it a plain digest that guesses could be tried on."""
    principal = UpstreamAccounts(KEY).find("sk-secret")
    assert "secret" not in repr(principal) and len(principal.account) == 35


def test_an_account_is_confirmed_by_success_alone() -> None:
    """An upstream may answer 400, 404, 429 or 500 before it has looked at the credential."""
    accounts = UpstreamAccounts(KEY)
    account = accounts.find("sk-a").account
    for status in (401, 403, 400, 404, 429, 500, 301):
        accounts.answered(account, status)
        assert not accounts.is_confirmed(account)
    accounts.answered(account, 200)
    assert accounts.is_confirmed(account)


def test_what_the_upstream_revoked_is_forgotten() -> None:
    """By 401; 403 may mean the model."""
    accounts = UpstreamAccounts(KEY)
    account = accounts.find("sk-a").account
    accounts.confirm(account)
    accounts.answered(account, 403)
    assert accounts.is_confirmed(account)
    accounts.answered(account, 401)
    assert not accounts.is_confirmed(account)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("invented", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_million_invented_credentials_do_not_grow_memory(invented: int) -> None:
    """Those confirmed before stay; nothing is held of the others."""
    accounts = UpstreamAccounts(KEY)
    true = accounts.find("sk-true").account
    accounts.confirm(true)
    for n in range(20_000):
        accounts.find(f"invented {n}")
    before = resident_bytes()
    for n in range(invented):
        accounts.find(f"sk-{n}")
    assert resident_bytes() - before < 16 << 20
    assert accounts.is_confirmed(true)
