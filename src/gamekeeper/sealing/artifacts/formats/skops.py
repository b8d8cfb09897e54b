"""Estimators in skops' format: a zip archive of a schema in JSON and arrays of numpy.

The loader makes objects of the classes that the schema names, and asks for those that it does not
know; they are said. Source: skops, docs/persistence.rst and skops/io/_persist.py.
"""

from collections.abc import Iterator
from typing import Any

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import Recognised, suffix_of
from gamekeeper.sealing.artifacts.formats._zip import PartBytes, open_zip, parts_of, read_part
from gamekeeper.sealing.artifacts.formats.npy import recognise_npy
from gamekeeper.sealing.artifacts.formats.text import parsed_json
from gamekeeper.sealing.contents import ContentsError

_SCHEMA = "schema.json"
_BUILT_IN = "builtins"
# Of Python itself, what makes plain values only: `eval` is a built-in, too.
_TYPES = {
    *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"),
    *("NoneType", "object", "range", "set", "slice", "str", "tuple", "type"),
}
_CLASSES = {"__module__": "__class__", "module_path": "function"}  # of objects, of functions
_KNOWN = {"numpy", "scipy", "sklearn", "collections", "datetime", "copyreg"}
_MOST_NAMED = 5


def recognise_skops(data: ByteSource, path: str) -> Recognised | None:
    """Recognises an estimator of skops.

    Raises:
        ContentsError: It is damaged, or has an array of objects.
    """
    if suffix_of(path) != ".skops":
        return None
    archive = open_zip(data)
    names = parts_of(archive) if archive else []
    if archive is None or _SCHEMA not in names:
        return None
    for name in names:
        if name != _SCHEMA and not _is_array(PartBytes(archive, name), name):
            return None
    schema = parsed_json(read_part(archive, _SCHEMA))
    if not isinstance(schema, dict) or "__class__" not in schema:
        raise ContentsError("its schema does not name a class")
    others = sorted(set(_other_modules(schema)))[:_MOST_NAMED]
    code = (f"makes objects of the modules {', '.join(others)}",) if others else ()
    return Recognised(name="skops", is_model=True, code=code)


def _is_array(part: PartBytes, name: str) -> bool:
    return name.endswith(".npy") and recognise_npy(part, name) is not None


def _other_modules(schema: Any) -> Iterator[str]:
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
            yield from _other_names(one)
        elif isinstance(one, list):
            waiting.extend(one)


def _other_names(one: dict[str, Any]) -> Iterator[str]:
    for key, class_key in _CLASSES.items():
        module = one.get(key)
        name = one.get(class_key)
        if not isinstance(module, str):
            continue
        if module == _BUILT_IN and name not in _TYPES:
            yield ascii(f"{module}.{name}")[1:-1][:80]
        elif module != _BUILT_IN and module.partition(".")[0] not in _KNOWN:
            yield ascii(module)[1:-1][:80]
