"""An IDX file of anybody's, packed by gzip or not, whatever it is called: the format of MNIST."""

import gzip
import io
import zlib
from pathlib import Path

from genbench.cache import regular_file
from genbench.data.found import Sliceable
from genbench.data.idx import LARGEST, parse_idx
from genbench.errors import UserError


def takes(path: Path) -> bool:
    """By its first four bytes, of a file that may be one by its name."""
    suffix = path.suffix.lower()
    if not (suffix in ("", ".gz", ".idx", ".bin") or suffix.endswith("ubyte")) or not path.is_file():
        return False
    try:
        return _start(path)[:3] == b"\0\0\x08"
    except (OSError, EOFError, zlib.error):
        return False


def arrays(path: Path) -> dict[str, Sliceable]:
    """The one array."""
    name = path.name.removesuffix(".gz")
    try:
        data = regular_file(path, LARGEST).read_bytes()
        if data.startswith(b"\x1f\x8b"):
            with gzip.open(io.BytesIO(data)) as packed:
                data = packed.read(LARGEST)
        return {name: parse_idx(data, data[3] if len(data) > 3 else 0)}
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a readable IDX file ({error}): replace it") from error


def _start(path: Path) -> bytes:
    with regular_file(path).open("rb") as file:
        start = file.read(4)
    if not start.startswith(b"\x1f\x8b"):
        return start
    with gzip.open(path) as packed:
        return packed.read(4)
