"""The page of what was asked, printed and right: docs/measurements/artifacts.md."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from questions import Outcome, Printed, missed

STAGES = re.compile(r"^\S.* on \S+.*, defence: |^asking ")
LENGTH = 240
"""Characters of a printed line that the table shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Questions of one verb.

    Args:
        title: Its heading.
        text: What the reader has to know first.
        outcomes: In the order in which they were asked.
    """

    title: str
    text: str
    outcomes: Sequence[Outcome]


def page(sections: Sequence[Section], facts: Sequence[str], corrected: str) -> str:
    """Returns the page.

    Args:
        sections: Of the tables.
        facts: When, with what and how they were made.
        corrected: What was changed in questions after their first run, a list.
    """
    outcomes = [outcome for section in sections for outcome in section.outcomes]
    parts = ["# Models and files that people have", _summary(outcomes), "\n".join(facts)]
    for section in sections:
        parts += [f"## {section.title}", section.text, table(section.outcomes)]
    parts += ["## Corrected after the first run", corrected]
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(outcomes: Sequence[Outcome]) -> str:
    holding = sum(outcome.holds for outcome in outcomes)
    sources = len({id(outcome.question.make) for outcome in outcomes})
    return (
        f"{sources} models and files were given to the command line, as their owners would, in"
        f" {len(outcomes)} commands. What is right is known from how each was made, and written down as a"
        f" predicate over exit code, output and files before the command was first run (what was corrected"
        f" later: [below](#corrected-after-the-first-run)). It holds for {holding} of {len(outcomes)}.\n\n{control(outcomes)}"
    )


def control(outcomes: Sequence[Outcome]) -> str:
    """Says how often a predicate holds for what another command printed, which it should not."""
    pairs = [
        (one, other)
        for one in outcomes
        for other in outcomes
        if one.question.right != other.question.right
    ]
    passed = sum(not missed(one.question, other.printed) for one, other in pairs)
    return (
        "A predicate that always holds would say nothing. Each was also applied to what the commands with"
        f" another right answer printed: it held in {passed:,} of {len(pairs):,} such pairs."
    )


def table(outcomes: Sequence[Outcome]) -> str:
    """Returns one row for each outcome."""
    lines = [
        "| model or file | command | printed | exit | right | holds |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(outcome) for outcome in outcomes]
    return "\n".join(lines)


def _row(outcome: Outcome) -> str:
    question = outcome.question
    verdict = "yes" if outcome.holds else "**no**: " + "; ".join(outcome.missed)
    cells = [
        question.model,
        f"`{question.command}`",
        shown_line(outcome.printed, question.shown),
        str(outcome.printed.code),
        question.right,
        verdict,
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def shown_line(printed: Printed, pattern: str) -> str:
    """Returns the first line that matches; without a pattern or a match the first that is not
    progress.
    """
    lines = [line.strip() for line in printed.text.splitlines()]
    lines = [line for line in lines if line and not STAGES.search(line)]
    matching = [line for line in lines if pattern and re.search(pattern, line, re.IGNORECASE)]
    line = (matching or lines or ["(nothing)"])[0]
    line = line.replace(str(printed.folder), ".")
    line = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", line)
    return line if len(line) <= LENGTH else line[: LENGTH - 4] + " ..."
