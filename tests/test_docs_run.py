"""What README and the pages of docs print is run here, from the top of a page to its end.

A page has a folder of its own, with what `PREPARE` puts into it. The language of a block says what
becomes of it:

    sh                    runs, and must succeed
    console               lines after "$ " run; the others must be what is printed
    python                runs
    toml, json, yaml, csv is read by the program that reads such files
    text                  is no code: a message, a listing

A comment before a block says more:

    <!-- file: NAME -->        it is a file: the following blocks of the page find it
    <!-- keeps running -->     it is a server: the following blocks run beside it
    <!-- figures vary -->      a transcript's numbers depend on the machine: any number will do
    <!-- not run: REASON -->   it cannot run here; its verbs and options are checked all the same

In a transcript, `[...]` is any text of a line, and alone on a line any number of lines.
"""

import ast
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from importlib.metadata import metadata
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import typer

from gamekeeper._cli import app
from gamekeeper.audit.targets import read_endpoint
from gamekeeper.exchange import LogReader, ReadOptions
from gamekeeper.guard.policy import parse_policy
from sealing.recipients.key_services import key_services

ROOT = Path(__file__).parent.parent
GENERATED = {
    "cli.md": "tests/cli/test_help.py runs the examples of every verb, from which it is made",
}
"""Pages whose blocks are run elsewhere, and where."""

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name not in GENERATED),
]

BLOCK = re.compile(
    r"^(?P<indent> *)(?:<!-- (?P<note>[^\n]*) -->\n(?P=indent))?"
    r"```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.M | re.S,
)
LANGUAGES = {"sh", "console", "python", "toml", "json", "yaml", "csv", "text"}
CUT = "[...]"
NUMBER = re.compile(r"\d+(?:\\?[.,]\d+)*")
SERVER_S = 30.0
BLOCK_S = 600.0

SLOW = {
    "README.md": "a whole demo",
    "tutorial.md": "a whole demo and its steps",
    "hunt-your-own-log.md": "nine hunts",
    "reduce-false-alarms.md": "a month, hunted with three policies",
    "tabular-apis.md": "a month, hunted",
    "audit-your-model.md": "an audit",
    "answer-encrypted-inputs.md": "models are compiled",
}
"""Pages that take more than a few seconds, and why."""

EXTRAS = {
    "audit-your-model.md": "sklearn",
    "answer-encrypted-inputs.md": "tenseal",
    "seal-a-model.md": "moto",
    "sign-a-model.md": "model_signing",
}
"""Pages that need an extra, and the package that it brings."""

SMALL_LOG = "".join(
    json.dumps(
        {
            "time": f"2026-11-{day:02}T09:14:03Z",
            "account": f"team-{a}",
            "prompt": f"Summarise contract {day}{a}.",
        }
    )
    + "\n"
    for day in range(1, 29)
    for a in "abc"
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    note: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str:
        """Name of the file that it is; empty where it is none."""
        return self.note.partition("file: ")[2]

    @property
    def why_not(self) -> str:
        """Why it does not run here; empty where it does."""
        return self.note.partition("not run: ")[2]

    @property
    def keeps_running(self) -> bool:
        return self.note == "keeps running"


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"],
            textwrap.dedent(found["text"]) if found["indent"] else found["text"],
            found["note"] or "",
        )
        for found in BLOCK.finditer(text)
    ]


PAGES = [page for page in PAGES if blocks(page)]
ALL = [block for page in PAGES for block in blocks(page)]


# What is wrong with a transcript


def expected(text: str) -> list[tuple[str, list[str]]]:
    """Commands of a transcript, each with the lines that it prints."""
    steps: list[tuple[str, list[str]]] = []
    continued = False
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        elif continued:
            steps[-1] = (f"{steps[-1][0]}\n{line}", [])
        else:
            steps[-1][1].append(line)
        continued = line.endswith("\\")
    return steps


def pattern(lines: list[str], figures_vary: bool = False) -> re.Pattern[str]:
    """What the lines of a transcript match."""
    parts = [r"(?:.*\n)*?" if line.strip() == CUT else _line(line) for line in lines]
    text = "".join(parts) + r"\n*"
    return re.compile(NUMBER.sub(r"[\\d.,]+", text) if figures_vary else text)


