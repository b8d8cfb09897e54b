"""The readings of one credential that may add up: those of the last 24 hours."""

from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field

import orjson

from gamekeeper.guard.takeover.card import Reading
from gamekeeper.guard.takeover.cards import CARDS

WINDOW_S = 86_400

_FORMAT = "gamekeeper/stolen-key-signals@1"


@dataclass(slots=True)
class Window:
    """The readings of one credential in the last 24 hours.

    Args:
        account: Whose credential it is.
        readings: By signal, each with its time, epoch seconds: the latest of its kind.
        cleared: Beginning of the step-up that the owner answered, epoch seconds.
        is_answerable: Whether the credential shows it when its owner signs in again.
    """

    account: str
    readings: dict[str, tuple[float, Reading]] = field(default_factory=dict)
    cleared: float = 0.0
    is_answerable: bool = True

    def live(self, now: float) -> list[Reading]:
        """Returns the readings of the last 24 hours."""
        return [reading for at, reading in self.readings.values() if now - at < WINDOW_S]

    def take(self, reading: Reading, now: float) -> bool:
        """Takes a reading in; returns whether it says more than those of its kind within a day."""
        at, known = self.readings.get(reading.signal, (float("-inf"), reading))
        self.readings[reading.signal] = now, reading
        return now - at >= WINDOW_S or (reading.suffices and not known.suffices)

    def document(self, before: bytes | None) -> bytes:
        """Returns it as the store keeps it.

        Args:
            before: The credential's history from before the first reading.
        """
        return orjson.dumps(
            {
                "format": _FORMAT,
                "account": self.account,
                "readings": [
                    asdict(reading) | {"at": at} for at, reading in self.readings.values()
                ],
                "cleared": self.cleared,
                "is_answerable": self.is_answerable,
                "before": b64encode(before).decode("ascii") if before else None,
            }
        )

    @classmethod
    def read(cls, record: bytes) -> tuple["Window", bytes | None]:
        """Reads what `document` wrote; raises ValueError, KeyError or TypeError for
        anything else.
        """
        document = orjson.loads(record)
        if document["format"] != _FORMAT:
            raise ValueError(document["format"])
        read = [(float(r.pop("at")), Reading(**r)) for r in document["readings"]]
        readings = {
            reading.signal: (at, reading) for at, reading in read if reading.signal in CARDS
        }
        before = b64decode(document["before"], validate=True) if document["before"] else None
        return cls(
            document["account"], readings, float(document["cleared"]), document["is_answerable"]
        ), before
