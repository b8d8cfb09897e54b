"""HTTP servers on loopback that answer in forms which people's servers have, all of one logistic
regression of 30 columns.
"""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from models import Array, as_json, cancer, endpoint
from sklearn.linear_model import LogisticRegression

NAMES = ("malignant", "benign")
METADATA = {
    "name": "cancer",
    "platform": "sklearn",
    "inputs": [{"name": "rows", "datatype": "FP32", "shape": [-1, 30]}],
    "outputs": [
        {"name": "label", "datatype": "INT64", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
    ],
}


def served(answer: Callable[[dict[str, Any], Any], Any], *lines: str) -> Callable[[Path], None]:
    """Starts a server that answers a document, and writes its description with these lines."""

    def make(folder: Path) -> None:
        rows, labels = cancer()
        model = LogisticRegression().fit(rows, labels)
        url = _start(lambda document: answer(document, model))
        endpoint(folder, url if not lines[0].startswith("kserve") else url.rsplit("/", 1)[0], lines)

    return make


def plain_lists(document: dict[str, Any], model: Any) -> object:
    """Probabilities as a list at the top: [[p0, p1], ...]."""
    return model.predict_proba(np.array(document["instances"])).tolist()


def pipelines(document: dict[str, Any], model: Any) -> object:
    """As Hugging Face's pipelines: for each row [{label, score}, ...], the likeliest first."""
    return [
        sorted(
            ({"label": n, "score": float(p)} for n, p in zip(NAMES, row, strict=True)),
            key=lambda each: -each["score"],
        )
        for row in model.predict_proba(np.array(document["inputs"]))
    ]


def label_and_probability(document: dict[str, Any], model: Any) -> object:
    """For each row the label and its probability."""
    likely = model.predict_proba(np.array(document["instances"]))
    return {
        "predictions": [
            {"label": NAMES[int(row.argmax())], "probability": float(row.max())} for row in likely
        ]
    }


def kserve(document: dict[str, Any], model: Any) -> object:
    """KServe v2 as Triton: FP32 alone, label before probabilities; anything else is an error."""
    (given,) = document["inputs"]
    if given["name"] != "rows" or given["datatype"] != "FP32":
        raise ValueError(f"unexpected input {given['name']} of type {given['datatype']}")
    likely: Array = model.predict_proba(np.array(given["data"], float).reshape(-1, 30))
    labels = likely.argmax(axis=1)
    outputs = [
        ("label", "INT64", list(labels.shape), labels.tolist()),
        ("probabilities", "FP32", list(likely.shape), likely.ravel().tolist()),
    ]
    names = ("name", "datatype", "shape", "data")
    return {
        "model_name": "cancer",
        "outputs": [dict(zip(names, output, strict=True)) for output in outputs],
    }


def _start(answer: Callable[[dict[str, Any]], object]) -> str:
    """Answers until the process ends; returns the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.path.rstrip("/").endswith("/v2/models/cancer")
            self._send(200 if is_known else 404, METADATA if is_known else {"error": "unknown"})

        def do_POST(self) -> None:
            import json

            document = json.loads(self.rfile.read(int(self.headers["content-length"])))
            try:
                self._send(200, answer(document))
            except (KeyError, ValueError, TypeError) as error:
                self._send(400, {"error": str(error)})

        def _send(self, status: int, value: object) -> None:
            body = as_json(value)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/score"
