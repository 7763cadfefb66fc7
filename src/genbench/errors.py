"""Errors that are not the program's: a person's, or the system's."""

import errno
import os


class UserError(Exception):
    """A mistake that the user can mend: its text is one line that says what to do; the verbs exit with 2.

    What cannot be printed, such as the control characters of a mistyped word, is escaped.
    """

    def __init__(self, text: str) -> None:
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text))


# What a system answers where the program has done nothing wrong.
_REFUSALS = {
    **{errno.EACCES: "change its permissions, or give another place", errno.EPERM: "give another place"},
    **{errno.EROFS: "give another place", errno.ENAMETOOLONG: "give a shorter one"},
    **{errno.ENOSPC: "free some space", errno.EDQUOT: "free some space", errno.EIO: "look at the disk"},
    **{errno.EMFILE: "raise ulimit -n", errno.ENFILE: "raise ulimit -n", errno.ELOOP: "mend its links"},
}


def refused_by_system(error: BaseException) -> str | None:
    """In one line what the system does not give, and what to do; None if an error is of another kind."""
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        what = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        return str(UserError(f"{what}{error.strerror}: {_REFUSALS[error.errno]}"))
    if isinstance(error, RuntimeError) and "EADDRINUSE" in str(error):
        return f"MASTER_PORT={os.environ.get('MASTER_PORT')}: is taken by another training: set another, or none"
    if _is_memory(error):
        return "there is not enough memory: free some, or give it less at a time (data.batch_size=, n=)"
    return None


def _is_memory(error: BaseException) -> bool:
    """Of Python, or in one of PyTorch's ways of saying it."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and ("can't allocate memory" in said or "out of memory" in said)
