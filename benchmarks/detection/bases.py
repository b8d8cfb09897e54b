"""Ordinary traffic to which scenarios are added, made once and kept in a folder.

From real prompts and arrivals where DATA and TOOLS are given (compose_traffic.py of TOOLS), from
the project's own simulation otherwise: about 2,000 accounts and 45,000 exchanges in 30 days, among
them evaluators, classrooms, offices, resellers, red-teamers and users of one framework, who all
look coordinated in some way. Of the people in DATA, a part is in the ordinary traffic of a seed; the
others are kept in its folder `cover`, for scenarios.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from texts import FEWEST_MESSAGES, PEOPLE, SHORTEST

from gamekeeper.simulate import LabelledTraffic, simulate, write

MIX: dict[str, Any] = {
    "days": 30,
    "person_log_size": 2.35,
    "people_files": [[stem, by] for stem, by, _ in PEOPLE],
    "people": [share for _, _, share in PEOPLE],
    "app_files": [
        ["benign_banking77", "tag"],
        ["benign_restaurant8k", "topic"],
        ["benign_xquad_questions", "tag"],
    ],
    "dual_files": ["dual_mmlu", "dual_cmmlu_zh", "dual_mtbench_vicuna"],
    "redteam_file": "benign_hh_redteam_multiturn",
    "benign": {
        "person": 1560,
        "app": 45,
        "framework": 110,
        "office": 9,
        "classroom": 3,
        "evaluator": 8,
        "reseller": 6,
        "redteam": 14,
    },
    "campaigns": [],
}

ORDINARY = 0.65
"""Share of the people in DATA who are in the ordinary traffic; the others are cover."""


def ordinary(work: Path, seed: int, data: Sequence[Path] = (), tools: Path | None = None) -> Path:
    """Returns the folder of ordinary traffic of a seed, and makes it where it is missing."""
    if not data or tools is None:
        return _own(work / f"base-own-{seed}", seed)
    out = work / f"base-real-{seed}"
    mix = out / "mix.json"
    wanted = json.dumps({**MIX, "ordinary": ORDINARY, "fewest_messages": FEWEST_MESSAGES})
    if not mix.exists() or mix.read_text() != wanted:
        (out / "labels.parquet").unlink(missing_ok=True)
        _keep_people_apart(data, out, seed)
        mix.write_text(wanted)
    return composed(out, mix, seed, [out / "people", *data], tools)


def _keep_people_apart(data: Sequence[Path], out: Path, seed: int) -> None:
    """Writes the people of the ordinary traffic to `out/people`, the others to `out/cover`."""
    for folder in ("people", "cover"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for stem, by, _ in PEOPLE:
        path = next(
            folder / f"{stem}.parquet" for folder in data if (folder / f"{stem}.parquet").exists()
        )
        long = pl.col("text").str.len_chars() >= SHORTEST
        texts = pl.read_parquet(path).filter(pl.col(by).is_not_null(), long)
        texts = texts.unique("text", maintain_order=True)
        texts = texts.filter(pl.len().over(by) >= FEWEST_MESSAGES)
        people = texts[by].unique().sort()
        ordinary_people = people.sample(fraction=ORDINARY, seed=seed, shuffle=True).implode()
        is_ordinary = pl.col(by).is_in(ordinary_people)
        texts.filter(is_ordinary).write_parquet(out / "people" / f"{stem}.parquet")
        texts.filter(~is_ordinary).write_parquet(out / "cover" / f"{stem}.parquet")


def composed(out: Path, mix: Path, seed: int, data: Sequence[Path], tools: Path) -> Path:
    """Runs the composer of TOOLS, once."""
    if not (out / "labels.parquet").exists():
        folders = [word for folder in data for word in ("--data", str(folder))]
        command = [sys.executable, str(tools / "compose_traffic.py"), *folders, "--mix", str(mix)]
        command += ["--seed", str(seed), "--out", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def _own(out: Path, seed: int) -> Path:
    if not (out / "labels.parquet").exists():
        month = simulate(seed=seed, scale=1.2)
        labels = month.labels.filter(pl.col("campaign").is_null())
        exchanges = month.exchanges.join(labels, on="account", how="semi", maintain_order="left")
        write(LabelledTraffic(exchanges=exchanges, labels=labels), out)
    return out
