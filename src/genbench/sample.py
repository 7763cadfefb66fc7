"""python -m genbench.sample: new images from a finished run."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from genbench.config import CONF, SampleConfig, check, preflight, user_errors
from genbench.errors import UserError
from genbench.runs import Run, whole_file


def main() -> None:
    """Check the command line, then let Hydra call `job`."""
    with user_errors():
        preflight("sample", SampleConfig)
        job()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="sample")
def job(composed: DictConfig) -> None:
    """Draw the images and write them."""
    with user_errors():  # Hydra would print a traceback
        sample(check(composed, SampleConfig))


def sample(config: SampleConfig) -> None:
    """Write n images of a run's model: the same seed, the same images, however many are asked for.

    Raises:
        UserError: the run has no readable weights, or the file cannot be written.
    """
    out = Path(config.out)
    if out.suffix not in (".png", ".npz"):
        raise UserError(f"out={out}: must end in .png (one grid) or .npz (an array)")
    if not out.parent.is_dir():
        raise UserError(f"out={out}: there is no folder {out.parent}")
    run = Run.open(config.run)
    if not (run.path / "weights.safetensors").is_file():
        raise UserError(f"{run.path} has no weights yet: its training is {run.status.state}")

    import numpy as np

    from genbench.models.sampling import draw
    from genbench.models.weights import load
    from genbench.reporting.pictures import grid, square

    model, _ = load(run.path / "weights.safetensors")
    images = draw(model, config.n, config.seed)
    try:
        with whole_file(out) as temporary:
            if out.suffix == ".npz":
                np.savez_compressed(temporary, images=images.numpy())
            else:
                grid(images, square(config.n)).save(temporary)
    except OSError as error:
        raise UserError(f"out={out}: cannot be written ({error.strerror})") from error
    print(f"{config.n} images of {run.path.name}, seed {config.seed}: {out}")


if __name__ == "__main__":
    main()
