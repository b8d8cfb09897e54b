"""Proofs of possession: what RFC 9449 wants, and the ways to use a stolen credential without its
key.
"""

from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey, RSAKey

from gamekeeper.base.errors import UsageError
from gamekeeper.guard.identity.dpop import Dpop, token_hash
from gamekeeper.guard.identity.nonce import Nonces
from gamekeeper.guard.identity.principal import Principal
from gamekeeper.guard.store import StoreGoneError
from guard.identity.builders import (
    CLIENTS_KEY,
    NOW,
    THIEFS_KEY,
    URL,
    base64url,
    bound,
    make_principal,
    make_proof,
    make_store,
    refused,
    signed,
)

TOKEN = "gk_token"


def make_dpop(folder: Path, **fields: Any) -> Dpop:
    return Dpop(make_store(folder), **({"origin": "https://api.example"} | fields))


def verify(dpop: Dpop, proof: str, principal: Principal | None = None, **fields: Any) -> None:
    plain = {"token": TOKEN, "method": "POST", "url": URL, "now": NOW}
    dpop.verify(proof, principal or bound(), **(plain | fields))


def test_a_true_proof_holds_once(tmp_path: Path) -> None:
    """The second time it is a replay, and says so to the operator."""
    dpop = make_dpop(tmp_path)
    proof = make_proof(TOKEN)
    verify(dpop, proof)
    with refused("invalid_dpop_proof", signal="dpop-replay") as caught:
        verify(dpop, proof)
    assert caught.error.account == "acme"
    assert caught.error.www_authenticate.startswith('DPoP error="invalid_dpop_proof", algs="ES256')


def test_a_replay_at_another_replica_is_seen(tmp_path: Path) -> None:
    """They share the store, not their memory."""
    proof = make_proof(TOKEN)
    verify(make_dpop(tmp_path), proof)
    with refused("invalid_dpop_proof", signal="dpop-replay"):
        verify(make_dpop(tmp_path), proof)


def test_a_resigned_proof_with_the_same_jti_is_a_replay(tmp_path: Path) -> None:
    """The name counts, not the bytes: ECDSA signs differently each time."""
    dpop = make_dpop(tmp_path)
    first = make_proof(TOKEN)
    second = make_proof(TOKEN)
    assert first != second
    verify(dpop, first)
    with refused("invalid_dpop_proof", signal="dpop-replay"):
        verify(dpop, second)


def test_nobody_uses_up_the_names_of_another_clients_proofs(tmp_path: Path) -> None:
    """Two clients may draw the same jti; a thief's refused proof uses up nothing."""
    dpop = make_dpop(tmp_path)
    verify(dpop, make_proof(TOKEN, THIEFS_KEY), bound(THIEFS_KEY))
    with refused("invalid_token", signal="dpop-mismatch"):
        verify(dpop, make_proof(TOKEN, THIEFS_KEY, jti="two"))
    verify(dpop, make_proof(TOKEN))
    verify(dpop, make_proof(TOKEN, jti="two"))


def test_a_clock_set_forward_and_back_forgets_no_proof(tmp_path: Path) -> None:
    """In between, the store has cleared away what seemed to have ended."""
    dpop = make_dpop(tmp_path)
    proof = make_proof(TOKEN)
    verify(dpop, proof)
    verify(dpop, make_proof(TOKEN, jti="later", iat=NOW + 9_000), now=NOW + 9_000)
    with refused("invalid_dpop_proof", signal="dpop-replay"):
        verify(dpop, proof)


@pytest.mark.parametrize("iat", [NOW - 60, NOW + 10, NOW - 0.5])
def test_clocks_may_differ_a_little(iat: float, tmp_path: Path) -> None:
    """Both ways."""
    verify(make_dpop(tmp_path), make_proof(TOKEN, iat=iat))


@pytest.mark.parametrize(
    "iat", [NOW - 61, NOW + 11, ..., None, str(NOW), True, float("nan"), float("inf"), 10**400]
)
def test_an_old_or_early_proof_does_not_hold(iat: Any, tmp_path: Path) -> None:
    """Nor one that tells no time; that is a clock, no theft."""
    with refused("invalid_dpop_proof"):
        verify(make_dpop(tmp_path), make_proof(TOKEN, iat=iat))


@pytest.mark.parametrize("jti", [..., "", None, 5, ["a"], "a" * 257])
def test_a_proof_has_a_name(jti: Any, tmp_path: Path) -> None:
    """Without it, it could be used again."""
    with refused("invalid_dpop_proof"):
        verify(make_dpop(tmp_path), make_proof(TOKEN, jti=jti))


def test_a_name_may_be_any_text(tmp_path: Path) -> None:
    """Also one that looks like another entry of the store; but text."""
    dpop = make_dpop(tmp_path)
    for jti in ("dpop:x:y", "\u0000", "ключ", "' or 1=1 --"):
        verify(dpop, make_proof(TOKEN, jti=jti))
    with refused("invalid_dpop_proof"):
        verify(dpop, make_proof(TOKEN, jti="\ud800"))


