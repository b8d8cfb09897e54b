"""What answers to encrypted input cost and how far they are off, as a Markdown page.

    python benchmarks/sealing/encrypted.py --seeds 1 2 3

Process CPU time of one thread, the least of several runs; on a machine that others use too it is an
upper bound. The models are 64-10 (linear) and 64-32-10 (one hidden layer of squares), with random
weights and standard normal inputs clipped to four deviations: time and error do not depend on what
a model learnt.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import process_time
from typing import Any

import numpy as np

from gamekeeper.encrypted.compiled_model import CompiledModel
from gamekeeper.encrypted.compiling import CompileOptions, assemble_model
from gamekeeper.encrypted.inference_client import EncryptingClient
from gamekeeper.encrypted.inference_server import InferenceServer
from gamekeeper.encrypted.owner import Host, Owner
from gamekeeper.encrypted.slot_layout import Packing
from gamekeeper.encrypted.square_network import Array, Layer, SquareNetwork

AGREEMENT_ROWS = 10_000
FEWER_ROWS = 400
RANGE = 4.0
SIZES = {"linear 64-10": (64, 10), "hidden 64-32-10": (64, 32, 10)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One way of answering, one seed.

    Args:
        name: Of the model and packing.
        rows: In a request.
        keygen_ms: Of a client's keys.
        keys_mb: That the client sends, once.
        encrypt_ms: A request.
        answer_ms: A request.
        decrypt_ms: An answer.
        request_kb: Length.
        answer_kb: Length.
        error: Largest, of all scores.
        agreement: Share of rows whose first class is that in the open.
        of: Rows that this is of.
        bits: Flooding, of one answer.
    """

    name: str
    rows: int
    keygen_ms: float
    keys_mb: float
    encrypt_ms: float
    answer_ms: float
    decrypt_ms: float
    request_kb: float
    answer_kb: float
    error: float
    agreement: float
    of: int
    bits: float


def made(
    sizes: Sequence[int], packing: Packing, seed: int, rows: int | None, *, strong: bool = False
) -> CompiledModel:
    """A model with random weights, hidden units and scores near 1."""
    rng = np.random.default_rng(seed)
    layers = []
    values = drawn(2_000, sizes[0], seed + 100)
    for at, (inputs, outputs) in enumerate(pairwise(sizes)):
        layer = Layer(
            rng.normal(size=(outputs, inputs)) / np.sqrt(inputs), rng.normal(size=outputs) / 4
        )
        layers.append(layer)
        values = values @ layer.weights.T + layer.bias
        values = values**2 if at < len(sizes) - 2 else values
    options = CompileOptions(packing=packing, rows=rows, range=(-RANGE, RANGE), strong=strong)
    return assemble_model(
        SquareNetwork(tuple(layers)), drawn(2_000, sizes[0], seed + 100), options, (), {}
    )


def drawn(count: int, width: int, seed: int) -> Array:
    """Inputs."""
    return np.clip(np.random.default_rng(seed).normal(size=(count, width)), -RANGE, RANGE)


