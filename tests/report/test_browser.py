"""The report in a real browser; `make test-all` installs one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gamekeeper.report import render_html
from report.builders import make_result

_QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1300,6000 --virtual-time-budget=8000 --dump-dom"
)


@pytest.mark.browser
def test_pictures_are_drawn_offline(tmp_path: Path) -> None:
    """Opened from a file, the page draws every picture; nothing in a prompt runs."""
    chromium = shutil.which("chromium")
    assert chromium, "no chromium: make test-all installs it where apt-get works"
    page = tmp_path / "report.html"
    page.write_text(render_html(make_result()))
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [chromium, *_QUIET.split(), profile, page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout
    # three pictures for each of two campaigns, each of one layer or more
    assert dom.count("main-svg") >= 6
    assert "<script>alert" not in dom
