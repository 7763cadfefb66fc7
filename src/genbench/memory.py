"""How a process has its memory from the system: in large pages, and hardly ever anew.

A step of training takes and frees the same blocks, hundreds of megabytes, again and again. The C library gives large
ones back at once, and the system then hands out fresh pages, each of which it has to clear first.
"""

import ctypes
import os

# Of mallopt(3), with bytes: from which size on a block is the system's affair, and how much may lie free at the end of
# the heap. An older C library takes no more for the first.
_LIMITS = {"MALLOC_MMAP_THRESHOLD_": (-3, 2**25), "MALLOC_TRIM_THRESHOLD_": (-1, 2**28)}


def settle() -> None:
    """Do so here, and in the processes that this one starts, before PyTorch is imported; what the user has set counts.

    Where the C library is not GNU's there are no such limits.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch's own switch
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return
    if not os.environ.keys() & {*_LIMITS, "GLIBC_TUNABLES"}:
        for name, (limit, size) in _LIMITS.items():
            mallopt(limit, size)
            os.environ[name] = str(size)
