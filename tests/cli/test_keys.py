"""`gamekeeper keys`, each verb for each exit code."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from joserfc.jwk import ECKey, OKPKey, RSAKey
from typer.testing import CliRunner

from gamekeeper._cli import keys as cli
from gamekeeper.base.errors import GamekeeperError
from gamekeeper.guard import store
from gamekeeper.guard.identity.keys import Keys
from gamekeeper.guard.identity.principal import Budget, CredentialError, Principal
from gamekeeper.guard.store import SqliteStore

NOW = 1_800_000_000.0


@dataclass(frozen=True)
class Done:
    """What a call left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def run(*words: str) -> Done:
    """As `gamekeeper keys ...` runs it."""
    app = typer.Typer()
    app.add_typer(cli.app, name=cli.NAME)
    result = CliRunner().invoke(app, ["keys", *words])
    if isinstance(result.exception, GamekeeperError):
        return Done(result.exception.exit_code, result.stdout, f"{result.stderr}{result.exception}")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


def issued(*words: str) -> tuple[str, str]:
    """Id and secret of a new key."""
    document = json.loads(run("issue", "acme", "--json", *words).out)
    return document["key"]["id"], document["secret"]


def found(folder: Path, secret: str, now: float = NOW) -> Principal:
    """Whose key it is, as the guard sees it."""
    opened = SqliteStore(folder / "gamekeeper-state" / "guard.sqlite")
    try:
        return Keys(opened, lambda: now).find(secret, now)
    finally:
        opened.close()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, and 15 January 2027."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.time, "time", lambda: NOW)


def test_the_key_stands_alone_on_standard_output(tmp_path: Path) -> None:
    """So that it can be piped; what else there is to say goes to standard error, without it."""
    done = run("issue", "acme")
    secret = done.out.strip()
    assert done.code == 0 and done.out == f"{secret}\n" and secret.startswith("gk_")
    assert (
        "acme" in done.err and secret not in done.err and secret.split("_")[2][:20] not in done.err
    )
    assert found(tmp_path, secret).account == "acme"


def test_quiet_says_only_the_key() -> None:
    """Nothing on standard error."""
    assert run("issue", "acme", "--quiet").err == ""


def test_each_option_reaches_the_key(tmp_path: Path) -> None:
    """Scopes, budget, expiry."""
    _, secret = issued(
        *("--models", "gpt-*", "--models", "o1", "--routes", "openai.*", "--expires", "2h"),
        *(
            "--requests-per-day",
            "5",
            "--tokens-per-day",
            "6",
            "--usd-per-day",
            "7.5",
            "--new-ground-per-day",
            "8",
        ),
    )
    principal = found(tmp_path, secret, NOW + 7_199)
    assert (principal.models, principal.routes) == ({"gpt-*", "o1"}, {"openai.*"})
    assert principal.budget == Budget(requests=5, tokens=6, usd=7.5, cells=8)
    with pytest.raises(CredentialError, match="expired"):
        found(tmp_path, secret, NOW + 7_200)


@pytest.mark.parametrize(
    ("words", "expires"),
    [
        ((), "2027-04-15T08:00:00+00:00"),
        (("--expires", "2w"), "2027-01-29T08:00:00+00:00"),
        (("--expires", "2028-02-29"), "2028-02-29T00:00:00+00:00"),
        (("--expires", "never"), None),
    ],
)
def test_expiries_are_spans_days_or_never(words: tuple[str, ...], expires: str | None) -> None:
    """Ninety days unless said otherwise."""
    assert json.loads(run("issue", "acme", "--json", *words).out)["key"]["expires"] == expires


def test_list_shows_all_keys_and_no_secret() -> None:
    """As lines and as JSON; revoked ones too."""
    (first, secret), (second, _) = issued(), issued("--models", "small")
    run("revoke", second, "--why", "left")
    lines = run("list")
    document = json.loads(run("list", "--json").out)
    assert (
        lines.code == 0
        and first in lines.out
        and "revoked" in lines.out
        and "models small" in lines.out
    )
    assert document["schema"] == "gamekeeper/keys@1"
    assert {key["id"]: key["standing"] for key in document["keys"]} == {
        first: "active",
        second: "revoked",
    }
    assert "digest" not in str(document) and secret[20:40] not in str(document) + lines.out


def test_list_of_no_keys_says_how_to_make_one() -> None:
    """And nothing on standard output."""
    run("revoke", issued()[0])
    empty = Path("empty")
    SqliteStore(empty / "guard.sqlite").close()
    done = run("list", "--state", "empty")
    assert (done.code, done.out) == (0, "") and "keys issue" in done.err


def test_rotate_prints_a_new_secret_and_lets_the_old_one_overlap(tmp_path: Path) -> None:
    """A day, unless said otherwise."""
    id, old = issued()
    new = run("rotate", id).out.strip()
    assert (
        found(tmp_path, new, NOW + 86_400).credential
        == found(tmp_path, old, NOW + 86_399).credential
        == id
    )
    with pytest.raises(CredentialError):
        found(tmp_path, old, NOW + 86_400)
    newest = run("rotate", id, "--overlap", "0s").out.strip()
    with pytest.raises(CredentialError):
        found(tmp_path, new)
    assert found(tmp_path, newest).account == "acme"


