"""A thief without inputs of the domain: made-up ones, public ones, uniform noise, beside one who
has inputs of it.

    python benchmarks/audit/data_free.py --seeds 100 101 102
    python benchmarks/audit/data_free.py --seeds 100 101 102 --only cnn --thieves data-free --sizes
    10000

Targets: the convolutional network on 16 x 16 digits of pictures.py; a network of 64 units on
    scikit-learn's 8 x 8
digits, scaled to 0 .. 1, or each pixel standardised; the same on the wine and breast cancer data,
standardised. Fidelity is agreement on test inputs of the domain that neither target nor any thief
saw. Noise is uniform within the documented bounds, learnt from by the same selection. Public are
Fashion-MNIST's pictures, of Debian's `dataset-fashion-mnist`, made as small as the digits.
"""

import argparse
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import process_time
from typing import Any

import numpy as np
import torch
from pictures import SIDE, answers_of, digits, print_table, trained_target
from sklearn import datasets
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from gamekeeper.audit.asking import Answers, Ask
from gamekeeper.audit.attacks import ATTACKS, Attack, AttackerKnowledge, Surrogate
from gamekeeper.audit.learners import ModelSelection, TrainingSet
from gamekeeper.audit.targets import Array
from gamekeeper.audit.zoo import FASHION

SIZES = (250, 500, 1_000, 2_500, 5_000, 10_000)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A target and what there is of its domain."""

    answers: Callable[[Array], Array]
    tests: Array
    pool: Array
    classes: int
    picture: tuple[int, int] | None = None
    public: Array | None = None
    name: str = ""

    def ask(self, inputs: Array) -> Answers:
        """Scores, and the label that comes first."""
        scores = self.answers(inputs)
        return Answers(scores.argmax(1), scores)


def cases(seed: int, only: str) -> Iterator[Case]:
    """The targets, trained anew for each seed."""
    makers: dict[str, Callable[[], Case]] = {
        "cnn": lambda: of_pictures(seed),
        "mlp": lambda: of_rows(
            "digits", seed, FunctionTransformer(lambda inputs: inputs / 16), (8, 8)
        ),
        "mlp standardised": lambda: of_rows("digits", seed, StandardScaler(), (8, 8)),
        "tabular wine": lambda: of_rows("wine", seed, StandardScaler()),
        "tabular breast_cancer": lambda: of_rows("breast_cancer", seed, StandardScaler()),
    }
    return (replace(make(), name=name) for name, make in makers.items() if only in name)


def of_pictures(seed: int) -> Case:
    """As in pictures.py."""
    pictures, labels = digits(seed)
    target = trained_target(pictures[:600], labels[:600], seed)
    return Case(
        answers=lambda inputs: answers_of(target, inputs),
        tests=pictures[600:1_100],
        pool=pictures[1_100:],
        classes=10,
        picture=(SIDE, SIDE),
        public=fashion(),
    )


def of_rows(name: str, seed: int, scale: Any, picture: tuple[int, int] | None = None) -> Case:
    """A network of 64 units behind what scales its inputs: a third of the rows trains it, a third
    tests.
    """
    inputs, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    trains, tests, pool = np.array_split(np.random.default_rng(seed).permutation(len(inputs)), 3)
    network = MLPClassifier((64,), max_iter=2_000, random_state=seed)
    target = make_pipeline(scale, network).fit(inputs[trains], labels[trains])
    return Case(
        answers=target.predict_proba,
        tests=inputs[tests],
        pool=inputs[pool],
        classes=len(np.unique(labels)),
        picture=picture,
    )


def fashion() -> Array | None:
    """Pictures of SIDE x SIDE, from 0 to 1; None where they are not installed."""
    if not FASHION.is_dir():
        return None
    raw = np.frombuffer(
        gzip.decompress((FASHION / "t10k-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16
    )
    large = torch.tensor(raw.reshape(-1, 1, 28, 28) / 255, dtype=torch.float32)
    small = torch.nn.functional.interpolate(large, size=(SIDE, SIDE), mode="area")
    return small.reshape(len(small), -1).numpy().astype(np.float64)


class Noise:
    """Uniform noise within bounds."""

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """As an attack's."""
        said = knowledge.documentation
        selection = ModelSelection(rng)
        inputs = rng.uniform(said.low, said.high, (max(knowledge.sizes), len(said.low)))
        answers = ask(inputs)
        for size in knowledge.sizes:
            soft = (
                answers.probabilities[:size]
                if knowledge.uses_scores and answers.probabilities is not None
                else None
            )
            training = TrainingSet(
                inputs[:size], answers.labels[:size], soft, picture=knowledge.picture, moves=False
            )
            recipe, predict = selection.best(training)
            yield Surrogate(queries=size, predict=predict, recipe=recipe)


THIEVES: dict[str, Attack | Noise] = {
    "made up (data-free)": ATTACKS["data-free"],
    "public (public-copy)": ATTACKS["public-copy"],
    "uniform noise": Noise(),
    "of the domain (learned-copy)": ATTACKS["learned-copy"],
}


def played(
    case: Case, sizes: tuple[int, ...], thieves: str, seed: int
) -> Iterator[tuple[str, int, float, float]]:
    """Rows of the table: thief and reading, queries, fidelity, CPU seconds since the last copy."""
    truth = case.answers(case.tests).argmax(1)
    knowledge = AttackerKnowledge(
        pool=case.pool, sizes=sizes, uses_scores=False, classes=case.classes, picture=case.picture
    )
    for name, thief in THIEVES.items():
        if thieves not in name or (case.public is None and thief is ATTACKS["public-copy"]):
            continue
        for reading in ("labels", "scores"):
            told = replace(knowledge, uses_scores=reading == "scores", public=case.public)
            began = process_time()
            for surrogate in thief.surrogates(case.ask, told, np.random.default_rng(seed)):
                fidelity = float((surrogate.predict(case.tests) == truth).mean())
                print(
                    f"  {seed} {name}, {reading}: {surrogate.queries} {fidelity:.3f} {surrogate.recipe}",
                    flush=True,
                )
                yield f"{name}, {reading}", surrogate.queries, fidelity, process_time() - began
                began = process_time()


def main() -> None:
    """Prints a table for each target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument(
        "--only", default="", help="targets whose name holds this: cnn, mlp, tabular, ..."
    )
    parser.add_argument(
        "--thieves", default="", help="those whose name holds this: data-free, public, noise, ..."
    )
    told = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, dict[str, dict[int, list[tuple[float, float]]]]] = {}
    for seed in told.seeds:
        for case in cases(seed, told.only):
            table = found.setdefault(case.name, {})
            for name, queries, fidelity, cpu_s in played(
                case, tuple(told.sizes), told.thieves, seed
            ):
                table.setdefault(name, {}).setdefault(queries, []).append((fidelity, cpu_s))
    for name, table in found.items():
        print(f"\n{name}")
        print_table(table)


if __name__ == "__main__":
    main()
