"""Secrets show themselves nowhere."""

import ast
import base64
import copy
import pickle
import re
import traceback
from pathlib import Path

import pytest

import gamekeeper.sealing
from gamekeeper.base.secret import Secret, is_same_secret
from gamekeeper.sealing import SealError, load_sealed, seal
from gamekeeper.sealing.recipients import Passphrase, PrivateKey
from gamekeeper.sealing.sealed import SealedFile
from sealing.builders import CHEAP, write_model

VALUE = b"correct horse battery staple"


def test_secret_is_in_no_text_and_no_copy() -> None:
    """Not in repr, str, format, of itself or of what holds it; it is not pickled or copied
    either.
    """
    secret = Secret(VALUE)
    for holder in (secret, [secret], Passphrase(secret), {"k": secret}):
        assert "horse" not in f"{holder!r} {holder!s} {holder}"
    for copier in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            copier(secret)
    assert secret == Secret(VALUE) and secret != Secret(VALUE + b"!") and secret != VALUE
    with pytest.raises(TypeError):
        hash(secret)


def test_private_key_shows_nothing() -> None:
    """Of either half."""
    key = PrivateKey.generate()
    raw = key.x25519.private_bytes_raw()
    assert raw.hex() not in repr(key) and repr(raw)[2:-1] not in repr(key)


def test_traceback_with_all_locals_shows_no_secret(tmp_path: Path) -> None:
    """Error trackers send the locals of every frame."""
    key = PrivateKey.generate()
    phrase = Passphrase(Secret(VALUE), cost=CHEAP)
    drawn: list[bytes] = []

    def draw(length: int) -> bytes:
        drawn.append(bytes((40 * len(drawn) + one) % 256 for one in range(length)))
        return drawn[-1]

    out = tmp_path / "s"
    seal(write_model(tmp_path / "m"), out, to=[phrase, key.public_key()], entropy=draw)
    with SealedFile(out) as sealed:
        at = sealed.header.index_at
    content = bytearray(out.read_bytes())
    content[at] ^= 1
    out.write_bytes(content)
    with pytest.raises(SealError) as failed:
        load_sealed(out, keys=[phrase, key])
    frames = traceback.TracebackException.from_exception(failed.value, capture_locals=True).stack
    shown = str([frame.locals for frame in frames if frame.filename != __file__])
    assert "Subkeys(" in shown, "the frames that hold keys are among them"
    for secret in (drawn[0], VALUE, key.x25519.private_bytes_raw()):
        for form in (secret.hex(), base64.b64encode(secret).decode(), repr(secret)[2:-1]):
            assert form not in shown


def test_comparison_is_of_values() -> None:
    """Also of unequal lengths."""
    assert (
        is_same_secret(b"abc", b"abc")
        and not is_same_secret(b"abc", b"abd")
        and not is_same_secret(b"abc", b"ab")
    )


def test_tags_and_digests_are_compared_in_constant_time_everywhere() -> None:
    """No `==` on anything named like one, in the whole room."""
    named = re.compile(
        r"(^|\b|_)(mac|tag|commitment|digest|pin|passphrase|signature)s?\b", re.IGNORECASE
    )
    constants = re.compile(r"_BYTES\b")
    found = []
    for path in sorted(Path(gamekeeper.sealing.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and any(
                isinstance(op, ast.Eq | ast.NotEq) for op in node.ops
            ):
                sides = [ast.unparse(one) for one in (node.left, *node.comparators)]
                if any(
                    named.search(one) and not constants.search(one) and "len(" not in one
                    for one in sides
                ):
                    found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert not found
