"""A finished and scored run, written by hand."""

from pathlib import Path

from genbench.config.train import TrainConfig, parse_train
from genbench.evaluation.protocol import PROTOCOL
from genbench.runs.directory import Run
from genbench.runs.records import Absent, Cost, DataRecord, Environment, Estimate, Row, Score, Scorecard, Summary

MODEL = {"_target_": "genbench.models.vae.VAE", "title": "VAE", "latent_size": 2, "betas": [0.9, 0.999]}
DATA_SET = {"load": "genbench.data.optdigits.load", "title": "Digits", "root": None, "batch_size": 64}
CONFIG = {
    "model": MODEL,
    "data": DATA_SET,
    "trainer": {
        **{"accelerator": "cpu", "precision": "float32", "max_epochs": None, "max_images": 640, "max_minutes": None},
        **{"ema_decay": 0.999, "validations": 2, "log_every_images": 64},
    },
    "logger": {},
    "evaluation": {"level": "full", "nll_samples": 500, "nll_images": 500},
    "runs": "runs",
    "overwrite": False,
    "seed": 3,
}
ENVIRONMENT = Environment(
    genbench="0.1.0",
    commit=None,
    python="3.11",
    system="Linux",
    packages={"torch": "2.14"},
    accelerator="cpu",
    device="a processor",
    precision="float32",
    threads=2,
)
DATA = DataRecord(
    name="optdigits",
    root=None,
    fingerprint="ab" * 32,
    shape=(1, 28, 28),
    classes=tuple("0123456789"),
    images={"train": 1283, "validation": 257, "test": 257},
)
SUMMARY = Summary(
    parameters={"encoder": 69076, "decoder": 65089},
    images_seen=640,
    train_seconds=2.5,
    images_per_second=256.0,
    train={"loss": 174.0},
    test={"loss": 168.5, "kl_0": 1.75, "kl_1": 1.875},
    alarms=("mode collapse",),
)
SCORECARD = Scorecard(
    protocol=PROTOCOL,
    level="full",
    data="optdigits",
    fingerprint="ab" * 32,
    extractors={"classifier": "1" * 16, "random": "2" * 16},
    spaces={
        "classifier": {
            "fcd": Score(mean=8.0, sd=0.1, n=257, draws=5),
            "class_kl": Score(mean=0.5, sd=0.0, n=257, draws=5),
        },
        "random": Absent(absent="not wanted"),
    },
    model={"nll": Estimate(mean=198.5, standard_error=1.0, n=257, method="importance sampling, 500 samples an image")},
    cost=Cost(
        parameters={"encoder": 69076, "decoder": 65089},
        train_seconds=2.5,
        images_seen=640,
        images_per_second=256.0,
        training_flops_per_image=None,
        peak_memory_bytes=10**9,
        seconds_for_10000_samples=5.5,
        sample_options={"steps": 12, "solver": "heun", "guidance": None},
    ),
    precision="float32",
)
ROWS = (
    Row(64, {"train/loss": 543.25}),
    Row(320, {"train/loss": 0.1 + 0.2, "train/kl": 1e-07}),
    Row(320, {"validation/loss": 500.0, "fast/fcd": float("inf")}),
)


def config() -> TrainConfig:
    return parse_train(CONFIG)


def example(path: Path) -> Run:
    """A finished run with all of its files but weights, log and pictures."""
    run = Run(path)
    run.queue(config().to_yaml())
    run.write_environment(ENVIRONMENT)
    run.write_data(DATA)
    run.write_scorecard(SCORECARD)
    run.write_metrics(ROWS)
    run.write_timing([Row(320, {"seconds": 1.25}), Row(640, {"seconds": 2.5})])
    run.write_summary(SUMMARY)
    run.set_status("finished")
    return run


def runs_in(folder: Path) -> list[Run]:
    """The runs of a folder, by name."""
    return [Run(path.parent) for path in sorted(folder.glob("*/status.json"))]
