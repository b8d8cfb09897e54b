"""A convolutional network on upsampled digits, copied from its labels and from its scores, beside
ART's KnockoffNets.

    python benchmarks/audit/pictures.py --seeds 100 101 102

Target: a convolutional network on 600 digits (scikit-learn's, upsampled to 16 x 16) and their
    augmentations, served as
softmax. The thief has the 697 digits that neither the target nor the test saw, and past these
mixtures of two. Fidelity is agreement on 500 digits that nobody saw. ART is given the same target,
the same inputs in the same order, and a network of the target's own shape, trained as its
documentation has it (Adam, epochs from 60 down to 8); it runs only where it is installed (`pip
install adversarial-robustness-toolbox packaging torch`), and the table says so if not.
"""

import argparse
from collections.abc import Iterator
from time import process_time

import numpy as np
import torch
from scipy.stats import t
from sklearn.datasets import load_digits

from gamekeeper.audit.asking import Answers
from gamekeeper.audit.attacks import ATTACKS, AttackerKnowledge
from gamekeeper.audit.targets import Array

SIDE = 16
SIZES = (50, 100, 250, 500, 1_000, 2_500)
ATTACK = ATTACKS["learned-copy"]


def digits(seed: int) -> tuple[Array, Array]:
    """Pictures, shape (1797, 256), from 0 to 1, and labels, in the order of the seed."""
    raw = load_digits()
    pictures = torch.nn.functional.interpolate(
        torch.tensor(raw.images[:, None] / 16, dtype=torch.float32),
        size=(SIDE, SIDE),
        mode="bilinear",
    )
    order = np.random.default_rng(seed).permutation(len(pictures))
    return pictures.reshape(len(pictures), -1).numpy().astype(np.float64)[order], raw.target[order]


