"""Small ReLU networks copied functionally equivalently, beside ART's
FunctionallyEquivalentExtraction.

    python benchmarks/audit/relu_networks.py --seeds 20

Random networks with one hidden layer, served as probabilities; agreement on 10,000 inputs that
nobody asked. ART is told the hidden width and is given logits in double precision, which it needs;
ours is told neither and is given probabilities. ART is stopped after 30 seconds of wall time a
network. It runs only where it is installed.
"""

import argparse
import multiprocessing
from queue import Empty
from time import process_time

import numpy as np

from gamekeeper.audit.asking import Answers
from gamekeeper.audit.attacks import ATTACKS, AttackerKnowledge
from gamekeeper.audit.targets import Array

SHAPES = ((10, 4, 3), (20, 16, 5), (10, 8, 2), (30, 20, 4), (64, 32, 10))
FIRST_SEED = 100
ART_S = 30


class Network:
    """Random weights, scaled so that units are about as often on as off."""

    def __init__(self, shape: tuple[int, int, int], seed: int) -> None:
        rng = np.random.default_rng(seed)
        (width, hidden, classes) = shape
        self.first = rng.standard_normal((width, hidden)) / width**0.5
        self.bias = rng.standard_normal(hidden) / 3
        self.second = rng.standard_normal((hidden, classes))
        self.offset = rng.standard_normal(classes) / 10

    def logits(self, inputs: Array) -> Array:
        """Shape (n, classes)."""
        return np.asarray(
            np.maximum(inputs @ self.first + self.bias, 0) @ self.second + self.offset
        )


def ours(shape: tuple[int, int, int], seed: int) -> tuple[float, int, float]:
    """Agreement, queries, CPU seconds."""
    network = Network(shape, seed)
    rng = np.random.default_rng([seed, 1])

    def ask(inputs: Array) -> Answers:
        scores = np.exp(network.logits(inputs))
        return Answers(scores.argmax(axis=1), scores / scores.sum(axis=1, keepdims=True))

    knowledge = AttackerKnowledge(
        pool=rng.standard_normal((1_000, shape[0])),
        sizes=(50_000,),
        uses_scores=True,
        classes=shape[2],
    )
    began = process_time()
    copies = list(ATTACKS["relu-networks"].surrogates(ask, knowledge, rng))
    cpu_s = process_time() - began
    if not copies:
        return 0.0, 0, cpu_s
    tests = rng.standard_normal((10_000, shape[0]))
    agreed = (copies[0].predict(tests) == network.logits(tests).argmax(axis=1)).mean()
    return float(agreed), copies[0].queries, cpu_s


def _art(
    shape: tuple[int, int, int], seed: int, found: "multiprocessing.Queue[tuple[float, int, float]]"
) -> None:
    from art.attacks.extraction import FunctionallyEquivalentExtraction
    from art.estimators.classification.blackbox import BlackBoxClassifierNeuralNetwork

    np.random.seed(seed)
    network = Network(shape, seed)
    queries = 0

    def predict(inputs: Array) -> Array:
        nonlocal queries
        queries += len(inputs)
        return network.logits(inputs)

    box = BlackBoxClassifierNeuralNetwork(predict, (shape[0],), shape[2])
    began = process_time()
    rng = np.random.default_rng([seed, 1])
    copy = FunctionallyEquivalentExtraction(box, num_neurons=shape[1]).extract(
        rng.standard_normal((100, shape[0]))
    )
    tests = rng.standard_normal((10_000, shape[0]))
    agreed = (copy.predict(tests).argmax(axis=1) == network.logits(tests).argmax(axis=1)).mean()
    found.put((float(agreed), queries, process_time() - began))


def art(shape: tuple[int, int, int], seed: int) -> tuple[float, int, float]:
    """The same by ART, in a process that is stopped; nought where it fails or does not end."""
    found: multiprocessing.Queue[tuple[float, int, float]] = multiprocessing.Queue()
    process = multiprocessing.Process(target=_art, args=(shape, seed, found))
    process.start()  # what fails there says why on standard error
    process.join(ART_S)
    process.kill()
    try:
        return found.get(timeout=0.5)
    except Empty:
        return 0.0, 0, float(ART_S)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument(
        "--art-seeds", type=int, default=5, help="networks of the first two shapes that ART tries"
    )
    told = parser.parse_args()
    print(
        "| network | thief | above .999 | least agreement | queries, median and most | CPU s, median |"
    )
    print("|---|---|---|---|---|---|")
    for shape in SHAPES:
        row(shape, "gamekeeper", [ours(shape, FIRST_SEED + seed) for seed in range(told.seeds)])
    try:
        import art as _  # noqa: F401
    except ImportError:
        print("\nART is not installed: its rows are left out")
        return
    for shape in SHAPES[:2]:
        row(shape, "ART", [art(shape, FIRST_SEED + seed) for seed in range(told.art_seeds)])


def row(shape: tuple[int, int, int], thief: str, runs: list[tuple[float, int, float]]) -> None:
    """Prints a line of the table."""
    agreed, queries, cpu_s = (np.array(column) for column in zip(*runs, strict=True))
    print(
        f"| {'-'.join(map(str, shape))} | {thief} | {(agreed > 0.999).sum()} of {len(runs)} | {agreed.min():.4f} "
        f"| {np.median(queries):,.0f} / {queries.max():,} | {np.median(cpu_s):.2f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
