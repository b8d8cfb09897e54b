"""EncryptingClient and server together, on SEAL."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encrypted.builders import assembled_model, make_model, make_network, make_rows
from gamekeeper.base.errors import InputError
from gamekeeper.encrypted.slot_layout import Packing
from gamekeeper.encrypted.square_network import Layer, SquareNetwork

pytestmark = pytest.mark.extra
pytest.importorskip("tenseal")

from gamekeeper.encrypted.inference_client import EncryptingClient  # noqa: E402
from gamekeeper.encrypted.inference_server import InferenceServer, UnknownKeysError  # noqa: E402

MODELS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "linear": ((64, 10), {}),
    "one score": ((5, 1), {}),
    "parts": ((300, 40), {}),
    "hidden": ((20, 8, 3), {}),
    "hidden, parts": ((64, 32, 10), {}),
    "batched linear": ((6, 3), {"packing": "batched"}),
    "batched hidden": ((5, 4, 2), {"packing": "batched"}),
}


@pytest.mark.parametrize("name", MODELS)
def test_scores_are_those_in_the_open_within_the_stated_error(name: str) -> None:
    """For all rows that fit, and for fewer."""
    sizes, fields = MODELS[name]
    model = make_model(*sizes, **fields)
    client = EncryptingClient(model.description)
    server = InferenceServer(model)
    server.add_keys(client.keys())
    for count in (model.description.layout.rows, 1):
        rows = make_rows(count, sizes[0])
        asked = client.encrypt(rows)
        answer = server.answer(asked.message)
        scores = client.decrypt(answer, asked)
        assert scores.shape == (count, sizes[-1])
        assert np.abs(scores - model.scores(rows)).max() < 1e-3


@pytest.mark.parametrize("packing", ["latency", "batched"])
@pytest.mark.parametrize("sizes", [(9, 3), (9, 4, 2)])
def test_weights_of_zero_are_answered(sizes: tuple[int, ...], packing: Packing) -> None:
    """A sparse model, or one that answers the same to all: SEAL alone would refuse the product."""
    layers = [Layer(layer.weights * 0, layer.bias) for layer in make_network(*sizes).layers]
    model = make_model(*sizes, packing=packing, network=SquareNetwork(tuple(layers)))
    client = EncryptingClient(model.description)
    server = InferenceServer(model)
    asked = client.encrypt(make_rows(2, 9))
    scores = client.decrypt(server.answer(asked.message, client.keys()), asked)
    assert np.abs(scores - model.scores(make_rows(2, 9))).max() < 1e-3


@pytest.mark.slow
def test_two_hidden_layers_are_answered_in_batches() -> None:
    """In the larger ring."""
    model = assembled_model(4, 3, 3, 2, packing="batched")
    client = EncryptingClient(model.description)
    server = InferenceServer(model)
    asked = client.encrypt(make_rows(100, 4))
    scores = client.decrypt(server.answer(asked.message, client.keys()), asked)
    assert np.abs(scores - model.scores(make_rows(100, 4))).max() < 1e-3


def test_keys_stay_below_12_megabytes() -> None:
    """Only the rotations that are needed, and half of each from a seed."""
    for sizes, most in (((64, 10), 200_000), ((64, 32, 10), 6_000_000)):
        client = EncryptingClient(make_model(*sizes).description)
        assert len(client.keys()) < most


def test_inputs_beyond_the_range_are_clipped_and_counted() -> None:
    """What the polynomial was not made for is not asked."""
    model = make_model(6, 3)
    client = EncryptingClient(model.description)
    server = InferenceServer(model)
    rows = np.array([[2.0, -3.0, 0.5, 0, 0, 0]])
    asked = client.encrypt(rows)
    assert asked.clipped == 2
    scores = client.decrypt(server.answer(asked.message, client.keys()), asked)
    assert np.abs(scores - model.network.scores(np.clip(rows, -1, 1))).max() < 1e-3


@pytest.mark.parametrize(
    "rows", [np.zeros((1, 5)), np.zeros((5, 6)), np.zeros((0, 6)), np.full((1, 6), np.nan)]
)
def test_rows_that_do_not_fit_are_refused(rows: np.ndarray) -> None:
    """Wrong width, wrong number of rows, NaN and infinity."""
    with pytest.raises(InputError):
        EncryptingClient(make_model(6, 3).description).encrypt(rows)


def test_an_answer_is_read_with_its_own_request_only() -> None:
    """An answer names the request, so that a server cannot mix them up unseen."""
    model = make_model(6, 3)
    client = EncryptingClient(model.description)
    server = InferenceServer(model)
    one = client.encrypt(make_rows(1, 6))
    other = client.encrypt(make_rows(1, 6))
    answer = server.answer(one.message, client.keys())
    with pytest.raises(InputError, match="another request"):
        client.decrypt(answer, other)


def test_two_encryptions_of_the_same_rows_have_nothing_in_common() -> None:
    """Fresh randomness each; and answers of the same request differ too."""
    model = make_model(6, 3)
    client = EncryptingClient(model.description)
    server = InferenceServer(model)
    one = client.encrypt(make_rows(1, 6)).message
    other = client.encrypt(make_rows(1, 6)).message
    same = sum(a == b for a, b in zip(one[100:20_100], other[100:20_100], strict=True))
    assert same < 200  # of 20,000 bytes, 78 by chance
    first = server.answer(one, client.keys())
    second = server.answer(one)
    assert sum(a == b for a, b in zip(first[100:20_100], second[100:20_100], strict=True)) < 200


@pytest.mark.parametrize(
    ("packing", "count", "rows"), [("latency", 1, 1), ("latency", 3, 4), ("batched", 100, 128)]
)
def test_rows_are_charged_as_they_are_asked_for(packing: Packing, count: int, rows: int) -> None:
    """What is charged is what is answered: a request that says fewer gets the scores of fewer."""
    model = make_model(6, 3, packing=packing)
    client = EncryptingClient(model.description)
    server = InferenceServer(model)
    asked = client.encrypt(make_rows(count, 6))
    assert server.rows(asked.message) == asked.rows == rows
    one = asked.message[:72] + (1).to_bytes(4, "little") + asked.message[76:]
    answer = server.answer(one, client.keys())
    assert server.rows(one) == 1
    scores = client.decrypt(answer, asked._replace(message=one, rows=1, given=1))
    assert scores.shape == (1, 3)


def test_no_seed_is_used_twice() -> None:
    """Two ciphertexts with one second half differ by what was encrypted, and small noise."""
    model = make_model(16, 8, 3)
    client = EncryptingClient(model.description)
    size = InferenceServer(model).backend.cipher_bytes
    seeds = [client.keys()[40:72], EncryptingClient(model.description).keys()[40:72]]
    for message in (
        client.encrypt(make_rows(1, 16)).message,
        client.encrypt(make_rows(1, 16)).message,
    ):
        seeds += [message[at : at + 32] for at in range(76, len(message), size)]
    assert len(seeds) == len(set(seeds)) == 2 + 2 * model.description.layout.parts


def test_keys_are_held_for_so_many_clients_only() -> None:
    """The least recently used are removed; their client sends them again."""
    model = make_model(6, 3)
    server = InferenceServer(model, max_keys=2)
    clients = [EncryptingClient(model.description) for _ in range(3)]
    for client in clients:
        server.add_keys(client.keys())
    asked = clients[0].encrypt(make_rows(1, 6))
    with pytest.raises(UnknownKeysError, match="send them again"):
        server.answer(asked.message)
    assert np.isfinite(
        clients[0].decrypt(server.answer(asked.message, clients[0].keys()), asked)
    ).all()


def test_keys_are_kept_for_their_owner_only(tmp_path: Path) -> None:
    """Mode 0600; and a secret that others can read is not used."""
    description = make_model(6, 3).description
    client = EncryptingClient(description)
    client.save(tmp_path / "keys")
    secret = tmp_path / "keys" / "secret.key"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert EncryptingClient.load(description, tmp_path / "keys").keys() == client.keys()
    public = tmp_path / "keys" / "public.keys"
    kept = public.read_bytes()
    public.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        EncryptingClient.load(description, tmp_path / "keys")
    public.write_bytes(kept)
    secret.chmod(0o644)
    with pytest.raises(InputError, match="other users can read"):
        EncryptingClient.load(description, tmp_path / "keys")


def test_no_secret_is_in_messages_or_in_output(tmp_path: Path) -> None:
    """Not in a repr, not in the keys for the server; no weight in a description or in a repr."""
    model = make_model(6, 3)
    client = EncryptingClient(model.description)
    secret = client._secret.reveal()
    public = client.keys()
    assert secret[:64] not in public and "Secret" not in repr(client)
    assert repr(model.network.layers[0].weights[0, 0])[:8] not in repr(model)
    assert "weights" not in str(model.description.to_dict())


@pytest.mark.parametrize("is_in_memory", [True, False])
def test_no_file_of_a_key_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_in_memory: bool
) -> None:
    """SEAL reads paths: they lead to files in memory without a name, or else to a folder that is
    removed.
    """
    from gamekeeper.encrypted import seal_files

    made: list[Path] = []
    kept = seal_files.tempfile.TemporaryDirectory

    def noted(**fields: Any) -> Any:
        folder = kept(dir=tmp_path, **fields)
        made.append(Path(folder.name))
        assert made[-1].stat().st_mode & 0o777 == 0o700
        return folder

    monkeypatch.setattr(seal_files.tempfile, "TemporaryDirectory", noted)
    if not is_in_memory:
        monkeypatch.delattr(seal_files.os, "memfd_create")
    model = make_model(6, 3)
    client = EncryptingClient(model.description)
    server = InferenceServer(model)
    server.answer(client.encrypt(make_rows(1, 6)).message, client.keys())
    assert (len(made) > 3) is not is_in_memory
    assert not list(tmp_path.iterdir())


def test_keys_of_one_client_push_out_his_own_alone() -> None:
    """A client that sends keys again and again does not block others."""
    model = make_model(6, 3)
    server = InferenceServer(model, max_keys=4)
    first = EncryptingClient(model.description)
    server.add_keys(first.keys(), "first")
    sent = [server.add_keys(EncryptingClient(model.description).keys(), "second") for _ in range(4)]
    assert [server.has_keys(one) for one in sent] == [False, False, True, True]
    assert server.answer(first.encrypt(make_rows(1, 6)).message)
    for name in ("third", "fourth"):
        server.add_keys(EncryptingClient(model.description).keys(), name)
    assert server.answer(first.encrypt(make_rows(1, 6)).message), "it was used last"
    assert not server.has_keys(sent[2]), "the longest idle of all gave way"


def test_no_secret_key_is_replaced(tmp_path: Path) -> None:
    """What was asked under it could not be read any more."""
    client = EncryptingClient(make_model(6, 3).description)
    client.save(tmp_path / "keys")
    with pytest.raises(InputError, match="there are keys in it"):
        client.save(tmp_path / "keys")


def test_weights_too_small_to_count_are_answered() -> None:
    """SEAL refuses products by what rounds to 0."""
    network = make_network(6, 3)
    tiny = SquareNetwork(
        tuple(Layer(layer.weights * 1e-14, layer.bias) for layer in network.layers)
    )
    model = make_model(6, 3, network=tiny)
    client = EncryptingClient(model.description)
    server = InferenceServer(model)
    asked = client.encrypt(rows := make_rows(1, 6))
    assert (
        np.abs(
            client.decrypt(server.answer(asked.message, client.keys()), asked) - model.scores(rows)
        ).max()
        < 1e-3
    )