def _line(line: str) -> str:
    return ".*".join(map(re.escape, line.rstrip().split(CUT))) + r"\n"


def difference(lines: list[str], printed: str, figures_vary: bool = False) -> str:
    """What a command printed in place of a page's lines; empty where they agree."""
    stripped = "".join(line.rstrip() + "\n" for line in printed.splitlines())
    if pattern(lines, figures_vary).fullmatch(stripped):
        return ""
    fits = [
        n
        for n in range(len(lines) + 1)
        if pattern([*lines[:n], CUT], figures_vary).fullmatch(stripped)
    ]
    first = max(fits, default=0)
    missing = lines[first] if first < len(lines) else "nothing more"
    return f"the page's line {first + 1}, {missing!r}, is not what is printed:\n{printed}"


# The machine on which a page is read


class Reader:
    """Somebody who enters what a page says, block by block, in an empty folder."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.servers: list[subprocess.Popen[str]] = []
        self._ports: int | None = None
        programs = folder.parent / "programs"
        programs.mkdir()
        self._program(
            programs / "gamekeeper", f'exec {shlex.quote(sys.executable)} -m gamekeeper "$@"'
        )
        self._program(programs / "python", f'exec {shlex.quote(sys.executable)} "$@"')
        self._program(
            programs / "pip", ":  # what it would install is there; see test_extras_exist"
        )
        path = os.pathsep.join(
            [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        self._environment = os.environ | (environment or {})
        self._environment |= {
            "PATH": path,
            "HOME": str(folder.parent),
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def do(self, block: Block) -> None:
        """Does what a block says.

        Raises:
            AssertionError: It fails, or prints something else.
        """
        if block.file:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "sh" and block.keeps_running:
            self._serve(block)
        elif block.language == "sh":
            ran = self._bash(f"{_STOPS}{block.text}\n:\n")
            assert ran.returncode == 0, f"{block.where}: exit code {ran.returncode}\n{ran.stdout}"
        elif block.language == "console":
            for command, lines in expected(block.text):
                ran = self._bash(command)
                wrong = difference(lines, ran.stdout, block.note == "figures vary")
                assert not wrong, f"{block.where}: {command}: {wrong}"
        elif block.language == "python":
            ran = self._run([sys.executable, "-c", block.text])
            assert ran.returncode == 0, f"{block.where}:\n{ran.stdout}"

    def close(self) -> None:
        """Ends what was left running."""
        for server in self.servers:
            os.killpg(server.pid, signal.SIGTERM)
            server.communicate(timeout=BLOCK_S)
        if self._ports is not None:
            os.close(self._ports)

    def _program(self, path: Path, line: str) -> None:
        path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        path.chmod(0o755)

    def _bash(self, text: str) -> subprocess.CompletedProcess[str]:
        ran = self._run(["bash", "-c", text])
        ran.stdout = _PROGRESS.sub("", ran.stdout)
        return ran

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=BLOCK_S,
        )

    def _serve(self, block: Block) -> None:
        """Starts a server and waits until its port answers; a page names it, or it is the guard's."""
        self._take_ports()
        found = re.search(r"--port (\d+)", block.text)
        port = int(found[1]) if found else 8320
        server = subprocess.Popen(
            ["bash", "-c", block.text],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.servers.append(server)
        ends = time.monotonic() + SERVER_S
        while not _answers(port):
            assert server.poll() is None, f"{block.where}: {server.communicate()[0]}"
            assert time.monotonic() < ends, f"{block.where}: nothing listens on port {port}"
            time.sleep(0.1)

    def _take_ports(self) -> None:
        """Waits until no other page has servers: pages name the same ports."""
        if self._ports is None:
            lock = Path(tempfile.gettempdir(), "gamekeeper-pages.lock")
            self._ports = os.open(lock, os.O_CREAT | os.O_WRONLY, 0o600)
            fcntl.flock(self._ports, fcntl.LOCK_EX)


_PROGRESS = re.compile(
    r"(?m)^[a-z]+: [\d,.]+(?: [A-Za-z]+)? (?:of [\d,.]+ )?[A-Za-z]+(?:, [\d.]+ s)?\n"
)
"""Lines off a terminal, where pages show what a terminal does: its bars are gone at the end."""

_STOPS = (
    "trap 'code=$?;"
    ' case "$code $BASH_COMMAND" in "1 gamekeeper hunt"*|"5 gamekeeper hunt"*) ;;'
    ' "1 gamekeeper demo"*|"1 gamekeeper audit"*) ;;'
    " *) exit $code ;; esac' ERR\n"
)
"""A block stops where a command fails. Exit code 1 of a hunt or an audit says that something was found."""


def _answers(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


# What a page finds on its reader's machine


def small_log(folder: Path) -> None:
    (folder / "logs").mkdir()
    (folder / "logs/2026-11.jsonl").write_text(SMALL_LOG, encoding="utf-8")


def month(folder: Path) -> None:
    """A month of simulated traffic, found in `logs/`."""
    run_quietly(folder, "simulate", "--out", "traffic")
    (folder / "logs").mkdir()
    shutil.copy(folder / "traffic/exchanges.parquet", folder / "logs")


def run_quietly(folder: Path, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "gamekeeper", *words], cwd=folder, check=True, capture_output=True
    )


def sealable(folder: Path) -> None:
    """A safetensors file with one tensor."""
    about = {"one.tensor": {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}}
    header = json.dumps(about).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(24)
    (folder / "model.safetensors").write_bytes(content)
    (folder / "llm").mkdir()
    (folder / "llm/model.safetensors").write_bytes(content)
    (folder / "llm/config.json").write_text("{}\n", encoding="utf-8")


def signable(folder: Path) -> None:
    (folder / "models/fraud").mkdir(parents=True)
    (folder / "models/fraud/model.json").write_text("{}\n", encoding="utf-8")
    (folder / "models/fraud/weights.bin").write_text("original\n", encoding="utf-8")


def digits_models(folder: Path) -> None:
    """A linear model and a network on digits, rows that they may see, and six to ask about."""
    run_python(folder, _DIGITS)


def scoring_function(folder: Path) -> None:
    """`scoring:predict` on digits, and inputs without labels."""
    (folder / "scoring.py").write_text(_SCORING, encoding="utf-8")
    run_python(folder, _POOL)


def run_python(folder: Path, program: str) -> None:
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, capture_output=True)


