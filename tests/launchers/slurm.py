"""A SLURM of one node on this machine: real munged, slurmctld and slurmd, for as long as a test takes.

python -m tests.launchers.slurm          # starts it, says how to use it, and ends it with Ctrl-C
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue")
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")  # Debian's

CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobRequeue=1
KillWait=5
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class NoSlurmError(Exception):
    """It cannot be had on this machine; the text says why."""


def missing() -> list[str]:
    """The programs that are not installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [program for program in PROGRAMS if shutil.which(program, path=path) is None]


def install() -> None:
    """Debian's packages, where one may."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoSlurmError(f"{', '.join(missing())} are not installed, and only root can install them by apt-get")
    subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    words = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    done = subprocess.run(words, env=env, check=False, capture_output=True, text=True)
    if done.returncode or missing():
        raise NoSlurmError(f"apt-get could not install {' '.join(PACKAGES)}: {done.stderr[-200:]}")


@contextmanager
def slurm() -> Iterator[dict[str, str]]:
    """Start it; yields the environment in which sbatch and its like find it.

    Raises:
        NoSlurmError: it cannot be had here.
    """
    if os.geteuid() != 0:
        raise NoSlurmError("munged and slurmd are started as root")
    if missing():
        install()
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    env = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    processes: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> None:
        with (folder / f"{Path(words[0]).name}.out").open("wb") as log:
            processes.append(subprocess.Popen(words, env=env, stdout=log, stderr=log, start_new_session=True))

    host = socket.gethostname().split(".")[0]
    (folder / "slurm.conf").write_text(
        CONFIG.format(host=host, folder=folder, port=_port(), node_port=_port(), cores=os.cpu_count())
    )
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    try:
        os.chown(key, 0, 0)
        start(
            *("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder / 'munge.socket'}"),
            *(f"--pid-file={folder / 'munge.pid'}", f"--log-file={folder / 'munge.log'}"),
            f"--seed-file={folder / 'munge.seed'}",
        )
        _until(lambda: (folder / "munge.socket").exists(), "munged", folder)
        start("slurmctld", "-D", "-i")
        start("slurmd", "-D", "-N", host)

        def up() -> bool:
            shown = subprocess.run(["sinfo", "-h", "-o", "%T"], env=env, capture_output=True, text=True, check=False)
            return shown.stdout.strip().startswith("idle")

        _until(up, "slurmctld and slurmd", folder)
        yield env
    finally:
        subprocess.run(["scancel", "--user=root"], env=env, check=False, capture_output=True)
        time.sleep(1)
        for process in reversed(processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _until(done: object, what: str, folder: Path) -> None:
    assert callable(done)
    for _ in range(150):
        if done():
            return
        time.sleep(0.2)
    logs = "\n".join(
        path.read_text(errors="replace")[-800:] for path in sorted(folder.glob("*.log")) + sorted(folder.glob("*.out"))
    )
    raise AssertionError(f"{what} did not start:\n{logs}")


def _port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    try:
        with slurm() as environment:
            print(f"export SLURM_CONF={environment['SLURM_CONF']}   # Ctrl-C ends it")
            signal.pause()
    except NoSlurmError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
