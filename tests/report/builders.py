"""Builders of hunt results: campaigns as a hunt describes them, with prompts as an attacker writes
them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from gamekeeper.base.errors import Fault
from gamekeeper.campaigns.result import (
    ACCOUNTS,
    EXAMPLES,
    LINKS,
    MAP,
    READINGS,
    TIMELINE,
    Campaign,
    HuntResult,
)
from gamekeeper.exchange import ReadSummary
from gamekeeper.verdict import Policy, Verdict

START = datetime(2026, 11, 2, 0, 30, tzinfo=UTC)
SCRIPT = "<script>alert('owned')</script><img src=x onerror=alert(1)>"
BREAK_OUT = '</script></style>"><b>bold</b> {{ 7*7 }} [red]markup[/red]'
STEERING = "\x1b[2Jgone \u202egnp.exe\x00"
HOSTILE = (SCRIPT, BREAK_OUT, STEERING, "Write a question.\nThen answer it, step by step. " * 40)
HOSTILE_ACCOUNT = "acct-<b>0</b>\x1b[31m"

_SIGNALS = (
    ("content", "shuffle", 1.02, "ratio", 6.4, 2.1),
    ("content", "next_to_each_other", 412.0, "exchanges", 12.0, 31.0),
    ("shape", "rare_shapes", 0.74, "share", 0.01, 0.06),
    ("rhythm", "night_share", 0.33, "share", 0.21, 0.37),
    ("infrastructure", "shared_cards", 5.0, "cards", 0.0, 0.0),
    ("elicitation", "reasoning_asked", float("nan"), "share", 0.1, 0.3),
)


def make_campaign(id: str = "C1", *, size: int = 12, **fields: Any) -> Campaign:
    """A campaign as a hunt describes it; what a test does not name has a plain value."""
    plain: dict[str, Any] = {
        "id": id,
        "accounts": tuple(f"{id.lower()}-{i:04d}" for i in range(size)),
        "exchanges": size * 131,
        "linked": size * 40,
        "first_seen": START + timedelta(days=3),
        "last_seen": START + timedelta(days=24, microseconds=250),
        "p_benign": 0.001,
        "decoys": 999,
        "verdict": Verdict.LIMIT,
        "families": ("content", "shape", "infrastructure"),
        "reasons": (
            "Its prompts are interchangeable between accounts: neighbours come from any of them "
            "(1.02 of what chance gives; ordinary groups 6.4).",
            "74 % of its prompts have a shape that fewer than 1 in 10,000 others have.",
            "Five cards pay for all its accounts.",
        ),
        "innocent": (
            "Prompts of a classroom or an evaluation suite are interchangeable too, but repeated: this "
            "group asked the same question twice in 0.4 % of its exchanges.",
            "A reseller pools the cards of many customers, whose subjects would differ.",
        ),
        "links": size * 3,
        "fragments": (
            "Act as an expert annotator and return only the label.",
            "Think step by step <answer>",
        ),
    }
    return Campaign(**(plain | fields))


def make_read(**fields: Any) -> ReadSummary:
    """What was read, with one fault let pass."""
    fault = Fault(
        where="logs/a.jsonl:12",
        problem='field "account" is missing',
        found="{...}",
        expected="a name",
        count=3,
        of=900,
    )
    plain: dict[str, Any] = {
        "files": ("logs/a.jsonl", "logs/b.jsonl.gz"),
        "formats": {"logs/a.jsonl": "openai", "logs/b.jsonl.gz": "litellm"},
        "rows": 50_010,
        "bad_rows": 10,
        "duplicate_rows": 7,
        "passed_over": {"failed calls": 30, "calls of other APIs": 10},
        "cut_prompts": 1,
        "columns_seen": frozenset({"time", "account", "prompt", "model"}),
        "faults": (fault,),
    }
    return ReadSummary(**(plain | fields))


def make_result(campaigns: Sequence[Campaign] | None = None, **fields: Any) -> HuntResult:
    """A result with two campaigns, hostile prompts and a hostile account name."""
    if campaigns is None:
        first = make_campaign("C1")
        first = replace(first, accounts=(HOSTILE_ACCOUNT, *first.accounts[1:]))
        campaigns = [
            first,
            make_campaign(
                "C2", size=8, verdict=Verdict.WATCH, families=("content",), p_benign=0.031
            ),
        ]
    campaigns = [replace(one, members=one.known_members) for one in campaigns]
    plain: dict[str, Any] = {
        "accounts": _accounts(campaigns),
        "campaigns": tuple(campaigns),
        "readings": _readings(campaigns),
        "links": _links(campaigns),
        "examples": _examples(campaigns),
        "timeline": _timeline(campaigns),
        "map": _map(campaigns),
        "read": make_read(),
        "exchanges": 50_000,
        "linked_sample": 20_000,
        "first_seen": START,
        "last_seen": START + timedelta(days=29),
        "could_not_show": ("Without the column payment, shared cards could not be looked for.",),
        "encoders": ("wordllama@0.4.0.post1", "shape@1"),
        "seconds": {"read": 1.25, "link": 8.5, "judge": 3.0},
        "redacted": False,
        "policy": Policy(),
    }
    return HuntResult(**(plain | fields))


def make_empty_result() -> HuntResult:
    """A result in which nothing was found."""
    return make_result([])


def make_redacted_result() -> HuntResult:
    """A result without prompts."""
    result = make_result([make_campaign("C1", fragments=())])
    no_text = pl.lit(None, dtype=pl.String)
    examples = result.examples.with_columns(system=no_text, prompt=no_text)
    return replace(result, examples=examples, redacted=True)


def _accounts(campaigns: Sequence[Campaign]) -> pl.DataFrame:
    rows = [
        (name, one.id, one.verdict.value, one.p_benign, 131, None, None, list(one.families))
        for one in campaigns
        for name in one.accounts
    ]
    rows += [
        (f"user-{i:04d}", None, "allow", 0.02 + 0.97 * i / 700, 16, None, None, [])
        for i in range(700)
    ]
    return pl.DataFrame(rows, schema=ACCOUNTS, orient="row")


def _readings(campaigns: Sequence[Campaign]) -> pl.DataFrame:
    rows = [
        (
            subject,
            family,
            signal,
            value,
            unit,
            ordinary,
            high,
            p,
            999,
            f"It measures {value:g} {unit}.",
            p <= 0.01,
        )
        for one in campaigns
        for subject in (one.id, one.accounts[0])
        for p, (family, signal, value, unit, ordinary, high) in zip(
            (0.001, 0.001, 0.001, 0.2, 0.004, float("nan")), _SIGNALS, strict=True
        )
    ]
    return pl.DataFrame(rows, schema=READINGS, orient="row")


def _links(campaigns: Sequence[Campaign]) -> pl.DataFrame:
    rng = np.random.default_rng(5)
    rows = []
    for one in campaigns:
        for index, name in enumerate(one.accounts[1:], start=1):
            for to in {
                int(rng.integers(index)),
                int(rng.integers(max(1, index - 6), index + 1)) - 1,
            }:
                family = one.families[int(rng.integers(len(one.families)))]
                rows.append((one.id, one.accounts[to], name, family, float(rng.integers(1, 60))))
    return pl.DataFrame(rows, schema=LINKS, orient="row")


def _examples(campaigns: Sequence[Campaign]) -> pl.DataFrame:
    rows = [
        (
            one.id,
            one.accounts[i],
            START + timedelta(days=3, hours=i),
            "large-1",
            "Be brief." if i else None,
            prompt,
        )
        for one in campaigns
        for i, prompt in enumerate(HOSTILE)
    ]
    return pl.DataFrame(rows, schema=EXAMPLES, orient="row")


def _timeline(campaigns: Sequence[Campaign]) -> pl.DataFrame:
    rng = np.random.default_rng(7)
    rows = []
    for one in campaigns:
        for span in range(120):
            rate = 0.35 * len(one.accounts) * (0.05 if span < 12 or span > 98 else 1)
            ordinary = 0.12 * len(one.accounts) * (1.2 + np.sin(span * np.pi / 2))
            rows.append(
                (
                    one.id,
                    START + timedelta(hours=6 * span),
                    float(rng.poisson(rate)),
                    float(ordinary),
                )
            )
    return pl.DataFrame(rows, schema=TIMELINE, orient="row")


def _map(campaigns: Sequence[Campaign]) -> pl.DataFrame:
    rng = np.random.default_rng(11)
    rows = [
        (float(x), float(y), None, f"user-{i % 700:04d}")
        for i, (x, y) in enumerate(rng.normal(size=(2000, 2)))
    ]
    for one in campaigns:
        centre = rng.normal(size=2) * 1.4
        points = centre + 0.22 * rng.normal(size=(150, 2))
        rows += [(float(x), float(y), one.id, one.accounts[0]) for x, y in points]
    return pl.DataFrame(rows, schema=MAP, orient="row")
