"""One page, offline, that says which model is better on which score, and how sure that is.

genbench report
genbench report runs=runs/few out=few
genbench report runs=runs/few out=few.zip  (the page and the runs in one file)
"""

from pathlib import Path

from genbench.config.verbs import ReportConfig
from genbench.errors import UserError
from genbench.places import near
from genbench.runs.directory import Run
from genbench.runs.outputs import check_out


def run(config: ReportConfig) -> None:
    """Write <out>/index.html, report.md with its figures, results.csv and results.json; or all of it and the runs.

    Raises:
        UserError: there are no runs, or the folder or file cannot be written.
    """
    out = near(config.out)
    packed = out.suffix == ".zip"
    if packed:
        check_out([out], force=config.force)
    elif config.weights:
        raise UserError("weights=true: is for out=FILE.zip; a folder beside the runs needs none")
    else:
        check_page_folder(out, force=config.force)
    from genbench.reporting.page import write_report

    for headline in write_report(near(config.runs), out, config.code, force=config.force, weights=config.weights):
        print(headline)
    print(f"{out} ({out.stat().st_size / 1e6:.1f} MB)" if packed else out / "index.html")


def check_page_folder(out: Path, *, force: bool) -> None:
    """Refuse a folder that a page cannot go to.

    Raises:
        UserError: it is a file, a run's directory, there is nothing to make it in, or somebody's page is there.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"out={out}: is a file; give a folder")
    if out.suffix == ".zip":
        raise UserError(f"out={out}: give a folder; genbench report runs=DIR out={out.name} packs runs and page")
    if not out.parent.is_dir():
        raise UserError(f"out={out}: there is no folder {out.parent}")
    if Run(out).exists:
        raise UserError(f"out={out}: is a run's directory; give another folder")
    if out.is_dir():
        check_out([out / "index.html"], force=force)
