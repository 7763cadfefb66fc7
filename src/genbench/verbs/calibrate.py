"""Score images whose quality is known, and say which scores may be trusted; reports find it by themselves.

genbench calibrate data=fashion
genbench calibrate data=mnist out=mnist-scores.md
genbench calibrate data=folder data.root=photos
"""

from genbench.config.verbs import CalibrateConfig
from genbench.errors import UserError
from genbench.places import near
from genbench.progress import importing
from genbench.runs.outputs import check_out, written


def run(config: CalibrateConfig) -> None:
    """Keep the calibration where reports look for it, and write its tables as <out> if that is wished.

    Raises:
        UserError: the data cannot be had, the classifier is below its gate, or the files cannot be written.
    """
    out = None if config.out is None else near(config.out)
    if out is not None:
        if out.suffix != ".md":
            raise UserError(f"out={out}: must be a .md file")
        check_out([out], force=config.force)
    importing("torch")
    from genbench.data.sources import load_data
    from genbench.device import best_device
    from genbench.evaluation.calibration import calibrate
    from genbench.evaluation.calibrations import store
    from genbench.reporting.calibration import calibration_page

    calibration = calibrate(load_data(config.data), best_device())
    path = store(calibration)
    print(f"{calibration.data}: {len(calibration.rows)} rows in {calibration.seconds:.0f} s: {path}")
    if out is not None:
        with written(out) as temporary:
            temporary.write_text(calibration_page([calibration]), encoding="utf-8")
        print(out)
