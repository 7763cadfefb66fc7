"""How a process has its memory from the system: in large pages, and for good.

A step of training takes and frees the same blocks, hundreds of megabytes, again and again. The C library gives large
ones back at once, and the system then hands out fresh pages, each of which it has to clear first.
"""

import ctypes
import os

_KEPT = (2**30, 2**25)  # bytes; an older C library refuses the first
# Of mallopt(3): from which size on a block is the system's affair, and how much may lie free at the end of the heap.
_LIMITS = {"MALLOC_MMAP_THRESHOLD_": -3, "MALLOC_TRIM_THRESHOLD_": -1}


def settle() -> None:
    """Do so here, and in the processes that this one starts, before PyTorch is imported; what the user has set counts.

    Where the C library is not GNU's there are no such limits.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch's own switch
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return
    if not os.environ.keys() & _LIMITS.keys():
        kept = next((size for size in _KEPT if all(mallopt(limit, size) for limit in _LIMITS.values())), None)
        if kept is not None:
            os.environ.update(dict.fromkeys(_LIMITS, str(kept)))
