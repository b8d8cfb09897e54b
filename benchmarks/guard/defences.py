"""The page docs/measurements/defences.md: what each defence of scores costs users, and what the best
thief still gets.

    python benchmarks/guard/defences.py                  measures, prints and writes the page
    python benchmarks/guard/defences.py --choose         the data set on which defaults were chosen;
                                                         writes nothing

A victim is trained, a thief asks it in-domain inputs without labels and trains a copy. The thief
knows the defence and its parameters, not its key, and tries everything in THIEVES; the page gives
the first of them and the best. Scenario ids are permanent: defences/DATA-DEFENCE-QUERIES.
"""

import argparse
import os
import subprocess
import time
import timeit
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from gamekeeper.defences import DEFENCES, Scores, fit_codebook, make_defence, number_bytes

PAGE = Path(__file__).parents[2] / "docs" / "measurements" / "defences.md"
KEY = b"the key of the victim's guard"
OTHER_KEY = b"a key that the thief makes up"
JITTERS = (1e-6, 1e-2, 0.1)
"""Standard deviation of the jitter in repeated queries, in standard deviations of a feature."""
KNOWN = 100
"""Pairs of true and given scores that the table thief has from elsewhere; as a rule nobody
has any.
"""

Setting = tuple[str, dict[str, Any]]
"""A defence and its parameters."""

SETTINGS: dict[str, Setting] = {
    "none": ("none", {}),
    "labels-only": ("labels-only", {}),
    "top-k": ("top-k", {}),
    "rounding": ("rounding", {}),
    "reverse-sigmoid": ("reverse-sigmoid", {}),
    "keyed-noise": ("keyed-noise", {}),
    "keyed-noise by input": ("keyed-noise", {"by": "input"}),
    "modelguard": ("modelguard", {}),
    "modelguard-s": ("modelguard-s", {}),
    "adaptive-misinformation": ("adaptive-misinformation", {}),
}

CHOICES: dict[str, Setting] = {
    "none": ("none", {}),
    "labels-only": ("labels-only", {}),
    **{
        f"keyed-noise {a:g} {s}": ("keyed-noise", {"amount": a, "steps": s})
        for a in (0.2, 0.4)
        for s in (4, 10)
    },
    **{
        f"keyed-noise by input {a:g}": ("keyed-noise", {"amount": a, "by": "input"})
        for a in (0.2, 0.4)
    },
    **{f"modelguard {b:g}": ("modelguard", {"budget": b}) for b in (0.2, 0.5, 0.8)},
    **{f"modelguard-s {b:g}": ("modelguard-s", {"budget": b}) for b in (0.2, 0.5, 0.8)},
}
"""What `--choose` compares."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A victim, and inputs kept apart: the pool a thief asks from, and the test on which all is
    judged.
    """

    victim: MLPClassifier
    calibration: np.ndarray
    pool: np.ndarray
    test: np.ndarray
    truth: np.ndarray

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Returns the victim's own scores."""
        return np.asarray(self.victim.predict_proba(x), np.float64)


