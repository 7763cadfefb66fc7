"""How a model's samples changed while it trained: a picture from the same noise at every validation."""

from pathlib import Path

from PIL import Image

from genbench.runs.directory import Run
from genbench.runs.ownership import frames as found


def frames(run: Path) -> dict[int, Path]:
    """The pictures of a run's directory, by the real images that were seen; none of runs of before."""
    return {int(path.stem): path for path in found(run)}


def write_frame(run: Run, images_seen: int, picture: Image.Image) -> None:
    """Add one, as a PNG file.

    Raises:
        UserError: the directory was moved or deleted.
    """
    with run.whole(f"frames/{images_seen:012}.png") as temporary:
        picture.save(temporary, "PNG", optimize=True)


def drop_frames(run: Run, after: int) -> None:
    """Delete those of more images than that, from before an interruption: they are of a time that is trained anew.

    Raises:
        UserError: the directory was moved or deleted.
    """
    for images_seen, path in frames(run.path).items():
        if images_seen > after:
            run.check_place()  # another run's are not ours to delete
            path.unlink()
