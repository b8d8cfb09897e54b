"""An endpoint, described in a few lines of TOML:

    format = "gamekeeper/target@1"
    url = "https://models.example.com/score"
    rows = "instances"                          # where inputs are in the request, a dotted path
    scores = "predictions"                      # where the answers are in the response
    headers = {authorization = "env:MODEL_KEY"} # env: is read from the environment
    batch = 64

or, in place of `rows` and `scores`,

    kserve = "NAME"        a model of a KServe v2 server at `url`
    chat = "NAME"          a model behind OpenAI's chat completions, `url` ending in /v1
    embeddings = "NAME"    a model behind OpenAI's embeddings, likewise

A setting that the kind of endpoint does not have is refused: ignored, it would seem to be in force.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.base.errors import Fault, InputError

FORMAT = "gamekeeper/target@1"
ROW_FORMS = ("lists", "records", "list", "record")
_SCORING = "rows and scores"
_COMMON = frozenset({"format", "url", "headers", "timeout_s"})
_SETTINGS: dict[str, frozenset[str]] = {
    _SCORING: frozenset({"rows", "scores", "rows_as", "columns", "request", "answers", "batch"}),
    "kserve": frozenset({"kserve", "input", "datatype", "output", "answers", "batch"}),
    "chat": frozenset({"chat", "system", "trace", "max_tokens", "request", "parallel"}),
    "embeddings": frozenset({"embeddings", "request", "batch"}),
}
"""Settings of each kind of endpoint, beside those that all have."""

_TYPES: dict[str, tuple[type, ...]] = {
    "headers": (dict,),
    "request": (dict,),
    "timeout_s": (int, float),
    "columns": (bool, list),
    "batch": (int,),
    "parallel": (int,),
    "max_tokens": (int,),
}
"""Types of settings that are not text."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a model is, and how it is asked.

    Args:
        url: Of the operation; of the server for KServe and for OpenAI's operations.
        rows: Dotted path of the inputs in the request; empty if they are the whole request.
        scores: Dotted path of the answers in the response, with positions in lists as numbers;
            empty if they are the whole response; None for `predictions`, or a list as it is.
        rows_as: How inputs are sent: `lists`, or `records` by name; `list` or `record` for an
            endpoint that takes one input a request.
        columns: Names of columns that are sent along or name records; True for those of the inputs'
            file, False for none.
        answers: What it answers, where the owner says so.
        kserve: Name of the model on a KServe v2 server; None for another operation.
        input: Name of the model's input there; None for what its metadata says.
        datatype: Of that input, such as FP32; None for what its metadata says.
        output: Name of the output that is read; None to choose the scores.
        chat: Name of the model behind chat completions; None for another operation.
        embeddings: Name of the model behind embeddings; None for another operation.
        system: Message that goes before each prompt; none if empty.
        trace: Field of a chat message that holds its reasoning.
        max_tokens: That a chat model may write.
        request: What else a request says, or says otherwise, such as {max_completion_tokens = 512}.
        headers: Sent along; secrets among them are never printed.
        batch: Inputs in one request.
        parallel: Requests at a time.
        timeout_s: For one answer.
    """

    url: str
    rows: str = "instances"
    scores: str | None = None
    rows_as: str = "lists"
    columns: bool | tuple[str, ...] = False
    answers: AnswerKind | None = None
    kserve: str | None = None
    input: str | None = None
    datatype: str | None = None
    output: str | None = None
    chat: str | None = None
    embeddings: str | None = None
    system: str = ""
    trace: str = "reasoning_content"
    max_tokens: int = 512
    request: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    batch: int = 64
    parallel: int = 4
    timeout_s: float = 30.0

    @property
    def takes_one(self) -> bool:
        """Whether a request has one input."""
        return self.rows_as in ("list", "record")


def read_endpoint(path: str | Path, environment: Mapping[str, str] = os.environ) -> Endpoint:
    """Reads the description of an endpoint.

    Raises:
        InputError: It cannot be read, or contains a setting that is unknown or does not apply; all
            faults together.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError([_fault(path, "the file cannot be read", str(error))]) from error
    if faults := [*_faults(path, document)]:
        raise InputError(faults)
    headers = {
        name: _secret(str(value), environment)
        for name, value in document.get("headers", {}).items()
    }
    if missing := [name for name, value in headers.items() if value is None]:
        unset = "the environment has no such variable"
        raise InputError(
            [_fault(path, f"header {name}: {unset}", document["headers"][name]) for name in missing]
        )
    settings = {name: document[name] for name in _known() & document.keys()}
    return Endpoint(**settings | _converted(settings) | {"headers": headers})


