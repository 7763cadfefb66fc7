"""A run's networks work where genbench is not, as docs/export.md says."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from genbench import __version__
from genbench.cli import compose
from genbench.config.schema import CONF
from genbench.errors import UserError
from genbench.models import export as exporting
from genbench.models.export import SUFFIXES
from genbench.models.model import Posterior
from genbench.models.weights import load
from genbench.runs.directory import Run
from genbench.verbs import export
from tests.conftest import Command
from tests.test_pipeline import run_of

pytestmark = pytest.mark.slow
PAGE = Path(__file__).resolve().parents[1] / "docs" / "export.md"
WITHOUT = "import sys; sys.modules['genbench'] = None\n"  # whoever imports it fails
SAVE = """
import numpy as np
names = ("mean", "log_variance") if "mean" in globals() else ("images",)
given = np.asarray(globals().get("z", images))
np.savez("out.npz", given=given, **{name: np.asarray(globals()[name]) for name in names})
"""


def as_told(*words: str) -> None:
    (config,) = compose("export", words).configs
    export.run(config)


@pytest.fixture(scope="module")
def folders(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with the files of each model in every form."""
    found = {}
    for model in ("gan", "vae"):
        found[model] = tmp_path_factory.mktemp(model)
        for form in SUFFIXES:
            as_told(f"run={run_of(runs, model)}", f"format={form}", f"out={found[model]}")
    return found


def programs() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_programs_are_short() -> None:
    assert len(programs()) == 6
    for program in programs():
        lines = [line for line in program.splitlines() if line and not line.startswith(("import", "from"))]
        assert len(lines) <= 10


@pytest.mark.parametrize("program", programs(), ids=lambda program: re.findall(r'"\*-(.*?)"', program)[0])
def test_the_page_s_programs_compute_what_the_model_does(program: str, folders: dict[str, Path], runs: Path) -> None:
    for model, folder in folders.items():
        if not any(any(folder.glob(pattern)) for pattern in re.findall(r'glob\("(.*?)"\)', program)):
            continue  # a GAN has no encoder
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", WITHOUT + program + SAVE],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        loaded = load(run_of(runs, model) / "weights.safetensors")
        with np.load(folder / "out.npz") as file:
            found = dict(file)
        given = torch.from_numpy(found["given"])
        with torch.no_grad():
            if "mean" in found:
                assert isinstance(loaded.model, Posterior)
                mean, log_variance = loaded.model.encode(given)
                expected = {"mean": mean, "log_variance": log_variance}
            else:
                expected = {"images": loaded.model.sample(given)}
                assert found["images"].shape == (16, *loaded.shape)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value.numpy(), atol=1e-5, rtol=1e-5)


def test_the_files_say_what_they_are(folders: dict[str, Path]) -> None:
    import onnx

    (path,) = folders["gan"].glob("*.onnx")
    about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert (about["noise_shape"], about["image_shape"], about["input"]) == ("[100]", "[1, 28, 28]", "z")
    assert (about["genbench"], about["network"], about["outputs"]) == (__version__, "generator", '["images"]')
    model = json.loads(about["model"])
    assert (model["_target_"], model["loss"]) == ("genbench.models.gan.DCGAN", "nonsaturating")
    (path,) = folders["gan"].glob("*.pt2")
    files = dict.fromkeys((f"{key}.txt" for key in about), "")
    torch.export.load(path, extra_files=files)
    assert files == {f"{key}.txt": value for key, value in about.items()}
    (path,) = folders["gan"].glob("*.safetensors")
    with safe_open(path, framework="pt") as file:
        found = json.loads(file.metadata()["genbench"])
    assert {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()} == about
    assert sorted(path.name[-19:] for path in folders["vae"].glob("*.safetensors")) == [
        "decoder.safetensors",
        "encoder.safetensors",
    ]


def test_the_files_hold_no_path_of_the_machine_that_wrote_them(folders: dict[str, Path], runs: Path) -> None:
    here = [str(path).encode() for path in (CONF.parent, Path(torch.__file__).parents[1], runs)]
    for path in (path for folder in folders.values() for path in folder.iterdir() if path.suffix in SUFFIXES.values()):
        content = path.read_bytes()
        if path.suffix == ".pt2":
            with zipfile.ZipFile(path) as archive:
                content = b"".join(archive.read(name) for name in archive.namelist())
        assert not [place for place in here if place in content], path.name


def test_the_same_command_writes_the_same_bytes(folders: dict[str, Path], runs: Path, tmp_path: Path) -> None:
    for form in SUFFIXES:
        as_told(f"run={run_of(runs, 'vae')}", f"format={form}", f"out={tmp_path}")
    assert len(list(tmp_path.iterdir())) == 6
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (folders["vae"] / path.name).read_bytes()


@pytest.mark.parametrize("form", SUFFIXES)
def test_a_file_that_computes_something_else_does_not_appear(
    form: str, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def drifting(self: exporting.Generate, z: torch.Tensor) -> tuple[torch.Tensor]:
        nonlocal calls
        calls += 1
        return (self.model.sample(z) + 1e-3 * calls,)

    monkeypatch.setattr(exporting.Generate, "forward", drifting)
    with pytest.raises(RuntimeError, match="computes something else"):
        as_told(f"run={run_of(runs, 'gan')}", f"format={form}", f"out={tmp_path}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run={run}"], "format must be given"),
        (["run={run}", "format=onx"], "did you mean onnx?"),
        (["run={run}", "format=onnx", "out=nowhere"], "out=nowhere: there is no such folder"),
        (["run=nowhere", "format=onnx"], "nowhere is not a run directory"),
        (["run={unfinished}", "format=onnx"], "has no weights yet"),
    ],
)
def test_wrong_commands(words: list[str], message: str, runs: Path, tmp_path: Path) -> None:
    Run(tmp_path / "new").queue("")
    places = {"{run}": str(run_of(runs, "gan")), "{unfinished}": str(tmp_path / "new")}
    for name, value in places.items():
        words = [word.replace(name, value) for word in words]
    with pytest.raises(UserError) as caught:
        as_told(*words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_command_exits_with_2_and_leaves_nothing(command: Command, runs: Path, tmp_path: Path) -> None:
    for words in (["run=nowhere", "format=onnx"], [f"run={run_of(runs, 'gan')}", "format=onnx", "out=nowhere"]):
        done = command("genbench.export", *words, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("genbench: ") and done.stderr.count("\n") == 1
        assert list(tmp_path.iterdir()) == []


def test_without_the_extra_one_line_says_how_to_get_it(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install 'genbench\[export\]'"):
        as_told(f"run={run_of(runs, 'gan')}", "format=onnx", f"out={tmp_path}")
    assert list(tmp_path.iterdir()) == []
