"""Finds the campaigns in stored logs: `hunt` is the path, `HuntResult` what it found."""

from gamekeeper.hunt.driver import HuntOptions, hunt
from gamekeeper.hunt.result import Campaign, HuntResult

__all__ = ["Campaign", "HuntOptions", "HuntResult", "hunt"]
