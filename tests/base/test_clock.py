from gamekeeper.base.clock import SteadyClock, day_of


class Machine:
    """A machine whose wall clock somebody sets."""

    def __init__(self) -> None:
        self.ticks = 0.0
        self.off = 1_000_000.0

    def clock(self) -> SteadyClock:
        return SteadyClock(lambda: self.ticks + self.off, lambda: self.ticks)


def test_step_of_the_wall_clock_does_not_move_it() -> None:
    """An hour forward would end decisions early and renew budgets."""
    machine = Machine()
    clock = machine.clock()
    machine.off += 3600
    machine.ticks += 1
    assert clock.follow() == 3600
    assert clock.now() == 1_000_001.1


def test_it_never_goes_back() -> None:
    """A step back slows it; time still passes."""
    machine = Machine()
    clock = machine.clock()
    seen = []
    machine.off -= 86_400
    for _ in range(100):
        machine.ticks += 0.5
        clock.follow()
        seen.append(clock.now())
    assert seen == sorted(seen) and 44 < seen[-1] - 1_000_000 < 46


def test_it_follows_in_the_end() -> None:
    """A machine whose clock was a minute off is followed within a quarter of an hour."""
    machine = Machine()
    clock = machine.clock()
    machine.off += 60
    for _ in range(1_200):
        machine.ticks += 0.5
        clock.follow()
    assert abs(clock.now() - (machine.ticks + machine.off)) < 1e-6


def test_days_are_utc() -> None:
    """Budgets begin at midnight, UTC."""
    assert (day_of(86_399.9), day_of(86_400)) == ("1970-01-01", "1970-01-02")