def network() -> torch.nn.Module:
    """The shape of the target, and of ART's surrogate."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 16, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def trained_target(pictures: Array, labels: Array, seed: int) -> torch.nn.Module:
    """On each picture and four of it, shifted by one or with noise."""
    torch.manual_seed(seed)
    shown = torch.tensor(pictures, dtype=torch.float32).reshape(-1, 1, SIDE, SIDE)
    moved = [shown.roll(shift, (2, 3)) for shift in ((0, 1), (1, 0), (0, -1))]
    everything = torch.cat([shown, *moved, shown + 0.1 * torch.randn_like(shown)])
    wanted = torch.tensor(labels).repeat(5)
    made = network()
    optimiser = torch.optim.Adam(made.parameters(), 1e-3)
    for _ in range(12):
        for rows in torch.randperm(len(everything)).split(64):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(made(everything[rows]), wanted[rows]).backward()
            optimiser.step()
    return made.eval()


def answers_of(target: torch.nn.Module, inputs: Array) -> Array:
    """Softmax, shape (n, 10)."""
    with torch.no_grad():
        shown = torch.tensor(inputs, dtype=torch.float32).reshape(-1, 1, SIDE, SIDE)
        return np.asarray(target(shown).softmax(1).double().numpy())


def ours(
    target: torch.nn.Module, pool: Array, tests: Array, seed: int
) -> Iterator[tuple[str, int, float, float]]:
    """Rows of the table: reading, queries, fidelity, CPU seconds."""
    truth = answers_of(target, tests).argmax(1)

    def ask(inputs: Array) -> Answers:
        scores = answers_of(target, inputs)
        return Answers(scores.argmax(1), scores)

    for reading in ("labels", "scores"):
        knowledge = AttackerKnowledge(
            pool=pool,
            sizes=SIZES,
            uses_scores=reading == "scores",
            classes=10,
            picture=(SIDE, SIDE),
        )
        began = process_time()
        for surrogate in ATTACK.surrogates(ask, knowledge, np.random.default_rng(seed)):
            cpu_s = process_time() - began
            yield (
                f"gamekeeper, {reading}",
                surrogate.queries,
                float((surrogate.predict(tests) == truth).mean()),
                cpu_s,
            )
            began = process_time()


def arts(
    target: torch.nn.Module, pool: Array, tests: Array, seed: int
) -> Iterator[tuple[str, int, float, float]]:
    """The same, by ART."""
    from art.attacks.extraction import KnockoffNets
    from art.estimators.classification import BlackBoxClassifier, PyTorchClassifier

    truth = answers_of(target, tests).argmax(1)
    shape = (1, SIDE, SIDE)
    box = BlackBoxClassifier(
        lambda x: answers_of(target, x.reshape(len(x), -1)).astype(np.float32),
        shape,
        10,
        clip_values=(0, 1),
    )
    rng = np.random.default_rng(seed)
    one = pool[rng.integers(len(pool), size=2_500)]
    other = pool[rng.integers(len(pool), size=2_500)]
    inputs = np.vstack([pool, one + rng.uniform(0, 0.5, (2_500, 1)) * (other - one)])
    for size in SIZES:
        torch.manual_seed(seed)
        np.random.seed(seed)
        made = network()
        thief = PyTorchClassifier(
            made,
            torch.nn.CrossEntropyLoss(),
            shape,
            10,
            torch.optim.Adam(made.parameters(), 1e-3),
            clip_values=(0, 1),
        )
        epochs = int(np.clip(10_000 / size, 8, 60))
        attack = KnockoffNets(
            box,
            64,
            256,
            epochs,
            size,
            sampling_strategy="random",
            use_probability=False,
            verbose=False,
        )
        began = process_time()
        x = inputs[:size].reshape(-1, *shape).astype(np.float32)
        attack.extract(x, thieved_classifier=thief)
        cpu_s = process_time() - began
        given = thief.predict(tests.reshape(-1, *shape).astype(np.float32)).argmax(1)
        yield "ART KnockoffNets, labels", size, float((given == truth).mean()), cpu_s


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102])
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    found: dict[str, dict[int, list[tuple[float, float]]]] = {}
    played = [ours]
    try:
        import art  # noqa: F401

        played.append(arts)
    except ImportError:
        print("ART is not installed: its rows are left out\n")
    for seed in seeds:
        pictures, labels = digits(seed)
        target = trained_target(pictures[:600], labels[:600], seed)
        tests = pictures[600:1_100]
        pool = pictures[1_100:]
        accuracy = (answers_of(target, tests).argmax(1) == labels[600:1_100]).mean()
        print(f"seed {seed}: accuracy of the target {accuracy:.3f}", flush=True)
        for play in played:
            for name, queries, fidelity, cpu_s in play(target, pool, tests, seed):
                found.setdefault(name, {}).setdefault(queries, []).append((fidelity, cpu_s))
    print_table(found)


def print_table(found: dict[str, dict[int, list[tuple[float, float]]]]) -> None:
    """Mean fidelity with its 95 % interval, and CPU seconds."""
    sizes = sorted({size for each in found.values() for size in each})
    print(
        "\n| thief | " + " | ".join(f"{size:,}" for size in sizes) + " | CPU s, fewest and most |"
    )
    print("|" + "---|" * (len(sizes) + 2))
    for name, each in found.items():
        cells = [
            shown([fidelity for fidelity, _ in each[size]]) if size in each else "-"
            for size in sizes
        ]
        cpu = [float(np.mean([s for _, s in each[size]])) for size in (min(each), max(each))]
        print(f"| {name} | " + " | ".join(cells) + f" | {cpu[0]:.1f} / {cpu[1]:.1f} |")


def shown(fidelities: list[float]) -> str:
    """Mean, and half the width of its interval."""
    if len(fidelities) < 2:
        return f"{fidelities[0]:.3f}"
    reach = t.ppf(0.975, len(fidelities) - 1) * np.std(fidelities, ddof=1) / len(fidelities) ** 0.5
    return f"{np.mean(fidelities):.3f} ± {reach:.3f}"


if __name__ == "__main__":
    main()