@pytest.mark.parametrize(
    "htu",
    [
        "HTTPS://API.EXAMPLE/v1/chat/completions",
        "https://api.example:443/v1/chat/completions",
        "https://api.example/v1/chat/completions?x=1",
        "https://api.example/v1/chat/completions#x",
        "https://api.example/v1/chat/completions?x=1#y?z",
        "https://api.example/v1/%63hat/completions",
    ],
)
def test_addresses_that_mean_the_same_hold(htu: str, tmp_path: Path) -> None:
    """Case of scheme and host, the default port, query and fragment, needless escapes."""
    verify(make_dpop(tmp_path), make_proof(TOKEN, htu=htu))


@pytest.mark.parametrize(
    "htu",
    [
        "http://api.example/v1/chat/completions",
        "https://api.example:8443/v1/chat/completions",
        "https://api.example:0/v1/chat/completions",
        "https://api.example.thief.example/v1/chat/completions",
        "https://user@api.example/v1/chat/completions",
        "https://api.example@thief.example/v1/chat/completions",
        "https://api.example\\@thief.example/v1/chat/completions",
        "https://thief.example/v1/chat/completions",
        "https://api.example/V1/chat/completions",
        "https://api.example/v1/chat/completions/",
        "https://api.example/v1/chat%2Fcompletions",
        "https://api.example/v1/../v1/chat/completions",
        "https://api.example//v1/chat/completions",
        "https://api.example",
        "//api.example/v1/chat/completions",
        "/v1/chat/completions",
        "https://api.example:port/v1/chat/completions",
        "https://[api.example/v1/chat/completions",
        "https://api.example/v1/chat/completions\n",
        "https://api.exämple/v1/chat/completions",
        "",
        ...,
        5,
        ["https://api.example/v1/chat/completions"],
    ],
    ids=str,
)
def test_a_proof_for_another_address_does_not_hold(htu: Any, tmp_path: Path) -> None:
    """And tells that somebody tries."""
    with refused("invalid_dpop_proof", signal="dpop-mismatch"):
        verify(make_dpop(tmp_path), make_proof(TOKEN, htu=htu))


def test_the_host_header_does_not_choose_whom_a_proof_is_for(tmp_path: Path) -> None:
    """A proof made for a thief's server, relayed with that server's name in the host header."""
    theirs = "https://thief.example/v1/chat/completions"
    with refused("invalid_dpop_proof", signal="dpop-mismatch"):
        verify(make_dpop(tmp_path), make_proof(TOKEN, htu=theirs), url=theirs)
    verify(make_dpop(tmp_path), make_proof(TOKEN), url="http://10.0.0.7:8080/v1/chat/completions")


def test_without_an_origin_the_request_s_address_counts(tmp_path: Path) -> None:
    """As a whole."""
    dpop = make_dpop(tmp_path, origin=None)
    verify(dpop, make_proof(TOKEN))
    with refused("invalid_dpop_proof", signal="dpop-mismatch"):
        verify(dpop, make_proof(TOKEN, jti="two"), url="https://other.example/v1/chat/completions")


@pytest.mark.parametrize("method", ["GET", "post", "POST ", "", None, ...])
def test_a_proof_for_another_method_does_not_hold(method: Any, tmp_path: Path) -> None:
    """Methods have no upper and lower case."""
    with refused("invalid_dpop_proof", signal="dpop-mismatch"):
        verify(make_dpop(tmp_path), make_proof(TOKEN, htm=method))


@pytest.mark.parametrize(
    "ath", [token_hash("another"), TOKEN, "", ..., None, 5, token_hash(TOKEN) + "=", "é"]
)
def test_a_proof_for_another_credential_does_not_hold(ath: Any, tmp_path: Path) -> None:
    """Nor one for none."""
    with refused("invalid_dpop_proof", signal="dpop-mismatch"):
        verify(make_dpop(tmp_path), make_proof(TOKEN, ath=ath))


def test_a_thiefs_key_does_not_do(tmp_path: Path) -> None:
    """Nor does the true key's public half over a thief's signature."""
    dpop = make_dpop(tmp_path)
    with refused("invalid_token", signal="dpop-mismatch"):
        verify(dpop, make_proof(TOKEN, THIEFS_KEY))
    with refused("invalid_dpop_proof", signal="dpop-mismatch"):
        verify(dpop, make_proof(TOKEN, THIEFS_KEY, {"jwk": CLIENTS_KEY.as_dict(private=False)}))