def load(data: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns inputs and classes of a data set."""
    if data == "digits":
        return load_digits(return_X_y=True)
    if data == "breast-cancer":
        return load_breast_cancer(return_X_y=True)
    return make_classification(
        n_samples=4000,
        n_features=24,
        n_informative=12,
        n_classes=8,
        class_sep=1.8,
        flip_y=0.01,
        random_state=seed,
    )


def build(data: str, seed: int) -> Scene:
    """Trains the victim; shares are a quarter for it, 5 % to calibrate, 15 % to test, the rest is
    the pool.
    """
    x, y = load(data, seed)
    order = np.random.default_rng(seed).permutation(len(x))
    train, calibration, test, pool = np.split(
        order, np.cumsum([int(len(x) * s) for s in (0.24, 0.05, 0.15)])
    )
    scaler = StandardScaler().fit(x[train])
    x = scaler.transform(x)
    with warnings.catch_warnings():
        # a victim need not be trained to the end
        warnings.simplefilter("ignore", ConvergenceWarning)
        victim = MLPClassifier((64,), alpha=0.1, max_iter=400, random_state=seed).fit(
            x[train], y[train]
        )
    return Scene(
        victim=victim, calibration=x[calibration], pool=x[pool], test=x[test], truth=y[test]
    )


class Net:
    """A network with one hidden layer, trained on soft labels: the thief's copy, or a way back to
    true scores.
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray, rng: np.random.Generator, *, hidden: int = 64
    ) -> None:
        sizes = (x.shape[1], hidden, y.shape[1])
        self.w = [rng.normal(0, np.sqrt(2 / a), (a, b)) for a, b in pairwise(sizes)]
        self.w += [np.zeros((1, b)) for b in sizes[1:]]
        self._adam = [[np.zeros_like(w), np.zeros_like(w)] for w in self.w]
        epochs = int(np.clip(40_000 / len(x), 40, 160))
        steps = epochs * -(-len(x) // 50)
        step = 0
        for _ in range(epochs):
            order = rng.permutation(len(x))
            for start in range(0, len(x), 50):
                rows = order[start : start + 50]
                step += 1
                self._step(x[rows], y[rows], step, 5e-3 * (1 - step / (steps + 1)))

    def _step(self, x: np.ndarray, y: np.ndarray, step: int, rate: float) -> None:
        hidden = np.maximum(x @ self.w[0] + self.w[2], 0)
        error = (softmax(hidden @ self.w[1] + self.w[3]) - y) / len(x)
        back = (error @ self.w[1].T) * (hidden > 0)
        slopes = [
            x.T @ back,
            hidden.T @ error,
            back.sum(0, keepdims=True),
            error.sum(0, keepdims=True),
        ]
        for w, (mean, square), slope in zip(self.w, self._adam, slopes, strict=True):
            mean += 0.1 * (slope - mean)
            square += 0.01 * (slope**2 - square)
            w -= rate * (
                mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8) + 1e-3 * w
            )

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Returns probabilities, shape (n, classes)."""
        return softmax(np.maximum(x @ self.w[0] + self.w[2], 0) @ self.w[1] + self.w[3])


def softmax(z: np.ndarray) -> np.ndarray:
    """Returns the softmax of rows."""
    e = np.exp(z - z.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))


def one_hot(scores: np.ndarray) -> np.ndarray:
    """Returns the labels of scores."""
    return np.eye(scores.shape[1])[scores.argmax(1)]


@dataclass(kw_only=True)
class Theft:
    """What a thief works with: inputs, a way to ask, the defence under a key of the thief's own."""

    scene: Scene
    x: np.ndarray
    ask: Callable[[np.ndarray], np.ndarray]
    rehearse: Callable[[np.ndarray, np.ndarray], np.ndarray]
    seed: int
    answers: np.ndarray = field(init=False)
    _known: dict[bytes, Net] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answers = self.ask(self.x)

    def rng(self) -> np.random.Generator:
        """Returns fresh randomness, the same for every thief: they differ in what they train on
        alone.
        """
        return np.random.default_rng(self.seed)

    def copy(self, targets: np.ndarray) -> Net:
        """Trains a copy; the same targets are not trained on twice."""
        mark = targets.tobytes()
        if mark not in self._known:
            self._known[mark] = Net(self.x, targets, self.rng())
        return self._known[mark]


def soft(theft: Theft) -> np.ndarray:
    """Trains on the answers as they are."""
    return theft.answers


def labels(theft: Theft) -> np.ndarray:
    """Trains on the class in first place."""
    return one_hot(theft.answers)


def averaged(jitter: float) -> Callable[[Theft], np.ndarray]:
    """Asks five times, four of them with jitter, and trains on the mean; the four are not counted
    as queries.
    """

    def targets(theft: Theft) -> np.ndarray:
        rng = theft.rng()
        again = [theft.ask(theft.x + rng.normal(0, jitter, theft.x.shape)) for _ in range(4)]
        return np.asarray(np.mean([theft.answers, *again], axis=0))

    return targets


def smoothed(theft: Theft) -> np.ndarray:
    """Asks five times as above and trains on how often each class is in first place."""
    rng = theft.rng()
    again = [theft.ask(theft.x + rng.normal(0, JITTERS[-1], theft.x.shape)) for _ in range(4)]
    return np.asarray(np.mean([one_hot(a) for a in (theft.answers, *again)], axis=0))


def table(theft: Theft) -> np.ndarray:
    """Replaces each answer by the true scores of the three nearest among a hundred known pairs."""
    known = theft.scene.calibration
    known = np.concatenate([known, theft.scene.pool[::-1]])[:KNOWN]
    return nearest(theft.answers, theft.ask(known), theft.scene.scores(known))