def _converted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose type TOML does not have, and what follows from others."""
    made: dict[str, Any] = {}
    if "answers" in settings:
        made["answers"] = AnswerKind(settings["answers"])
    if isinstance(settings.get("columns"), list):
        made["columns"] = tuple(settings["columns"])
    if settings.get("rows_as") in ("list", "record"):
        made["batch"] = 1
    return made


def _known() -> set[str]:
    return {each.name for each in fields(Endpoint)}


def _faults(path: Path, document: dict[str, Any]) -> Iterator[Fault]:
    for name in sorted(document.keys() - _known() - {"format"}):
        yield _fault(path, f"the setting {name} does not exist", name)
    if document.get("format") != FORMAT:
        found = repr(document.get("format"))
        yield _fault(path, "the file is not the description of a target", found)
    if not str(document.get("url", "")).startswith(("http://", "https://")):
        yield _fault(path, "url is not an http or https address", repr(document.get("url")))
    odd = [name for name in sorted(_known() & document.keys()) if not _is_typed(name, document)]
    for name in odd:
        yield _fault(path, f"{name} has the wrong type", repr(document[name]))
    for name in sorted({"batch", "parallel", "max_tokens"} & document.keys() - set(odd)):
        if document[name] < 1:
            yield _fault(path, f"{name} is below 1", repr(document[name]))
    yield from _faults_of_kind(path, document)
    if not odd:
        yield from _faults_of_values(path, document)


def _is_typed(name: str, document: Mapping[str, Any]) -> bool:
    value = document[name]
    if isinstance(value, bool) and name != "columns":
        return False
    if name == "columns" and isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    return isinstance(value, _TYPES.get(name, (str,)))


def _faults_of_kind(path: Path, document: Mapping[str, Any]) -> Iterator[Fault]:
    """More than one kind of endpoint, or settings that it does not have."""
    kinds = [kind for kind in _SETTINGS if kind in document]
    if len(kinds) > 1:
        yield _fault(path, "the file describes more than one kind of target", ", ".join(kinds))
        return
    kind = kinds[0] if kinds else _SCORING
    allowed = _SETTINGS[kind] | _COMMON
    owner = "an endpoint with rows and scores" if kind == _SCORING else f"an endpoint with {kind}"
    for name in sorted(_known() & document.keys() - allowed):
        expected = f"for {owner}: {', '.join(sorted(allowed))}"
        yield _fault(path, f"the setting {name} does not apply to {owner}", name, expected)


def _faults_of_values(path: Path, document: Mapping[str, Any]) -> Iterator[Fault]:
    kinds = [str(kind) for kind in AnswerKind]
    if "answers" in document and document["answers"] not in kinds:
        found = repr(document["answers"])
        yield _fault(path, "answers is not a kind of answer", found, ", ".join(kinds))
    form = document.get("rows_as", "lists")
    if form not in ROW_FORMS:
        yield _fault(path, "rows_as is not a form of rows", repr(form), ", ".join(ROW_FORMS))
    if form in ("list", "record") and document.get("batch", 1) != 1:
        found = f"batch = {document['batch']}"
        yield _fault(path, f'rows_as = "{form}" sends one input a request', found, "batch = 1")
    if form in ("records", "record") and document.get("columns") is False:
        yield _fault(
            path, "records need names", "columns = false", "columns = true, or their names"
        )
    if document.get("rows") == "" and form != "record" and document.get("request"):
        found = f"request = {document['request']}"
        yield _fault(path, "inputs are the whole request, which has no other fields", found)
    if document.get("rows") == "" and form == "lists" and document.get("columns"):
        found = f"columns = {document['columns']}"
        yield _fault(path, "inputs are the whole request, which has no other fields", found)


def _secret(value: str, environment: Mapping[str, str]) -> str | None:
    return environment.get(value.removeprefix("env:")) if value.startswith("env:") else value


def _fault(path: Path, problem: str, found: str, expected: str = "") -> Fault:
    usual = f'format = "{FORMAT}", url, and rows and scores, or one of kserve, chat and embeddings'
    return Fault(where=str(path), problem=problem, found=found, expected=expected or usual)