_DIGITS = """
import joblib, numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
x, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(x))
rows, y = x[order] / 16, y[order]
linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(rows[900:], y[900:])
network = MLPClassifier((32,), max_iter=800, random_state=0).fit(rows[900:], y[900:])
joblib.dump(linear, "model.joblib")
joblib.dump(network, "mlp.joblib")
np.save("pool.npy", rows[:900])
np.savetxt("labels.csv", y[:900], fmt="%d")
picked = [int(np.flatnonzero(y[:900] == digit)[0]) for digit in (0, 1, 2, 3, 4, 9)]
np.savetxt("rows.csv", rows[picked], delimiter=",", fmt="%.6g")
"""

_SCORING = """
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
rows, labels = load_breast_cancer(return_X_y=True)
predict = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[::2], labels[::2]).predict_proba
"""

_POOL = """
import polars as pl
from sklearn.datasets import load_breast_cancer
rows, _ = load_breast_cancer(return_X_y=True)
pl.DataFrame(rows[1::2]).write_parquet("pool.parquet")
"""

PROGRAMS = {
    "guard-an-api.md": "jq",
    "run-every-month.md": "jq",
    "hunt-your-own-log.md": "zstd",
    "seal-a-model.md": "softhsm2-util",
    "sign-a-model.md": "openssl",
}
"""Pages that use a program of the system, which `make test-all` installs."""

PREPARE: dict[str, Callable[[Path], None]] = {
    "keep-prompts-out.md": small_log,
    "hunt-your-own-log.md": small_log,
    "reduce-false-alarms.md": month,
    "run-every-month.md": small_log,
    "seal-a-model.md": sealable,
    "sign-a-model.md": signable,
    "answer-encrypted-inputs.md": digits_models,
    "audit-your-model.md": scoring_function,
}
"""What a page's reader has before the first block."""