def timed(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Least CPU time, ms, and the last result."""
    least = np.inf
    result = None
    for _ in range(repeats):
        began = process_time()
        result = call()
        least = min(least, process_time() - began)
    return least * 1e3, result


def measured(name: str, model: CompiledModel, seed: int, count: int) -> Measured:
    """Asks all rows, times some."""
    server = InferenceServer(model)
    repeats = 3 if model.description.layout.is_batched else 15
    capacity = model.description.layout.rows
    keygen_ms, client = timed(lambda: _with_keys(model), 2)
    server.add_keys(client.keys())
    inputs = drawn(max(count, capacity), model.network.inputs, seed + 200)
    encrypt_ms, asked = timed(lambda: client.encrypt(inputs[:capacity]), repeats)
    answer_ms, answer = timed(lambda: server.answer(asked.message), repeats)
    decrypt_ms, _ = timed(lambda: client.decrypt(answer, asked), repeats)
    scores = np.concatenate(list(_answers(client, server, inputs)))
    expected = model.scores(inputs)
    return Measured(
        name=name,
        rows=capacity,
        keygen_ms=keygen_ms,
        keys_mb=len(client.keys()) / 1e6,
        encrypt_ms=encrypt_ms,
        answer_ms=answer_ms,
        decrypt_ms=decrypt_ms,
        request_kb=len(asked.message) / 1e3,
        answer_kb=len(answer) / 1e3,
        error=float(np.abs(scores - expected).max()),
        agreement=float((scores.argmax(axis=1) == expected.argmax(axis=1)).mean()),
        of=len(inputs),
        bits=model.flood_bits,
    )


def _with_keys(model: CompiledModel) -> EncryptingClient:
    client = EncryptingClient(model.description)
    client.keys()
    return client


def _answers(client: EncryptingClient, server: InferenceServer, inputs: Array) -> Iterator[Array]:
    for begin in range(0, len(inputs), client.description.layout.rows):
        asked = client.encrypt(inputs[begin : begin + client.description.layout.rows])
        yield client.decrypt(server.answer(asked.message), asked)


def tenseal_vectors(name: str, model: CompiledModel, seed: int) -> tuple[str, float, float, float]:
    """TenSEAL's own `ckks_vector`, one row: name, ms, MB of context, largest error of ten rows."""
    import tenseal as ts

    bits = [60, 40, 40, 60] if model.network.hidden == 0 else [49, 40, 40, 40, 49]
    context = ts.context(ts.SCHEME_TYPE.CKKS, poly_modulus_degree=8192, coeff_mod_bit_sizes=bits)
    context.global_scale = 2.0**40
    context.generate_galois_keys()
    inputs = model.description.normalise(drawn(10, model.network.inputs, seed + 200))

    def answered(vector: Any) -> Any:
        for layer in model.network.layers[:-1]:
            vector = (vector.mm(layer.weights.T.tolist()) + layer.bias.tolist()).square()
        last = model.network.layers[-1]
        return vector.mm(last.weights.T.tolist()) + last.bias.tolist()

    encrypted = ts.ckks_vector(context, inputs[0].tolist())
    ms, _ = timed(lambda: answered(encrypted), 2)
    scores = np.array([answered(ts.ckks_vector(context, row.tolist())).decrypt() for row in inputs])
    error = float(np.abs(scores - model.network.scores(inputs)).max())
    return name, ms, len(context.serialize(save_secret_key=False)) / 1e6, error


def tenseal_tensors(name: str, model: CompiledModel, seed: int) -> tuple[str, float, float]:
    """TenSEAL's own `ckks_tensor`, batched, 4096 rows: name, ms a row, largest error."""
    import tenseal as ts

    bits = [60, 40, 40, 60] if model.network.hidden == 0 else [49, 40, 40, 40, 49]
    context = ts.context(ts.SCHEME_TYPE.CKKS, poly_modulus_degree=8192, coeff_mod_bit_sizes=bits)
    context.global_scale = 2.0**40
    inputs = model.description.normalise(drawn(4096, model.network.inputs, seed + 200))
    value = ts.ckks_tensor(context, ts.plain_tensor(inputs[:, None, :].tolist()), batch=True)

    def answered() -> Any:
        tensor = value
        for layer in model.network.layers[:-1]:
            tensor = (
                tensor.mm(ts.plain_tensor(layer.weights.T.tolist()))
                + ts.plain_tensor(layer.bias.tolist())
            ).square()
        last = model.network.layers[-1]
        return tensor.mm(ts.plain_tensor(last.weights.T.tolist())) + ts.plain_tensor(
            last.bias.tolist()
        )

    ms, answer = timed(answered, 1)
    scores = np.array(answer.decrypt().tolist()).reshape(len(inputs), -1)
    return name, ms / len(inputs), float(np.abs(scores - model.network.scores(inputs)).max())


def encrypted_weights(
    name: str, model: CompiledModel, seed: int
) -> tuple[str, int, float, float, float, float]:
    """Rows, ms with inputs in the open and encrypted, MB of weights, largest error."""
    owner = Owner(model)
    weights = owner.weights()
    host = Host(model.description.parameters, owner.layout, model.scales, weights, owner.keys())
    inputs = drawn(owner.layout.rows, model.network.inputs, seed + 200)
    prepared = owner.prepare(inputs)
    encrypted = owner.encrypt(inputs)
    open_ms, answer = timed(lambda: host.answer(prepared), 10)
    hidden_ms, other = timed(lambda: host.answer_encrypted(encrypted), 10)
    expected = model.scores(inputs)
    error = max(float(np.abs(owner.read(a, len(inputs)) - expected).max()) for a in (answer, other))
    return name, owner.layout.rows, open_ms, hidden_ms, len(weights) / 1e6, error


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


def _row(runs: Sequence[Measured]) -> list[str]:
    first = runs[0]
    least = {
        f: min(getattr(r, f) for r in runs)
        for f in ("keygen_ms", "encrypt_ms", "answer_ms", "decrypt_ms")
    }
    return [
        first.name,
        str(first.rows),
        f"{least['answer_ms']:.1f}",
        f"**{least['answer_ms'] / first.rows:.3g}**",
        f"{least['encrypt_ms']:.1f}",
        f"{least['decrypt_ms']:.1f}",
        f"{least['keygen_ms']:.0f}",
        f"{first.keys_mb:.2f}",
        f"{first.request_kb:,.0f} / {first.answer_kb:,.0f}",
        f"{max(r.error for r in runs):.1e}",
        f"{sum(r.agreement * r.of for r in runs) / sum(r.of for r in runs):.5f} of {sum(r.of for r in runs):,}",
        f"{min(r.bits for r in runs):.0f}",
    ]


VARIANTS: tuple[tuple[str, Packing, int | None, bool], ...] = (
    ("latency", "latency", None, False),
    ("latency, one row", "latency", 1, False),
    ("latency, strong", "latency", None, True),
    ("batched", "batched", None, False),
)


def _measured(
    name: str,
    sizes: Sequence[int],
    variant: tuple[str, Packing, int | None, bool],
    seed: int,
    is_first: bool,
) -> Measured:
    """10,000 rows of the first seed, fewer of others and of what answers slowly: one row at a time,
    strong.
    """
    _, packing, capacity, strong = variant
    is_slow = capacity is not None or strong
    count = AGREEMENT_ROWS if is_first and not is_slow else FEWER_ROWS
    return measured(name, made(sizes, packing, seed, capacity, strong=strong), seed, count)


def page(seeds: Sequence[int]) -> Iterator[str]:
    """Prints as it measures."""
    rows = []
    others = []
    hidden = []
    for model_name, sizes in SIZES.items():
        for variant_of in VARIANTS:
            if variant_of[3] and len(sizes) == 2:
                continue
            name = f"{model_name}, {variant_of[0]}"
            rows.append(
                _row([_measured(name, sizes, variant_of, seed, seed == seeds[0]) for seed in seeds])
            )
        model = made(sizes, "latency", seeds[0], None)
        name, ms, size, error = tenseal_vectors(model_name, model, seeds[0])
        others.append(
            [f"{name}, ckks_vector", "1", f"{ms:.0f}", f"{ms:.0f}", f"{size:.1f}", f"{error:.1e}"]
        )
        name, ms, error = tenseal_tensors(model_name, model, seeds[0])
        others.append(
            [f"{name}, ckks_tensor", "4096", f"{ms * 4096:.0f}", f"{ms:.3g}", "", f"{error:.1e}"]
        )
        name, count, open_ms, closed_ms, size, error = encrypted_weights(
            model_name, model, seeds[0]
        )
        hidden.append(
            [
                name,
                str(count),
                f"{open_ms / count:.1f}",
                f"{closed_ms / count:.1f}",
                f"{size:.2f}",
                f"{error:.1e}",
            ]
        )
    yield f"Seeds {' '.join(map(str, seeds))}; least time, largest error, agreement of all rows.\n"
    head = [
        "model, packing",
        "rows",
        "ms a request",
        "ms a row",
        "encrypt ms",
        "decrypt ms",
        "keygen ms",
        "keys MB",
    ]
    yield from _table([*head, "request / answer kB", "largest error", "agreement", "bits"], rows)
    yield "TenSEAL's own vectors, same machine and run:\n"
    yield from _table(
        ["model", "rows", "ms a request", "ms a row", "public keys MB", "largest error"], others
    )
    yield "Encrypted weights, the owner holds the key:\n"
    head = [
        "model",
        "rows",
        "ms a row, input open",
        "ms a row, input encrypted",
        "weights MB",
        "largest error",
    ]
    yield from _table(head, hidden)


def main() -> None:
    """Prints the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    for line in page(parser.parse_args().seeds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
