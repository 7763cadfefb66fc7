"""What the page says: contenders by name, one answer a question, and commands that work."""

from pathlib import Path
from shlex import split

import pytest

from genbench.cli import compose
from genbench.comparison.judgement import Judgement, judge
from genbench.comparison.ranking import rankings
from genbench.reporting import words
from genbench.reporting.formats import word
from genbench.runs.folder import read_folder
from tests.reporting.synthetic import calibrate_in, foreign_config, run_of, synthetic_run, three_models


def judged(folder: Path) -> Judgement:
    (ranking,) = rankings(read_folder(folder))
    return judge(ranking)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    calibrate_in(tmp_path, monkeypatch)
    return tmp_path / "runs"


def two(runs: Path, gan: float, vae: float, seeds: int = 5) -> Judgement:
    for seed in range(seeds):
        synthetic_run(runs, "gan", seed, better=gan)
        synthetic_run(runs, "vae", seed, better=vae)
    return judged(runs)


def test_a_better_one_of_two_is_named_with_the_other(runs: Path) -> None:
    found = two(runs, 0.5, 0.0)
    assert words.headline(found) == ("Take the GAN. It is better on 6 of 6 scores, the VAE on none.",)
    by_question = {answer.question: answer for answer in words.answers(found)}
    assert by_question["More varied images?"].winners == ("GAN",)
    assert by_question["More varied images?"].sure == "sure, on every score"
    assert by_question["Does one copy its training images?"].text == "no"
    classes = by_question["All classes, in the right shares?"]
    assert (classes.winners, classes.sure) == (("GAN",), "sure")
    assert words.heading(found) == "GAN or VAE?"
    assert words.trainings(found) == "5 trainings of GAN, 5 of VAE, which differ in nothing but the random seed."


def test_a_lead_is_no_winner(runs: Path) -> None:
    found = two(runs, 0.02, 0.0)
    (headline,) = words.headline(found)
    assert headline.startswith("Not decided. ")
    for answer in words.answers(found)[:3]:
        assert (answer.winners, answer.open) == ((), "undecided")
        assert "the trainings differ too much among themselves to tell" in answer.sure


def test_few_trainings_decide_nothing_and_how_many_it_takes_is_said(runs: Path) -> None:
    found = two(runs, 0.5, 0.0, seeds=1)
    (headline,) = words.headline(found)
    assert headline.startswith("Not decided yet. GAN leads on ")
    assert headline.endswith("but so few trainings (1 of GAN and 1 of VAE) may be luck: it takes 4 of each.")
    assert "A single training does not tell how much luck there is: make at least 4 of each." in words.remaining(found)


def test_without_a_calibration_nothing_is_decided_and_the_command_is_that_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    photos = tmp_path / "my photos, 2024"
    photos.mkdir()
    root = word("data.root", str(photos))
    for model in ("gan", "vae"):
        synthetic_run(tmp_path / "runs", model, 0, *split(root), data="folder")
    found = judged(tmp_path / "runs")
    assert words.headline(found)[0].startswith("Not decided: no score may vote")
    note = words.calibration_note(found.ranking)
    command = split(words.calibrate_command(found.ranking))
    assert note.endswith(words.calibrate_command(found.ranking))
    assert command[:3] == ["python", "-m", "genbench.calibrate"]
    (config,) = compose("calibrate", command[3:]).configs
    assert (config.data.name, config.data.root) == ("folder", str(photos))


@pytest.mark.parametrize("value", ["a b", "it's", 'say "so"', "a,b", "{a}", "ends with \\", "x=1", "$HOME", "[1]", "ü"])
def test_a_word_is_read_as_it_was_meant(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (written,) = split(word("out", value))
    (config,) = compose("report", [written]).configs
    assert config.out == str(tmp_path / value)


def test_three_plain_models_are_put_into_a_row(runs: Path) -> None:
    for seed in range(6):
        synthetic_run(runs, "gan", seed, better=0.5)
        synthetic_run(runs, "vae", seed)
        run_of(
            runs,
            foreign_config(seed, "flow.Flow", "Flow matching"),
            better={"realism": 0.5, "diversity": 0.9, "classes": 0.5},
        )
    found = judged(runs)
    assert words.heading(found) == "Flow matching, GAN or VAE?"
    first, *questions = words.headline(found)
    assert first == "Take the Flow matching: nobody is better on any question."
    assert "More varied images? Best: Flow matching; then GAN; then VAE." in questions
    assert "All classes, in the right shares? Best: Flow matching, GAN; then VAE." in questions
    (realism,) = [answer for answer in words.answers(found) if answer.question == "More like real images?"]
    assert realism.winners == ("Flow matching", "GAN")
    assert realism.text == "then VAE"
    assert realism.sure == "sure for 2 of 3 pairs"
    assert words.trainings(found) == "6 trainings of each, which differ in nothing but the random seed."


def test_many_settings_are_named_by_what_differs_and_never_by_a_hash(runs: Path) -> None:
    three_models(runs, weights=False)
    found = judged(runs)
    said = " ".join([*words.headline(found), words.remaining(found), words.heading(found)])
    said += " ".join(" ".join([*a.winners, a.text, a.sure, *a.because]) for a in words.answers(found))
    assert "then all GAN settings; then all VAE settings" in said
    assert "Flow matching (width 64)" in said
    assert "VAE (latent size 8, learning rate 0.002)" in said
    assert not [record.variant for record in read_folder(runs) if record.variant in said]
    assert "other model" not in said
    assert len(words.answers(found)) == 5  # one a question: three topics, copies and cost


def test_the_missing_seeds_are_trained_by_the_commands(runs: Path) -> None:
    found = two(runs, 0.5, 0.0, seeds=1)
    for command, contender in zip(words.more_seeds_commands(found, None), found.contenders, strict=True):
        line = compose("train", split(command)[3:])
        assert [config.seed for config in line.configs] == [1, 2, 3]
        assert {config.model_copy(update={"seed": 0}).run_name for config in line.configs} == {contender.runs[0].name}
    with_code = words.more_seeds_commands(found, "my code")
    assert all(command.endswith("'code='\"'\"'my code'\"'\"''") for command in with_code)


def test_who_is_left_out_of_too_many_is_said(tmp_path: Path) -> None:
    for latent in range(2, 12):
        synthetic_run(tmp_path, "vae", 0, f"model.latent_size={latent}", quick=False)
    said = words.not_judged(judged(tmp_path))
    assert said.startswith("Of 10 settings the 8 with the most seeds are judged")
    assert said.endswith("VAE (latent size 10) (1), VAE (latent size 11) (1).")
