"""A sweep on a real Ray cluster of two nodes, one of which is killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.processes import SMOKE, content, descendants, run, start
from tests.small import small_digits

pytestmark = pytest.mark.slow
RAY = shutil.which("ray") or str(Path(sys.executable).with_name("ray"))
# Two small nodes on one machine; nobody listens in from elsewhere.
NODE = ("--num-cpus=1", "--num-gpus=0", "--object-store-memory=80000000", "--block")
QUIET = {"RAY_DISABLE_IMPORT_WARNING": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The cluster's address, and the process of its second node."""
    address = f"127.0.0.1:{free_port()}"
    env = os.environ | QUIET | {"OMP_NUM_THREADS": "1"}
    nodes: list[subprocess.Popen[bytes]] = []
    head = [RAY, "start", "--head", "--node-ip-address=127.0.0.1", f"--port={address.split(':')[1]}", *NODE]
    head.append("--include-dashboard=false")
    try:
        for words in (head, [RAY, "start", f"--address={address}", "--node-ip-address=127.0.0.1", *NODE]):
            with (tmp_path / f"node-{len(nodes)}.log").open("wb") as log:
                nodes.append(subprocess.Popen(words, env=env, stdout=log, stderr=log, start_new_session=True))
            wait_for(len(nodes), address, env)
        yield address, nodes[1]
    finally:
        for node in nodes:
            kill(node)


def wait_for(nodes: int, address: str, env: dict[str, str]) -> None:
    program = (
        f"import ray; ray.init('{address}', log_to_driver=False, logging_level='ERROR');"
        "print(sum(node['Alive'] for node in ray.nodes()))"
    )
    words = [sys.executable, "-W", "ignore", "-c", program]
    for _ in range(30):
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        if done.stdout.strip().endswith(str(nodes)):
            return
        time.sleep(1)
    raise AssertionError(f"Ray did not start: {done.stdout} {done.stderr}")


def kill(node: subprocess.Popen[bytes]) -> None:
    """SIGKILL a node with its workers."""
    for pid in [*descendants(node.pid), node.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    node.wait()


@pytest.mark.parametrize("overwrite", [False, True])
def test_all_runs_finish_although_a_node_is_killed(
    overwrite: bool, cluster: tuple[str, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    address, second = cluster
    words = ("-m", "model=vae", *SMOKE, *small_digits(tmp_path), "seed=range(4)", "trainer.max_images=2560")
    alone = run(*words, f"runs={tmp_path / 'alone'}")
    assert alone.code == 0, alone.err
    runs = tmp_path / "cluster"
    if overwrite:
        shutil.copytree(tmp_path / "alone", runs)
    there = (f"runs={runs}", "hydra/launcher=ray_cluster", *["overwrite=true"] * overwrite)
    process = start(*words, *there, env={"RAY_ADDRESS": address, **QUIET})
    deadline = time.monotonic() + 120
    # Both nodes train: a run is on each. Then one is gone.
    while sum('"running"' in path.read_text() for path in runs.glob("*/status.json")) < 2:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    kill(second)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    finished = list(runs.glob("folder-*"))
    assert len(finished) == 4
    for path in finished:
        alone_there = tmp_path / "alone" / path.name
        assert content(path) == content(alone_there)
        assert (path / "train.log").read_bytes() != (alone_there / "train.log").read_bytes()  # it was trained
