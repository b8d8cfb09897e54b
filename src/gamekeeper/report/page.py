"""A page that opens without a network: template, styles, pictures and data in one HTML document.

What it shows was written by attackers, so three things stand between a text and the reader's
browser: every text is made `visible` and escaped; data for pictures is JSON in which no tag can
end; and the page's own policy runs no script but our two, which it names by their digests, and
fetches nothing.
"""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from gamekeeper.report import words

if TYPE_CHECKING:
    from jinja2 import Environment


def render_page(template: str, figures: Sequence[dict[str, Any]], **values: Any) -> str:
    """Returns a whole page.

    Args:
        template: Its name in `templates`.
        figures: Pictures: `id` of the place, `data` and `layout` for plotly.
        values: What the template shows.
    """
    scripts = [_plotly(), _ours("draw.js")] if figures else []
    page = _environment().get_template(template)
    given = {
        "words": words,
        "style": _ours("style.css"),
        "content_policy": _content_policy(scripts),
    }
    return page.render(figures=figures, scripts=scripts, **given, **values)


def _environment() -> "Environment":
    """Returns templates in which every value is made visible and escaped, and an unknown name is an
    error.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("gamekeeper.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _harmless(value: Any) -> Any:
    """Returns what is about to be written, with no character that hides; our own markup stays as it
    is.
    """
    return words.visible(value) if type(value) is str else value


def _content_policy(scripts: Sequence[str]) -> str:
    """Returns the page's Content-Security-Policy: these scripts, its own styles, nothing
    fetched.
    """
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:"


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _ours(name: str) -> str:
    return (files("gamekeeper.report") / name).read_text(encoding="utf-8")
