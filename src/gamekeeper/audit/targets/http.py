"""A classifier behind HTTP as a target, described in a few lines of TOML:

    format = "gamekeeper/target@1"
    url = "https://models.example.com/score"
    rows = "instances"                          # where inputs stand in the request, a dotted path
    scores = "predictions"                      # where their scores (or labels) stand in the answer
    headers = {authorization = "env:MODEL_KEY"} # a value that begins with env: is read from the environment
    batch = 64

or, with `kserve = "NAME"` in place of `rows` and `scores`, a model of a KServe v2 server at `url`.

A rate limit (429) and a server that is busy (502, 503, 504) are waited for, as long as they ask, a few times; a key
that is refused, or any other answer, ends the audit. What was answered before is kept.
"""

import json
import os
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from gamekeeper.audit.targets._target import Array, TargetError
from gamekeeper.errors import Fault, InputError

FORMAT = "gamekeeper/target@1"
_TRIES = 5
_WAIT_S, _LONGEST_WAIT_S = 1.0, 120.0
_BUSY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, kw_only=True)
class HttpTargetSpec:
    """Where a classifier is, and how it is asked.

    Args:
        url: Of the operation; of the server for KServe.
        rows: Dotted path of the inputs in the request.
        scores: Dotted path of the answers.
        kserve: Name of the model on a KServe v2 server; None for a JSON operation.
        headers: Sent along; secrets among them are never printed.
        batch: Inputs in one request.
        timeout_s: For one answer.
    """

    url: str
    rows: str = "instances"
    scores: str = "predictions"
    kserve: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    batch: int = 64
    timeout_s: float = 30.0


class HttpTarget:
    """See `Target`.

    Args:
        spec: Where it is.
        sleep: Waits, in seconds.
    """

    def __init__(self, spec: HttpTargetSpec, sleep: Callable[[float], None] = time.sleep) -> None:
        self._spec, self._sleep, self.name = spec, sleep, _plain(spec.url)

    def ask(self, inputs: Array) -> Array:
        """See `Target`."""
        parts = [inputs[start : start + self._spec.batch] for start in range(0, len(inputs), self._spec.batch)]
        answers = [self._scores(part) for part in parts]
        try:
            return np.concatenate(answers)
        except ValueError as error:
            raise TargetError(f"{self.name} answered scores of different lengths: {error}") from error

    def _scores(self, inputs: Array) -> Array:
        if self._spec.kserve is None:
            answer = self._answer(self._spec.url, _nested(self._spec.rows, inputs.tolist()))
            return _numbers(_found(answer, self._spec.scores, self.name), self.name)
        url = f"{self._spec.url.rstrip('/')}/v2/models/{self._spec.kserve}/infer"
        tensor = {"name": "input", "shape": list(inputs.shape), "datatype": "FP64", "data": inputs.ravel().tolist()}
        output = _found(self._answer(url, {"inputs": [tensor]}), "outputs", self.name)[0]
        return _numbers(output["data"], self.name).reshape(output["shape"])

    def _answer(self, url: str, document: Any) -> Any:
        """Asks until there is an answer; waits where the server asks for it."""
        for turn in range(_TRIES):
            try:
                return self._once(url, document)
            except urllib.error.HTTPError as error:
                self._require_busy(error)
                wait_s = _wait_s(error.headers.get("retry-after"), turn)
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                wait_s, reason = _wait_s(None, turn), getattr(error, "reason", error)
                if turn == _TRIES - 1:
                    raise TargetError(f"{self.name} cannot be reached: {reason}") from error
            self._sleep(wait_s)
        raise TargetError(f"{self.name} was still busy when asked the {_TRIES}th time; run the same audit again later")

    def _once(self, url: str, document: Any) -> Any:
        headers = {"content-type": "application/json", **self._spec.headers}
        request = urllib.request.Request(url, json.dumps(document).encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=self._spec.timeout_s) as answer:
            try:
                return json.load(answer)
            except ValueError as error:
                raise TargetError(f"{self.name} answered no JSON: {error}") from error

    def _require_busy(self, error: urllib.error.HTTPError) -> None:
        if error.code in (401, 403):
            raise TargetError(f"{self.name} refused the credential ({error.code}); see `headers`") from error
        if error.code not in _BUSY:
            said = error.read(200).decode("utf-8", "replace")
            raise TargetError(f"{self.name} answered {error.code}: {said}") from error


def http_target(path: Path, environment: Mapping[str, str] = os.environ) -> HttpTarget:
    """Reads the description of a target.

    Raises:
        InputError: It cannot be read, or says something that is not known; all faults together.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError([_fault(path, "cannot be read", str(error))]) from error
    return HttpTarget(_spec(path, document, environment))


def _spec(path: Path, document: dict[str, Any], environment: Mapping[str, str]) -> HttpTargetSpec:
    known = {each.name for each in fields(HttpTargetSpec)}
    faults = [_fault(path, f"there is no setting {name}", name) for name in document.keys() - known - {"format"}]
    if document.get("format") != FORMAT:
        faults.append(_fault(path, "is no description of a target", repr(document.get("format"))))
    if not str(document.get("url", "")).startswith(("http://", "https://")):
        faults.append(_fault(path, "url is no address", repr(document.get("url"))))
    kinds: dict[str, Any] = {"headers": dict, "batch": int, "timeout_s": (int, float)}
    faults += [
        _fault(path, f"{name} is of another kind", repr(document[name]))
        for name in known & document.keys()
        if not isinstance(document[name], kinds.get(name, str))
    ]
    if faults:
        raise InputError(faults)
    headers = {name: _secret(str(value), environment) for name, value in document.get("headers", {}).items()}
    faults += [
        _fault(path, f"header {name}: the environment has no such variable", document["headers"][name])
        for name, value in headers.items()
        if value is None
    ]
    if faults:
        raise InputError(faults)
    return HttpTargetSpec(**{name: document[name] for name in known & document.keys()} | {"headers": headers})


def _plain(url: str) -> str:
    """An address without credentials or query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _secret(value: str, environment: Mapping[str, str]) -> str | None:
    return environment.get(value.removeprefix("env:")) if value.startswith("env:") else value


def _wait_s(asked: str | None, turn: int) -> float:
    own = _WAIT_S * 2**turn
    return min(float(asked) if asked and asked.isdigit() else own, _LONGEST_WAIT_S)


def _nested(path: str, value: Any) -> Any:
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def _found(answer: Any, path: str, name: str) -> Any:
    for part in path.split("."):
        if isinstance(answer, list):
            answer = [item.get(part) if isinstance(item, dict) else None for item in answer]
        elif isinstance(answer, dict) and part in answer:
            answer = answer[part]
        else:
            raise TargetError(f'{name}: the answer has no "{path}"; it has {str(answer)[:100]}')
    return answer


def _numbers(value: Any, name: str) -> Array:
    try:
        return np.asarray(value, np.float64)
    except (ValueError, TypeError) as error:
        raise TargetError(f"{name} answered no numbers: {str(value)[:100]}") from error


def _fault(path: Path, problem: str, found: str) -> Fault:
    expected = 'format = "gamekeeper/target@1", url, and rows and scores, or kserve'
    return Fault(where=str(path), problem=problem, found=found, expected=expected)
