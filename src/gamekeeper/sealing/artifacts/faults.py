"""Why a file of a model is not sealed, as messages for its owner."""

import shlex

from gamekeeper.base.errors import Fault
from gamekeeper.sealing.contents import ContentsError, Reason

MODEL_FORMATS = (
    "a safetensors, ONNX, GGUF, TFLite, Keras, HDF5, XGBoost, LightGBM, CatBoost, skops, PMML, npy"
    " or npz file, or a folder with one"
)
_KNOWN = "a format that is parsed and runs no code: safetensors, ONNX, GGUF, JSON, text, ..."
_ALLOW = "--allow {path} seals it unexamined"
_IGNORE = "--ignore {path} leaves it out"
# Problem, what was expected, and what to try.
_TEXTS: dict[Reason, tuple[str, str, str]] = {
    "damaged": ("the file is damaged", "a whole file", "copy it again"),
    "incomplete": ("the file was not downloaded", "a whole file", "download it again"),
    "missing": ("a file of the model is missing", "all files of the model", "copy it again"),
    "unknown": ("the format of the file is not known", _KNOWN, _ALLOW),
    "credentials": ("passwords are not sealed", "files of a model", _ALLOW),
    "secret": ("a private key is never sealed", "files of a model", "move it away"),
    "unpickled": (
        "pickles are not sealed: loading one would run the code that is in it",
        "safetensors or ONNX, which contain numbers only",
        f"save it with safetensors.torch.save_file or as ONNX; {_ALLOW}",
    ),
}


def fault_of(where: object, path: str, error: ContentsError, *, is_folder: bool) -> Fault:
    """Returns the fault of one file.

    Args:
        where: The model.
        path: The file's path in the model.
        error: What was found in it.
        is_folder: Whether it is one of several files, so that it can be left out.
    """
    problem, expected, try_ = _TEXTS[error.reason]
    advice = f"{try_}; {_IGNORE}" if is_folder else try_
    return Fault(
        where=f"{where}: {path}" if is_folder else str(where),
        problem=problem,
        found=str(error),
        expected=expected,
        try_=advice.format(path=shlex.quote(path)),
    )
