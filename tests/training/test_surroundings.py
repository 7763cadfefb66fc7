"""With one process asked for, one process trains, whatever the environment says of others."""

import os
from pathlib import Path

import pytest

from genbench.distributed import alone
from genbench.runs.directory import Run
from tests.conftest import Command

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
