"""What is written down about a training besides its results: how it went, what was said, and on what it ran."""

import logging
import platform
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import torch

from genbench import __version__
from genbench.device import Device
from genbench.errors import UserError
from genbench.interruption import Interrupted
from genbench.runs.directory import Run
from genbench.runs.files import is_disk_full
from genbench.runs.records import Environment

log = logging.getLogger("genbench")


class _LogFile(logging.FileHandler):
    """A log that does not stop a training, or talk about itself, when the disk is full."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        """Leave the line out."""


@contextmanager
def recorded(run: Run) -> Iterator[None]:
    """Keep status.json true and write what is logged or warned of into train.log while a training runs.

    Raises:
        UserError: the disk is full.
        BaseException: whatever else the training raised.
    """
    run.check_place()
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):  # their news go to the file, not to the screen
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    with log_file(run, logging.getLogger()):
        try:
            with warnings.catch_warnings():
                logging.captureWarnings(True)
                run.set_status("running")
                log.info("training begins: %s", run.path.name)
                yield
                run.set_status("finished")
                log.info("training finished")
        except Interrupted as error:
            run.set_status("interrupted", str(error))
            log.info("interrupted by %s", error)
            raise
        except BaseException as error:
            if is_disk_full(error):
                with suppress(OSError):  # where nothing can be written the status stays, and its process is gone
                    run.set_status("failed", "no space left on the disk")
                raise UserError(f"{run.path}: no space left: free some, and give the same command again") from error
            lines = str(error).strip().splitlines() or [""]
            reason = lines[0] if isinstance(error, UserError) else f"{type(error).__name__}: {lines[0]}"
            run.set_status("failed", reason)
            log.exception("training failed")
            raise
        finally:
            logging.captureWarnings(False)


@contextmanager
def log_file(run: Run, logger: logging.Logger) -> Iterator[None]:
    """Have what a logger of Python's is told, from INFO on, written into train.log, and nowhere else.

    Raises:
        UserError: the run's directory was moved or deleted, no log is left in what is there now; or it cannot be
            written.
    """
    try:
        handler = _LogFile(run.log_path, encoding="utf-8")
    except OSError as error:
        run.check_place()  # it may have gone just now, and this says so
        raise UserError(f"{run.log_path} cannot be written ({error.strerror}): mend that") from error
    try:
        run.check_place()  # once more: another directory may have come into its place before the file was opened
    except UserError:
        handler.close()
        if run.log_path.is_file() and run.log_path.stat().st_size == 0:
            run.log_path.unlink()
        raise
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
        handler.close()


def environment(device: Device, config: str = "") -> Environment:
    """Versions, device and commit, and the fingerprint of a training's config, for environment.json."""
    packages = (
        "torch",
        "torchvision",
        "lightning",
        "hydra-core",
        "omegaconf",
        "numpy",
        "scikit-learn",
        "safetensors",
    )
    return Environment(
        genbench=__version__,
        commit=_commit(),
        python=platform.python_version(),
        system=platform.platform(),
        packages={name: version(name) for name in packages},
        accelerator=device.accelerator,
        device=device.name,
        precision=device.precision,
        threads=torch.get_num_threads(),
        config=config,
    )


def _commit() -> str | None:
    """The checkout's commit, with a + if files differ from it; None outside a checkout."""
    top = Path(__file__).resolve().parents[3]
    if not (top / ".git").exists():
        return None
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=top, capture_output=True, text=True, check=True)
        dirty = subprocess.run(["git", "status", "--porcelain"], cwd=top, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")
