"""Files and folders that a person names: made absolute once, and shown as short as they can be."""

import errno
import os
import re
from pathlib import Path

MARK = "made by genbench"  # stands in every file that a person asked for by out=: it can be made again
# A repository of the Hugging Face Hub: its name, and perhaps a branch, tag or commit.
HUB = re.compile(r"hf://(?P<repository>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?", re.ASCII)


def absolute(text: str) -> str:
    """A place as a person wrote it (~ is the home folder, . the current one), from whatever folder one looks.

    Raises:
        ValueError: no system can have such a place; the text is what it must be instead.
    """
    if not text or "\0" in text:
        raise ValueError("a file or folder")
    if re.match(r"\w+://", text):
        raise ValueError("a file or folder of this machine")
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


def absolute_or_hub(text: str) -> str:
    """`absolute`, but that a repository of the Hub stays as it is; raises as that."""
    if not text.startswith("hf://"):
        return absolute(text)
    if HUB.fullmatch(text) is None:
        raise ValueError("hf://USER/NAME or hf://USER/NAME@REVISION")
    return text


def near(place: str | Path) -> Path:
    """An absolute place as one writes it here: what lies below the current folder relative to it."""
    try:
        return Path(place).relative_to(Path.cwd())
    except (ValueError, OSError):
        return Path(place)