SERVICES: dict[str, Callable[[Path], AbstractContextManager[dict[str, str]]]] = {
    "seal-a-model.md": key_services,
}
"""Stand-ins that run beside a page, and the environment that leads to them."""


def marked(page: Path) -> object:
    marks = [pytest.mark.slow] if page.name in SLOW else []
    marks += [pytest.mark.extra] if page.name in {*EXTRAS, *PROGRAMS} else []
    return pytest.param(page, marks=marks, id=page.name)


# Tests


@pytest.mark.parametrize("page", [marked(page) for page in PAGES])
def test_page_runs_as_printed(page: Path, tmp_path: Path) -> None:
    """A reader who enters every block of a page, in order, gets what the page says."""
    needed = EXTRAS.get(page.name)
    if needed and find_spec(needed) is None:
        pytest.skip(f"needs {needed}")
    program = PROGRAMS.get(page.name)
    if program and shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    folder = tmp_path / "folder"
    folder.mkdir()
    PREPARE.get(page.name, lambda folder: None)(folder)
    services = SERVICES.get(page.name, lambda folder: nullcontext({}))
    with services(tmp_path) as environment, closing(Reader(folder, environment)) as reader:
        for block in blocks(page):
            if not block.why_not:
                reader.do(block)


def test_every_block_is_of_a_kind() -> None:
    """Each block has a language that is run or read, or is a file, or says why it is not run."""
    assert [b.where for b in ALL if b.language not in LANGUAGES and not (b.file or b.why_not)] == []
    known = ("", "keeps running", "figures vary")
    assert [b.where for b in ALL if b.note not in known and not (b.file or b.why_not)] == []


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.name
)
def test_no_block_is_overlooked(page: Path) -> None:
    """Each fence of a page belongs to a block that is found: none has another form."""
    text = page.read_text(encoding="utf-8")
    fences = re.findall(r"^[ \t>]*(?:```|~~~)", text, re.M)
    assert len(fences) == 2 * len(blocks(page))


def test_blocks_that_do_not_run_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot run is printed with its reason, and is the smaller part."""
    skipped = [block for block in ALL if block.why_not]
    with capsys.disabled():
        print(f"\n{len(skipped)} of {len(ALL)} blocks are not run:")
        for block in skipped:
            print(f"  {block.where}: {block.why_not}")
    assert len(skipped) < len(ALL) / 4


@pytest.mark.parametrize("block", [b for b in ALL if b.language == "toml"], ids=lambda b: b.where)
def test_settings_are_read_by_their_program(block: Block, tmp_path: Path) -> None:
    """A policy is a policy, and a target a target."""
    form = tomllib.loads(block.text)["format"]
    if form == "gamekeeper/policy@1":
        parse_policy(block.text)
    else:
        assert form == "gamekeeper/target@1"
        path = tmp_path / "target.toml"
        path.write_text(block.text, encoding="utf-8")
        read_endpoint(path, {"MODEL_KEY": "k"})


def logs() -> Iterator[list[Block]]:
    """Blocks of rows; those with nothing but text between them are files of one log."""
    for _, some in groupby(ALL, lambda b: (b.page, b.language == "json")):
        run = list(some)
        if run[0].language == "json":
            yield run


@pytest.mark.parametrize("log", list(logs()), ids=lambda log: log[0].where)
def test_sample_rows_are_read(log: list[Block], tmp_path: Path) -> None:
    """The rows of a page are rows of a log: exchanges come out."""
    paths = [tmp_path / f"{n}.jsonl" for n in range(len(log))]
    for path, block in zip(paths, log, strict=True):
        path.write_text(block.text, encoding="utf-8")
    reader = LogReader([str(path) for path in paths], ReadOptions(max_bad_rows=0.9))
    assert sum(len(batch) for batch in reader.batches()) > 0


@pytest.mark.parametrize("block", [b for b in ALL if b.language == "yaml"], ids=lambda b: b.where)
def test_yaml_is_yaml(block: Block) -> None:
    """What another program reads is at least well formed."""
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(block.text)


@pytest.mark.parametrize("block", [b for b in ALL if b.language == "python"], ids=lambda b: b.where)
def test_python_is_python(block: Block) -> None:
    """Also what is not run here parses, and what it imports of gamekeeper is there."""
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gamekeeper"):
            assert find_spec(str(node.module)), f"{block.where}: no module {node.module}"


def commands(block: Block) -> Iterator[list[str]]:
    """The calls of gamekeeper in a block, split into words."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [command.replace("\\\n", " ") for command, _ in expected(block.text)]
    for line in lines:
        for part in re.split(r"\||;|>|&&|\$\(|\)", line):
            words = (
                shlex.split(part, comments=True)
                if part.count("'") % 2 == 0 and part.count('"') % 2 == 0
                else []
            )
            while words and "=" in words[0]:
                words = words[1:]
            if words and words[0] == "gamekeeper":
                yield words[1:]


