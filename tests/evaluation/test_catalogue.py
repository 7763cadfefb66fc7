"""A score is one entry, ours or an installed package's, and gets everything from it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from genbench.data.images import ImageData, Split
from genbench.errors import UserError
from genbench.evaluation import calibrations
from genbench.evaluation.calibration import ROWS, calibrate
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.of_samples import score_images
from genbench.evaluation.protocol import DOSES, REAL, TOPICS
from genbench.reporting.calibration import calibration_page
from genbench.runs.records import Key
from tests.digits import optdigits

ENERGY = '''
import torch
from genbench.evaluation.entry import Entry
from genbench.evaluation.protocol import GAUSSIAN
from genbench.evaluation.pair import Pair


def energy_distance(pair: Pair) -> float:
    """Szekely & Rizzo 2013."""
    x, y = pair.generated.double(), pair.real.test.double()
    return (2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()).item()


ENTRY = Entry(
    name="energy",
    label="energy distance",
    meaning="distance between samples and real images by their mean distances",
    better="lower",
    perfect=0.0,
    topic="realism",
    flagged_by=GAUSSIAN,
    measure=energy_distance,
)
'''


@pytest.fixture(autouse=True)
def fresh_catalogue() -> Iterator[None]:
    catalogue.cache_clear()
    yield
    catalogue.cache_clear()


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, value: str, module: str) -> None:
    """A package outside the source tree, as pip would leave it."""
    site = folder / "site"
    (site / f"{module}.dist-info").mkdir(parents=True)
    (site / f"{module}.py").write_text(source, encoding="utf-8")
    (site / f"{module}.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n", encoding="utf-8"
    )
    (site / f"{module}.dist-info" / "entry_points.txt").write_text(
        f"[genbench.scores]\nenergy = {module}:{value}\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(site))


def test_every_entry_is_whole() -> None:
    for name, entry in catalogue().items():
        assert name == entry.name
        assert name.isidentifier()
        assert entry.label
        assert entry.meaning
        assert entry.worse == {"lower": 1, "higher": -1, None: 0}[entry.better]
        assert set(entry.answers_to) <= set(DOSES)
        if entry.of_images:
            assert entry.topic in TOPICS
            assert entry.flagged_by in ROWS
            assert entry.better is not None
        else:
            assert entry.flagged_by is None
    assert {entry.topic for entry in catalogue().values()} == {*TOPICS, None}


def test_the_catalogue_and_the_calibrations_need_no_torch() -> None:
    program = (
        "import sys, genbench.reporting.calibration; from genbench.evaluation.catalogue import catalogue; catalogue();"
        "from genbench.evaluation.calibrations import shipped; shipped(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_floor_of_the_frechet_distance_grows_with_the_features_and_falls_with_the_images() -> None:
    fcd, recall = catalogue()["fcd"], catalogue()["recall"]
    assert fcd.range_of_real(64, 10_000) == (0.0, 2.0 * 64**2 / 4 * 2 / 10_000)
    assert recall.range_of_real(64, 10_000) is None


@pytest.fixture
def few() -> ImageData:
    """300 unlabelled digits to train on, 60 to validate, 60 to test."""
    digits = optdigits()
    return ImageData(
        "few",
        Split(digits.train.images[:300], None),
        Split(digits.validation.images[:60], None),
        Split(digits.test.images[:60], None),
        (),
    )


@pytest.mark.slow
def test_a_packages_score_gets_what_ours_get(few: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ours = list(catalogue())
    catalogue.cache_clear()
    install(tmp_path, monkeypatch, ENERGY, "ENTRY", "energy_score")
    assert list(catalogue()) == [*ours, "energy"]

    scorecard = score_images(few.train.images[:60], few)
    for space in ("random", "pixels"):
        assert 0 < scorecard.values()[Key(space, "energy")].mean < 5

    calibration = calibrate(few, torch.device("cpu"))
    assert calibration.is_complete
    for space in ("random", "pixels"):
        key = Key(space, "energy")
        real, gaussian = calibration.real(key), calibration.row("independent Gaussian pixels", key)
        assert real is not None
        assert gaussian is not None
        assert gaussian.mean > 2 * real.mean
        assert calibration.votes[space]["energy"]["monotone in noise"] is True
        assert calibration.may_vote(key)
    assert "| energy |" in calibration_page([calibration])

    calibrations.store(calibration)
    found = calibrations.find_calibration("few", scorecard.protocol, scorecard.extractors)
    assert found == calibration
    assert set(calibration.rows) == {REAL, "real validation vs test", *ROWS} - {"real images without one class"}


def test_a_calibration_of_before_a_score_came_is_not_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibration = calibrations.shipped()[0]
    assert calibration.is_complete
    catalogue.cache_clear()
    install(tmp_path, monkeypatch, ENERGY, "ENTRY", "late_score")
    assert not calibration.is_complete
    assert not calibration.may_vote(Key("pixels", "energy"))


@pytest.mark.parametrize(
    ("module", "source", "message"),
    [
        ("broken_score", "import nothing_of_this_name", "cannot be loaded: ModuleNotFoundError"),
        ("wrong_score", "ENTRY = 'fcd'", "which is not an Entry"),
        ("same_score", ENERGY.replace('"energy"', '"fcd"'), "fcd of same_score:ENTRY has the name of another"),
    ],
)
def test_a_package_that_is_broken_is_named(
    module: str, source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, source, "ENTRY", module)
    with pytest.raises(UserError, match=message):
        catalogue()