def test_revoke_ends_a_key(tmp_path: Path) -> None:
    """And says since when."""
    id, secret = issued()
    done = run("revoke", id, "--why", "leaked", "--json")
    assert done.code == 0 and json.loads(done.out)["revoked"]["why"] == "leaked"
    with pytest.raises(CredentialError):
        found(tmp_path, secret)


def test_a_key_is_bound_to_a_public_key_in_any_form(tmp_path: Path) -> None:
    """Its thumbprint, a JWK, or PEM of each type."""
    for number, key in enumerate(
        (ECKey.generate_key(), RSAKey.generate_key(2048), OKPKey.generate_key())
    ):
        pem = tmp_path / f"{number}.pem"
        jwk = tmp_path / f"{number}.jwk"
        pem.write_bytes(key.as_pem(private=False))
        jwk.write_text(json.dumps(key.as_dict(private=False)))
        for given in (key.thumbprint(), str(pem), str(jwk)):
            assert found(tmp_path, issued("--dpop-key", given)[1]).jkt == key.thumbprint()


def test_what_is_no_public_key_exits_3(tmp_path: Path) -> None:
    """Missing, empty, something else, symmetric, or a private key, which nobody should send
    around.
    """
    key = ECKey.generate_key()
    contents = {
        "empty": b"",
        "text": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "json": b"{",
        "oct": b'{"kty": "oct", "k": "AAAA"}',
        "private.jwk": json.dumps(key.as_dict(private=True)).encode(),
        "private.pem": key.as_pem(private=True),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name in (*contents, "missing"):
        done = run("issue", "acme", "--dpop-key", name)
        assert (done.code, done.out) == (3, "") and name in done.err
    assert not (tmp_path / "gamekeeper-state").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["issue"], "account"),
        (["issue", ""], "1 to 256"),
        (["issue", "a\nb"], "1 to 256"),
        (["issue", "acme", "--expires", "soon"], "90d"),
        (["issue", "acme", "--expires", "0s"], "expired already"),
        (["issue", "acme", "--expires", "2001-01-01"], "expired already"),
        (["issue", "acme", "--routes", "openai.chatt"], "known are anthropic.batches, "),
        (["issue", "acme", "--models", "a*b"], "gpt-*"),
        (["issue", "acme", "--requests-per-day", "-1"], "0"),
        (["issue", "acme", "--usd-per-day", "nan"], "a budget is a number"),
        (["rotate", "a" * 12], "no key aaaaaaaaaaaa"),
        (["rotate", "a" * 12, "--overlap", "1"], "24h"),
        (["revoke", "a" * 12], "no key"),
        (["revoke", "../../etc/passwd"], "no key of that id"),
        (["nonsense"], "nonsense"),
    ],
    ids=str,
)
def test_wrong_usage_exits_2(words: Sequence[str], told: str) -> None:
    """Says what would be right, and prints nothing on standard output."""
    issued()
    done = run(*words)
    assert (done.code, done.out) == (2, "") and told in done.err


@pytest.mark.parametrize("words", [["list"], ["rotate", "a" * 12], ["revoke", "a" * 12]], ids=str)
def test_a_state_that_is_not_there_exits_3_and_is_not_made(
    words: Sequence[str], tmp_path: Path
) -> None:
    """A slip in --state must not look like a state without keys."""
    done = run(*words, "--state", "elsewhere")
    assert done.code == 3 and "elsewhere" in done.err and not (tmp_path / "elsewhere").exists()


def test_a_record_that_cannot_be_read_is_listed_as_a_fault(tmp_path: Path) -> None:
    """The others are listed all the same; exit 3."""
    id, _ = issued()
    opened = SqliteStore(tmp_path / "gamekeeper-state" / "guard.sqlite")
    opened.put("keys", "b" * 12, b"{}")
    opened.close()
    done = run("list")
    assert done.code == 3 and id in done.out and "b" * 12 in done.err


def test_routes_of_classifiers_are_taken_on_trust() -> None:
    """The guard's policy describes them."""
    assert run("issue", "acme", "--routes", "classifier.score", "--routes", "anthropic.*").code == 0


def test_a_state_that_cannot_be_reached_exits_3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Says which, without the password that stands in its address."""

    def gone(state: str) -> store.Store:
        raise store.StoreGoneError("connection refused")

    monkeypatch.setattr(store, "open_store", gone)
    done = run("list", "--state", "redis://me:hunter2@10.0.0.7:6379/0")
    assert (done.code, done.out) == (3, "") and "hunter2" not in done.err
    assert "redis://10.0.0.7:6379/0: cannot be reached" in done.err


@pytest.mark.parametrize("verb", ["issue", "list", "rotate", "revoke"])
def test_help_of_each_verb(verb: str) -> None:
    """With an example."""
    done = run(verb, "--help")
    assert done.code == 0 and f"gamekeeper keys {verb}" in done.out
