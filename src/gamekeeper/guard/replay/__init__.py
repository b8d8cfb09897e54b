"""What the guard would have done to a log; changes nothing.

A log is read hour by hour on its own clock. The guard's own code judges, links and decides, and
gives a verdict on each exchange. What would have been refused is not linked, as it would not have
been.
"""

from gamekeeper.guard.replay.outcome import CampaignOutcome, OrdinaryOutcome, Outcome, outcomes
from gamekeeper.guard.replay.player import Followed, Replayed, replay
from gamekeeper.guard.replay.report import print_replay, replay_document

__all__ = [
    "CampaignOutcome",
    "Followed",
    "OrdinaryOutcome",
    "Outcome",
    "Replayed",
    "outcomes",
    "print_replay",
    "replay",
    "replay_document",
]
