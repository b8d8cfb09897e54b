"""What `python -m build` makes can be installed and does the main job, without a copy of the
repository.
"""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COPIED = ("plotly.min.js.gz", "plotly.LICENSE.txt", "wordllama.npy", "wordllama.model")
LIMIT_MB = 520


def call(*words: object, cwd: Path) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and the archive of the sources, made from what git knows."""
    pytest.importorskip("build", reason="needs the group test")
    folder = tmp_path_factory.mktemp("package")
    call("git", "clone", "--quiet", ROOT, folder / "copy", cwd=ROOT)
    call(sys.executable, "-m", "build", "--outdir", folder / "dist", ".", cwd=folder / "copy")
    return folder / "dist"


@pytest.mark.slow
def test_wheel_and_archive_hold_what_the_build_copies(built: Path) -> None:
    """With the licences, in both."""
    (wheel,) = built.glob("*.whl")
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        names = "\n".join([*zipfile.ZipFile(wheel).namelist(), *packed.getnames()])
    for name in COPIED:
        assert names.count(f"gamekeeper/thirdparty/{name}") == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_a_fresh_environment_runs_the_demo(built: Path, tmp_path: Path, kind: str) -> None:
    """Installed from the wheel or from the archive, in no more space than is stated."""
    (package,) = built.glob(kind)
    call(sys.executable, "-m", "venv", "env", cwd=tmp_path)
    install = ("install", "--quiet", "-c", ROOT / "constraints.txt", package)
    call(tmp_path / "env/bin/pip", *install, cwd=tmp_path)
    size_mb = int(call("du", "-sm", "env", cwd=tmp_path).split()[0])
    assert size_mb < LIMIT_MB
    call(tmp_path / "env/bin/gamekeeper", "demo", "--out", "demo", cwd=tmp_path)
    (report,) = (tmp_path / "demo").rglob("report.html")
    assert "plotly.js v" in report.read_text(encoding="utf-8")
    shutil.rmtree(tmp_path / "env")
