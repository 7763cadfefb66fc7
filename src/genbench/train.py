"""python -m genbench.train: train a model on a data set, into a run directory."""

import sys
from dataclasses import asdict
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from genbench.config import CONF, TrainConfig, check, preflight, user_errors
from genbench.runs import Run


def main() -> None:
    """Check the command line, let Hydra call `job` once or once for each job of a sweep, then say how it went."""
    with user_errors():
        configs, sweep = preflight("train", TrainConfig)
        runs = [Run(Path(config.runs) / config.run_name) for config in configs]
        if sweep:  # a long sweep shows from the start what is to come
            for run, config in zip(runs, configs, strict=True):
                run.create(config.to_yaml(), overwrite=config.overwrite)
        job()
        if sweep:
            from genbench.reporting.tables import stdout, sweep_table

            stdout().print(sweep_table(runs))
            sys.exit(0 if all(run.is_finished for run in runs) else 1)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
def job(composed: DictConfig) -> None:
    """One training. In a sweep a failure is written into its run directory and the next job goes on."""
    config = check(composed, TrainConfig)
    if HydraConfig.get().mode is not RunMode.MULTIRUN:
        with user_errors():  # Hydra would print a traceback
            train(config)
        return
    run = Run(Path(config.runs) / config.run_name)
    try:
        train(config)
    except Exception as error:  # noqa: BLE001  (whatever it was, it is recorded and reported at the end)
        if run.status.state == "queued":  # before the training began, so that nothing has recorded it yet
            run.set_status("failed", str(error))
        print(f"{run.path}: {error}", file=sys.stderr)


def train(config: TrainConfig) -> None:
    """From the images to a finished run directory.

    Raises:
        UserError: the device, the data or the model cannot be had as the config wants them.
    """
    run = Run(Path(config.runs) / config.run_name)
    if run.is_finished and not config.overwrite:
        print(f"{run.path} is finished. To train it again: overwrite=true")
        return

    # Heavy modules are imported once the config is known to be good: a typo is answered at once.
    import lightning as L
    import torch
    from hydra.utils import get_method

    from genbench.data.datamodule import ImageDataModule
    from genbench.device import best_device, choose_device
    from genbench.evaluation.extractors import load_spaces
    from genbench.evaluation.of_run import scores_of_run
    from genbench.evaluation.scorecard import feature_cache
    from genbench.models.weights import build, parameters, save
    from genbench.reporting.cards import write_model_card
    from genbench.reporting.pictures import draw_all
    from genbench.reporting.tables import scores_table, stdout, summary_table
    from genbench.training.fit import fit, test_losses
    from genbench.training.metrics import log_hparams
    from genbench.training.recording import environment, recorded

    # What a user can get wrong fails in these lines, before a directory exists.
    device = choose_device(config.trainer)
    data = ImageDataModule(get_method(config.data.load), config.data.root, config.data.batch_size, config.seed)
    data.prepare_data()
    console = stdout()
    spaces = None
    if config.evaluation.level != "none":
        console.print("samples will be scored; the first time on a data set its classifier is trained before")
        spaces = load_spaces(data.data, feature_cache(), best_device())
    L.seed_everything(config.seed, workers=True, verbose=False)
    model = build(config.model, data.data.shape).to(memory_format=torch.channels_last)

    run.create(config.to_yaml(), overwrite=config.overwrite)
    with recorded(run):
        run.write_json("environment.json", environment(device))
        outcome = fit(model, data, config, device, run, console, spaces)
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
        if config.evaluation.level != "none":  # a run that cannot be scored is a finished run all the same
            console.print("scoring")
            scores = scores_of_run(run, config.evaluation)
            run.write_json("scores.json", scores)
            console.print(scores_table(scores, str(run.path / "scores.json")))
    finally:
        write_model_card(run)
        log_hparams(run, config)


if __name__ == "__main__":
    main()
