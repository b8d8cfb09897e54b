"""Who was in the training data, what a class looks like, and what poison adds: each with its
intervals.

    python benchmarks/audit/privacy.py --seeds 100 101

Membership: digits (scikit-learn's), a fifth of the labels wrong so that a network must learn rows
    by heart, and a made
problem of 60 features and 20 classes; 18 models, every one in turn the target, with the 16 that are
not of its pair as its shadows. ART's black-box attack is given half of the members by name and the
same target; it runs only where ART is installed.

Inversion: digits of a network, from 1,000 answers a class, judged by logistic regression on other
    digits.

Poison: 60 rows of the made problem, 0, 2 and 8 mislabelled copies of each; and what screens find of
    them.
"""

import argparse
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn.datasets import load_digits, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from gamekeeper.audit.asking import Answers
from gamekeeper.audit.privacy import Leak, invert, leaks, poisoned_leaks, train_shadows
from gamekeeper.audit.privacy.inversion import Domain
from gamekeeper.audit.privacy.screens import Screened, Screening
from gamekeeper.audit.targets import Array

SHADOWS = 16


def fit(inputs: Array, labels: Array, seed: int) -> Any:
    """A network that is trained until it knows its rows."""
    return _answer(
        MLPClassifier(
            (128,), alpha=0, max_iter=150, tol=0, n_iter_no_change=150, random_state=seed
        ),
        inputs,
        labels,
    )


def _answer(model: Any, inputs: Array, labels: Array) -> Any:

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(inputs, labels)
    return model.predict_proba


def digits(seed: int) -> tuple[Array, Array]:
    """A thousand digits, a fifth with another label."""
    inputs, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(inputs))[:1_000]
    wrong = rng.random(1_000) < 0.2
    return inputs[rows] / 16, np.where(
        wrong, (labels[rows] + rng.integers(1, 10, 1_000)) % 10, labels[rows]
    )


def made(seed: int) -> tuple[Array, Array]:
    """60 features, 20 classes, 3,000 rows, half of which each model has."""
    return make_classification(
        3_000,
        60,
        n_informative=20,
        n_classes=20,
        n_clusters_per_class=2,
        class_sep=1.0,
        random_state=seed,
    )


def arts(inputs: Array, labels: Array, seed: int) -> Leak | None:
    """ART's black-box attack on one target; None where it is not installed."""
    try:
        from art.attacks.inference.membership_inference import MembershipInferenceBlackBox
        from art.estimators.classification import BlackBoxClassifier
    except ImportError:
        return None
    from gamekeeper.audit.privacy.membership import _leak

    order = np.random.default_rng(seed).permutation(len(inputs))
    ins, outs = np.split(order, 2)
    answer = fit(inputs[ins], labels[ins], seed)
    classes = int(labels.max()) + 1
    box = BlackBoxClassifier(lambda x: answer(x).astype(np.float32), (inputs.shape[1],), classes)
    attack = MembershipInferenceBlackBox(box, attack_model_type="rf")
    half = len(ins) // 2
    attack.fit(inputs[ins[:half]], labels[ins[:half]], inputs[outs[:half]], labels[outs[:half]])
    judged = np.concatenate([ins[half:], outs[half:]])
    scores = attack.infer(inputs[judged], labels[judged], probabilities=True).ravel()
    return _leak(
        "ART black box, half of the members told", scores, np.arange(len(judged)) < len(ins) - half
    )


def membership(seeds: list[int]) -> None:
    """Prints a table."""
    print(
        "\n| data | seed | attack | AUC | TPR at 1 % | TPR at 0.1 % (95 %) | pairs |\n|---|---|---|---|---|---|---|"
    )
    for name, data in (("digits", digits), ("made", made)):
        for seed in seeds:
            inputs, labels = data(seed)
            found: list[Leak | None] = list(
                leaks(train_shadows(fit, inputs, labels, SHADOWS + 2, np.random.default_rng(seed)))
            )
            for leak in filter(None, [*found, arts(inputs, labels, seed)]):
                low, high = leak.intervals[1]
                print(
                    f"| {name} | {seed} | {leak.attack} | {leak.auc:.3f} | {leak.found[0]:.3f} "
                    f"| {leak.found[1]:.3f} ({low:.3f} to {high:.3f}) | {leak.members + leak.others:,} |",
                    flush=True,
                )


def inversions(seeds: list[int]) -> Iterator[tuple[int, float]]:
    """Share of classes whose picture an independent classifier names."""
    inputs, labels = load_digits(return_X_y=True)
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(inputs))
        ours = order[:900]
        theirs = order[900:]
        answer = fit(inputs[ours] / 16, labels[ours], seed)
        judge = LogisticRegression(max_iter=2_000).fit(inputs[theirs] / 16, labels[theirs])

        def ask(some: Array, answer: Any = answer) -> Answers:
            given = answer(some)
            return Answers(given.argmax(axis=1), given)

        start = inputs[theirs].mean(axis=0) / 16
        domain = Domain(low=np.zeros(64), high=np.ones(64), start=start, picture=(8, 8))
        shown = [
            invert(ask, domain, label, 1_000, np.random.default_rng([seed, label]))
            for label in range(10)
        ]
        yield seed, float((judge.predict(np.stack(shown)) == np.arange(10)).mean())


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101])
    seeds = parser.parse_args().seeds
    print("| seed | classes named by the judge, of 10 |\n|---|---|")
    for seed, share in inversions(list(range(seeds[0], seeds[0] + 5))):
        print(f"| {seed} | {10 * share:.0f} |", flush=True)
    membership(seeds)
    print("\n| copies | attack | AUC | TPR at 1 % (95 %) | pairs |\n|---|---|---|---|---|")
    inputs, labels = made(seeds[0])
    poisoned = partial(poisoned_leaks, fit, inputs[:1_000], labels[:1_000], aimed=60, models=18)
    screened: dict[int, list[Screened]] = {}
    for copies in (0, 2, 8):
        screening = Screening(60 * copies)
        met = {"trained": screening.met} if copies else {}
        for leak in poisoned(np.random.default_rng(seeds[0]), copies=copies, **met):
            low, high = leak.intervals[0]
            shown = f"{leak.found[0]:.3f} ({low:.3f} to {high:.3f})"
            print(
                f"| {copies} | {leak.attack} | {leak.auc:.3f} | {shown} | {leak.members + leak.others} |",
                flush=True,
            )
        screened[copies] = list(screening.results())
    screens(screened)


def screens(screened: dict[int, list[Screened]]) -> None:
    """Prints what screens find of poison, by copies."""
    print(
        "\n| copies | screen | looks at | found (least to most of 4 sets) | by chance |\n|---|---|---|---|---|"
    )
    for copies, found in screened.items():
        for each in found:
            span = f"{each.found:.3f} ({each.lowest:.3f} to {each.highest:.3f})"
            print(f"| {copies} | {each.screen} | {each.features} | {span} | {each.chance:.3f} |")


if __name__ == "__main__":
    main()
