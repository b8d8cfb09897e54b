"""From evidence and policy to a verdict with reasons; the action itself is done elsewhere."""

from gamekeeper.verdict.policy import Policy, Verdict, judge

__all__ = ["Policy", "Verdict", "judge"]
