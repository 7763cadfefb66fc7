"""Calibrations as records: what the scores say of images whose quality is known, and so which of them may vote.

They are kept in the cache, under the hashes of the extractors that they are about; those of the known data sets come
with genbench. Importing this module imports no torch.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from genbench.cache import cache_folder, feature_cache, regular_file, whole_file
from genbench.errors import UserError
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.protocol import MISSING, REAL
from genbench.runs.records import Key, Record, Score

# To make these anew: remove shipped/, calibrate with an empty cache, and copy from it calibrations/*.json and
# extractors/*/classifier.safetensors.
SHIPPED = Path(__file__).parent / "shipped" / "calibrations"
LARGEST = 64 * 2**20  # bytes of a calibration
VOTES = "votes"  # the last question: whether no answer before it is no


class Calibration(Record):
    """All rows, doses and verdicts for one data set, in one set of feature spaces."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    version: Literal[2] = 2
    protocol: int
    data: str
    fingerprint: str  # of the data
    extractors: dict[str, dict[str, str]]  # by space: hash, and the facts of its file
    n: int  # images in a draw
    draws: int
    rows: dict[str, dict[str, dict[str, Score]]]  # by row, space and score
    doses: dict[str, dict[str, dict[str, dict[str, float]]]]  # by kind, dose, space and score
    votes: dict[str, dict[str, dict[str, bool | None]]]  # by space, score and question; None: does not apply
    device: str
    seconds: float
    checksum: str = ""  # in the file, of all that stands before; files of before have none

    @property
    def digest(self) -> str:
        """What the checksum must be."""
        return hashlib.sha256(self.model_dump_json(exclude={"checksum"}).encode()).hexdigest()[:16]

    @property
    def hashes(self) -> dict[str, str]:
        """The extractors' hashes by space, as a scorecard has them."""
        return {space: facts["hash"] for space, facts in self.extractors.items()}

    @property
    def has_labels(self) -> bool:
        """Whether its images have labels."""
        return MISSING in self.rows

    @property
    def is_complete(self) -> bool:
        """Whether it knows every score that there is now: a package may have come since that brings one."""
        known = {score for scores in self.votes.values() for score in scores}
        return all(
            entry.name in known
            for entry in catalogue().values()
            if entry.is_measured(labels=self.has_labels, classifier="classifier" in self.extractors)
        )

    def row(self, name: str, key: Key) -> Score | None:
        """How the images of a row score; None if there is no such row or score."""
        return self.rows.get(name, {}).get(key.space, {}).get(key.score)

    def real(self, key: Key) -> Score | None:
        """How real images score against real ones; None if it does not know the score."""
        return self.row(REAL, key)

    def may_vote(self, key: Key) -> bool:
        """Whether the score has earned its vote in its space."""
        return self.votes.get(key.space, {}).get(key.score, {}).get(VOTES) is True


def find_calibration(data: str, protocol: int, extractors: Mapping[str, str]) -> Calibration | str:
    """The calibration that belongs to scores, or in one line why there is none.

    Args:
        data: what the images are called, for the message.
        protocol: of the scores.
        extractors: of the scores: hash by space.
    """
    cache = cache_folder()
    places = [SHIPPED] if cache is None else [cache / "calibrations", SHIPPED]
    reason = f"there is no calibration of {data} for these feature spaces"
    for folder in places:
        for path in sorted(folder.glob(f"*-{_key(protocol, extractors)}.json")):
            found = _read(path)
            if isinstance(found, str):
                reason = found
            elif found.protocol == protocol and found.hashes == dict(extractors):
                return found
    return reason


def shipped() -> list[Calibration]:
    """Those that come with genbench, by data set.

    Raises:
        UserError: a file is damaged.
    """
    found = [_read(path) for path in sorted(SHIPPED.glob("*.json"))]
    for each in found:
        if isinstance(each, str):
            raise UserError(each)
    return [each for each in found if isinstance(each, Calibration)]


def store(calibration: Calibration, folder: Path | None = None) -> Path:
    """Keep a calibration, in the cache if no folder is given, and return its file.

    Raises:
        UserError: there is no cache, or it cannot be written.
    """
    folder = feature_cache() / "calibrations" if folder is None else folder
    name = re.sub(r"[^A-Za-z0-9._-]", "_", calibration.data)
    path = folder / f"{name}-{_key(calibration.protocol, calibration.hashes)}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            kept = calibration.model_copy(update={"checksum": calibration.digest})
            temporary.write_text(kept.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error})") from error
    return path


def _read(path: Path) -> Calibration | str:
    try:
        found = Calibration.model_validate_json(regular_file(path, LARGEST).read_bytes())
        if found.checksum not in ("", found.digest):
            raise ValueError("its checksum is wrong")
        return found.model_copy(update={"checksum": ""})
    except (OSError, ValueError) as error:
        return f"{path} cannot be read ({str(error).splitlines()[0]}): delete it and calibrate again"


def _key(protocol: int, extractors: Mapping[str, str]) -> str:
    hashes = " ".join(f"{space}={extractors[space]}" for space in sorted(extractors))
    return hashlib.sha256(f"protocol {protocol} {hashes}".encode()).hexdigest()[:16]
