import polars as pl
from polars.testing import assert_frame_equal

from gamekeeper.campaigns import new_intake
from gamekeeper.guard.watch.rows import frame_of
from gamekeeper.guard.watch.window import Window
from gamekeeper.simulate import simulate


def test_batch_equals_stream() -> None:
    """What the guard takes in second by second is what a hunt takes in at once: sample, totals,
    summaries.
    """
    log = simulate(seed=3, days=6, scale=0.05).exchanges
    window = Window(days=30, max_sample=100_000)
    intake = new_intake(100_000)
    intake.take(log)
    for part in log.iter_slices(97):
        window.take(part)
    merged = window.merged()
    order = ["account", "time", "row_hash"]
    assert_frame_equal(merged.sample.sort(order), intake.sample.sort(order))
    assert_frame_equal(merged.totals.sort("account"), intake.totals.sort("account"))
    for name, summary in intake.summaries.items():
        assert_frame_equal(
            merged.summaries[name].sort("account", "key"), summary.sort("account", "key")
        )


def test_old_days_are_forgotten() -> None:
    """By the times of the exchanges, whatever the machine's clock says."""
    log = simulate(seed=3, days=6, scale=0.05).exchanges
    window = Window(days=2, max_sample=100_000)
    for part in log.iter_slices(200):
        window.take(part)
    days = window.merged().sample["time"].dt.date().unique()
    assert len(days) == 2 and days.max() == log["time"].dt.date().max()


def test_row_on_the_wire_becomes_an_exchange() -> None:
    """Times are seconds, absent columns are null, keys of others are let go."""
    frame = frame_of(
        [
            {
                "time": 1_795_000_000.25,
                "account": "a",
                "prompt": "hi",
                "count_ground": True,
                "asn": None,
            }
        ]
    )
    assert frame["time"].dt.epoch("ms").to_list() == [1_795_000_000_250]
    assert frame.select("account", "prompt", "asn", "features").row(0) == ("a", "hi", None, None)
    assert frame_of([{"time": 1.0, "account": "a", "features": [1, 2.5]}])[
        "features"
    ].to_list() == [[1.0, 2.5]]
    assert frame["time"].dtype == pl.Datetime("us", "UTC")
