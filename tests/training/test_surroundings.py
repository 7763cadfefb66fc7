"""With one process asked for, one process trains, whatever the environment says of others."""

import os
from importlib import import_module
from pathlib import Path

import pytest

from genbench.command.libraries import check_variables, not_imported
from genbench.distributed import alone
from genbench.errors import UserError
from genbench.runs.directory import Run
from tests.conftest import Command
from tests.small import small_digits

OTHERS = {
    **{"RANK": "1", "LOCAL_RANK": "1", "NODE_RANK": "1", "WORLD_SIZE": "4", "GROUP_RANK": "2"},
    **{"SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_NTASKS": "4", "SLURM_NODEID": "1"},
    **{"JSM_NAMESPACE_RANK": "1", "PMI_RANK": "1", "OMPI_COMM_WORLD_RANK": "1", "LSB_JOBID": "7"},
    **{"TORCHELASTIC_RUN_ID": "x", "PL_TRAINER_MAX_STEPS": "1", "PL_TRAINER_DEVICES": "3"},
}


def test_what_tells_of_others_is_hidden_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"SLURM_JOB_ID": "3", "SLURM_JOB_NAME": "interactive", "OMP_NUM_THREADS": "1"}  # which requeueing needs
    for name, value in {**OTHERS, **kept}.items():
        monkeypatch.setenv(name, value)
    with alone():
        assert [name for name in OTHERS if name in os.environ] == []
        assert {name: os.environ[name] for name in kept} == kept
    assert {name: os.environ[name] for name in OTHERS} == OTHERS


@pytest.mark.parametrize("value", ["", "0", "0 3 1-2 4-15:2", "0,1", " 1-3,7 "])
def test_a_list_of_processors_is_taken(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_CPU_AFFINITY", value)
    check_variables()


@pytest.mark.parametrize("value", ["nonsense", "-1", "/place", "1-", "99999999999"])
def test_what_openmp_would_read_for_ever_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_CPU_AFFINITY", value)
    with pytest.raises(UserError, match=f"GOMP_CPU_AFFINITY={value}: is no list"):
        check_variables()


@pytest.mark.slow
def test_what_ends_pytorchs_import_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTORCH_ALLOC_CONF", "nonsense")
    with pytest.raises(UserError, match="PYTORCH_ALLOC_CONF=nonsense: with this PyTorch cannot be imported"):
        check_variables()


AT_ONCE = """
import os
COUNT = int(
    os.environ.get("LIBRARY_COUNT", "1")
)
"""
LATER = """
import os
told = os.environ.get("LIBRARY_COUNT", "1")
COUNT = int(told)
"""


@pytest.mark.parametrize("place", ["libraries", "link"])
@pytest.mark.parametrize("name", ["at_once", "later"])
def test_a_library_that_stumbles_over_a_variable_names_it(
    name: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in an environment that is reached by a link, where it was a traceback."""
    (tmp_path / "libraries").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "libraries")
    (tmp_path / f"libraries/{name}.py").write_text({"at_once": AT_ONCE, "later": LATER}[name], encoding="utf-8")
    monkeypatch.setattr("genbench.command.libraries._LIBRARIES", [tmp_path / "libraries"])
    monkeypatch.syspath_prepend(tmp_path / place)
    monkeypatch.setenv("LIBRARY_COUNT", "many")
    monkeypatch.setenv("_".join(("ANOTHER", "COUNT")), "many")  # a word that this file, which is read, does not have
    with pytest.raises(ValueError) as caught:
        import_module(name)
    assert not_imported(caught.value) == (
        f"{name} cannot be imported (ValueError: invalid literal for int() with base 10: 'many'): the environment has"
        " LIBRARY_COUNT=many; unset it"
    )
    with pytest.raises(ValueError) as caught:
        int("many")  # nobody imports anything here
    assert not_imported(caught.value) is None


@pytest.mark.slow
def test_a_training_in_somebodys_allocation_is_the_training_alone(command: Command, tmp_path: Path) -> None:
    words = ("genbench", "train", "model=vae", "experiment=smoke", "trainer=cpu")
    strange = {**OTHERS, "SLURM_JOB_ID": "3", "SLURM_JOB_NAME": "bash"}
    strange["MPLBACKEND"] = "module://matplotlib_inline.backend_that_is_not_there"
    for name, more in (("alone", {}), ("beside", strange)):
        env = os.environ | {"OMP_NUM_THREADS": "1"} | more
        done = command(*words, f"runs={tmp_path / name}", env=env, fresh=bool(more))
        assert done.returncode == 0, done.stdout + done.stderr
    alone_run, beside = (Run(next((tmp_path / name).iterdir())) for name in ("alone", "beside"))
    assert beside.is_finished
    assert beside.weights.read_bytes() == alone_run.weights.read_bytes()


@pytest.mark.slow
def test_a_training_alone_does_not_start_mpi(command: Command, tmp_path: Path) -> None:
    """Where it cannot be started, as without ssh, it ends the process that imports it."""
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py/__init__.py").touch()
    (tmp_path / "mpi4py/MPI.py").write_text("import os\nos.abort()\n", encoding="utf-8")
    (tmp_path / "mpi4py-4.1.dist-info").mkdir()
    (tmp_path / "mpi4py-4.1.dist-info/METADATA").write_text("Name: mpi4py\nVersion: 4.1\n", encoding="utf-8")
    words = ("genbench", "train", "model=vae", "experiment=smoke", "trainer=cpu", f"runs={tmp_path / 'runs'}")
    python_path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = command(*words, env=os.environ | {"PYTHONPATH": python_path}, fresh=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value"),
    [("SKLEARN_WORKING_MEMORY", "many"), ("LOKY_PICKLER", "1"), ("TORCH_LOGS", "nonsense"), ("TORCH_LOGS", "1")],
)
def test_a_library_that_is_refused_leaves_no_directory(
    variable: str, value: str, command: Command, tmp_path: Path
) -> None:
    """Also one that is needed late: scikit-learn, of images that do not come with it."""
    words = ("genbench.train", "experiment=smoke", "trainer=cpu", *small_digits(tmp_path), f"runs={tmp_path / 'runs'}")
    done = command(*words, env=os.environ | {variable: value}, fresh=True)
    assert (done.returncode, done.stdout.count(": finished")) == (2, 0)
    assert "cannot be imported" in done.stderr
    assert f"{variable}={value}" in done.stderr.partition("the environment has ")[2]
    assert not (tmp_path / "runs").exists()
