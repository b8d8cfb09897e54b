"""Opens a target by what it is called on the command line.

    MODULE:FUNCTION                 a function
    .toml                           an endpoint
    .onnx, .pt2, .pt                a network
    .json, .ubj (XGBoost),          boosted trees: text or numbers, no code
    .txt (LightGBM), .cbm (CatBoost)
    .skops                          an estimator of skops, of types that it trusts
    a pickle (.joblib, .pkl, ...)   only where the caller trusts the file: it runs code

What a file is follows from its name and its first bytes. A file of another kind is not read; the
message says what it is, and what can be done.
"""

import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gamekeeper.audit.targets._quiet import quietly
from gamekeeper.audit.targets._target import Target
from gamekeeper.audit.targets.callables import callable_target
from gamekeeper.audit.targets.description import read_endpoint
from gamekeeper.audit.targets.estimators import EstimatorTarget, estimator_target, target_of
from gamekeeper.audit.targets.http import HttpTarget
from gamekeeper.audit.targets.tensors import onnx_target, torch_target
from gamekeeper.base.errors import InputError, UsageError, input_error

_PICKLED = (".joblib", ".pkl", ".pickle", ".p", ".sav", ".dump", ".dill")
_COMPRESSED = (".gz", ".z", ".bz2", ".xz", ".lzma")
_KNOWN = (
    "a function (MODULE:FUNCTION), .toml, .onnx, .pt2 or .pt, XGBoost .json or .ubj, LightGBM .txt,"
    " CatBoost .cbm, .skops, or a pickle with --trust-file"
)
_OTHERS = {
    ".keras": "a Keras model",
    ".h5": "a Keras model",
    ".hdf5": "a Keras model",
    ".pb": "a TensorFlow graph",
    ".tflite": "a TensorFlow Lite model",
    ".safetensors": "weights without the network",
    ".gguf": "a language model for llama.cpp",
    ".pth": "weights, or a pickle of torch",
    ".ckpt": "weights, or a pickle of torch",
    ".bin": "weights, or a pickle of torch",
    ".pmml": "a PMML model",
    ".mlmodel": "a Core ML model",
}
_TRACED = re.compile(r"^\[[\d:]+\] \S+: ")
_AS_FUNCTION = "give a function that loads and asks it (MODULE:FUNCTION), or export it to ONNX"


def open_target(spec: str, *, trust_file: bool = False) -> Target:
    """Returns the target that a word of the command line names.

    Args:
        spec: MODULE:FUNCTION, or the path of a file.
        trust_file: Whether code in the file may run: a pickle is read only then.

    Raises:
        InputError: The file cannot be read, or is of another kind.
        UsageError: It is a pickle that is not trusted, or a function that does not exist.
        MissingExtraError: An extra is not installed.
    """
    path = Path(spec)
    if ":" in spec and not path.exists():
        return callable_target(spec)
    if not path.exists():
        raise input_error(path, "no such file", spec, _KNOWN)
    if path.is_dir():
        raise _other(path, "a folder")
    readers: dict[str, Callable[[Path], Target]] = {
        ".toml": endpoint_target,
        ".onnx": onnx_target,
        ".pt2": torch_target,
        ".pt": torch_target,
        ".json": _xgboost,
        ".ubj": _xgboost,
        ".txt": _lightgbm,
        ".cbm": _catboost,
    }
    suffix = path.suffix.lower()
    if suffix == ".skops":
        return _skops(path, trust_file)
    if read := readers.get(suffix):
        return read(path)
    if _is_pickle(path):
        if not trust_file:
            raise UsageError(
                f"{path} is a pickle: reading it runs the code that it contains; if you trust it,"
                " add --trust-file"
            )
        return estimator_target(path)
    raise _other(path, _OTHERS.get(suffix, f"a file with the ending {suffix or '(none)'}"))


def endpoint_target(path: str | Path) -> HttpTarget:
    """Returns the endpoint that a .toml describes.

    Raises:
        InputError: It cannot be read, or is invalid.
        UsageError: It is asked with text.
    """
    path = Path(path)
    endpoint = read_endpoint(path)
    if endpoint.chat or endpoint.embeddings:
        raise UsageError(
            f"{path} names a model that takes text: give --prompts in place of --inputs"
        )
    return HttpTarget(endpoint)


def _is_pickle(path: Path) -> bool:
    """Whether a file is a pickle by its name, also compressed, or begins as one."""
    endings = [suffix.lower() for suffix in path.suffixes]
    if endings and endings[-1] in _PICKLED:
        return True
    if len(endings) > 1 and endings[-1] in _COMPRESSED and endings[-2] in _PICKLED:
        return True
    with path.open("rb") as file:
        first = file.read(2)
    return len(first) == 2 and first[0] == pickle.PROTO[0] and 2 <= first[1] <= 5


def _xgboost(path: Path) -> EstimatorTarget:
    xgboost = _library("xgboost", path, "an XGBoost model")
    model = xgboost.Booster()
    _loaded(path, "an XGBoost model", model.load_model, str(path))
    return target_of(model, path)


def _lightgbm(path: Path) -> EstimatorTarget:
    with path.open("rb") as file:
        is_model = file.read(5).rstrip() == b"tree"
    if not is_model:
        raise _other(path, "a text file that is not a LightGBM model")
    lightgbm = _library("lightgbm", path, "a LightGBM model")
    silent = {"verbosity": -1}
    make = lightgbm.Booster
    model = _loaded(path, "a LightGBM model", make, params=silent, model_file=str(path))
    return target_of(model, path)


def _catboost(path: Path) -> EstimatorTarget:
    catboost = _library("catboost", path, "a CatBoost model")
    model = _loaded(path, "a CatBoost model", catboost.CatBoost().load_model, str(path))
    is_classifier = len(getattr(model, "classes_", ())) > 0
    make = catboost.CatBoostClassifier if is_classifier else catboost.CatBoostRegressor
    return target_of(make().load_model(str(path)), path)


def _skops(path: Path, trust_file: bool) -> EstimatorTarget:
    if not zipfile.is_zipfile(path):
        raise input_error(path, "the file cannot be read", "not an archive", "a file of skops")
    skops = _library("skops.io", path, "an estimator of skops", "skops")
    unknown = _loaded(path, "an estimator of skops", skops.get_untrusted_types, file=path)
    if unknown and not trust_file:
        raise UsageError(
            f"{path} contains types that skops does not trust: {', '.join(unknown)[:300]}; if you"
            " trust the file, add --trust-file"
        )
    read = skops.load
    return target_of(_loaded(path, "an estimator of skops", read, path, trusted=unknown), path)


def _library(module: str, path: Path, what: str, package: str = "") -> Any:
    from importlib import import_module

    try:
        return quietly(import_module, module)
    except ImportError as error:
        name = package or module
        raise UsageError(
            f"{path} is {what}, which its library reads: pip install {name}"
        ) from error


def _loaded(path: Path, expected: str, read: Callable[..., Any], *given: Any, **named: Any) -> Any:
    try:
        return quietly(read, *given, **named)
    except Exception as error:
        # native libraries add their own time and source before the first line, a trace below it
        said = _TRACED.sub("", str(error).strip().split("\n")[0])
        raise input_error(path, "the file cannot be read", said[:200], expected) from error


def _other(path: Path, what: str) -> InputError:
    return input_error(path, "the file is not a target", what, _KNOWN, _AS_FUNCTION)
