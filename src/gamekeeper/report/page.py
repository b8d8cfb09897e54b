"""A page that opens without a network: template, styles, pictures and data in one HTML document.

What it shows was written by attackers, so three things protect the reader's browser: every text is
cleaned and escaped; data for pictures is JSON in which no tag can end; and the page's own policy
runs no script but our two, which it names by their digests, and fetches nothing.
"""

import base64
import gzip
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from gamekeeper.base.text import clean, one_line
from gamekeeper.base.thirdparty import thirdparty_file
from gamekeeper.report import formatting

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


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
        "formatting": formatting,
        "one_line": one_line,
        "style": _ours("shared.css") + _ours("style.css"),
        "content_policy": _content_policy(scripts),
    }
    return page.render(figures=figures, scripts=scripts, **given, **values)


def _environment() -> "Environment":
    """Returns templates in which every value is cleaned and escaped; unknown names are errors."""
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
    """Returns what is about to be written, cleaned; our own markup stays as it is."""
    return clean(value) if type(value) is str else value


def _content_policy(scripts: Sequence[str]) -> "Markup":
    """Returns the page's Content-Security-Policy: these scripts, its styles, nothing fetched."""
    from markupsafe import Markup

    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    policy = f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:"
    return Markup(policy)  # digests look like secrets, and are ours


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _plotly() -> str:
    return gzip.decompress(thirdparty_file("plotly.min.js.gz").read_bytes()).decode()


def _ours(name: str) -> str:
    return (files("gamekeeper.report") / name).read_text(encoding="utf-8")
