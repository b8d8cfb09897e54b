from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from gamekeeper.exchange import conform
from gamekeeper.guard.watch.ground import Ground

THEN = datetime(2026, 11, 1, tzinfo=UTC)
SUBJECTS = [
    "plant care",
    "tax law",
    "sea travel",
    "old music",
    "bread",
    "chess",
    "engines",
    "poems",
]


def asked(account: str, *prompts: str) -> pl.DataFrame:
    return conform(
        pl.DataFrame({"time": [THEN] * len(prompts), "account": account, "prompt": list(prompts)})
    )


def test_ten_thousand_different_questions_are_not_one_asked_ten_thousand_times(
    tmp_path: Path,
) -> None:
    """What dollars and tokens cannot tell apart."""
    ground = Ground("hashing", tmp_path / "ground.jsonl")
    wide = asked("wide", *[f"question {i} about {SUBJECTS[i % 8]} {i * 7919}" for i in range(200)])
    narrow = asked("narrow", *["what time is it in the capital?"] * 200)
    new = ground.touch(pl.concat([wide, narrow]))
    assert new["narrow"] == 1 and new["wide"] > 100


def test_old_ground_is_not_new_again_after_a_restart(tmp_path: Path) -> None:
    """Or every restart would cost honest users their day's budget."""
    rows = asked("acme", *[f"about {subject}" for subject in SUBJECTS])
    first = Ground("hashing", tmp_path / "ground.jsonl")
    assert first.touch(rows)["acme"] > 3 and first.touch(rows) == {}
    first.close()
    assert Ground("hashing", tmp_path / "ground.jsonl").touch(rows) == {}


def test_rows_of_numbers_are_scaled_once_and_for_all(tmp_path: Path) -> None:
    """The scale is kept with the cells that were counted by it."""
    rng = np.random.default_rng(3)
    features = rng.normal(100, 20, (400, 6)).tolist()
    rows = conform(pl.DataFrame({"time": [THEN] * 400, "account": "bank", "features": features}))
    ground = Ground("hashing", tmp_path / "ground.jsonl")
    assert ground.touch(rows[:150]) == {}  # too few to scale by
    assert ground.touch(rows[150:])["bank"] > 50
    ground.close()
    assert Ground("hashing", tmp_path / "ground.jsonl").touch(rows) == {}
