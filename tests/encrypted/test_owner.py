"""Encrypted weights on a host that is not trusted."""

import numpy as np
import pytest

from encrypted.builders import make_model, make_rows
from gamekeeper.base.errors import InputError

pytestmark = pytest.mark.extra
pytest.importorskip("tenseal")

from gamekeeper.encrypted.owner import Host, Owner  # noqa: E402


@pytest.mark.parametrize("sizes", [(20, 5), (20, 7, 3), (64, 31, 10)])
def test_a_host_answers_with_weights_that_it_cannot_read(sizes: tuple[int, ...]) -> None:
    """Inputs in the open, and inputs that are encrypted too."""
    model = make_model(*sizes)
    owner = Owner(model)
    host = Host(
        model.description.parameters, owner.layout, model.scales, owner.weights(), owner.keys()
    )
    rows = make_rows(owner.layout.rows, sizes[0])
    for answer in (host.answer(owner.prepare(rows)), host.answer_encrypted(owner.encrypt(rows))):
        assert np.abs(owner.read(answer, len(rows)) - model.scores(rows)).max() < 1e-5


def test_the_host_cannot_read_weights() -> None:
    """What it is given does not change with the weights but for randomness, and is the same
    length.
    """
    model = make_model(20, 5)
    owner = Owner(model)
    one = owner.weights()
    other = owner.weights()
    assert len(one) == len(other)
    assert sum(a == b for a, b in zip(one[:20_000], other[:20_000], strict=True)) < 200


def test_another_key_reads_nothing() -> None:
    """An answer under the owner's key is noise under another's."""
    model = make_model(20, 5)
    owner = Owner(model)
    stranger = Owner(model)
    host = Host(
        model.description.parameters, owner.layout, model.scales, owner.weights(), owner.keys()
    )
    rows = make_rows(1, 20)
    read = stranger.read(host.answer(owner.prepare(rows)), 1)
    assert np.abs(read - model.scores(rows)).max() > 10


def test_malformed_answers_and_weights_are_refused() -> None:
    """By their length, before anything is read."""
    model = make_model(20, 5)
    owner = Owner(model)
    with pytest.raises(InputError, match="length"):
        owner.read(b"short", 1)
    with pytest.raises(InputError, match="length"):
        Host(model.description.parameters, owner.layout, model.scales, b"short", owner.keys())
    with pytest.raises(InputError, match="rows"):
        owner.prepare(make_rows(99, 20))
