import numpy as np
import pytest

from gamekeeper.simulate.arrivals import (
    DAY_S,
    Starts,
    balanced_starts,
    burst_starts,
    run_starts,
    session_starts,
    unfold,
)


@pytest.mark.parametrize("starts", [session_starts, burst_starts, balanced_starts, run_starts])
@pytest.mark.parametrize("days", [1, 30])
def test_calls_come_within_the_traffic(starts: Starts, days: int) -> None:
    """Whatever the rhythm, no call comes before the first or after the last midnight."""
    rng = np.random.default_rng(1)
    turns = np.full(200, 3)
    times = unfold(rng, starts(rng, 200, days), turns, days)
    assert times.shape == (600,)
    assert times.min() >= 0
    assert times.max() < days * DAY_S


def test_turns_of_a_conversation_follow_each_other() -> None:
    """Within a conversation time rises; the first turn is its start."""
    rng = np.random.default_rng(1)
    begin = np.array([100.0, 50.0])
    times = unfold(rng, begin, np.array([3, 2]), 30)
    assert times[[0, 3]].tolist() == [100.0, 50.0]
    assert (np.diff(times)[[0, 1, 3]] > 0).all()


def test_a_service_is_busier_at_some_hours_than_a_dispatcher() -> None:
    """Counts in ten minutes vary more than Poisson for a service, less for a dispatcher."""
    rng = np.random.default_rng(1)

    def dispersion(starts: Starts) -> float:
        counts = np.bincount((starts(rng, 4_000, 10) // 600).astype(int), minlength=1_440)
        return float(counts.var() / counts.mean())

    assert dispersion(burst_starts) > 1.5
    assert dispersion(balanced_starts) < 0.7
