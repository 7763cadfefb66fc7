"""What is written down about a training besides its results: how it went, what was said, and on what it ran."""

import logging
import platform
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genbench import __version__
from genbench.device import Device
from genbench.errors import UserError
from genbench.runs import Run

log = logging.getLogger("genbench")


@contextmanager
def recorded(run: Run) -> Iterator[None]:
    """Keep status.json true and write what is logged or warned of into train.log while a training runs.

    Raises:
        SystemExit: 128 + the signal's number after an interruption; otherwise whatever the training raised.
    """
    handler = logging.FileHandler(run.path / "train.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):  # their news go to the file, not to the screen
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            logging.captureWarnings(True)
            run.set_status("running")
            log.info("training begins: %s", run.path.name)
            yield
            run.set_status("finished")
            log.info("training finished")
    except KeyboardInterrupt as error:
        number = error.args[0] if error.args else signal.SIGINT
        run.set_status("interrupted", signal.Signals(number).name)
        log.info("interrupted by %s", signal.Signals(number).name)
        print(f"{run.path}: interrupted by {signal.Signals(number).name}", file=sys.stderr)
        raise SystemExit(128 + number) from error
    except BaseException as error:
        reason = str(error).strip().splitlines() or [""]
        run.set_status("failed", reason[0] if isinstance(error, UserError) else f"{type(error).__name__}: {reason[0]}")
        log.exception("training failed")
        raise
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()


def environment(device: Device) -> dict[str, Any]:
    """Versions, device and commit, for environment.json."""
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
    return {
        "genbench": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: version(name) for name in packages},
        "accelerator": device.accelerator,
        "device": device.name,
        "precision": device.precision,
    }


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
