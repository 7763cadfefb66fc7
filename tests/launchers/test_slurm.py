"""Sweeps on a real SLURM: jobs run, and one that is preempted is queued again and goes on."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.processes import SMOKE, content, run, start
from tests.launchers.slurm import NoSlurmError, slurm
from tests.runs.example import runs_in
from tests.small import small_digits

pytestmark = pytest.mark.slow
SMALL = ("hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=1")


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    try:
        with slurm() as env:
            yield env
    except NoSlurmError as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_sweep_with_a_preempted_job_finishes_with_the_same_bytes(
    overwrite: bool, cluster: dict[str, str], tmp_path: Path
) -> None:
    words = ("-m", "model=vae", *SMOKE, *small_digits(tmp_path), "seed=range(3)", "trainer.max_images=2560")
    alone = run(*words, f"runs={tmp_path / 'alone'}")
    assert alone.code == 0, alone.err
    runs = tmp_path / "cluster"
    if overwrite:  # the job that is queued again has the same words, and does not begin anew once more
        shutil.copytree(tmp_path / "alone", runs)
    process = start(*words, *SMALL, f"runs={runs}", *["overwrite=true"] * overwrite, env=cluster)
    deadline = time.monotonic() + 120
    while not any(run.status.state == "running" and run.checkpoints for run in runs_in(runs)[:1]):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    queue = subprocess.run(["squeue", "-h", "-o", "%i %T"], env=cluster, capture_output=True, text=True, check=True)
    job = min(line.split()[0] for line in queue.stdout.splitlines() if line.endswith("RUNNING"))
    # What SLURM does to a job whose place another one gets.
    subprocess.run(["scontrol", "requeue", job], env=cluster, check=True)
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, out + err
    finished = sorted(runs.glob("folder-*"))
    assert len(finished) == 3
    for path in finished:
        assert content(path) == content(tmp_path / "alone" / path.name)
    log = (finished[0] / "train.log").read_text(encoding="utf-8")
    assert log.count("training begins") == 2
