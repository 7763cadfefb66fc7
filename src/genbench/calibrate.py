"""python -m genbench.calibrate: the scores of images whose quality is known, and which scores may be trusted."""

import json
import logging
from pathlib import Path

import hydra
from omegaconf import DictConfig

from genbench.config import CONF, CalibrateConfig, check, preflight, user_errors
from genbench.errors import UserError
from genbench.runs import whole_file


def main() -> None:
    """Check the command line, then let Hydra call `job`."""
    with user_errors():
        preflight("calibrate", CalibrateConfig)
        job()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="calibrate")
def job(composed: DictConfig) -> None:
    """Calibrate one data set."""
    with user_errors():  # Hydra would print a traceback
        calibrate(check(composed, CalibrateConfig))


def calibrate(config: CalibrateConfig) -> None:
    """Write the numbers as <out without .md>/<data>.json, and the tables of all such files there as <out>.

    Raises:
        UserError: the data cannot be had, the classifier is below its gate, or the files cannot be written.
    """
    out = Path(config.out)
    if out.suffix != ".md" or not out.parent.is_dir():
        raise UserError(f"out={out}: must be a .md file in a folder that exists")
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # it takes a while
    from hydra.utils import get_method

    from genbench.device import best_device, processor_name
    from genbench.evaluation.calibration import calibration
    from genbench.evaluation.scorecard import feature_cache
    from genbench.reporting.calibration import calibration_page

    data = get_method(config.data.load)(config.data.root)
    device = best_device()
    result = calibration(data, feature_cache(), device)
    result["device"] = processor_name() if device.type == "cpu" else str(device)
    folder = out.with_suffix("")
    folder.mkdir(exist_ok=True)
    with whole_file(folder / f"{data.name}.json") as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    with whole_file(out) as temporary:
        temporary.write_text(calibration_page(results), encoding="utf-8")
    print(f"{data.name}: {len(result['rows'])} rows in {result['seconds']:.0f} s: {out}")


if __name__ == "__main__":
    main()
