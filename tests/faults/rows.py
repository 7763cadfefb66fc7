"""What can go wrong, made to go wrong: real processes, real kills, real full disks.

Every row is a function of a folder to work in and of whether the long form is wanted, and returns what it found.
`python -m tests.faults` runs the long forms and writes docs/reliability.md; test_faults.py runs the short ones.
"""

from tests.faults.directories import directories
from tests.faults.hostile import hostile
from tests.faults.kills import kills, sweep
from tests.faults.processes import Row
from tests.faults.storage import data_files, full_disk
from tests.faults.surroundings import memory, not_a_number, surroundings
from tests.faults.words import overrides

ROWS: dict[str, Row] = {
    "kills": kills,
    "full_disk": full_disk,
    "data_files": data_files,
    "sweep": sweep,
    "directories": directories,
    "overrides": overrides,
    "hostile": hostile,
    "not_a_number": not_a_number,
    "surroundings": surroundings,
    "memory": memory,
}
