import base64
import hashlib
import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest

from gamekeeper.campaigns.result import EXAMPLES, LINKS, MAP, READINGS, TIMELINE, HuntResult
from gamekeeper.report import render_html
from gamekeeper.report.html import MAX_ACCOUNTS, MAX_SECTIONS
from gamekeeper.report.reading import reading_facts
from report.builders import (
    HOSTILE_ACCOUNT,
    make_campaign,
    make_empty_result,
    make_read,
    make_redacted_result,
    make_result,
)


class Page(HTMLParser):
    """A page as a browser takes it apart: start tags, the words outside scripts, and the
    scripts.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.scripts = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the tag."""
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        """Notes that its text has ended."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Keeps text with its kind."""
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.words += data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        """Returns the attributes of every tag of a name."""
        return [attrs for name, attrs in self.tags if name == tag]


@cache
def page() -> Page:
    return Page(render_html(make_result()))


def words(result: HuntResult) -> str:
    return " ".join(Page(render_html(result)).words.split())


def figures(of: Page) -> list[dict[str, Any]]:
    return json.loads(of.scripts[0])


def test_the_headline_says_what_was_found() -> None:
    """Who reads one sentence reads the finding."""
    assert "2 campaigns found: 20 accounts, 2,620 of 50,000 exchanges (5.2 %)" in page().words


def test_nothing_is_fetched() -> None:
    """Every reference stays within the page, and its policy allows no other."""
    references = [
        value
        for tag, attrs in page().tags
        for name, value in attrs.items()
        if name in ("src", "href", "srcset", "data", "action", "poster")
    ]
    assert references and all(reference and reference.startswith("#") for reference in references)
    style = re.findall(r"url\(|@import", render_html(make_empty_result()))
    assert not style


def test_the_picture_script_is_there_once() -> None:
    """The one heavy part is not repeated for each picture, and is left out where there is no
    picture.
    """
    assert sum("plotly.js v" in script for script in page().scripts) == 1
    assert not Page(render_html(make_empty_result())).scripts


def test_only_our_scripts_may_run() -> None:
    """The policy names the digest of both scripts, byte for byte as they stand on the page."""
    policy = next(a["content"] for a in page().attributes("meta") if "http-equiv" in a)
    code = [
        s
        for s, a in zip(page().scripts, page().attributes("script"), strict=True)
        if "type" not in a
    ]
    digests = {
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in code
    }
    assert len(code) == 2
    assert policy and set(re.findall(r"'sha256-([^']+)'", policy)) == digests
    assert "script-src 'unsafe-inline'" not in policy and "default-src 'none'" in policy


def test_a_script_in_a_prompt_is_words() -> None:
    """Hostile prompts and account names add no tag to the page; they are shown as they were
    written.
    """
    tags = {name for name, _ in page().tags}
    assert "img" not in tags and len(page().scripts) == 3
    assert not any(name.startswith("on") for _, attrs in page().tags for name in attrs)
    assert "<script>alert('owned')</script><img src=x onerror=alert(1)>" in page().words
    assert "{{ 7*7 }}" in page().words


def test_a_name_cannot_end_the_data_of_pictures() -> None:
    """Names in hover texts are escaped for plotly, which reads tags, and for the page
    around them.
    """
    labels = " ".join(figures(page())[1]["data"][-1]["text"])
    assert "&lt;b&gt;0&lt;/b&gt;" in labels and "<b>" not in labels
    assert (
        "<"
        not in render_html(make_result()).partition('id="figures">')[2].partition("</script>")[0]
    )


def test_hidden_characters_are_shown_as_codes() -> None:
    """No escape character, override of direction or NUL reaches the page."""
    assert not re.search("[\x00\x1b\u202e]", render_html(make_result()))
    assert "\\u001b[2Jgone \\u202egnp.exe\\u0000" in page().words
    assert HOSTILE_ACCOUNT.replace("\x1b", "\\u001b") in page().words


def test_long_prompts_are_cut_and_say_so() -> None:
    """A prompt of two thousand characters does not bury the page."""
    assert re.search(r"… \([\d,]+ more characters\)", page().words)


def test_a_redacted_run_says_that_prompts_are_left_out() -> None:
    """The reader is told why there is none."""
    text = words(make_redacted_result())
    assert "This run was redacted" in text
    assert "alert(" not in text and "Fragments its prompts share" not in text


