"""A folder of runs and the page about them as one .zip file, of the same bytes whenever it is made of the same."""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from genbench.runs.directory import Run
from genbench.runs.outputs import marked, written
from genbench.runs.ownership import small_files

SMALL = 4 * 2**20  # bytes of the largest weights that are in it unasked
_BEGINNING = (1980, 1, 1, 0, 0, 0)  # the first moment that a .zip file knows


def write_archive(out: Path, page: Mapping[str, bytes], folders: Iterable[Path], *, weights: bool) -> list[str]:
    """Write <stem>/index.html and its siblings, and <stem>/runs/<run>/ with what a run tells a reader.

    Args:
        out: the .zip file.
        page: the page's files, by name.
        folders: those that are no runs are left out.
        weights: whether weights of more than SMALL bytes are in it.

    Returns:
        The runs whose weights are not in it, by name.

    Raises:
        UserError: it cannot be written.
    """
    top = PurePosixPath(out.stem)
    light = []
    with written(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in page.items():
            _add(archive, top / name, marked(content, Path(name).suffix))
        for folder in sorted(folders):
            if not Run(folder).exists:
                continue
            files = small_files(folder, None if weights else SMALL)
            for name, path in files.items():
                _add(archive, top / "runs" / folder.name / name, path.read_bytes())
            if Run(folder).has_weights and "weights.safetensors" not in files:
                light.append(folder.name)
    return light


def _add(archive: zipfile.ZipFile, name: PurePosixPath, content: bytes) -> None:
    about = zipfile.ZipInfo(str(name), _BEGINNING)
    about.compress_type = zipfile.ZIP_DEFLATED
    about.create_system = 3  # Unix, on every system
    about.external_attr = 0o644 << 16
    archive.writestr(about, content)
