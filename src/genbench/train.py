"""python -m genbench.train: train a model on a data set, into a run directory."""

import gc
import logging
import sys
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from genbench.config import CONF, TrainConfig, check, preflight, user_errors
from genbench.errors import UserError
from genbench.interruption import Interrupted, on_signals
from genbench.runs import Run

MOST_STALLED = 3  # times that a sweep is taken up again although the last time got nowhere


def main() -> None:
    """Check the command line, let Hydra call `job` once or once for each job of a sweep, then say how it went."""
    with user_errors():
        configs, is_sweep = preflight("train", TrainConfig)
        if is_sweep:
            if any(config.trainer.devices * config.trainer.num_nodes > 1 for config in configs):
                raise UserError(
                    "trainer.devices, trainer.num_nodes: a sweep's runs take one process each; leave out -m"
                )
            sweep(configs)
        else:
            job()


def sweep(configs: list[TrainConfig]) -> None:
    """All jobs, by whatever launcher; exit code 1 if a run is not finished in the end.

    A run that lost its process (a killed worker, a lost machine) is taken up again, as long as that gets anywhere.
    """
    from genbench.reporting.tables import stdout, sweep_table

    runs = [Run(Path(config.runs) / config.run_name) for config in configs]
    for run, config in zip(runs, configs, strict=True):  # a long sweep shows from the start what is to come
        run.queue(config.to_yaml(), overwrite=config.overwrite)
    code = stalled = 0
    before: object = None
    while stalled < MOST_STALLED:
        try:
            job()
        except SystemExit as exit:  # a signal, or a launcher whose worker died
            code = exit.code if isinstance(exit.code, int) else 1
        states = [run.status.state for run in runs]
        lost = [run for run in runs if run.status.state in ("queued", "interrupted") and not run.is_locked]
        if code > 128 or not lost:
            break
        print(f"{len(lost)} runs lost their process; they go on", file=sys.stderr)
        now = states, [run.checkpoints[:1] for run in runs]
        stalled = stalled + 1 if now == before else 0
        before = now
    stdout().print(sweep_table(runs))
    sys.exit(code if code > 128 else 0 if all(run.is_finished for run in runs) else 1)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def job(composed: DictConfig) -> None:
    """One training. In a sweep a failure is written into its run directory and the next job goes on."""
    config = check(composed, TrainConfig)
    if HydraConfig.get().mode is not RunMode.MULTIRUN:
        with user_errors():  # Hydra would print a traceback
            train(config)
        return
    run = Run(Path(config.runs) / config.run_name)
    if run.status.state == "failed":  # in this sweep, which has queued all its runs at the start
        return
    try:
        train(replace(config, overwrite=False))  # that was done when the run was queued
    except Interrupted as signal:
        sys.exit(128 + signal.number)
    except Exception as error:  # noqa: BLE001  (whatever it was, it is recorded and reported at the end)
        if run.status.state == "queued":  # before the training began, so that nothing has recorded it yet
            run.set_status("failed", str(error))
        print(f"{run.path}: {error}", file=sys.stderr)
    finally:
        gc.collect()  # Trainer and callbacks know each other: without this dozens of models wait for Python to look


def train(config: TrainConfig) -> None:
    """From the images to a finished run directory; a run that was begun before goes on from its last checkpoint.

    Raises:
        UserError: the device, the data or the model cannot be had as the config wants them, or the training failed
            for a reason that the user can mend.
        Interrupted: Ctrl-C or SIGTERM; the run can go on.
    """
    run = Run(Path(config.runs) / config.run_name)
    to_score = config.evaluation.level != "none"
    if run.is_finished and not config.overwrite and (not to_score or (run.path / "scores.json").is_file()):
        print(f"{run.path} is finished. To train it again: overwrite=true")
        return

    # Heavy modules are imported once the config is known to be good: a typo is answered at once.
    import lightning as L
    import torch
    from hydra.utils import get_method
    from lightning.pytorch.utilities import rank_zero_only
    from rich.console import Console

    from genbench.data.datamodule import ImageDataModule
    from genbench.device import best_device, choose_device
    from genbench.evaluation.extractors import load_spaces
    from genbench.evaluation.of_run import scores_of_run
    from genbench.evaluation.scorecard import feature_cache
    from genbench.models.weights import build, parameters, save
    from genbench.reporting.cards import write_model_card
    from genbench.reporting.pictures import draw_all
    from genbench.reporting.tables import scores_table, stdout, summary_table
    from genbench.training.checkpoints import latest
    from genbench.training.fit import fit, test_losses
    from genbench.training.metrics import log_hparams
    from genbench.training.recording import environment, recorded

    # What a user can get wrong fails in these lines, before a directory exists.
    device = choose_device(config.trainer)
    data = ImageDataModule(get_method(config.data.load), config.data.root, config.data.batch_size, config.seed)
    data.prepare_data()
    console = stdout()
    spaces = None
    if to_score:
        console.print("samples will be scored; the first time on a data set its classifier is trained before")
        spaces = load_spaces(data.data, feature_cache(), best_device())
    L.seed_everything(config.seed, workers=True, verbose=False)
    model = build(config.model, data.data.shape).to(memory_format=torch.channels_last)

    if (
        getattr(rank_zero_only, "rank", 0) > 0
    ):  # a further process of one training: it helps with the steps, and writes nothing
        logging.disable()
        checkpoint = None if config.overwrite else latest(run, Console(quiet=True))
        config = replace(config, logger={"_target_": None})
        with TemporaryDirectory() as nowhere:
            fit(model, data, config, device, Run(Path(nowhere)), Console(quiet=True), spaces, checkpoint)
        return

    with on_signals(), run.held(config.to_yaml(), overwrite=config.overwrite):
        if not run.is_finished:
            with recorded(run):
                run.write_json("environment.json", environment(device))
                outcome = fit(model, data, config, device, run, console, spaces, latest(run, console))
                summary = {
                    "parameters": parameters(model),
                    **asdict(outcome),
                    "test": test_losses(model, data, device),
                }
                with run.whole("weights.safetensors") as temporary:
                    save(model, config.model, data.data.shape, temporary)
                draw_all(run, model, data.data)
                run.write_json("summary.json", summary)
            console.print(summary_table(run))
        try:
            if to_score:  # a run that cannot be scored is a finished run all the same
                console.print("scoring")
                scores = scores_of_run(run, config.evaluation)
                run.write_json("scores.json", scores)
                console.print(scores_table(scores, str(run.path / "scores.json")))
        finally:
            write_model_card(run)
            log_hparams(run, config)


if __name__ == "__main__":
    main()
