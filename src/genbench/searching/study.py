"""A search by Optuna's ask and tell: every trial is a `genbench.train` process with a run directory of its own."""

import csv
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.table import Table

from genbench import __version__
from genbench.command.composition import compose, field_of
from genbench.config.train import TrainConfig
from genbench.config.verbs import SearchConfig
from genbench.errors import UserError
from genbench.places import MARK, near
from genbench.runs.directory import Run
from genbench.runs.outputs import check_out, written
from genbench.searching.journal import Journal
from genbench.searching.objectives import directions, values
from genbench.wording import written as as_word

POLL = 0.3  # seconds


class Search:
    """One process's part in a study. Others may take part in the same study at the same time."""

    def __init__(self, config: SearchConfig) -> None:
        """Open the study, or begin it.

        Raises:
            UserError: the folder cannot be written, or holds the study of another space or other objectives, a damaged
                journal or somebody's files.
        """
        logging.getLogger("optuna").setLevel(logging.ERROR)
        self.config = config
        self.out = near(config.out)
        self._composing = threading.Lock()  # Hydra has one state a process
        self._space = distributions(config)
        self._stop = threading.Event()
        about = {"space": config.search, "objectives": config.objectives, "words": config.words}
        if self.out.is_dir():
            check_out(self._outputs, force=config.force)
        try:
            (self.out / "locks").mkdir(parents=True, exist_ok=True)
            with FileLock(self.out / "locks" / "study.lock"):
                self.study = optuna.create_study(
                    storage=JournalStorage(Journal(self.out / "journal.log")),
                    study_name="genbench",
                    directions=[directions()[name] for name in config.objectives],
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
        for trial in self.study.get_trials(deepcopy=False):  # a study of before goes on with what it began with
            self._space |= {name: kept for name, kept in trial.distributions.items() if name in self._space}

    @property
    def _outputs(self) -> tuple[Path, Path]:
        return self.out / "search.csv", self.out / "search.json"

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

    def _lock(self, what: int | str) -> FileLock | None:
        """That of a trial by its number, or of a run by its name; None if another has it."""
        lock = FileLock(self.out / "locks" / f"{what}.lock", timeout=0, is_singleton=False)
        try:
            lock.acquire()
        except Timeout:
            return None
        return lock

    def _train(self, trial: Trial) -> None:
        """One training to its end, or until it is stopped; what train refuses is a failed trial."""
        words = [
            *self.config.words,
            *(f"{name}={as_word(value)}" for name, value in trial.params.items()),
            "evaluation=fast",
        ]
        trial.set_user_attr("words", words)
        try:
            with self._composing:
                (config,) = compose("train", TrainConfig, words).configs
        except UserError as error:
            self._fail(trial, str(error))
            return
        run = Run(config.directory)
        trial.set_user_attr("run", str(run.path))
        # Two trials may propose the same settings: the second waits, and takes the result. A training holds its run
        # only when it has imported its libraries, which is too late to be seen.
        lock = self._lock(config.run_name)
        while lock is None or run.is_locked:  # run: its training outlived the search that began it
            if self._stop.wait(POLL):
                break
            lock = lock or self._lock(config.run_name)
        try:
            if not self._stop.is_set():
                self._to_the_end(trial, run, words)
        finally:
            if lock is not None:
                lock.release()

    def _to_the_end(self, trial: Trial, run: Run, words: list[str]) -> None:
        """One training in a process of its own, and what the study is told of it."""
        threads = max(1, (os.cpu_count() or 1) // self.config.workers)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "genbench.train", *words],  # -P: a file of the current folder is no module
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches it through us
        )
        said: list[str] = []
        with process:
            reader = threading.Thread(target=lambda: said.extend(process.stderr or ()))
            reader.start()
            pruned = self._watch(trial, run, process)
            reader.join()
        if process.returncode == 0:
            self._tell(trial, run)
        elif pruned:
            self.study.tell(trial.number, state=TrialState.PRUNED)
        elif not self._stop.is_set():
            self._fail(trial, said[-1].strip() if said else f"exit code {process.returncode}")

    def _watch(self, trial: Trial, run: Run, process: subprocess.Popen[str]) -> bool:
        """Wait for a training's end, or end it; true if it was hopeless."""
        reported = 0
        pruned = False
        while process.poll() is None:
            if self._stop.wait(POLL) or pruned:
                process.send_signal(signal.SIGTERM)  # it writes a checkpoint and ends
                process.wait()
                break
            if len(self.config.objectives) > 1:
                continue
            with suppress(UserError):  # a table that cannot be read, which the training is going to write anew
                curve = run.metrics().curve(f"fast/{self.config.objectives[0]}")
                for step, (_, value) in enumerate(curve[reported:], start=reported):
                    trial.report(value, step)
                reported = max(reported, len(curve))
                pruned = reported > 0 and trial.should_prune()
        return pruned

    def _tell(self, trial: Trial, run: Run) -> None:
        try:
            found = values(run, self.config.objectives)
        except UserError as error:
            self._fail(trial, str(error))
        else:
            self.study.tell(trial.number, found)

    def _fail(self, trial: Trial, why: str) -> None:
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
        table, everything = self._outputs
        with written(everything) as temporary:
            temporary.write_text(json.dumps({"trials": rows}, indent=2) + "\n", encoding="utf-8")
        with written(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*dict.fromkeys(name for row in rows for name in row), MARK])
            writer.writeheader()
            writer.writerows(row | {MARK: __version__} for row in rows)
        counts = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for state in ("complete", "pruned", "fail", "running"):
            number = sum(row["state"] == state for row in rows)
            if number:
                counts.add_row(state, str(number))
        for row in rows:
            if row["why"]:
                counts.add_row(f"trial {row['trial']} failed", str(row["why"]))
        best_ones = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("trial", *self.config.objectives, "run", "words that train it with a full evaluation"):
            best_ones.add_column(heading, overflow="fold")
        for trial in self.best():
            words = shlex.join([*trial.user_attrs["words"][:-1], "evaluation=full"])
            numbers = [f"{value:.4g}" for value in trial.values]
            best_ones.add_row(str(trial.number), *numbers, trial.user_attrs["run"], words)
        return [counts, best_ones]


def distributions(config: SearchConfig) -> dict[str, BaseDistribution]:
    """A space as Optuna has it.

    Raises:
        UserError: the first of each word's values are none that train takes.
    """
    firsts = {name: about.get("choices", [about.get("low")])[0] for name, about in config.search.items()}
    words = [*config.words, *(f"{name}={as_word(value)}" for name, value in firsts.items())]
    (training,) = compose("train", TrainConfig, words).configs
    fields = {name: field_of(training, name) for name in config.search}
    fractions = {name for name, field in fields.items() if field is not None and _is_fraction(field.annotation)}
    return {name: distribution(about, fractions=name in fractions) for name, about in config.search.items()}


def distribution(about: dict[str, Any], *, fractions: bool = False) -> BaseDistribution:
    """Optuna's word for a range or choices of a space.

    Args:
        about: the range or the choices.
        fractions: what lies between two whole numbers is meant as well.
    """
    if "choices" in about:
        return CategoricalDistribution(about["choices"])
    low, high, log = about["low"], about["high"], bool(about.get("log"))
    if isinstance(low, int) and isinstance(high, int) and not fractions:
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _is_fraction(kind: Any) -> bool:
    return kind is float or any(map(_is_fraction, get_args(kind)))
