"""The notebooks run from their first cell to the last without a warning, and are kept as they are before that."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"
NAMES = sorted(path.name for path in FOLDER.glob("*.ipynb"))
# What warns is noted, not raised: the kernel has threads of its own, which an exception would end.
FIRST = """import warnings

warned = []
warnings.showwarning = lambda message, *where: warned.append(str(message))

from genbench.evaluation import reconstruction

reconstruction.STEPS = 10  # of the search for noise: its error is not looked at"""
LAST = "print(*warned, sep='\\n')"
OF_LIGHTNING = re.compile(
    "The `srun` command|`isinstance.treespec, LeafSpec|.*many workers|.*`val_dataloader`|.*litlogger"
)


def test_there_are_two() -> None:
    assert NAMES == ["gan_or_vae_on_my_images.ipynb", "lightning_modules.ipynb"]


@pytest.mark.parametrize("name", NAMES)
def test_they_are_kept_without_outputs_and_without_a_place(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
        assert set(cell.metadata) <= {"tags"}
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata.language_info) == {"name"}
    assert not re.search(r"/(home|work|tmp|usr|root|Users)/", text)
    assert text.endswith("}\n")


@pytest.mark.slow(40)
@pytest.mark.parametrize("name", NAMES)
def test_they_run_without_a_warning(name: str, tmp_path: Path) -> None:
    notebook = nbformat.read(FOLDER / name, as_version=4)
    new_cell = nbformat.v4.new_code_cell
    notebook.cells = [new_cell(FIRST), *notebook.cells, new_cell(LAST)]
    NotebookClient(
        notebook, timeout=540, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output.data for output in outputs if output.output_type in ("display_data", "execute_result")]
    assert sum("image/png" in data for data in shown) >= 3
    warned = "".join(output.text for output in notebook.cells[-1].outputs).splitlines()
    assert [text for text in warned if text and not OF_LIGHTNING.match(text)] == []
    bars = [data for data in shown if "text/html" in data and "image/png" not in data]
    assert bars  # that tell how far it is
    text = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert ("undecided" if "gan_or_vae" in name else "Fréchet distance") in text
