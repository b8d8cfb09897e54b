"""An endpoint, described in a few lines of TOML:

    format = "gamekeeper/target@1"
    url = "https://models.example.com/score"
    rows = "instances"                          # where inputs stand in the request, a dotted path
    scores = "predictions"                      # where their scores (or labels) stand in the answer
    headers = {authorization = "env:MODEL_KEY"} # a value that begins with env: is read from the
    environment batch = 64

or, in place of `rows` and `scores`,

    kserve = "NAME"        a model of a KServe v2 server at `url`
    chat = "NAME"          a model behind OpenAI's chat completions, `url` ending in /v1
    embeddings = "NAME"    a model behind OpenAI's embeddings, likewise
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gamekeeper.base.errors import Fault, InputError

FORMAT = "gamekeeper/target@1"
_KINDS = ("kserve", "chat", "embeddings")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a model is, and how it is asked.

    Args:
        url: Of the operation; of the server for KServe and for OpenAI's operations.
        rows: Dotted path of the inputs in the request.
        scores: Dotted path of the answers.
        kserve: Name of the model on a KServe v2 server; None for another operation.
        chat: Name of the model behind chat completions; None for another operation.
        embeddings: Name of the model behind embeddings; None for another operation.
        system: Message that goes before each prompt; none if empty.
        trace: Field of a chat message that holds its reasoning.
        max_tokens: That a chat model may write.
        request: What else a chat request says, or says otherwise, such as {max_completion_tokens =
            512}.
        headers: Sent along; secrets among them are never printed.
        batch: Inputs in one request.
        parallel: Requests at a time.
        timeout_s: For one answer.
    """

    url: str
    rows: str = "instances"
    scores: str = "predictions"
    kserve: str | None = None
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


def read_endpoint(path: Path, environment: Mapping[str, str] = os.environ) -> Endpoint:
    """Reads the description of an endpoint.

    Raises:
        InputError: It cannot be read, or contains an unknown setting; all faults together.
    """
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
    return Endpoint(
        **{name: document[name] for name in _known() & document.keys()} | {"headers": headers}
    )


def _known() -> set[str]:
    return {each.name for each in fields(Endpoint)}


def _faults(path: Path, document: dict[str, Any]) -> list[Fault]:
    faults = [
        _fault(path, f"the setting {name} does not exist", name)
        for name in document.keys() - _known() - {"format"}
    ]
    if document.get("format") != FORMAT:
        faults.append(
            _fault(
                path, "the file is not the description of a target", repr(document.get("format"))
            )
        )
    if not str(document.get("url", "")).startswith(("http://", "https://")):
        faults.append(
            _fault(path, "url is not an http or https address", repr(document.get("url")))
        )
    if len(named := [kind for kind in _KINDS if kind in document]) > 1:
        faults.append(
            _fault(path, "the file describes more than one kind of target", ", ".join(named))
        )
    counts = dict.fromkeys(("batch", "parallel", "max_tokens"), int)
    kinds: dict[str, Any] = {"headers": dict, "request": dict, "timeout_s": (int, float), **counts}
    odd = [n for n in _known() & document.keys() if not isinstance(document[n], kinds.get(n, str))]
    faults += [_fault(path, f"{name} has the wrong type", repr(document[name])) for name in odd]
    small = [n for n in counts.keys() & document.keys() if n not in odd and document[n] < 1]
    return faults + [_fault(path, f"{name} is below 1", repr(document[name])) for name in small]


def _secret(value: str, environment: Mapping[str, str]) -> str | None:
    return environment.get(value.removeprefix("env:")) if value.startswith("env:") else value


def _fault(path: Path, problem: str, found: str) -> Fault:
    expected = (
        f'format = "{FORMAT}", url, and rows and scores, or one of kserve, chat and embeddings'
    )
    return Fault(where=str(path), problem=problem, found=found, expected=expected)