def verb_of(words: list[str]) -> Any:
    """The command that a call names."""
    command: Any = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return command


@pytest.mark.parametrize(
    "block", [b for b in ALL if b.language in ("sh", "console")], ids=lambda b: b.where
)
def test_verbs_and_options_exist(block: Block) -> None:
    """A page names no verb and no option that the program does not have."""
    for words in commands(block):
        command = verb_of(words)
        assert not hasattr(command, "commands") or words[0].startswith("-"), (
            f"{block.where}: {words}"
        )
        names = {
            name for option in command.params for name in (*option.opts, *option.secondary_opts)
        }
        unknown = [
            w
            for w in words
            if re.fullmatch(r"--[a-z-]+", w) and w not in names | {"--debug", "--help", "--version"}
        ]
        assert not unknown, f"{block.where}: {unknown} of {command.name}"


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]), ids=lambda p: p.name
)
def test_extras_exist(page: Path) -> None:
    """Pages install from a copy of the repository, in one spelling, and name extras that there are."""
    text = page.read_text(encoding="utf-8")
    there = set(metadata("gamekeeper").get_all("Provides-Extra") or ())
    for what in re.findall(r"pip install ([^\n`]+)", text):
        found = re.match(r'\.(?:\s|$)|"\.\[([a-z0-9,-]+)\]"', what)
        assert found, f"{page.name}: pip install {what}"
        assert set((found[1] or "").split(",")) <= there | {""}, f"{page.name}: pip install {what}"


# The checks themselves


def test_transcripts_compare() -> None:
    """Equal lines agree, other ones do not; cuts stand for any lines, or any text of a line."""
    assert not difference(["a", "b"], "a\nb\n")
    assert not difference(["a [...] z", "[...]", "d"], "a b c z\nx\ny\nd\n")
    assert "line 2" in difference(["a", "b"], "a\nc\n")
    assert "nothing more" in difference(["a"], "a\nb\n")
    assert "line 1" in difference(["0.91 of 1,200"], "0.92 of 1,300\n")
    assert not difference(["0.91 of 1,200"], "0.92 of 1,300\n", figures_vary=True)
    assert "line 1" in difference(["0.91 of 1,200"], "0.92 at 1,300\n", figures_vary=True)


def test_commands_of_a_transcript_are_found() -> None:
    """A command may go over several lines, and what follows is what it prints."""
    steps = expected("$ a \\\n    b\nprinted\n\n$ c\n")
    assert steps == [("a \\\n    b", ["printed", ""]), ("c", [])]


def test_a_failing_block_is_a_failure(tmp_path: Path) -> None:
    """A block of commands fails where one of them does; a hunt that found something goes on."""
    folder = tmp_path / "folder"
    folder.mkdir()
    reader = Reader(folder)
    page = ROOT / "README.md"
    with pytest.raises(AssertionError, match="exit code 3"):
        reader.do(Block(page, 1, "sh", "(exit 3)\necho on\n", ""))
    with pytest.raises(AssertionError, match=r"README\.md:1"):
        reader.do(Block(page, 1, "console", "$ echo a\nb\n", ""))
