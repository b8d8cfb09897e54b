"""Every verb for every exit code, run as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from gamekeeper.simulate import simulate

VERBS = ("hunt", "explain", "guard", "sign", "simulate", "demo", "demo-live", "list")
FAULTY = "import gamekeeper.{0} as m; m.{1} = lambda *a, **k: 1 / 0; from gamekeeper._cli import main; main()"


def run(*words: str | Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "gamekeeper", *map(str, words)], input=stdin, capture_output=True
    )


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    """What stands on standard error; never a traceback."""
    text = done.stderr.decode()
    assert "Traceback" not in text
    return text


def rows(count: int) -> bytes:
    lines = [
        {"time": 1_775_000_000 + i, "account": f"a{i % 3}", "prompt": f"question {i} of mine"}
        for i in range(count)
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.fixture(scope="session")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People and one campaign."""
    made = simulate(seed=1, scale=0.1)
    kept = made.labels.filter(pl.col("campaign").is_null() | (pl.col("campaign") == "judge-de"))
    path = tmp_path_factory.mktemp("traffic") / "log.parquet"
    made.exchanges.join(kept, on="account", how="semi").write_parquet(path)
    return path


@pytest.fixture(scope="session")
def found(traffic: Path) -> tuple[Path, subprocess.CompletedProcess[bytes]]:
    """Its folder, and the run that wrote it."""
    out = traffic.parent / "found"
    return out, run("hunt", traffic, "--out", out, "--json")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_bytes(rows(30))
    return path


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb(verb: str) -> None:
    """On standard output, with an example."""
    done = run(verb, "--help")
    assert (
        done.returncode == 0
        and f"gamekeeper {verb}".encode() in done.stdout
        and b"xample" in done.stdout
    )


def test_version_and_help_of_all() -> None:
    """Both exit 0; the help names every verb."""
    assert run("--version").stdout.startswith(b"gamekeeper ")
    done = run("--help")
    assert done.returncode == 0 and all(verb.encode() in done.stdout for verb in VERBS)


def test_reader_that_has_gone_ends_a_verb_quietly() -> None:
    """As with `| head`: the code of SIGPIPE, which is no finding, and not a word."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "gamekeeper", "--version"]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")


def test_campaigns_exit_1_and_json_is_campaigns_json(
    found: tuple[Path, subprocess.CompletedProcess[bytes]],
) -> None:
    """Standard output holds the document and nothing else."""
    out, done = found
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["schema"] == "gamekeeper/hunt@1" and document["campaigns"]
    assert document == json.loads((out / "campaigns.json").read_text())
    assert pl.read_parquet(out / "verdicts.parquet").columns == [
        "account",
        "campaign",
        "verdict",
        "p_benign",
        "exchanges",
        "owner",
        "alias",
        "families",
    ]
    assert (out / "report.html").stat().st_size > 1_000


def test_exit_zero_and_quiet(traffic: Path, tmp_path: Path) -> None:
    """Campaigns found, exit 0, not a word on either stream; the folder is written all the same."""
    done = run("hunt", traffic, "--out", tmp_path / "found", "--quiet", "--exit-zero")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert json.loads((tmp_path / "found" / "campaigns.json").read_text())["campaigns"]


def test_log_that_could_not_have_shown_a_campaign_exits_5(log: Path, tmp_path: Path) -> None:
    """It says so first; in a pipeline that stops at any other code it is 0."""
    done = run("hunt", log, "--out", tmp_path / "found")
    assert done.returncode == 5
    assert done.stdout.startswith(b"No campaign found, and none could have been")
    assert run("hunt", log, "--out", tmp_path / "found", "--exit-zero").returncode == 0


def test_standard_input_is_hunted(tmp_path: Path) -> None:
    """`-` reads the log from a pipe."""
    done = run("hunt", "-", "--out", tmp_path / "found", "--json", stdin=rows(30))
    assert done.returncode == 5 and json.loads(done.stdout)["log"]["exchanges"] == 30


@pytest.mark.parametrize(
    "words",
    [
        ("hunt",),
        ("hunt", "log.jsonl"),
        ("hunt", "log.jsonl", "--out", "x", "--format", "xml"),
        ("hunt", "log.jsonl", "--out", "x", "--max-bad-rows", "2"),
        ("hunt", "log.jsonl", "--out", "x", "--encoder", "bert"),
        ("hunt", "log.jsonl", "--out", "x", "--field", "ip"),
        ("hunt", "log.jsonl", "--out", "log.jsonl"),
        ("explain", "C1"),
        ("simulate",),
        ("simulate", "--out", "x", "--days", "0"),
        ("demo", "--seed", "one"),
        ("list", "thieves"),
        ("nonsense",),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_and_writes_nothing(
    words: tuple[str, ...], log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words that do not fit together; nothing on standard output, nothing new on disk."""
    monkeypatch.chdir(log.parent)
    done = run(*words)
    assert done.returncode == 2 and done.stdout == b"" and said(done)
    assert [path.name for path in log.parent.iterdir()] == ["log.jsonl"]


