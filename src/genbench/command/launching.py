"""The runs of a sweep by one of Hydra's launchers, which gets the jobs that were checked, not words to compose again.

A launcher composes every job once more, for `hydra` itself; the task that it calls looks at the job's number alone.
That number is right with every launcher: basic, joblib and Ray set hydra.job.num where they start the job, submitit
passes it on with the job's arguments, which a job that is queued again keeps.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from genbench import cores
from genbench.command.composition import CommandLine, search_path
from genbench.command.mistakes import in_one_line
from genbench.interruption import Interrupted, on_signals, while_wanted

Item = TypeVar("Item")


class Task:
    """What a launcher calls, in whatever process: the work on the job's own item.

    A worker of this machine ends its work when the process that launched it is gone or was told to end, and is then
    given no other. (A cluster's launcher sees to its own.)
    """

    def __init__(self, work: Callable[[Any], None], items: Sequence[Any], wanted: Path) -> None:
        """Describe the work.

        Args:
            work: a function of a module.
            items: one a job.
            wanted: a file that is there as long as the work is wanted.
        """
        self.work = work
        self.items = items
        self.wanted = wanted
        self.launcher = os.getpid()

    def __call__(self, composed: DictConfig) -> None:
        """Hydra's signature; what it composed is not looked at."""
        item = self.items[HydraConfig.get().job.num]
        if os.getppid() == self.launcher:
            self._in_worker(item)
        else:
            self.work(item)

    def _in_worker(self, item: Any) -> None:
        if not self._is_wanted():
            return
        try:
            with while_wanted(self._is_wanted):
                self.work(item)
        except Interrupted:
            pass
        except SystemExit as exit:
            if not (isinstance(exit.code, int) and exit.code > 128):  # by a signal
                raise
        if os.getppid() != self.launcher:  # nobody is there to be told
            os._exit(128 + signal.SIGTERM)

    def _is_wanted(self) -> bool:
        return os.getppid() == self.launcher and self.wanted.exists()


def launch(line: CommandLine[Any], work: Callable[[Item], None], items: Sequence[Item], chosen: Sequence[int]) -> None:
    """Do the work on some of a sweep's items, by the launcher that the command line names; returns when all are done.

    Args:
        line: a sweep's.
        work: a function of a module, so that another process can be told of it; what it raises is raised here.
        items: one a job.
        chosen: the numbers of the jobs to start.

    Raises:
        SystemExit: of a job, in this process.
        Interrupted: a signal came; workers of this machine have ended their jobs before.
        Exception: of the work, or of a launcher whose workers are gone.
    """
    with _wanted() as wanted:
        _launch(line, lambda items: Task(work, items, wanted), items, chosen)


def _launch(
    line: CommandLine[Any],
    task: Callable[[Sequence[Item]], Task],
    items: Sequence[Item],
    chosen: Sequence[int],
) -> None:
    # As Hydra does it: its own words stand in the config of the whole, each job has the rest.
    jobs = [[word for word in line.jobs[i] if not _is_hydras(word)] for i in chosen]
    with search_path(line.config_dir) as hydra, in_one_line(line.name, line.jobs[0], list):
        config = hydra.compose_config(line.name, line.jobs[chosen[0]], run_mode=RunMode.MULTIRUN)
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks()),
            task_function=task([items[i] for i in chosen]),
            config=config,
        )
    if "basic_launcher" not in config.hydra.launcher._target_:
        cores.give_back()
    with search_path(line.config_dir):
        for outcome in launcher.launch(jobs, initial_job_idx=0):
            _ = outcome.return_value  # raises what the work raised


@contextmanager
def _wanted() -> Iterator[Path]:
    """A file that is there until a signal comes: then workers end their jobs, and with them the launch.

    A second signal does not wait for them; nor does the first where there are none.
    """
    told: list[int] = []
    with TemporaryDirectory(prefix="genbench-") as folder:
        wanted = Path(folder) / "wanted"
        wanted.touch()

        def tell(number: int) -> None:
            wanted.unlink(missing_ok=True)
            if told or not multiprocessing.active_children():
                raise Interrupted(number)
            told.append(number)

        with on_signals(tell):
            try:
                yield wanted
            except Exception as error:
                if told:  # a worker that had no time to end well
                    raise Interrupted(told[0]) from error
                raise
    if told:
        raise Interrupted(told[0])


def at_once() -> int:
    """How many jobs the launcher of this process's job starts at once, as far as it says: n_jobs, of joblib."""
    from joblib import effective_n_jobs  # takes a while, and --help comes through this module

    jobs: int | None = HydraConfig.get().launcher.get("n_jobs")
    return 1 if jobs is None else int(effective_n_jobs(jobs))


def _is_hydras(word: str) -> bool:
    return word.lstrip("+~").startswith(("hydra.", "hydra/"))
