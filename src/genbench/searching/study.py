"""A search by Optuna's ask and tell: every trial is a `genbench.train` process with a run directory of its own."""

import contextlib
import csv
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.table import Table

from genbench.config import SearchConfig, TrainConfig, preflight
from genbench.errors import UserError
from genbench.runs import Run, whole_file

DIRECTIONS: dict[str, Literal["minimize", "maximize"]] = {
    "fcd": "minimize",
    "coverage": "maximize",
    "seconds": "minimize",
}
CURVES = {"fcd": "fast/fcd", "coverage": "fast/coverage"}  # by which a training can be stopped
POLL = 0.3  # seconds


class Search:
    """One process's part in a study. Others may take part in the same study at the same time."""

    def __init__(self, config: SearchConfig, words: list[str]) -> None:
        """Open the study, or begin it.

        Raises:
            UserError: the folder cannot be written, or holds the study of another space or other objectives.
        """
        logging.getLogger("optuna").setLevel(logging.ERROR)
        self.config = config
        self.words = words
        self.out = Path(config.out)
        self._space = {name: distribution(about) for name, about in config.search.items()}
        self._stop = threading.Event()
        about = {"space": config.search, "objectives": config.objectives, "words": words}
        try:
            (self.out / "locks").mkdir(parents=True, exist_ok=True)
            journal = str(self.out / "journal.log")
            # The lock by a file that only one can create works on network file systems as well.
            backend = JournalFileBackend(journal, lock_obj=JournalFileOpenLock(journal))
            with FileLock(self.out / "locks" / "study.lock"):
                self.study = optuna.create_study(
                    storage=JournalStorage(backend),
                    study_name="genbench",
                    directions=[DIRECTIONS[name] for name in config.objectives],
                    # Curves of trainings cross: nothing is stopped before the third validation, nor before there are
                    # five trainings to compare with.
                    pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
                    load_if_exists=True,
                )
                before = self.study.user_attrs.get("about")
                if before is None:
                    self.study.set_user_attr("about", about)
        except OSError as error:
            raise UserError(f"out={config.out} cannot be written ({error.strerror})") from error
        if before is not None and before != about:
            differs = ", ".join(name for name in about if before[name] != about[name])
            raise UserError(f"out={config.out} is another search ({differs} differ): choose another out=DIR")

    def run(self) -> None:
        """Take up what was left, then propose, until there are enough trials.

        Raises:
            Interrupted: the trainings under way have been told to stop; their trials stay open.
        """
        with ThreadPoolExecutor(self.config.workers) as pool:
            working = [pool.submit(self._work) for _ in range(self.config.workers)]
            try:
                while not all(worker.done() for worker in working):
                    time.sleep(POLL)  # here, where a signal can raise
            finally:
                self._stop.set()
        for worker in working:
            worker.result()

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._next() as trial:
                if trial is None:
                    return
                self._train(trial)

    @contextmanager
    def _next(self) -> Iterator[Trial | None]:
        """A trial that nobody else works on: one whose process is gone, else a new one; None if there are enough."""
        with FileLock(self.out / "locks" / "study.lock"):
            trial = lock = None
            trials = self.study.get_trials(deepcopy=False)
            for left in trials:
                if left.state == TrialState.RUNNING and (lock := self._lock(left.number)) is not None:
                    trial = Trial(self.study, left._trial_id)
                    break
            if trial is None and len(trials) < self.config.trials:
                # A sampler for each trial: one that began anew with its seed would propose again what it has proposed.
                seed = (self.config.sampler_seed * 1_000_003 + len(trials)) % 2**32
                self.study.sampler = optuna.samplers.TPESampler(seed=seed)
                trial = self.study.ask(self._space)
                lock = self._lock(trial.number)
        try:
            yield trial
        finally:
            if lock is not None:
                lock.release()

    def _lock(self, number: int) -> FileLock | None:
        lock = FileLock(self.out / "locks" / f"{number}.lock", timeout=0, is_singleton=False)
        try:
            lock.acquire()
        except Timeout:
            return None
        return lock

    def _train(self, trial: Trial) -> None:
        """One training to its end, or until it is stopped."""
        words = [*self.words, *(f"{name}={value}" for name, value in trial.params.items()), "evaluation=fast"]
        (config,) = preflight_quietly(words)
        run = Run(Path(config.runs) / config.run_name)
        trial.set_user_attr("run", str(run.path))
        trial.set_user_attr("words", words)
        while run.is_locked:  # its training outlived the search that began it
            if self._stop.wait(POLL):
                return
        threads = max(1, (os.cpu_count() or 1) // self.config.workers)
        process = subprocess.Popen(
            [sys.executable, "-m", "genbench.train", *words],
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches it through us
        )
        said: list[str] = []
        assert process.stderr is not None
        reader = threading.Thread(target=lambda: said.extend(process.stderr or ()))
        reader.start()
        pruned = False
        reported = 0
        while process.poll() is None:
            if self._stop.wait(POLL) or pruned:
                process.send_signal(signal.SIGTERM)  # it writes a checkpoint and ends
                process.wait()
                break
            if len(self.config.objectives) == 1 and self.config.objectives[0] in CURVES:
                curve = read_curve(run, CURVES[self.config.objectives[0]])
                for step in range(reported, len(curve)):
                    trial.report(curve[step], step)
                reported = max(reported, len(curve))
                pruned = reported > 0 and trial.should_prune()
        reader.join()
        process.stderr.close()
        if process.returncode == 0:
            self.study.tell(trial.number, values_of(run, self.config.objectives))
        elif pruned:
            self.study.tell(trial.number, state=TrialState.PRUNED)
        elif not self._stop.is_set():
            why = said[-1].strip() if said else f"exit code {process.returncode}"
            trial.set_user_attr("why", why)
            self.study.tell(trial.number, state=TrialState.FAIL)

    def best(self) -> list[FrozenTrial]:
        """The best trial, or of several objectives those that no other beats in all."""
        complete = self.study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        return sorted(self.study.best_trials, key=lambda trial: trial.values) if complete else []

    def write(self) -> list[Table]:
        """search.json and search.csv in the study's folder; the tables to show."""
        trials = self.study.get_trials(deepcopy=False)
        best = {trial.number for trial in self.best()}
        rows = [
            {
                "trial": trial.number,
                "state": trial.state.name.lower(),
                **dict(zip(self.config.objectives, trial.values or [None] * len(self.config.objectives), strict=True)),
                "best": trial.number in best,
                **trial.params,
                "run": trial.user_attrs.get("run", ""),
                "why": trial.user_attrs.get("why", ""),
            }
            for trial in trials
        ]
        with whole_file(self.out / "search.json") as temporary:
            temporary.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
        with (
            whole_file(self.out / "search.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
            writer.writeheader()
            writer.writerows(rows)
        counts = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for state in ("complete", "pruned", "fail", "running"):
            number = sum(row["state"] == state for row in rows)
            if number:
                counts.add_row(state, str(number))
        for row in rows:
            if row["why"]:
                counts.add_row(f"trial {row['trial']} failed", str(row["why"]))
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("trial", *self.config.objectives, "run", "words that train it with a full evaluation"):
            table.add_column(heading, overflow="fold")
        for trial in self.best():
            words = " ".join([*trial.user_attrs["words"][:-1], "evaluation=full"])
            numbers = [f"{value:.4g}" for value in trial.values]
            table.add_row(str(trial.number), *numbers, trial.user_attrs["run"], words)
        return [counts, table]


def distribution(about: dict[str, Any]) -> BaseDistribution:
    """Optuna's word for a range or choices of a space."""
    if "choices" in about:
        return CategoricalDistribution(about["choices"])
    low, high, log = about["low"], about["high"], bool(about.get("log"))
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)


_composing = threading.Lock()  # Hydra has one state a process


def preflight_quietly(words: list[str]) -> list[TrainConfig]:
    """`preflight` of a training, from any thread."""
    with _composing:
        return preflight("train", TrainConfig, words).configs


def read_curve(run: Run, column: str) -> list[float]:
    """A column of metrics.csv as far as it goes, a value a validation."""
    with contextlib.suppress(OSError), (run.path / "metrics.csv").open(encoding="utf-8") as file:
        return [float(row[column]) for row in csv.DictReader(file) if row.get(column)]
    return []


def values_of(run: Run, objectives: list[str]) -> list[float]:
    """A finished run's objectives: scores of the validation images, and the seconds of training."""
    scores = run.read_json("scores.json")
    assert scores["level"] == "fast", f"{run.path} was scored on the test images"
    spaces = scores["spaces"]
    space = spaces["classifier"] if isinstance(spaces.get("classifier"), dict) else spaces["random"]
    found = {"seconds": run.read_json("summary.json")["train_seconds"]}
    found |= {name: space[name]["mean"] for name in CURVES}
    return [float(found[name]) for name in objectives]
