"""What libraries warn about does not get between what a verb prints."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gamekeeper._cli._library_warnings import hide_library_warnings

KINDS = ("UserWarning", "FutureWarning", "DeprecationWarning", "RuntimeWarning")
TARGET = f"""
import logging
import warnings

import numpy as np


def predict(rows):
    for kind in ({", ".join(KINDS)}):
        warnings.simplefilter("always")
        warnings.warn("from a library", kind)
    logging.getLogger("library").warning("logged by a library")
    logging.getLogger("library").error("an error of a library")
    logging.getLogger("gamekeeper.x").warning("logged by us")
    return (rows @ np.arange(rows.shape[1]) > 0).astype(int)
"""


def audit(folder: Path, *words: str, **environment: str) -> str:
    """What an audit of a function that warns in every call prints to standard error."""
    (folder / "target.py").write_text(TARGET)
    rows = "\n".join(f"{n % 7 - 3},{n % 5 - 2},{n % 3 - 1}" for n in range(300))
    (folder / "rows.csv").write_text(f"a,b,c\n{rows}\n")
    command = ["audit", "target:predict", "--inputs", "rows.csv", "--budget", "120", "--seeds", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "gamekeeper", *command, *words],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "an error of a library" in done.stderr
    return done.stderr


def warned(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if "Warning" in line or "a library" in line]


@pytest.mark.extra
def test_no_warning_of_a_library_is_printed(tmp_path: Path) -> None:
    """By none of the ways in which they warn; its errors and our own lines are."""
    pytest.importorskip("sklearn")
    stderr = audit(tmp_path, "--out", "out")
    assert set(warned(stderr)) == {"an error of a library"}
    assert "logged by us" in stderr


@pytest.mark.extra
def test_warnings_are_printed_to_those_who_ask(tmp_path: Path) -> None:
    """By --debug, or by Python's own variable."""
    pytest.importorskip("sklearn")
    for words, environment in ((["--debug"], {}), ([], {"PYTHONWARNINGS": "default"})):
        stderr = audit(tmp_path, "--out", f"out-{len(words)}", *words, **environment)
        assert all(kind in stderr for kind in KINDS) and "logged by a library" in stderr


def test_hidden_warnings_are_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At level DEBUG, with their place."""
    import warnings

    monkeypatch.setattr(sys, "warnoptions", [])
    monkeypatch.setattr(logging, "lastResort", None)
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        hide_library_warnings()
        warnings.warn("renamed soon", FutureWarning, stacklevel=1)
    assert "FutureWarning: renamed soon" in caplog.text and __file__ in caplog.text
