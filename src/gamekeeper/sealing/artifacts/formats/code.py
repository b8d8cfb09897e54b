"""Finds what a loader may run in files whose format itself cannot run anything.

A seal cannot say whether such code is harmless; it says that there is some. Sources: transformers,
"custom models" (auto_map, trust_remote_code) and "chat templates"; keras, "safe_mode".
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

TEMPLATE = "chat template (Jinja)"
_TEMPLATE_SUFFIXES = {".jinja", ".jinja2", ".j2"}
_PROGRAMS = {
    ".py": "Python",
    ".pyi": "Python",
    ".pyx": "Python",
    ".ipynb": "a notebook",
    ".sh": "a shell script",
    ".bash": "a shell script",
    ".bat": "a shell script",
    ".ps1": "a shell script",
    ".js": "JavaScript",
    ".mjs": "JavaScript",
    ".lua": "Lua",
    ".r": "R",
    ".pl": "Perl",
    ".rb": "Ruby",
    ".cu": "CUDA",
}
_KERAS = {"keras", "tensorflow", "tf_keras", "tf"}
_KERAS_TOOLS = "utils"  # functions of this module download and read files
_PLAIN_BUILT_IN = {"function", "list", "tuple", "dict", "set", "str", "int", "float", "bool"}
_BUILT_IN = "builtins"
_LAMBDAS = {"Lambda", "__lambda__"}
_MARSHALLED = "Keras Lambda, which is Python"
_YAML_TAGS = "YAML tags of objects of a program, such as Python's"
_YAML_LINE = r"\r\n\x85\u2028\u2029"
# A directive gives tags other names. A tag is where a value begins, perhaps after an anchor.
_YAML_DIRECTIVE = re.compile(rf"(?:\A\ufeff?|[{_YAML_LINE}])%TAG\b")
_YAML_TAG = re.compile(
    rf"(?:\A\ufeff?|[{_YAML_LINE}]|[-?:,\[{{])\s*(?:&[^\s,\[\]{{}}]+\s+)*"
    r"!(?:<(?P<whole>[^>\s]*)>?|(?P<short>[^\s,\[\]{}]*))"
)
_YAML_STANDARD = "tag:yaml.org,2002:"
_YAML_TYPES = {
    *("map", "seq", "str", "null", "bool", "int", "float"),
    *("binary", "timestamp", "omap", "pairs", "set", "merge", "value", "yaml"),
}


def code_in_name(suffix: str) -> tuple[str, ...]:
    """Returns what a text file is by its suffix, if that is code."""
    if suffix in _TEMPLATE_SUFFIXES:
        return (TEMPLATE,)
    return (_PROGRAMS[suffix],) if suffix in _PROGRAMS else ()


def code_in_json(document: Any) -> tuple[str, ...]:
    """Returns what a loader may run in a configuration.

    Args:
        document: The parsed JSON.
    """
    found: dict[str, None] = {}
    if isinstance(document, dict):
        found.update(_in_configuration(document))
    found.update(dict.fromkeys(keras_code(document)))
    return tuple(found)


def keras_code(document: Any) -> Iterator[str]:
    """Yields what Keras runs in the configuration of a model: lambdas, and classes of modules that
    are not its own.
    """
    for one in _objects(document):
        name = one.get("class_name")
        module = one.get("module")
        if isinstance(name, str) and re.split("[.>]", name)[-1] in _LAMBDAS:
            yield _MARSHALLED
        elif name is not None and isinstance(module, str) and not _is_keras(module, name):
            yield f"{_shown(name)} of the module {_shown(module)}"


def code_in_yaml(text: bytes) -> tuple[str, ...]:
    """Returns what a loader may run in a text of YAML: any tag outside of its standard types.

    It does not parse: what looks like such a tag in a quoted text is said too.
    """
    lines = text.decode("utf-8", errors="replace")
    if _YAML_DIRECTIVE.search(lines) or any(map(_is_own_tag, _YAML_TAG.finditer(lines))):
        return (_YAML_TAGS,)
    return ()


def _is_own_tag(tag: re.Match[str]) -> bool:
    short = tag["short"]
    if short is None:
        whole = unquote(tag["whole"])
    elif short.startswith("!"):
        whole = _YAML_STANDARD + unquote(short[1:])
    else:  # `!` alone takes a value as it is; `!x` is of the program, `!h!x` of a directive
        return short != ""
    return whole.removeprefix(_YAML_STANDARD) not in _YAML_TYPES


def _in_configuration(document: dict[str, Any]) -> dict[str, None]:
    found: dict[str, None] = {}
    if document.get("chat_template"):
        found[TEMPLATE] = None
    if document.get("auto_map"):
        found["auto_map to Python files (trust_remote_code)"] = None
    if document.get("custom_pipelines"):
        found["custom_pipelines of Python files (trust_remote_code)"] = None
    if document.get("custom_code") or document.get("trust_remote_code"):
        found["asks for code of its own (trust_remote_code)"] = None
    return found


def _is_keras(module: str, name: object) -> bool:
    if module == _BUILT_IN:
        return isinstance(name, str) and name in _PLAIN_BUILT_IN
    parts = module.split(".")
    return parts[0] in _KERAS and _KERAS_TOOLS not in parts


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    """Yields all objects in a document, without recursion: their depth is not ours to limit."""
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _shown(name: object) -> str:
    return ascii(name)[1:-1][:80]