def test_an_unbound_credential_has_no_proof(tmp_path: Path) -> None:
    """There is no key that it could be by."""
    with refused("invalid_token", signal="dpop-mismatch"):
        verify(make_dpop(tmp_path), make_proof(TOKEN), make_principal())


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": ...},
        {"typ": "DPOP+JWT"},
        {"jwk": ...},
        {"jwk": "https://thief.example"},
        {"jwk": CLIENTS_KEY.as_dict(private=True)},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jwk": CLIENTS_KEY.as_dict(private=False) | {"crv": "P-999"}},
        {"jwk": CLIENTS_KEY.as_dict(private=False) | {"x": 5}},
        {"jwk": {}},
        {"jku": "https://thief.example"},
        {"crit": ["exp"]},
    ],
    ids=str,
)
def test_a_malformed_proof_does_not_hold(header: dict[str, Any], tmp_path: Path) -> None:
    """A private key in a header is none any more."""
    with refused("invalid_dpop_proof"):
        verify(make_dpop(tmp_path), make_proof(TOKEN, header=header))


@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", "RS256", "ES512", "EdDSA"])
def test_an_algorithm_that_does_not_fit_the_key_does_not_hold(alg: str, tmp_path: Path) -> None:
    """Unsigned, symmetric, of another curve or type, or not allowed."""
    header = {"typ": "dpop+jwt", "alg": alg, "jwk": CLIENTS_KEY.as_dict(private=False)}
    claims = {"jti": "one", "htm": "POST", "htu": URL, "iat": NOW, "ath": token_hash(TOKEN)}
    for signature in (b"", b"\x00" * 64):
        with refused("invalid_dpop_proof", signal="dpop-mismatch"):
            verify(make_dpop(tmp_path), signed(header, claims, signature=signature))


@pytest.mark.parametrize(
    "proof", ["", "a.b.c", "a" * 100_000, "é", "e30.e30.e30", f"{base64url(b'[]')}.e30.AA"]
)
def test_what_is_no_proof_does_not_hold(proof: str, tmp_path: Path) -> None:
    """Without an error of ours."""
    with refused("invalid_dpop_proof"):
        verify(make_dpop(tmp_path), proof)


@pytest.mark.parametrize("alg", ["RS256", "PS256", "EdDSA", "Ed25519"])
def test_other_types_of_keys_hold(alg: str, tmp_path: Path) -> None:
    """RSA and Edwards curves."""
    key: Any = RSAKey.generate_key(2048) if alg[1] == "S" else OKPKey.derive_key("client")
    verify(make_dpop(tmp_path), make_proof(TOKEN, key, {"alg": alg}), bound(key))


def test_a_key_too_large_to_verify_quickly_does_not_hold(tmp_path: Path) -> None:
    """Its holder would let us do the work."""
    jwk = {"kty": "RSA", "e": "AQAB", "n": base64url(b"\xff" * 1_024)}
    with refused("invalid_dpop_proof"):
        verify(make_dpop(tmp_path), make_proof(TOKEN, header={"jwk": jwk}))


def test_a_proof_carries_our_nonce_where_it_must(tmp_path: Path) -> None:
    """Else the refusal brings it, and nothing is used up."""
    dpop = make_dpop(tmp_path, nonces=Nonces(b"k" * 32))
    with refused("use_dpop_nonce") as caught:
        verify(dpop, make_proof(TOKEN))
    headers = dict(caught.error.headers)
    assert b'error="use_dpop_nonce"' in headers[b"www-authenticate"]
    verify(dpop, make_proof(TOKEN, nonce=headers[b"dpop-nonce"].decode()))


def test_nonces_are_ours_and_of_this_time() -> None:
    """Of every replica with the key; neither invented, nor old, nor of the future, nor spelled
    otherwise.
    """
    nonces = Nonces(b"k" * 32)
    nonce = nonces.make(NOW)
    assert Nonces(b"k" * 32).is_valid(nonce, NOW + 200) and nonces.is_valid(nonce, NOW - 30)
    assert nonces.make(NOW + 60) != nonce
    for bad in (
        None,
        "",
        5,
        "é",
        nonce[:-1],
        nonce + "=",
        nonce + " ",
        nonce.swapcase(),
        base64url(b"\xff" * 24),
    ):
        assert not nonces.is_valid(bad, NOW)
    assert not nonces.is_valid(nonce, NOW + 361) and not nonces.is_valid(nonce, NOW - 120)
    assert not Nonces(b"j" * 32).is_valid(nonce, NOW)


def test_a_store_that_is_gone_lets_no_proof_pass(tmp_path: Path) -> None:
    """Whoever calls decides what then; a proof is never taken for unused."""
    store = make_store(tmp_path)
    dpop = Dpop(store)
    store.close()
    with pytest.raises(StoreGoneError):
        verify(dpop, make_proof(TOKEN))


@pytest.mark.parametrize(
    "fields",
    [{"algorithms": ()}, {"algorithms": ("none",)}, {"origin": "api.example"}, {"origin": URL}],
    ids=str,
)
def test_unsafe_settings_are_refused(fields: dict[str, Any], tmp_path: Path) -> None:
    """An origin has no path."""
    with pytest.raises(UsageError):
        make_dpop(tmp_path, **fields)
