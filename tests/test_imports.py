"""What is not imported, where it is not needed: seconds and hundreds of megabytes of everybody's processes."""

import subprocess
import sys

import pytest

PYTORCH = ("torch", "lightning", "torchvision", "torchmetrics")
SLOW = (*PYTORCH, "sklearn", "scipy", "matplotlib", "altair", "vl_convert", "tensorboard")
OPTDIGITS = """import torch
from genbench.config.data import DataConfig
from genbench.data.optdigits import load
load(DataConfig(load="genbench.data.optdigits.load", root=None, batch_size=1))"""
PAGE = (*PYTORCH, "sklearn", "matplotlib", "tensorboard")
CASES = [
    pytest.param("import genbench", (*SLOW, "numpy", "hydra", "pydantic", "rich"), id="genbench"),
    pytest.param("import genbench.cli", SLOW, id="cli"),
    pytest.param("import genbench.verbs.train", SLOW, id="train"),
    pytest.param("import genbench.verbs.report", SLOW, id="report"),
    # The process that reads runs, compares them and draws the charts; its pictures are drawn by another.
    pytest.param("import genbench.reporting.page", PAGE, id="page", marks=pytest.mark.slow),
    pytest.param(OPTDIGITS, ("lightning", "torchvision", "sklearn", "scipy"), id="optdigits", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("code", "without"), CASES)
@pytest.mark.slow
def test_a_fresh_process_does_without(code: str, without: tuple[str, ...]) -> None:
    asked = f"{code}\nimport sys\nprint(*sorted(set({without!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr


def test_the_names_of_the_package_are_seen_before_they_are_imported() -> None:
    import genbench

    assert {"load", "score", "compare"} <= set(dir(genbench))
