"""The documentation: links lead somewhere, generated pages are fresh, every signal and option has
its entry.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gamekeeper.exchange import FORMATS
from gamekeeper.exchange.columns import SCHEMA
from gamekeeper.signals import CARDS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def links(page: Path) -> list[str]:
    found = LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))
    return [link for link in found if not link.startswith(("http:", "https:", "mailto:"))]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(text)
    }


def dead(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in anchors(target)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    """A file that is named exists, and so does the heading within it."""
    assert [link for link in links(page) if dead(page, link)] == []


def test_links_and_anchors_are_found(tmp_path: Path) -> None:
    """The check itself sees a dead file, a dead anchor and a live one, and passes over code."""
    page = tmp_path / "a.md"
    text = "# One thing\n[a](#one-thing) [b](#two) [c](b.md) [d](https://x.y)\n`[e](f.md)`\n"
    page.write_text(text, encoding="utf-8")
    assert [link for link in links(page) if dead(page, link)] == ["#two", "b.md"]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_every_signal_has_an_entry(card) -> None:
    """The page of signals has a heading for each of them."""
    assert f"\n## {card.name}\n" in (DOCS / "reference" / "signals.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("column", SCHEMA)
def test_every_column_has_an_entry(column: str) -> None:
    """The page of columns has a row for each of them."""
    assert f"\n| `{column}` |" in (DOCS / "reference" / "columns.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_an_entry(form: str) -> None:
    """The page of formats has a row for each of them."""
    assert f"\n| `{form}` |" in (DOCS / "reference" / "formats.md").read_text(encoding="utf-8")


def test_generated_pages_are_fresh() -> None:
    """`docs/generate.py --check` finds nothing stale."""
    command = [sys.executable, str(DOCS / "generate.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_name_no_machine(page: Path) -> None:
    """No page holds a path of somebody's machine."""
    assert re.findall(r"(?:/home|/tmp|/Users|/work)/\S*", page.read_text(encoding="utf-8")) == []


ARCHITECTURE = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "src" / "gamekeeper"


def test_architecture_names_every_package() -> None:
    """The table of the source tree has the packages that there are, and no others."""
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[:2] != "__"}
    modules = {"evidence.py", "verdict.py"}
    assert set(re.findall(r"^\| `([\w.]+)` \|", ARCHITECTURE, re.MULTILINE)) == folders | modules


@pytest.mark.parametrize("path", re.findall(r"`(\w+/[\w/.]+)`", ARCHITECTURE))
def test_architecture_names_what_is_there(path: str) -> None:
    """A file or folder that the page names exists."""
    assert (PACKAGE / path).exists() or (ROOT / path).exists() or (ROOT / "src" / path).exists()