def nearest(answers: np.ndarray, given: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Returns the mean true scores of the three nearest answers."""
    distance = np.abs(answers[:, None, :] - given).sum(2)
    return np.asarray(true[np.argsort(distance, axis=1)[:, :3]].mean(1))


def rehearsed(theft: Theft) -> np.ndarray:
    """Defends a copy made from labels with a key of the own, learns the way back there, and goes
    it.
    """
    own = theft.copy(labels(theft))(theft.x)
    return Net(theft.rehearse(own, theft.x), own, theft.rng())(theft.answers)


THIEVES: dict[str, Callable[[Theft], np.ndarray]] = {
    "soft": soft,
    "labels": labels,
    **{f"average of 5, jitter {j:g}": averaged(j) for j in JITTERS},
    f"labels of 5, jitter {JITTERS[-1]:g}": smoothed,
    "table": table,
    "rehearsed": rehearsed,
}


def calibration_error(scores: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error, 15 bins of equal width."""
    sure = scores.max(1)
    right = scores.argmax(1) == truth
    bins = np.minimum((sure * 15).astype(int), 14)
    gaps = [abs(float((sure[bins == b] - right[bins == b]).sum())) for b in range(15)]
    return sum(gaps) / len(truth)


def defend(
    setting: Setting, scene: Scene, key: bytes
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Returns a setting as a function of scores and inputs."""
    name, parameters = setting
    if name == "none":
        return lambda scores, x: scores
    if name == "modelguard-s":
        budget = parameters.get("budget", DEFENCES[name].card.parameters[1].default)
        parameters = parameters | {
            "codebook": fit_codebook(scene.scores(scene.calibration), budget)
        }
    made: Scores = make_defence(name, key, **parameters)
    return lambda scores, x: made(scores, [number_bytes(row) for row in x])


def cost(setting: Setting, scene: Scene) -> tuple[float, float, float, float]:
    """Share of first places changed, mean L1 change, calibration error before and after; on the
    test.
    """
    true = scene.scores(scene.test)
    given = defend(setting, scene, KEY)(true, scene.test)
    changed = float((true.argmax(1) != given.argmax(1)).mean())
    l1 = float(np.abs(true - given).sum(1).mean())
    return changed, l1, calibration_error(true, scene.truth), calibration_error(given, scene.truth)


def steal(setting: Setting, scene: Scene, queries: int, seed: int) -> list[float]:
    """Fidelity of every thief: agreement with the victim's own labels on the test."""
    shown = defend(setting, scene, KEY)
    own = defend(setting, scene, OTHER_KEY)
    x = scene.pool[:queries]
    theft = Theft(
        scene=scene, x=x, ask=lambda q: shown(scene.scores(q), q), rehearse=own, seed=seed
    )
    wanted = scene.scores(scene.test).argmax(1)
    return [
        float((theft.copy(make(theft))(scene.test).argmax(1) == wanted).mean())
        for make in THIEVES.values()
    ]


def interval(values: np.ndarray) -> str:
    """Mean and its 95 % interval over seeds, Student's t."""
    half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return f"{values.mean():.3f} ± {half:.3f}"


def measure(
    data: str, seeds: list[int], budgets: list[int], settings: dict[str, Setting]
) -> list[str]:
    """Returns two tables, one row a setting and number of queries: cost and best thief, and every
    thief.
    """
    scenes = [build(data, seed) for seed in seeds]
    summary = [HEADS[0]]
    each = [HEADS[1]]
    undefended = dict[int, np.ndarray]()
    for title, setting in settings.items():
        costs = np.array([cost(setting, scene) for scene in scenes]).mean(0)
        for queries in budgets:
            scenario = f"defences/{data}-{title.replace(' ', '-')}-{queries}"
            found = np.array(
                [steal(setting, s, queries, seed) for s, seed in zip(scenes, seeds, strict=True)]
            )
            best = int(found.mean(0).argmax())
            base = undefended.setdefault(queries, found[:, best])
            less = "" if setting[0] == "none" else interval(found[:, best] - base)
            spent = f"{costs[0]:.1%} | {costs[1]:.3f} | {costs[2]:.3f} | {costs[3]:.3f}"
            stolen = f"{interval(found[:, 0])} | {interval(found[:, best])} | {list(THIEVES)[best]} | {less}"
            summary.append(f"| {scenario} | {spent} | {stolen} |")
            each.append(f"| {scenario} | {' | '.join(f'{f:.3f}' for f in found.mean(0))} |")
            print(summary[-1], each[-1], sep="\n", flush=True)
    return [*summary, "\nEvery thief, mean over seeds:\n", *each]


HEADS = (
    "| scenario | first place changed | L1 change | calibration error before | after "
    "| naive thief | best thief | who | best less none |\n|" + "---|" * 9,
    f"| scenario | {' | '.join(THIEVES)} |\n|" + "---|" * (1 + len(THIEVES)),
)


def speed() -> list[str]:
    """Returns a table of the time an answer takes: ten classes, alone, and in a batch of a
    thousand.
    """
    rng = np.random.default_rng(0)
    many = rng.dirichlet(np.full(10, 0.2), 1000)
    book = fit_codebook(rng.dirichlet(np.full(10, 0.2), 500), 0.5)
    sure = np.full((1, 10), 0.01)
    unsure = np.linspace(0.09, 0.11, 10)[None]
    sure[0, 3] = 0.91
    names = [number_bytes(rng.normal(size=64)) for _ in many]
    lines = [
        "| defence | one answer, model sure, us | model unsure, us | in a batch, us |",
        "|---|---|---|---|",
    ]
    for name in DEFENCES:
        made = make_defence(name, KEY, **({"codebook": book} if name == "modelguard-s" else {}))
        took = [
            _took_us(lambda m=made, s=s: m(s, names[: len(s)]), 2000 // len(s)) / len(s)
            for s in (sure, unsure, many)
        ]
        lines.append(f"| {name} | {took[0]:.0f} | {took[1]:.0f} | {took[2]:.1f} |")
        print(lines[-1], flush=True)
    return lines


def _took_us(call: Callable[[], object], number: int) -> float:
    return min(timeit.repeat(call, number=number, repeat=5)) / number * 1e6


HEAD = """# Measured defences

What can be done to a classifier's scores, what that costs users, and what a thief who knows about it still gets. This
page is written by

<!-- not run: a benchmark of several minutes -->
```sh
python benchmarks/guard/defences.py
```

at commit {commit}, one thread of {cores} shared cores, {seconds:.0f} s. Each figure is a mean over {seeds} seeds of
splits, victims and thieves; ± is a 95 % interval over seeds (Student's t), which also holds for the last column, where
thieves are compared seed by seed with the best one against no defence. Seeds share the data set, so the interval
is about new splits, not about new data.

**How it is measured.** The victim is a network with 64 hidden units trained on 24 % of the data; 5 % make the
codebook of `modelguard-s`, 15 % are the test, and the thief draws inputs without labels from the rest: inputs like
the victim's own, which is the thief's best case. Fidelity is agreement with the victim's own labels on the test. The
*naive* thief trains on the answers as they are. The *best* is the best on average of: that one; labels only; the mean
of five answers, or of their labels, to one input, four of them with jitter of {jitters} standard deviations (the
repeats are not counted as queries); a table of {known} known pairs of true and given scores; and a reversal learnt by
rehearsing the defence on the thief's own copy. The thief knows the defence and its parameters, not the key. Taking
the best of {thieves} on the test flatters the thief a little.

**What was chosen where.** Defaults of `keyed-noise`, `modelguard` and `modelguard-s`, and the thieves, were settled
on a synthetic set (`--choose`: 8 classes, other seeds): of the values tried, the smallest change of scores at which
the best thief gets within a point of the best against `labels-only`. `rounding`, `top-k`, `reverse-sigmoid` and
`adaptive-misinformation` have customary values, which were not tuned. The form of `keyed-noise` by scores was changed once
after tables of the sets below had been seen, to close a hole that they do not show (differences of two answers);
nothing else followed from them.

**What it says.** {says}
"""

SAYS = """Read the last column first.

- A defence that keeps the first place leaves the thief the labels, and the best thief against `labels-only` is the lower
  limit: no other defence here gets clearly below it. Differences between them are within the intervals.
- What a defence can take is the advantage of soft scores. Without them the best thief on digits
  loses 2.6 points at 250 queries and 1.2 at 1,000; on two classes the loss cannot be distinguished from zero.
- A loss of the naive thief says little. `reverse-sigmoid` and `modelguard` look strongest there and are undone by the
  label, a table, or a rehearsal.
- Averaging hardly helps against `keyed-noise` by scores and `modelguard-s`: what wide jitter gains it gains against
  `labels-only` as well, as more data would. Against noise by input it does, as soon as jitter is wider than the grid.
- `adaptive-misinformation` changes labels of honest users and does not affect this thief, who asks in-domain inputs.
- `modelguard` follows variant W, `modelguard-s` variant S; both in the forms that their cards state."""


def commit() -> str:
    """Returns the commit at hand, with a plus if files differ from it."""
    words = ["git", "-C", str(PAGE.parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    return (
        subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
        or "unknown"
    )


def write_page(seeds: list[int]) -> None:
    """Measures everything and writes the page."""
    start = time.perf_counter()
    digits = measure("digits", seeds, [250, 1000], SETTINGS)
    cancer = measure("breast-cancer", seeds, [250], SETTINGS)
    speeds = speed()
    head = HEAD.format(
        commit=commit(),
        cores=os.cpu_count(),
        seconds=time.perf_counter() - start,
        seeds=len(seeds),
        jitters=", ".join(f"{j:g}" for j in JITTERS),
        known=KNOWN,
        thieves=len(THIEVES),
        says=SAYS,
    )
    parts = [
        head,
        "## Digits, ten classes\n",
        *digits,
        "\n## Breast cancer, two classes\n",
        *cancer,
    ]
    PAGE.write_text("\n".join([*parts, "\n## Time\n", *speeds]) + "\n", encoding="utf-8")


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--choose", action="store_true", help="the data set on which defaults are chosen"
    )
    choose = parser.parse_args().choose
    with threadpool_limits(1):
        if choose:
            measure("synthetic", [101, 102, 103], [250, 1000], CHOICES)
        else:
            write_page([1, 2, 3, 4, 5])


if __name__ == "__main__":
    main()
