"""What a wheel holds is enough: it trains, samples and exports from an empty folder, without the checkout."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.conftest import Command

pytestmark = pytest.mark.slow(40)
TOP = Path(__file__).resolve().parents[1]


def test_a_wheel_trains_samples_and_exports(command: Command, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=TOP, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("genbench-*.whl")
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    folder = tmp_path / "empty"
    folder.mkdir()
    env = os.environ | {"PYTHONPATH": str(site)}  # before the checkout's editable install

    where = subprocess.run(
        [sys.executable, "-c", "import genbench.config.schema as c; print(c.CONF)"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.strip() == str(site / "genbench" / "conf")
    done = command("genbench", "train", "model=vae", "experiment=smoke", cwd=folder, env=env, fresh=True)
    assert done.returncode == 0, done.stderr
    (run,) = (folder / "runs").glob("optdigits-vae-*")
    done = command("genbench", "sample", f"run={run}", "n=9", "out=grid.png", cwd=folder, env=env, fresh=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "grid.png").is_file()
    done = command("genbench", "export", f"run={run}", "format=safetensors", cwd=folder, env=env, fresh=True)
    assert done.returncode == 0, done.stderr
    assert (folder / f"{run.name}-decoder.safetensors").is_file()
    done = command("genbench", "sample", "zoo=mnist", "label=7", "out=seven.png", cwd=folder, env=env, fresh=True)
    assert (done.returncode, done.stdout) == (0, "64 images of mnist, class 7, seed 0: seven.png\n"), done.stderr
    # What ships beside the code: which scores may be trusted on the known data sets, and trained models.
    names = [
        {
            str(path.relative_to(folder))
            for part in ("evaluation/shipped", "zoo")
            for path in (folder / part).rglob("*.*")
        }
        for folder in (TOP / "src" / "genbench", site / "genbench")
    ]
    assert names[0] == {name.replace(str(site), str(TOP / "src")) for name in names[1]}
    assert any("optdigits" in name for name in names[1])
    assert "zoo/mnist/model.safetensors" in names[1]
    (about,) = site.glob("genbench-*.dist-info")
    assert "genbench = genbench.start:main" in (about / "entry_points.txt").read_text(encoding="utf-8")


def test_what_would_be_published_is_whole(tmp_path: Path) -> None:
    """Twine finds nothing amiss, and the wheel of the sdist is that of the checkout, byte for byte."""

    def build(top: Path, kind: str, out: str) -> Path:
        words = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(tmp_path / out)]
        subprocess.run(words, cwd=top, check=True, capture_output=True)
        (made,) = (tmp_path / out).iterdir()
        return made

    wheel, sdist = build(TOP, "wheel", "wheel"), build(TOP, "sdist", "sdist")
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)], check=True)
    with tarfile.open(sdist) as packed:
        names = packed.getnames()
        packed.extractall(tmp_path / "unpacked", filter="data")
    (top,) = (tmp_path / "unpacked").iterdir()
    assert not [
        name for name in names if "/runs/" in name and "/genbench/runs" not in name and "/tests/runs" not in name
    ]
    assert {"LICENSE", "README.md", "CITATION.cff", "src/genbench/py.typed"} <= {
        name.partition("/")[2] for name in names
    }
    assert build(top, "wheel", "again").read_bytes() == wheel.read_bytes()