def test_a_page_without_campaigns_says_what_was_looked_at() -> None:
    """Finding nothing is a result with limits of its own."""
    text = words(make_empty_result())
    assert "No campaign found in 50,000 exchanges" in text
    assert "20,000 were compared with each other" in text
    assert "shared cards could not be looked for" in text


def test_each_campaign_stands_with_its_innocent_explanation() -> None:
    """What speaks against a group and what would speak for it stand side by side."""
    for campaign in make_result().campaigns:
        for sentence in (*campaign.reasons, *campaign.innocent, *campaign.fragments):
            assert sentence in page().words
    assert "none of 999 decoy groups was at least as strong" in page().words
    assert "30 of 999 decoy groups were at least as strong" in page().words


def test_each_campaign_has_three_pictures_with_a_place_and_a_caption() -> None:
    """Who does not see a picture reads what it shows."""
    places = {a["id"]: a for a in page().attributes("div") if a.get("class") == "plot"}
    assert set(places) == {f["id"] for f in figures(page())} and len(places) == 6
    assert all(place["role"] == "img" and place["aria-label"] for place in places.values())


def test_every_table_has_a_caption_and_every_link_a_target() -> None:
    """The page can be read by ear."""
    assert len(page().attributes("table")) == len(page().attributes("caption"))
    targets = {f"#{attrs['id']}" for _, attrs in page().tags if "id" in attrs}
    assert {a["href"] for a in page().attributes("a")} <= targets


def test_readings_that_were_not_measured_say_so() -> None:
    """NaN is no number to compare."""
    assert "nothing to compare" in page().words
    assert "NaN" not in page().scripts[0]


def test_faults_let_pass_are_shown() -> None:
    """A log that was read in part says which part."""
    assert "logs/a.jsonl:12" in page().words and "3 of 900" in page().words


def test_a_long_list_of_accounts_is_cut_and_says_where_the_rest_is() -> None:
    """The page holds no more names than it needs."""
    text = words(make_result())
    assert f"The first {MAX_ACCOUNTS} of 720 accounts; all are in verdicts.parquet" in text
    assert "user-0699" not in text


def test_many_campaigns_are_all_listed_and_the_first_shown_in_full() -> None:
    """The table is whole; the sections stop where a page would grow without end."""
    campaigns = [make_campaign(f"C{i + 1}", size=8) for i in range(MAX_SECTIONS + 2)]
    text = words(make_result(campaigns))
    assert f"The first {MAX_SECTIONS} of {MAX_SECTIONS + 2} campaigns are shown in full" in text
    assert f"Campaign C{MAX_SECTIONS} " in text and f"Campaign C{MAX_SECTIONS + 1} " not in text


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("readings", READINGS),
        ("links", LINKS),
        ("examples", EXAMPLES),
        ("timeline", TIMELINE),
        ("map", MAP),
    ],
)
def test_a_frame_without_rows_leaves_its_part_out(name: str, schema: dict[str, Any]) -> None:
    """A log without prompts or times has fewer pictures, not a broken page."""
    result = replace(make_result(), **{name: pl.DataFrame(schema=schema)})
    assert "Campaign C1" in words(result)


def test_a_log_with_nothing_amiss_renders_too() -> None:
    """Absent faults, formats and limits are no error."""
    result = make_result(
        [], could_not_show=(), encoders=(), seconds={}, read=make_read(faults=(), formats={})
    )
    assert "The log had every column" in words(result)


def test_what_was_read_is_told_in_the_words_and_numbers_of_read() -> None:
    """Records, exchanges and what was passed over fit together."""
    page = render_html(make_result())
    for name, says in reading_facts(make_read()):
        assert f"<dt>{name.capitalize()}</dt><dd>{says}.</dd>" in page
    assert "50,050 records: 50,000 exchanges" in page


def test_table_of_campaigns_names_its_values_where_it_is_stacked() -> None:
    """On a telephone the head of the table is not seen."""
    page = render_html(make_result())
    head = page.split("<thead>")[1].split("</thead>")[0]
    for name in ("Verdict", "Accounts", "Exchanges", "p_benign", "Evidence", "First seen"):
        assert f">{name}</th>" in head and f'<td data-is="{name}"' in page
