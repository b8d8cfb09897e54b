"""API keys: what counts, what no longer counts, and what shows nowhere."""

import contextlib
import copy
import itertools
import pickle
import statistics
import threading
import traceback
from pathlib import Path
from time import perf_counter

import orjson
import pytest

from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.base.secret import Secret, is_same_secret
from gamekeeper.guard.identity.key_record import digest_of
from gamekeeper.guard.identity.key_text import id_of, key_text
from gamekeeper.guard.identity.keys import Keys
from gamekeeper.guard.identity.principal import Budget, CredentialError
from gamekeeper.guard.identity.shared_secret import state_secret
from gamekeeper.guard.store import SqliteStore
from guard.identity.builders import NOW, Clock, make_keys, make_store, refused


def text_of(keys: Keys, **fields: object) -> tuple[str, str]:
    """Id and text of a new key."""
    record, secret = keys.issue("acme", **fields)  # type: ignore[arg-type]
    return record.id, secret.reveal()


def test_an_issued_key_speaks_for_its_account(tmp_path: Path) -> None:
    """With the scopes and the budget that it was given."""
    keys = make_keys(tmp_path)
    budget = Budget(requests=3, usd=1.5, cells=9)
    id, text = text_of(
        keys, models=["gpt-*"], routes=["openai.chat"], budget=budget, expires=NOW + 9
    )
    found = keys.find(text, NOW)
    assert (found.account, found.credential, found.kind) == ("acme", id, "key")
    assert (found.models, found.routes, found.budget) == ({"gpt-*"}, {"openai.chat"}, budget)
    assert not found.bound


def test_a_key_survives_the_process(tmp_path: Path) -> None:
    """Every field of it."""
    keys = make_keys(tmp_path)
    budget = Budget(tokens=0, usd=0.25)
    _, text = text_of(keys, models=["a", "b*"], budget=budget, expires=NOW + 9, bound_to="thumb")
    again = make_keys(tmp_path)
    assert again.list() == keys.list() and again.find(text, NOW) == keys.find(text, NOW)


def test_keys_have_the_form_that_scanners_know(tmp_path: Path) -> None:
    """Prefix, id of 12, secret of 43, checksum of 6; no two alike."""
    texts = [text_of(make_keys(tmp_path))[1] for _ in range(3)]
    assert {len(text) for text in texts} == {65} and len(set(texts)) == 3
    assert all(
        text.startswith("gk_") and text.isascii() and text.replace("_", "").isalnum()
        for text in texts
    )


@pytest.mark.parametrize("change", range(65))
def test_a_mistyped_key_is_told_from_a_wrong_one(change: int) -> None:
    """The checksum notices each single wrong character."""
    text = key_text("a" * 12, bytes(range(32)))
    other = "b" if text[change] != "b" else "c"
    assert id_of(text) == "a" * 12
    assert id_of(text[:change] + other + text[change + 1 :]) is None


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "gk_",
        "gk__",
        "gk_" + "a" * 12,
        "sk-ant-123",
        "gk_" + "٣" * 12 + "_" + "0" * 49,
        "\x00",
        "gk_\udcff",
    ],
)
def test_what_is_no_key_is_refused(presented: str, tmp_path: Path) -> None:
    """Whatever it holds."""
    with refused("malformed_key"):
        make_keys(tmp_path).find(presented, NOW)


def test_a_truncated_key_is_refused_at_every_length(tmp_path: Path) -> None:
    """Also one with something behind it."""
    keys = make_keys(tmp_path)
    _, text = text_of(keys)
    for presented in [*(text[:n] for n in range(len(text))), text + "a", text + "\n", " " + text]:
        with refused("malformed_key"):
            keys.find(presented, NOW)


