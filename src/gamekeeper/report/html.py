"""The report as one HTML file that opens without a network.

What it shows was written by attackers, so three things stand between a prompt and the reader's browser:
every text is made `visible` and escaped; data for pictures is JSON in which no tag can end; and the page's
own policy runs no script but our two, which it names by their digests, and fetches nothing.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import polars as pl

from gamekeeper.campaigns.result import Campaign, HuntResult
from gamekeeper.report import words
from gamekeeper.report.explanation import readings_of
from gamekeeper.report.pictures import Picture, pictures
from gamekeeper.report.strips import WIDTH, Strip, strip

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_SECTIONS = 40
"""Campaigns shown in full; the rest stand in the table and in `campaigns.json`."""

MAX_ACCOUNTS = 500
MAX_EXAMPLES = 12
MAX_PROMPT_CHARS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """What the page shows of one campaign."""

    campaign: Campaign
    pictures: list[Picture]
    readings: list[tuple[dict[str, Any], Strip | None]]
    examples: list[dict[str, Any]]


def render_html(result: HuntResult) -> str:
    """Writes the report of a hunt.

    Returns:
        One HTML document with its styles, scripts and data inside.
    """
    sections = [_section(result, campaign) for campaign in result.campaigns[:MAX_SECTIONS]]
    figures = [{"id": picture.id, **picture.figure} for section in sections for picture in section.pictures]
    scripts = [_plotly(), _ours("draw.js")] if figures else []
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            result=result,
            sections=sections,
            figures=figures,
            scripts=scripts,
            content_policy=_content_policy(scripts),
            style=_ours("style.css"),
            accounts=result.accounts.head(MAX_ACCOUNTS).to_dicts(),
            suspects=sum(len(campaign.accounts) for campaign in result.campaigns),
            suspect_exchanges=sum(campaign.exchanges for campaign in result.campaigns),
            policy=result.policy,
            strip_width=WIDTH,
            prompt_chars=MAX_PROMPT_CHARS,
            words=words,
        )
    )


def _section(result: HuntResult, campaign: Campaign) -> _Section:
    readings = readings_of(result, campaign.id).to_dicts()
    examples = result.examples.filter(pl.col("campaign") == campaign.id).head(MAX_EXAMPLES)
    return _Section(
        campaign=campaign,
        pictures=pictures(result, campaign),
        readings=[(row, strip(row)) for row in readings],
        examples=examples.to_dicts(),
    )


def _environment() -> "Environment":
    """Returns templates in which every value is made visible and escaped, and an unknown name is an error."""
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
    """Returns what is about to be written, with no character that hides; our own markup stays as it is."""
    return words.visible(value) if type(value) is str else value


def _content_policy(scripts: Sequence[str]) -> str:
    """Returns the page's Content-Security-Policy: these scripts, its own styles, nothing fetched."""
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:"


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _ours(name: str) -> str:
    return (files("gamekeeper.report") / name).read_text(encoding="utf-8")
