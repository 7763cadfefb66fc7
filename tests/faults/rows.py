"""What can go wrong, made to go wrong: real processes, real kills, real full disks.

Every row is a function of a folder to work in and of whether the long form is wanted, and returns what it found.
`python -m tests.faults` runs the long forms and writes docs/reliability.md; test_faults.py runs the short ones.
"""

from tests.faults.changes import changed_data, copied_runs, moved_directories
from tests.faults.flips import flips
from tests.faults.hostile import hostile
from tests.faults.kills import kills, sweep
from tests.faults.processes import Row
from tests.faults.records import hostile_records
from tests.faults.sources import sources
from tests.faults.storage import data_files, full_disk
from tests.faults.surroundings import memory, not_a_number, surroundings
from tests.faults.variables import variables
from tests.faults.words import overrides

ROWS: dict[str, Row] = {
    "kills": kills,
    "sweep": sweep,
    "full_disk": full_disk,
    "moved_directories": moved_directories,
    "changed_data": changed_data,
    "copied_runs": copied_runs,
    "flips": flips,
    "hostile_records": hostile_records,
    "hostile": hostile,
    "data_files": data_files,
    "sources": sources,
    "overrides": overrides,
    "variables": variables,
    "surroundings": surroundings,
    "not_a_number": not_a_number,
    "memory": memory,
}
