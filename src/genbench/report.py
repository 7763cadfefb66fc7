"""python -m genbench.report: one page that answers the question "GAN or VAE?"."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from genbench.config import CONF, ReportConfig, check, preflight, user_errors
from genbench.errors import UserError


def main() -> None:
    """Check the command line, then let Hydra call `job`."""
    with user_errors():
        preflight("report", ReportConfig)
        job()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="report")
def job(composed: DictConfig) -> None:
    """Make one report."""
    with user_errors():  # Hydra would print a traceback
        report(check(composed, ReportConfig))


def report(config: ReportConfig) -> None:
    """Write <out>/index.html, report.md with its figures, results.csv and results.json.

    Raises:
        UserError: there are no runs, or the folder cannot be written.
    """
    out = Path(config.out)
    if out.exists() and not out.is_dir():
        raise UserError(f"out={out}: is a file; give a folder")
    if not out.parent.is_dir():
        raise UserError(f"out={out}: there is no folder {out.parent}")
    if (out / "status.json").exists():
        raise UserError(f"out={out}: is a run's directory; give another folder")
    from genbench.reporting.inputs import rankings, read_records

    records = read_records(Path(config.runs))
    ranked = rankings(records, Path(config.calibration))

    # Heavier modules are imported once there is something to report on.
    from genbench.reporting.page import assemble, write

    content = assemble(records, ranked, config)
    try:
        write(content, out)
    except OSError as error:
        raise UserError(f"out={out}: cannot be written ({error.strerror})") from error
    for part in content.parts:
        for judged in part.judged:
            print(f"{part.ranking.data}: {judged.headline}")
    if content.left_out:
        print(f"{len(content.left_out)} of {len(records)} directories are not ranked; the page says why")
    print(out / "index.html")


if __name__ == "__main__":
    main()
