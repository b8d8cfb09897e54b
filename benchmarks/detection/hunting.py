"""Hunts, each in a process of its own, so that its time and peak memory are its own."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Hunted:
    """What one hunt left.

    Args:
        found: Folder of its results.
        seconds: Wall time, reading and encoding included.
        peak_mb: Peak memory.
    """

    found: Path
    seconds: float
    peak_mb: float


def hunt(log: Path, found: Path, *extra: str) -> Hunted:
    """Hunts a log.

    Raises:
        SystemExit: It failed.
    """
    command = [sys.executable, "-m", "gamekeeper", "hunt", str(log), "--out", str(found)]
    command += ["--exit-zero", "--quiet", *extra]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 5):  # 5: the log could not have shown a campaign
        raise SystemExit(f"hunt failed with {process.returncode}: {' '.join(command)}")
    return Hunted(found=found, seconds=seconds, peak_mb=usage.ru_maxrss / 1024)
