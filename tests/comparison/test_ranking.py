"""What is compared with what, and what it is called."""

from pathlib import Path

import pytest

from genbench.comparison.ranking import Ranking, rankings
from genbench.runs.directory import Run
from genbench.runs.folder import read_folder
from genbench.runs.records import Key
from tests.reporting.synthetic import EXTRACTORS, calibrate_in, foreign_config, run_of, synthetic_run


def ranked(folder: Path) -> list[Ranking]:
    return rankings(read_folder(folder))


def labels(folder: Path) -> list[str]:
    (ranking,) = ranked(folder)
    return [contender.label for contender in ranking.contenders]


def rewrite(run: Run, **changes: object) -> None:
    run.write_scorecard(run.scorecard().model_copy(update=changes))


def test_runs_that_differ_in_the_seed_alone_are_one_contender(tmp_path: Path) -> None:
    for seed in (2, 0, 1):
        synthetic_run(tmp_path, "gan", seed)
        synthetic_run(tmp_path, "vae", seed)
    (ranking,) = ranked(tmp_path)
    assert [(c.label, [run.seed for run in c.runs]) for c in ranking.contenders] == [
        ("GAN", [0, 1, 2]),
        ("VAE", [0, 1, 2]),
    ]
    fcd = [run.scorecard.score(Key("classifier", "fcd")).mean for run in ranking.contenders[0].runs]  # type: ignore[union-attr]
    assert ranking.contenders[0].values(ranking.key("fcd")) == fcd
    assert ranking.key("fcd") == Key("classifier", "fcd")


@pytest.mark.slow
def test_a_label_says_what_differs_and_nothing_else(tmp_path: Path) -> None:
    synthetic_run(tmp_path, "gan", 0)
    for latent in (16, 2, 8):
        synthetic_run(tmp_path, "vae", 0, f"model.latent_size={latent}")
    assert labels(tmp_path) == ["GAN", "VAE, latent size 2", "VAE, latent size 8", "VAE, latent size 16"]
    synthetic_run(tmp_path, "vae", 0, "model.learning_rate=0.001")
    assert labels(tmp_path)[1:3] == [
        "VAE, latent size 2, learning rate 0.001",
        "VAE, latent size 2, learning rate 0.002",
    ]


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("trainer.max_minutes=5", "VAE, 5 min"),
        ("trainer.max_images=1000", "VAE, 1,000 images"),
        ("data.batch_size=32", "VAE, batch size 32"),
        ("model.betas=[0.5,0.999]", "VAE, betas [0.5, 0.999]"),
    ],
)
def test_every_kind_of_setting_has_a_name(word: str, label: str, tmp_path: Path) -> None:
    synthetic_run(tmp_path, "vae", 0)
    synthetic_run(tmp_path, "vae", 0, word)
    assert label in labels(tmp_path)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("model.loss=r3", ["GAN, nonsaturating loss", "GAN, r3 loss"]),
        ("model.loss=least_squares", ["GAN, least squares loss", "GAN, nonsaturating loss"]),
        ("model.generator=style", ["GAN, dcgan generator", "GAN, style generator"]),
        ("model.conditional=true", ["GAN, conditional", "GAN, conditional off"]),
        ("model.gamma=0.5", ["GAN, default gamma", "GAN, gamma 0.5"]),
    ],
)
def test_words_and_switches_are_said_as_one_says_them(word: str, expected: list[str], tmp_path: Path) -> None:
    synthetic_run(tmp_path, "gan", 0)
    synthetic_run(tmp_path, "gan", 0, word)
    assert labels(tmp_path) == expected


def test_a_model_of_the_same_title_is_told_by_its_class(tmp_path: Path) -> None:
    synthetic_run(tmp_path, "vae", 0)
    run_of(tmp_path, foreign_config(0, "mine.Better", "VAE"))
    first, second = labels(tmp_path)
    assert {first.partition(", ")[0], second.partition(", ")[0]} == {"VAE"}
    assert "class mine.Better" in " ".join((first, second))
    assert first != second


def test_options_of_sampling_make_another_contender(tmp_path: Path) -> None:
    for seed, steps in enumerate((10, 50)):
        run = synthetic_run(tmp_path, "vae", seed)
        cost = run.scorecard().cost
        rewrite(run, cost=cost.model_copy(update={"sample_options": {"steps": steps}}))
    assert labels(tmp_path) == ["VAE, steps 10", "VAE, steps 50"]


@pytest.mark.slow
def test_names_of_files_are_told_apart(tmp_path: Path) -> None:
    """Charts of one data set stood in the other's section."""
    for number, name in enumerate(("猫", "犬", "x", "x", "x-2")):
        own = dict.fromkeys(EXTRACTORS, f"{number}" * 16)
        synthetic_run(tmp_path, "vae", number, f"data.root='/photos/{name}'", data="folder", extractors=own)
    found = [ranking.name for ranking in rankings(read_folder(tmp_path))]
    assert len(found) == len(set(found)) == 5


def test_titles_come_from_the_records(tmp_path: Path) -> None:
    run_of(tmp_path, foreign_config(0, "flow.Flow", "Flow matching"))
    (ranking,) = ranked(tmp_path)
    assert ranking.contenders[0].label == "Flow matching"
    assert ranking.contenders[0].model == "flow"
    assert ranking.title == read_folder(tmp_path)[0].data_title


def test_other_extractors_or_protocols_are_never_in_one_ranking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    for seed in range(3):
        synthetic_run(runs, "gan", seed)
    synthetic_run(runs, "vae", 0, extractors=EXTRACTORS | {"classifier": "f" * 16})
    rewrite(synthetic_run(runs, "vae", 1), protocol=7)
    fast = synthetic_run(runs, "vae", 2)
    rewrite(fast, level="fast")
    calibrate_in(tmp_path, monkeypatch)
    records = read_folder(runs)
    found = rankings(records)
    assert [len(ranking.runs) for ranking in found] == [3, 1, 1]
    assert [ranking.name for ranking in found] == ["optdigits", "optdigits-2", "optdigits-3"]
    assert [ranking.calibration is not None for ranking in found] == [True, False, False]
    assert [bool(ranking.note) for ranking in found] == [False, True, True]
    (fast_record,) = [record for record in records if record.path == fast.path]
    assert fast_record.problems[0].startswith("scored by evaluation=fast")
