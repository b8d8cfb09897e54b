"""What the guard would have done to a log; changes nothing.

A log in, hour by hour on its own clock; the guard's own code for judging, linking and deciding; a
verdict on each exchange out. What would have been refused is not seen by linking, as it would not
have been.
"""

from gamekeeper.guard.replay.outcome import Met, Outcome, Truth, outcomes
from gamekeeper.guard.replay.player import Followed, Replayed, replay
from gamekeeper.guard.replay.telling import print_replay, replay_document

__all__ = [
    "Followed",
    "Met",
    "Outcome",
    "Replayed",
    "Truth",
    "outcomes",
    "print_replay",
    "replay",
    "replay_document",
]