def test_another_secret_with_a_true_id_is_refused_like_an_unknown_id(tmp_path: Path) -> None:
    """Nothing in the answer tells which of the two it was."""
    keys = make_keys(tmp_path)
    id, _ = text_of(keys)
    said = []
    for presented in (key_text(id, bytes(32)), key_text("a" * 12, bytes(32))):
        with refused("invalid_key") as caught:
            keys.find(presented, NOW)
        said.append((str(caught.error), caught.error.headers, caught.error.account))
    assert said[0] == said[1]


@pytest.mark.no_cover  # what is measured is not traced
def test_unknown_ids_and_wrong_secrets_take_the_same_time(tmp_path: Path) -> None:
    """Medians, taken in turn, differ by less than half of what leaving out the comparison would
    save.
    """
    keys = make_keys(tmp_path)
    id, _ = text_of(keys)
    wrong = key_text(id, bytes(32))
    unknown = key_text("a" * 12, bytes(32))

    def refuse(text: str) -> None:
        with contextlib.suppress(CredentialError):
            keys.find(text, NOW)

    def compare(text: str) -> None:
        digest = digest_of(text)
        is_same_secret(digest, bytes(32)), is_same_secret(digest, bytes(32))

    calls = ((refuse, wrong), (refuse, unknown), (compare, wrong))
    took: list[list[float]] = [[], [], []]
    for _ in range(5_000):
        for which, (call, text) in enumerate(calls):
            began = perf_counter()
            call(text)
            took[which].append(perf_counter() - began)
    of_wrong, of_unknown, of_comparison = map(statistics.median, took)
    assert abs(of_wrong - of_unknown) < of_comparison / 2


def test_a_key_expires_at_its_second(tmp_path: Path) -> None:
    """Only who has the secret is told so, and the operator learns whose it is."""
    keys = make_keys(tmp_path)
    _, text = text_of(keys, expires=NOW + 10)
    assert keys.find(text, NOW + 9.999)
    with refused("expired_key") as caught:
        keys.find(text, NOW + 10)
    assert caught.error.account == "acme"


def test_a_revocation_reaches_a_running_guard(tmp_path: Path) -> None:
    """Written by another process; `refresh` sees the store's version change, and only then
    reads.
    """
    keys = make_keys(tmp_path)
    id, text = text_of(keys)
    keys.refresh()
    assert not keys.refresh()
    make_keys(tmp_path).revoke(id, "leaked")
    assert keys.find(text, NOW).account == "acme"
    assert keys.refresh()
    with refused("invalid_key"):
        keys.find(text, NOW)


def test_a_clock_set_back_does_not_undo_a_revocation(tmp_path: Path) -> None:
    """A revocation has no beginning."""
    clock = Clock()
    keys = make_keys(tmp_path, clock)
    id, text = text_of(keys)
    keys.revoke(id, "leaked")
    with refused("invalid_key"):
        keys.find(text, NOW - 86_400)


def test_the_first_revocation_stands(tmp_path: Path) -> None:
    """Nobody rewrites why and when."""
    clock = Clock()
    keys = make_keys(tmp_path, clock)
    id, _ = text_of(keys)
    keys.revoke(id, "leaked")
    clock.at += 60
    assert (keys.revoke(id, "no reason").why, keys.list()[0].revoked.at) == ("leaked", NOW)  # type: ignore[union-attr]


def test_both_secrets_count_during_the_overlap(tmp_path: Path) -> None:
    """Afterwards the new one alone; the old one never counts as newly authenticated."""
    clock = Clock()
    keys = make_keys(tmp_path, clock)
    id, old = text_of(keys)
    clock.at += 100
    new = keys.rotate(id, 60)[1].reveal()
    assert keys.find(old, NOW + 159).authenticated_at == NOW
    assert keys.find(new, NOW + 159).authenticated_at == NOW + 100
    with refused("invalid_key"):
        keys.find(old, NOW + 160)
    assert keys.find(new, NOW + 160).credential == id


