"""The report of a hunt, one HTML file; `page` keeps it harmless."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from gamekeeper.campaigns.result import Campaign, HuntResult
from gamekeeper.report.account_names import AccountNames
from gamekeeper.report.atlas import RELEASE, techniques
from gamekeeper.report.explanation import MemberEvidence, evidence_of_members, readings_of
from gamekeeper.report.formatting import headline
from gamekeeper.report.page import render_page
from gamekeeper.report.pictures import Picture, pictures
from gamekeeper.report.power import power_sentence
from gamekeeper.report.reading import reading_facts
from gamekeeper.report.strip_plot import WIDTH, StripPlot, strip_plot

MAX_SECTIONS = 40
"""Campaigns shown in full; the rest are in the table and in `campaigns.json`."""

MAX_ACCOUNTS = 500
MAX_MEMBERS = 100
"""Members of one campaign in the table of what each shows; the rest are in `campaigns.json`."""

MAX_EXAMPLES = 12
MAX_PROMPT_CHARS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """What the page shows of one campaign."""

    campaign: Campaign
    pictures: list[Picture]
    readings: list[tuple[dict[str, Any], StripPlot | None]]
    members: list[MemberEvidence]
    examples: list[dict[str, Any]]


def render_html(result: HuntResult) -> str:
    """Writes the report of a hunt.

    Returns:
        One HTML document with its styles, scripts and data inside.
    """
    sections = [_section(result, campaign) for campaign in result.campaigns[:MAX_SECTIONS]]
    figures = [
        {"id": picture.id, **picture.figure} for section in sections for picture in section.pictures
    ]
    suspects = sum(len(campaign.accounts) for campaign in result.campaigns)
    exchanges = sum(campaign.exchanges for campaign in result.campaigns)
    return render_page(
        "report.html.j2",
        figures,
        result=result,
        found=headline(
            len(result.campaigns),
            suspects,
            exchanges,
            result.exchanges,
            could_find_nothing=result.could_find_nothing,
        ),
        names=AccountNames(result.accounts),
        has_owners=result.accounts["owner"].null_count() < result.accounts.height,
        power_sentence=power_sentence,
        reading=reading_facts(result.read),
        sections=sections,
        accounts=result.accounts.head(MAX_ACCOUNTS).to_dicts(),
        suspects=suspects,
        policy=result.policy,
        atlas_release=RELEASE,
        techniques=techniques,
        strip_width=WIDTH,
        prompt_chars=MAX_PROMPT_CHARS,
    )


def _section(result: HuntResult, campaign: Campaign) -> _Section:
    readings = readings_of(result, campaign.id).to_dicts()
    examples = result.examples.filter(pl.col("campaign") == campaign.id).head(MAX_EXAMPLES)
    return _Section(
        campaign=campaign,
        pictures=pictures(result, campaign),
        readings=[(row, strip_plot(row)) for row in readings],
        members=evidence_of_members(result, campaign, MAX_MEMBERS),
        examples=examples.to_dicts(),
    )