@pytest.mark.parametrize(
    "content", [b"", b"not a log\n", b'{"time": 1}\n', rows(3) + rows(1)], ids=range(4)
)
def test_bad_input_exits_3_and_writes_nothing(content: bytes, log: Path) -> None:
    """The message says where, what was found and what was expected; no half a folder stays."""
    log.write_bytes(content)
    done = run("hunt", log, "--out", log.parent / "found", "--json")
    assert done.returncode == 3 and done.stdout == b""
    text = said(done)
    assert all(word in text for word in (f"error: {log}", "found  ", "expected  "))
    assert [path.name for path in log.parent.iterdir()] == ["log.jsonl"]


def test_same_row_twice_names_the_way_out(log: Path) -> None:
    """At its line, and the way named works."""
    log.write_bytes(rows(200) + rows(1))
    done = run("hunt", log, "--out", log.parent / "found")
    assert f"{log}:201: the same row twice" in said(done) and "try " in said(done)
    done = run("hunt", log, "--out", log.parent / "found", "--max-bad-rows", "0.01", "--json")
    assert done.returncode == 5, "so small a log could not have shown a campaign"
    assert json.loads(done.stdout)["log"]["duplicate_rows"] == 1


def test_missing_input_exits_3(tmp_path: Path) -> None:
    """A log that is not there; a folder that no hunt wrote."""
    assert run("hunt", tmp_path / "gone", "--out", tmp_path / "x").returncode == 3
    assert run("explain", "C1", "--in", tmp_path).returncode == 3


@pytest.mark.parametrize(
    ("room", "name", "words"),
    [
        ("hunt", "hunt", ("hunt", "log.jsonl", "--out", "x")),
        ("report", "write_folder", ("hunt", "log.jsonl", "--out", "x")),
        ("report", "read_folder", ("explain", "C1", "--in", ".")),
        ("simulate", "simulate", ("simulate", "--out", "x")),
        ("simulate", "simulate", ("demo", "--out", "x")),
        ("signals", "CARDS", ("list", "signals")),
    ],
    ids=["hunt", "writing", "explain", "simulate", "demo", "list"],
)
def test_fault_of_our_own_exits_4(room: str, name: str, words: tuple[str, ...], log: Path) -> None:
    """Any other exception is ours: said in a line, with what to do; nothing is written."""
    program = FAULTY.format(room, name)
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, cwd=log.parent
    )
    assert (
        done.returncode == 4
        and "a fault of gamekeeper's own" in said(done)
        and "try " in said(done)
    )
    assert [path.name for path in log.parent.iterdir()] == ["log.jsonl"]


def test_failing_hunt_leaves_the_earlier_one(log: Path) -> None:
    """What was found yesterday is still there when today's log is broken."""
    out = log.parent / "found"
    run("hunt", log, "--out", out)
    before = (out / "campaigns.json").read_bytes()
    log.write_bytes(b"broken\n")
    assert run("hunt", log, "--out", out).returncode == 3
    assert (out / "campaigns.json").read_bytes() == before


def test_explain_says_why(found: tuple[Path, subprocess.CompletedProcess[bytes]]) -> None:
    """A campaign and an account, as text and as JSON; an unknown one is wrong usage."""
    out, _ = found
    account = json.loads((out / "campaigns.json").read_text())["campaigns"][0]["accounts"][0]
    for subject in ("C1", account):
        assert subject.encode() in run("explain", subject, "--in", out).stdout
        done = run("explain", subject, "--in", out, "--json")
        assert done.returncode == 0 and json.loads(done.stdout)
    assert run("explain", "C99", "--in", out).returncode == 2


def test_simulate_writes_log_and_labels(tmp_path: Path) -> None:
    """Two files, and one line that says so."""
    done = run("simulate", "--out", tmp_path, "--scale", "0.02", "--days", "5")
    assert done.returncode == 0 and b"labels.parquet" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["exchanges.parquet", "labels.parquet"]


@pytest.mark.parametrize("what", ["signals", "encoders", "formats"])
def test_list_in_words_and_json(what: str) -> None:
    """Each thing by name."""
    document = json.loads(run("list", what, "--json").stdout)
    assert document["schema"] == f"gamekeeper/{what}@1"
    text = run("list", what).stdout.decode()
    assert document[what] and all(row["name"] in text for row in document[what])
