"""One use of a credential, as signals see it."""

from dataclasses import dataclass

from gamekeeper.guard.takeover.places import Where

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Use:
    """One use.

    Args:
        where: It comes from.
        now: Epoch seconds.
        since_s: Seconds since the use before; never negative, whatever a clock did.
        in_hour: Exchanges of this clock hour so far, this one included.
    """

    where: Where
    now: float
    since_s: float
    in_hour: int

    @property
    def day(self) -> int:
        """Days since 1970, UTC."""
        return int(self.now // DAY_S)

    @property
    def hour(self) -> int:
        """Hour of the day, UTC."""
        return int(self.now // 3600 % 24)
