"""The runs of a sweep by one of Hydra's launchers, which gets the jobs that were checked, not words to compose again.

A launcher composes every job once more, for `hydra` itself; the task that it calls looks at the job's number alone.
That number is right with every launcher: basic, joblib and Ray set hydra.job.num where they start the job, submitit
passes it on with the job's arguments, which a job that is queued again keeps.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from genbench.command.composition import CommandLine, search_path
from genbench.command.mistakes import in_one_line

Item = TypeVar("Item")


class Task:
    """What a launcher calls, in whatever process: the work on the job's own item."""

    def __init__(self, work: Callable[[Any], None], items: Sequence[Any]) -> None:
        self.work = work
        self.items = items

    def __call__(self, composed: DictConfig) -> None:
        """Hydra's signature; what it composed is not looked at."""
        self.work(self.items[HydraConfig.get().job.num])


def launch(line: CommandLine[Any], work: Callable[[Item], None], items: Sequence[Item], chosen: Sequence[int]) -> None:
    """Do the work on some of a sweep's items, by the launcher that the command line names; returns when all are done.

    Args:
        line: a sweep's.
        work: a function of a module, so that another process can be told of it; what it raises is raised here.
        items: one a job.
        chosen: the numbers of the jobs to start.

    Raises:
        SystemExit: of a job, in this process.
        Exception: of the work, or of a launcher whose workers are gone.
    """
    # As Hydra does it: its own words stand in the config of the whole, each job has the rest.
    jobs = [[word for word in line.jobs[i] if not _is_hydras(word)] for i in chosen]
    with search_path(line.config_dir) as hydra, in_one_line(line.name, line.jobs[0], list):
        config = hydra.compose_config(line.name, line.jobs[chosen[0]], run_mode=RunMode.MULTIRUN)
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks()),
            task_function=Task(work, [items[i] for i in chosen]),
            config=config,
        )
    with search_path(line.config_dir):
        for outcome in launcher.launch(jobs, initial_job_idx=0):
            _ = outcome.return_value  # raises what the work raised


def _is_hydras(word: str) -> bool:
    return word.lstrip("+~").startswith(("hydra.", "hydra/"))