def test_a_second_rotation_ends_the_first_overlap(tmp_path: Path) -> None:
    """Two secrets at most; without an overlap, one."""
    keys = make_keys(tmp_path)
    id, first = text_of(keys)
    second = keys.rotate(id, 3_600)[1].reveal()
    third = keys.rotate(id, 0)[1].reveal()
    for text in (first, second):
        with refused("invalid_key"):
            keys.find(text, NOW)
    assert keys.find(third, NOW)


def test_a_rotation_does_not_bring_back_what_was_revoked_meanwhile(tmp_path: Path) -> None:
    """The rotating process read the key before it was revoked, and writes after."""

    class Slow(SqliteStore):
        def put(self, table: str, id: str, record: bytes) -> None:
            other.revoke(id, "leaked")
            super().put(table, id, record)

    keys = Keys(make_store(tmp_path, Slow), Clock())
    other = make_keys(tmp_path)
    id, _ = text_of(keys)
    other.refresh()
    record, new = keys.rotate(id, 0)
    assert record.revoked is not None
    with refused("invalid_key"):
        keys.find(new.reveal(), NOW)


def test_what_counts_no_more_is_not_rotated(tmp_path: Path) -> None:
    """Neither a revoked nor an expired key; nor one that there never was."""
    clock = Clock()
    keys = make_keys(tmp_path, clock)
    revoked = text_of(keys)[0]
    expired = text_of(keys, expires=NOW + 1)[0]
    keys.revoke(revoked, "")
    clock.at += 1
    for id in (revoked, expired, "a" * 12):
        with pytest.raises(UsageError):
            keys.rotate(id, 0)


def test_an_id_that_is_a_whole_key_is_not_repeated(tmp_path: Path) -> None:
    """People paste what they have at hand; the message goes to a log."""
    keys = make_keys(tmp_path)
    _, text = text_of(keys)
    with pytest.raises(UsageError) as caught:
        keys.revoke(text, "")
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"account": ""},
        {"account": "a\nb"},
        {"account": "a\u202eb"},
        {"account": "a" * 257},
        {"models": []},
        {"models": ["gpt-*-mini"]},
        {"routes": ["**"]},
        {"budget": Budget(usd=float("nan"))},
        {"budget": Budget(cells=-1)},
        {"expires": NOW},
    ],
    ids=str,
)
def test_what_does_not_fit_is_not_issued(fields: dict[str, object], tmp_path: Path) -> None:
    """And nothing is written."""
    keys = make_keys(tmp_path)
    with pytest.raises(UsageError):
        keys.issue(**({"account": "acme"} | fields))  # type: ignore[arg-type]
    assert not keys.list()


def test_an_empty_scope_stays_empty(tmp_path: Path) -> None:
    """Nothing allowed is not everything allowed."""
    keys = make_keys(tmp_path)
    id, text = text_of(keys, models=["a"])
    store = make_store(tmp_path)
    store.put("keys", id, orjson.dumps(orjson.loads(store.load("keys")[id]) | {"models": []}))
    keys.refresh()
    assert keys.find(text, NOW).models == frozenset()


@pytest.mark.parametrize(
    "damage", [b"", b"[]", b"null", b'{"format": "gamekeeper/key@2"}', b"\xff"]
)
def test_an_unreadable_record_is_refused_and_named(damage: bytes, tmp_path: Path) -> None:
    """Other keys count on; a key whose revocation cannot be read does not count either."""
    keys = make_keys(tmp_path)
    (bad, bad_text), (half, half_text), (_, good_text) = (text_of(keys) for _ in range(3))
    store = make_store(tmp_path)
    store.put("keys", bad, damage)
    store.put("keys", f"revoked.{half}", damage or b"{")
    keys.refresh()
    for text in (bad_text, half_text):
        with refused("invalid_key"):
            keys.find(text, NOW)
    assert keys.find(good_text, NOW)
    assert sorted(fault.where for fault in keys.faults) == sorted(
        f"state, keys/{id}" for id in (bad, half)
    )


