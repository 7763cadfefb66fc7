"""Files and folders that a person names: made absolute once, and shown as short as they can be."""

import errno
import os
from pathlib import Path

MARK = "made by genbench"  # stands in every file that a person asked for by out=: it can be made again


def absolute(text: str) -> str:
    """A place as a person wrote it (~ is the home folder, . the current one), from whatever folder one looks.

    Raises:
        ValueError: no system can have such a place; the text is what it must be instead.
    """
    if not text or "\0" in text:
        raise ValueError("a file or folder")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("a name in UTF-8: rename the file or folder") from error
    # An unknown user is left as it stands, and so are links.
    place = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100
    try:
        os.lstat(place)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ValueError("shorter: the system takes no name as long as that") from error
    return place


def near(place: str | Path) -> Path:
    """An absolute place as one writes it here: what lies below the current folder relative to it."""
    try:
        return Path(place).relative_to(Path.cwd())
    except (ValueError, OSError):
        return Path(place)
