"""python -m genbench.export: a run's networks for programs that do not know genbench."""

from importlib.util import find_spec
from pathlib import Path

import hydra
from omegaconf import DictConfig

from genbench.config import CONF, ExportConfig, check, preflight, user_errors
from genbench.errors import UserError
from genbench.runs import Run, whole_file

ONNX = ("onnx", "onnxscript", "onnxruntime")
SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2", "safetensors": ".safetensors"}


def main() -> None:
    """Check the command line, then let Hydra call `job`."""
    with user_errors():
        preflight("export", ExportConfig)
        job()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="export")
def job(composed: DictConfig) -> None:
    """Export the networks."""
    with user_errors():  # Hydra would print a traceback
        export(check(composed, ExportConfig))


def export(config: ExportConfig) -> None:
    """Write each of a run's networks into a file of its own, after comparing what it computes.

    Raises:
        UserError: the run has no readable weights, a file cannot be written, or a library is missing.
    """
    out = Path(config.out)
    if not out.is_dir():
        raise UserError(f"out={out}: there is no such folder")
    run = Run.open(config.run)
    if not (run.path / "weights.safetensors").is_file():
        raise UserError(f"{run.path} has no weights yet: its training is {run.status.state}")

    missing = [name for name in ONNX if find_spec(name) is None]
    if config.format == "onnx" and missing:
        raise UserError(f"format=onnx needs {', '.join(missing)}: pip install 'genbench[export]'")

    from genbench.models.export import export as write
    from genbench.models.export import networks
    from genbench.models.weights import description, load

    model, shape = load(run.path / "weights.safetensors")
    about = {
        "run": run.path.name,
        "model": description(run.path / "weights.safetensors"),
        "latent_size": model.latent_size,
        "image_shape": list(shape),
    }
    for name, (function, rows) in networks(model, shape).items():
        path = out / f"{run.path.name}-{name}{SUFFIXES[config.format]}"
        try:
            with whole_file(path) as temporary:
                worst = write(function, rows, config.format, temporary, {"network": name, **about})
        except OSError as error:
            raise UserError(f"{path} cannot be written ({error.strerror})") from error
        print(f"{path}: {(function.__doc__ or '').strip()} At most {worst:.1g} from what PyTorch computes.")


if __name__ == "__main__":
    main()
