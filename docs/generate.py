"""Writes the pages of docs/reference that are made from code: of the verbs, the signals' cards, the
guard's policy, and the table of formats.

python docs/generate.py            writes them
python docs/generate.py --check    exits 1 and names the pages that are stale; writes nothing
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from policy_page import policy_page
from typer.models import ArgumentInfo

from gamekeeper._cli import GROUPS, VERBS
from gamekeeper.exchange import FORMATS
from gamekeeper.linking.card import Card
from gamekeeper.report.formatting import FAMILIES
from gamekeeper.signals import CARDS

REFERENCE = Path(__file__).parent / "reference"
MADE = "*This page is made by `make docs` from the code: change the code, not the page.*\n"
TABLE_BEGINS = "<!-- made by `make docs` from the code -->"
TABLE_ENDS = "<!-- end of what is made -->"
KINDS = {str: "text", int: "whole number", float: "number", Path: "path"}


def cli_page() -> str:
    """Returns the page of the command line."""
    parts = [
        "# Command line\n",
        MADE,
        "There is one verb for each job. Results go to standard output, narration and progress",
        "to standard error. An option of the same name means the same everywhere. `gamekeeper",
        "--version` prints the version, `gamekeeper VERB --help` what this page lists. Any verb",
        "takes `--debug`, which prints where a fault of gamekeeper itself happened.\n",
        *(_verb(module.NAME, module.run) for module in VERBS),
        *(
            _verb(f"{module.NAME} {name}", run)
            for module in GROUPS
            for name, run in _commands(module.app)
        ),
        "## Exit codes\n",
        "| code | means |",
        "|---|---|",
        "| 0 | done; nothing above threshold (or `--exit-zero`) |",
        "| 1 | done; campaigns were found, accounts would have been slowed, a copy was made,"
        " or a check failed |",
        "| 2 | wrong usage: unknown option, family, encoder, campaign or account;"
        " a folder that is not replaced |",
        "| 3 | input missing, empty or unreadable |",
        "| 4 | a fault of gamekeeper itself |",
        "| 5 | done, and nothing could have been found or judged: the log or the inputs are too"
        " small or too alike |",
        "| 130 | interrupted from the keyboard |",
    ]
    return "\n".join(parts) + "\n"


def _commands(app: Any) -> Iterator[tuple[str, Callable[..., None]]]:
    """Name and function of each command of a group."""
    for command in app.registered_commands:
        yield (
            command.name or command.callback.__name__.rstrip("_").replace("_", "-"),
            command.callback,
        )


def _verb(name: str, run: Callable[..., None]) -> str:
    options = list(_parameters(run))
    head = " ".join(
        ["gamekeeper", name, *(label for label, *_, is_argument in options if is_argument)]
    )
    rows = [
        f"| `{_cell(label)}` | {kind} | {default} | {help_} |"
        for label, kind, default, help_, _ in options
    ]
    table = ["| argument or option | value | default | |", "|---|---|---|---|", *rows, ""]
    return "\n".join(
        [f"## {name}\n", f"    {head}\n", *_prose(inspect.getdoc(run) or ""), "", *table]
    )


def _prose(text: str) -> Iterator[str]:
    """A docstring as Markdown: paragraphs stay, its indented examples become a code block."""
    before, _, examples = text.partition("Example")
    yield before.strip()
    paragraphs = examples.split("\n\n")[1:]  # an example may go on in the next line
    commands = [" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip()]
    if commands:
        yield "\n" + "\n".join(["```sh", *commands, "```"])


def _parameters(run: Callable[..., None]) -> Iterator[tuple[str, str, str, str, bool]]:
    """Label, kind of value, default, help, and whether it is an argument, of each parameter that is
    shown.
    """
    hints = get_type_hints(run, include_extras=True)
    for name, parameter in inspect.signature(run).parameters.items():
        kind, info = get_args(hints[name])[:2]
        if info.hidden:
            continue
        is_argument = isinstance(info, ArgumentInfo)
        yield (
            _label(name, info),
            _kind(kind),
            _default(kind, parameter),
            _cell(info.help or ""),
            is_argument,
        )


def _label(name: str, info: Any) -> str:
    if isinstance(info, ArgumentInfo):
        return str(info.metavar or name.upper())
    declared = [text for text in (info.default, *(info.param_decls or ())) if isinstance(text, str)]
    long = [text.partition("/")[0] for text in declared if text.startswith("--")]
    return long[0] if long else "--" + name.replace("_", "-")


def _kind(kind: Any) -> str:
    given = [part for part in (get_args(kind) or (kind,)) if part is not type(None)]
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f"`{part}`" for part in given)
    if get_origin(kind) is Annotated or get_origin(given[0]) is Literal:
        return _kind(given[0])
    one = given[0]
    if isinstance(one, type) and issubclass(one, Enum):
        return "one of " + ", ".join(f"`{part.value}`" for part in one)
    if get_origin(one) is list or get_origin(kind) is list:
        return "text, may be repeated"
    return "" if one is bool else KINDS.get(one, str(one))


def _default(kind: Any, parameter: inspect.Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return "required"
    if parameter.default is None or kind is bool:
        return ""
    return f"`{parameter.default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def signals_page() -> str:
    """Returns the page of the signals."""
    parts = [
        "# Signals\n",
        MADE,
        "A signal is one measurement of a group of accounts. Its reading is ranked among",
        "decoys; larger is more like a campaign, except for memory, where 0 means that prompts",
        "are interchangeable between accounts. Signals of one family are not independent, so a",
        "verdict counts families. A family counts only by signals that are `tested` or",
        "`stable`. The family `coverage` is shown and not counted: memory is what lets content",
        "count, so it must not count twice. A signal whose column the log lacks is skipped, and",
        "the report says so. `cell` and `prompt_hash` are not fields of a log: they are made",
        "from prompts. `gamekeeper list signals` prints these cards.\n",
        "| signal | family | maturity | needs |",
        "|---|---|---|---|",
        *(
            f"| [{c.name}](#{c.name}) | {c.family} | {c.maturity} | {', '.join(c.needs)} |"
            for c in CARDS
        ),
        "",
        *map(_card, CARDS),
    ]
    return "\n".join(parts)


def _card(card: Card) -> str:
    return "\n".join(
        [
            f"## {card.name}\n",
            f"{card.purpose}\n",
            f"- **Family**: {card.family} ({FAMILIES[card.family]})",
            f"- **Maturity**: {card.maturity}",
            f"- **Unit**: {card.unit}",
            f"- **Needs**: {', '.join(card.needs)}",
            f"- **Innocent look-alikes**: {card.look_alikes}",
            f"- **Evasions**: {card.evasions}",
            f"- **Source**: {card.source}",
            "",
        ]
    )


def formats_page() -> str:
    """Returns the page of the formats, its table made from what each format says of itself."""
    before, _, rest = _stored(REFERENCE / "formats.md").partition(TABLE_BEGINS)
    _, _, after = rest.partition(TABLE_ENDS)
    rows = [
        f"| `{form.name}` | {_cell(form.about)} | {_cell(form.known_by)} |"
        for form in FORMATS.values()
    ]
    table = ["| `--format` | reads | recognised by |", "|---|---|---|", *rows]
    return "\n".join([before + TABLE_BEGINS, *table, TABLE_ENDS + after])


PAGES = {
    "cli.md": cli_page,
    "signals.md": signals_page,
    "policy.md": lambda: policy_page(MADE),
    "formats.md": formats_page,
}


def stale() -> list[str]:
    """Returns the names of pages that differ from what the code gives."""
    return [name for name, page in PAGES.items() if _stored(REFERENCE / name) != page()]


def _stored(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(arguments: list[str]) -> int:
    """Writes the pages, or checks them; returns the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python docs/generate.py [--check]", file=sys.stderr)
        return 2
    if arguments:
        for name in stale():
            print(f"docs/reference/{name} is stale; run: python docs/generate.py", file=sys.stderr)
        return 1 if stale() else 0
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
