"""A classifier behind HTTP as a target: rows and scores as JSON, or a model of a KServe v2
server.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from gamekeeper.audit.targets._target import Array, TargetError
from gamekeeper.audit.targets.description import Endpoint
from gamekeeper.audit.targets.posting import Poster, plain_address


class HttpTarget:
    """See `Target`.

    Args:
        endpoint: Where it is.
        sleep: Waits, in seconds.
    """

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None] = time.sleep) -> None:
        self._endpoint = endpoint
        self.name = plain_address(endpoint.url)
        self.batch = endpoint.batch
        self._poster = Poster(self.name, endpoint.headers, endpoint.timeout_s, sleep)

    def ask(self, inputs: Array) -> Array:
        """See `Target`."""
        answers = [
            self._scores(inputs[at : at + self.batch]) for at in range(0, len(inputs), self.batch)
        ]
        try:
            return np.concatenate(answers)
        except ValueError as error:
            raise TargetError(f"{self.name} gave scores of different lengths: {error}") from error

    def _scores(self, inputs: Array) -> Array:
        if self._endpoint.kserve is None:
            answer = self._poster.post(
                self._endpoint.url, _nested(self._endpoint.rows, inputs.tolist())
            )
            return _numbers(_found(answer, self._endpoint.scores, self.name), self.name)
        url = f"{self._endpoint.url.rstrip('/')}/v2/models/{self._endpoint.kserve}/infer"
        tensor = {
            "name": "input",
            "shape": list(inputs.shape),
            "datatype": "FP64",
            "data": inputs.ravel().tolist(),
        }
        output = _found(self._poster.post(url, {"inputs": [tensor]}), "outputs", self.name)[0]
        return _numbers(output["data"], self.name).reshape(output["shape"])


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
        raise TargetError(f"{name} did not answer with numbers: {str(value)[:100]}") from error
