"""One tree of errors: what is raised on purpose is under one root, drawn once and documented."""

import ast
import re
from pathlib import Path

import gamekeeper
import gamekeeper.errors
from gamekeeper.base import errors

ROOT = Path(gamekeeper.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
DRAWN = re.compile(r"^ +(?:[│ ]+)?(?:[├└]── )?(\w+Error)\b", re.MULTILINE)


def bases() -> dict[str, tuple[str, ...]]:
    """The names of each class's bases, by the name of the class, over the whole package."""
    found: dict[str, tuple[str, ...]] = {}
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                names = tuple(ast.unparse(base).rpartition(".")[2] for base in node.bases)
                found[node.name] = names
    return found


def is_under(name: str, root: str, tree: dict[str, tuple[str, ...]]) -> bool:
    return name == root or any(is_under(base, root, tree) for base in tree.get(name, ()))


def raised() -> dict[str, tuple[str, ...]]:
    """The classes that can be raised, ours and those that are derived from Python's own."""
    tree = bases()
    return {
        name: of
        for name, of in tree.items()
        if is_under(name, "GamekeeperError", tree)
        or any(base.endswith(("Error", "Exception")) for base in of)
    }


def test_every_error_is_under_the_root() -> None:
    """Who catches the root catches all."""
    tree = bases()
    outside = [name for name in raised() if not is_under(name, "GamekeeperError", tree)]
    assert outside == []


def test_tree_in_the_docstring_is_the_tree() -> None:
    """Every public error once, and none that is gone."""
    public = sorted(name for name in raised() if not name.startswith("_"))
    drawn = DRAWN.findall(errors.__doc__ or "")
    assert sorted(drawn) == public


def test_page_names_every_public_error() -> None:
    """Who meets one in a traceback finds it there."""
    listed = re.findall(r"^\| `(\w+Error)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(name for name in raised() if not name.startswith("_"))


def test_public_module_gives_the_same_classes() -> None:
    """`gamekeeper.errors` is what callers import."""
    for name in gamekeeper.errors.__all__:
        assert getattr(gamekeeper.errors, name) is getattr(errors, name)
