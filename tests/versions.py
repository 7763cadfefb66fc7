"""genbench in an empty environment, at other versions of Python and of what it needs: every verb does something small.

python -m tests.versions lowest-direct           the lowest versions that pyproject.toml allows
python -m tests.versions highest python3.13      the newest, with another Python
python -m tests.versions image                   the steps of the Dockerfile, as a script

Needs uv, a package index, some minutes and ten gigabytes in the folder for temporary files.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
EXTRAS = "export,hub,search,hdf5,parquet"
SMALL = ["data=optdigits", "trainer=cpu", "trainer.max_images=640", "trainer.validations=1", "runs=runs"]
RUN = "run=runs/first"
VERBS = [
    ["train", "model=vae", *SMALL, "evaluation=full", "evaluation.nll_images=10"],
    ["train", "-m", "model=gan,flow", "model.conditional=true", *SMALL, "hydra/launcher=cores"],
    ["sample", RUN, "n=4", "out=four.png"],
    ["sample", "zoo=mnist", "label=7", "out=seven.png"],
    ["evaluate", RUN, "evaluation=fast"],
    *(["export", RUN, f"format={form}"] for form in ("onnx", "torch_export", "safetensors")),
    ["export", RUN, "format=hub", "out=repository"],
    ["report", "runs=runs", "out=page"],
    ["compare", "models=vae_prior,vaegan", "seeds=1", *SMALL, "evaluation.nll_images=10", "out=both"],
    ["search", "search=vae", "trials=2", "out=found", *SMALL[:-1]],
    ["data", "data=optdigits"],
]
MADE = ["four.png", "seven.png", "repository/README.md", "page/index.html", "both/index.html"]


def main() -> None:
    """Install, and let every verb do something; exit code 1 if one cannot."""
    what, *python = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="genbench-versions-") as folder:
        environment = image(Path(folder)) if what == "image" else installed(Path(folder), what, *python)
        check(environment / "bin" / "genbench", Path(folder) / "work")
    print(f"{' '.join(sys.argv[1:])}: every verb did what it should")


def installed(folder: Path, resolution: str, python: str = sys.executable) -> Path:
    """A virtual environment with genbench and the versions that uv resolves so."""
    environment = folder / "environment"
    run(["uv", "venv", "--quiet", "--python", python, str(environment)])
    words = ["uv", "pip", "install", "--quiet", "--python", str(environment / "bin" / "python")]
    run([*words, "--resolution", resolution, f"{TOP}[{EXTRAS}]"])
    run(["uv", "pip", "freeze", "--python", str(environment / "bin" / "python")])
    return environment


def image(folder: Path) -> Path:
    """What the Dockerfile's steps make, in this folder and without an image."""
    # As .dockerignore has it, whose names are those of the top alone: src/genbench/runs is another.
    left_out = {str(TOP): {"runs", "site", "dist"}}
    hidden = shutil.ignore_patterns(".*", "__pycache__")
    shutil.copytree(TOP, folder / "src", ignore=lambda where, names: hidden(where, names) | left_out.get(where, set()))
    for step in re.findall(r"^RUN (.*)$", (TOP / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE):
        run(["sh", "-ec", step.replace("/src", str(folder / "src")).replace("/opt/genbench", str(folder / "opt"))])
    return folder / "opt"


def check(genbench: Path, work: Path) -> None:
    """Every verb, in an empty folder."""
    work.mkdir()
    for verb in VERBS:
        if RUN in verb and not (work / "runs" / "first").exists():
            (trained,) = (work / "runs").glob("optdigits-vae-*")
            (work / "runs" / "first").symlink_to(trained.name)
        run([str(genbench), *verb], cwd=work)
    missing = [name for name in MADE if not (work / name).is_file()]
    if missing:
        sys.exit(f"not made: {', '.join(missing)}")


def run(words: list[str], cwd: Path = TOP) -> None:
    """A command, shown; exit code 1 if it fails."""
    print("$", *words, flush=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(words, cwd=cwd, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}")


if __name__ == "__main__":
    main()