def test_a_digest_moved_to_another_record_fits_no_key(tmp_path: Path) -> None:
    """Who can write to the state cannot give a key the rights of another by copying its digest."""
    drawn = itertools.count(1)
    keys = Keys(make_store(tmp_path), Clock(), lambda n: bytes([next(drawn)]) * n)
    (low, low_text), (high, _) = text_of(keys, models=["small"]), text_of(keys)
    assert low_text == key_text(low, bytes([2]) * 32)
    store = make_store(tmp_path)
    records = store.load("keys")
    moved = orjson.loads(records[high]) | {"digest": orjson.loads(records[low])["digest"]}
    store.put("keys", high, orjson.dumps(moved))
    keys.refresh()
    with refused("invalid_key"):
        keys.find(key_text(high, bytes([2]) * 32), NOW)
    assert keys.find(low_text, NOW).models == {"small"}


def test_nothing_on_disk_holds_the_secret(tmp_path: Path) -> None:
    """Neither the text nor its secret part, in any file of the state."""
    keys = make_keys(tmp_path)
    id, text = text_of(keys)
    keys.rotate(id, 60)
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert id.encode() in on_disk
    assert text.encode() not in on_disk and text.split("_")[2][:20].encode() not in on_disk


def test_a_secret_shows_itself_once_and_nowhere_else(tmp_path: Path) -> None:
    """Not in repr, str, formats, copies, pickles, nor in what was returned with it."""
    record, secret = make_keys(tmp_path).issue("acme")
    shown = f"{secret} {secret!r} {secret!s:>40} {record!r} {[secret]} %s" % secret
    for steal in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            steal(secret)
    text = secret.reveal()
    assert text not in shown and text.split("_")[2] not in shown
    assert record.digest.hex() not in shown and repr(record.digest) not in shown
    with pytest.raises(RuntimeError):
        secret.reveal()


def test_refusals_and_their_tracebacks_hold_no_secret(tmp_path: Path) -> None:
    """A traceback in a log must not be worth stealing."""
    keys = make_keys(tmp_path)
    id, text = text_of(keys, expires=NOW + 1)
    for presented in (text, text[:-1], key_text(id, bytes(32))):
        try:
            keys.find(presented, NOW + 2)
        except CredentialError as error:
            told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
        assert presented.split("_")[2][:20] not in told


@pytest.mark.no_cover  # what is measured is not traced
def test_found_in_microseconds(tmp_path: Path) -> None:
    """The fastest of many, generously: it stands in the path of each request."""
    keys = make_keys(tmp_path)
    _, text = text_of(keys)
    took = []
    for _ in range(2_000):
        began = perf_counter()
        keys.find(text, NOW)
        took.append(perf_counter() - began)
    assert min(took) < 50e-6


def test_state_secrets_are_shared_and_differ_by_name(tmp_path: Path) -> None:
    """Drawn by whoever asks first, also of several threads."""
    store = make_store(tmp_path)
    got = list[bytes]()
    threads = [
        threading.Thread(target=lambda: got.append(state_secret(store, "upstream")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8 and len(set(got)) == 1 and len(got[0]) == 32
    assert (
        state_secret(make_store(tmp_path), "upstream")
        == got[0]
        != state_secret(store, "dpop-nonce")
    )


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b'{"format": "gamekeeper/state-secret@1", "secret": ""}']
)
def test_a_damaged_state_secret_is_an_error_and_not_an_empty_key(
    damage: bytes, tmp_path: Path
) -> None:
    """Digests by an empty key could be guessed."""
    store = make_store(tmp_path)
    store.put("keys", "secret.upstream", damage)
    with pytest.raises(InputError):
        state_secret(store, "upstream")


def test_state_secrets_are_no_keys(tmp_path: Path) -> None:
    """They stand in the same table."""
    keys = make_keys(tmp_path)
    state_secret(make_store(tmp_path), "upstream")
    assert keys.list() == () and not keys.faults


def test_a_secret_is_what_it_was_given() -> None:
    """Once."""
    assert Secret("x").reveal() == "x"
