"""The live page in one file, and the dashboard for Grafana.

What the page shows was written by attackers. Its script puts text into the page as text only, and
the page's policy holds it to that: no script and no style but ours, named by their digests, nothing
from elsewhere, and no text that is taken for markup (Trusted Types).
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import orjson


@cache
def live_page() -> tuple[str, str]:
    """Returns the page, and its Content-Security-Policy."""
    style = _file("gamekeeper.report", "shared.css") + _ours("page.css")
    script = _ours("page.js")
    text = _ours("page.html").replace("/*style*/", style).replace("/*script*/", script)
    return text, _policy(style, script)


@cache
def dashboard() -> Any:
    """Returns the dashboard, as Grafana imports it."""
    return orjson.loads(_ours("grafana.json"))


def _policy(style: str, script: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _ours(name: str) -> str:
    return _file("gamekeeper.guard.admin", name)


def _file(package: str, name: str) -> str:
    return (files(package) / name).read_text(encoding="utf-8")
