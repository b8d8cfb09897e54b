"""`policy.md` from the policy's model: every setting with its value, its default and what
it means.
"""

import inspect
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from gamekeeper.guard.policy import EXAMPLE, GuardPolicy
from gamekeeper.verdict import Verdict

_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)
_KINDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Verdict: "a verdict",
}
_INTRODUCTION = """\
A policy says which accounts the guard knows, what it does to them, and where it keeps its state.
It is a TOML file; without one every setting has the default in these tables, and the guard starts
as a dry run. `gamekeeper guard --check --policy FILE` reads it and names the line of every fault;
a guard whose policy has a fault does not start.

Verdicts, from the mildest: {verdicts}.
"""


def policy_page(made: str) -> str:
    """Returns the page; `made` says that it is made from code."""
    verdicts = ", ".join(f"`{verdict}`" for verdict in Verdict)
    head = [
        "# The guard's policy\n",
        made,
        _INTRODUCTION.format(verdicts=verdicts),
        f"```toml\n{EXAMPLE}```\n",
    ]
    return "\n".join([*head, *_tables(GuardPolicy, "")])


def _tables(model: type[BaseModel], place: str) -> Iterator[str]:
    """The table of a part of the policy, then those of the parts within it."""
    about, meanings = _said(model)
    yield f"## {place or 'The top of the file'}\n"
    yield f"{about}\n"
    yield "| setting | value | default | |\n|---|---|---|---|"
    within: list[tuple[type[BaseModel], str]] = []
    for name, field in model.model_fields.items():
        part = _part(field.annotation)
        header = f"{place}.{name}".lstrip(".")
        if part is not None:
            within.append((part, _header(field.annotation, header)))
        kind = (
            f"see [`{within[-1][1]}`](#{_anchor(within[-1][1])})"
            if part
            else _kind(field.annotation)
        )
        yield f"| `{name}` | {kind} | {'' if part else _default(field)} | {meanings[name]} |"
    yield ""
    for part, header in within:
        yield from _tables(part, header)


def _said(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """What a part's docstring says of it, and of each setting."""
    text = inspect.getdoc(model) or ""
    about, _, arguments = text.partition("Args:\n")
    meanings = {name: " ".join(said.split()) for name, said in _ARGUMENT.findall(arguments)}
    return " ".join(about.split()), {
        name: meanings.get(name, "").replace("|", "\\|") for name in model.model_fields
    }


def _part(annotation: Any) -> type[BaseModel] | None:
    """The part of the policy that a setting holds, alone, in a list, or by name."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _header(annotation: Any, place: str) -> str:
    if get_origin(annotation) is tuple:
        return f"[[{place}]]".replace("[[[", "[[")
    return f'{place}."NAME"' if get_origin(annotation) is dict else place


def _anchor(header: str) -> str:
    return re.sub(r"[^\w\- ]", "", header.lower()).replace(" ", "-")


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f'`"{value}"`' for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        return f"list of {_kind(get_args(annotation)[0])}"
    if get_origin(annotation) is dict:
        value = get_args(annotation)[1]
        return "table of lists" if get_origin(value) is tuple else "table of numbers"
    given = [kind for kind in get_args(annotation) if kind is not type(None)]
    return _kind(given[0]) if given else _KINDS.get(annotation, "URL")


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if field.is_required():
        return "required"
    if value in (None, (), {}, ""):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:,}`".replace(",", "_")
