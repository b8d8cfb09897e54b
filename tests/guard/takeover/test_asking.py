"""Whose queries of the last day are unlike the history: what is seen, what looks like it, and whose
turn it is.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from gamekeeper.guard.takeover import asking
from gamekeeper.guard.takeover.asking import Asking, change

NOW = 20_000 * 86_400.0
DAYS = 10
FOOD = (
    "bake bread with rye flour",
    "roast carrots with cumin",
    "a soup of lentils and lemon",
    "knead dough for pizza",
)
LAW = (
    "terminate a lease early",
    "appeal a parking fine",
    "notice period of a contract",
    "register a trade mark",
)
CHEMISTRY = (
    "balance a redox equation",
    "boiling point of an alkane",
    "titrate a weak acid",
    "name this ester",
)


def log(
    account: str, asked: Callable[[int, int], str], per_day: int = 20, days: int = DAYS
) -> pl.DataFrame:
    """An account's exchanges: `asked(day, n)`, days counted back from 0, the last."""
    rows = [(day, n) for day in reversed(range(days)) for n in range(per_day)]
    start = datetime.fromtimestamp(NOW, UTC)
    return pl.DataFrame(
        {
            "account": [account] * len(rows),
            "time": [start - timedelta(days=day, hours=20 - n / 4) for day, n in rows],
            "prompt": [asked(day, n) for day, n in rows],
            "features": pl.Series([None] * len(rows), dtype=pl.List(pl.Float64)),
            "row_hash": pl.Series(
                np.random.default_rng(len(account)).permutation(len(rows)), dtype=pl.UInt64
            ),
        }
    )


def pick(subjects: Sequence[str], day: int, n: int) -> str:
    """A query on one of the subjects, never twice the same."""
    return f"{subjects[(day * 7 + n) % len(subjects)]} for {n % 5 + 2} people, {'briefly' if n % 2 else 'in full'}"


def shifts(*logs: pl.DataFrame, looks: Asking | None = None) -> dict[str, dict[str, float]]:
    return (looks or Asking("hashing")).shifts(pl.concat(logs), NOW)


def test_day_on_another_subject_is_a_change() -> None:
    """The key's owner cooks; the thief harvests chemistry."""
    found = shifts(log("a", lambda day, n: pick(CHEMISTRY if day == 0 else FOOD, day, n)))
    assert found.keys() == {"a"} and found["a"]["p"] <= 0.01
    assert str(found["a"]["says"]).startswith("20 queries of the last day lie ")


def test_day_like_the_others_is_none() -> None:
    """The same subjects, other words."""
    assert shifts(log("a", lambda day, n: pick(FOOD, day, n))) == {}


def test_who_has_another_subject_every_day_does_not_change() -> None:
    """A consultant: no day is further away than the others were."""
    subjects = (FOOD, LAW, CHEMISTRY)
    assert shifts(log("a", lambda day, n: pick(subjects[day % 3], day, n))) == {}


def test_project_that_was_taken_up_again_is_none() -> None:
    """One earlier day was like that."""
    assert shifts(log("a", lambda day, n: pick(LAW if day in (0, 6) else FOOD, day, n))) == {}


@pytest.mark.parametrize(("per_day", "days"), [(7, 10), (20, 6)], ids=["few a day", "few days"])
def test_too_little_is_not_judged(per_day: int, days: int) -> None:
    """Eight exchanges on each of seven days are wanted."""
    changed = log("a", lambda day, n: pick(CHEMISTRY if day == 0 else FOOD, day, n), per_day, days)
    assert shifts(changed) == {}


def test_harvest_hidden_among_the_owners_subjects_is_not_seen() -> None:
    """The evasion that the card states: many queries are spent on hiding one."""
    mixed = log("a", lambda day, n: pick(CHEMISTRY if day == 0 and n % 10 == 0 else FOOD, day, n))
    assert shifts(mixed) == {}


def test_several_accounts_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass has time for two; every account is looked at within three passes, whoever asks
    between.
    """
    monkeypatch.setattr(asking, "_AT_ONCE", 400)
    looks = Asking("hashing")
    found = list[set[str]]()
    rows = pl.concat(
        [
            log(f"a{n}", lambda day, n: pick(CHEMISTRY if day == 0 else FOOD, day, n))
            for n in range(5)
        ]
    )
    for n in range(3):
        found.append(set(looks.shifts(rows, NOW + n)))
    assert [len(each) for each in found] == [2, 2, 1] and len(set.union(*found)) == 5


def test_who_asks_all_the_time_does_not_keep_others_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The longest waiting is first."""
    monkeypatch.setattr(asking, "_AT_ONCE", 200)
    looks = Asking("hashing")
    found = list[str]()
    rows = pl.concat(
        [
            log(name, lambda day, n: pick(CHEMISTRY if day == 0 else FOOD, day, n))
            for name in ("a", "bb", "ccc")
        ]
    )
    for second in range(4):
        just_now = pl.lit(datetime.fromtimestamp(NOW + second - 0.5, UTC)).cast(rows.schema["time"])
        is_newest = (pl.col("account") == "a") & (pl.col("time") == rows["time"].max())
        asked = rows.with_columns(
            pl.when(is_newest).then(just_now).otherwise(pl.col("time")).alias("time")
        )
        found += looks.shifts(asked, NOW + second)
    assert found == ["a", "bb", "ccc", "a"]


def test_account_that_did_not_ask_since_is_not_looked_at_again() -> None:
    """Nothing could have changed."""
    looks = Asking("hashing")
    rows = log("a", lambda day, n: pick(CHEMISTRY if day == 0 else FOOD, day, n))
    assert [len(looks.shifts(rows, NOW + n)) for n in range(2)] == [1, 0]


def test_sweep_of_a_classifiers_inputs_is_a_change() -> None:
    """The same means as the owner's, and a wider spread."""
    rng = np.random.default_rng(1)
    days = np.repeat(np.arange(DAYS)[::-1], 20)
    rows = rng.normal(0, np.where(days == 0, 5.0, 1.0)[:, None], (len(days), 6))
    frame = log("a", lambda day, n: "").with_columns(
        pl.lit(None, pl.String).alias("prompt"), pl.Series("features", rows.tolist())
    )
    assert shifts(frame).keys() == {"a"}
    calm = frame.with_columns(pl.Series("features", rng.normal(size=rows.shape).tolist()))
    assert shifts(calm) == {}


def test_change_is_rare_where_nothing_changes() -> None:
    """At most one history in fifty, of a hundred."""
    rng = np.random.default_rng(2)
    day = np.repeat(np.arange(DAYS)[::-1], 15)
    at = NOW - day * 86_400.0 + np.tile(np.arange(15) * 400.0, DAYS)
    hits = 0
    for _ in range(100):
        vectors = rng.normal(size=(len(day), 8)) + rng.normal(0, 0.5, (DAYS, 8))[day]
        hits += change(vectors, day, at) is not None
    assert hits <= 2
