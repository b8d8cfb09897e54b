"""The width of a model's last hidden layer, and the layer, from its logits, as they are and rounded
to one decimal.

python benchmarks/audit/hidden_width.py
"""

from time import perf_counter, process_time

import numpy as np

from gamekeeper.audit.hidden_width import hidden_width, projection, unexplained

CLASSES = 32_000
WIDTH = 512
ROWS = 640
OTHERS = 100
SEEDS = (100, 101, 102)


def main() -> None:
    """Prints the table."""
    print(f"{CLASSES:,} classes, {ROWS} answers, a hidden width of {WIDTH}\n")
    print(
        "| logits | width found | seconds | CPU s | last layer leaves of other answers |\n|---|---|---|---|---|"
    )
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        hidden = rng.standard_normal((ROWS + OTHERS, WIDTH), dtype=np.float32)
        logits = hidden @ (rng.standard_normal((WIDTH, CLASSES), dtype=np.float32) / WIDTH**0.5)
        for name, given in (("float32", logits), ("one decimal", logits.round(1))):
            began = perf_counter()
            cpu = process_time()
            found = hidden_width(given[:ROWS])
            took = f"{perf_counter() - began:.2f} | {process_time() - cpu:.2f}"
            wrong = unexplained(projection(given[:ROWS], WIDTH), logits[ROWS:])
            print(f"| {name}, seed {seed} | {found} | {took} | {wrong:.1e} |", flush=True)


if __name__ == "__main__":
    main()
