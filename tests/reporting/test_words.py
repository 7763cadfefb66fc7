"""What the page says: contenders by name, one answer a question, and commands that work."""

import shutil
from dataclasses import replace
from pathlib import Path
from shlex import split

import pytest

from genbench.cli import compose
from genbench.comparison.judgement import Judgement, judge
from genbench.comparison.ranking import rankings
from genbench.comparison.scales import Scale
from genbench.comparison.verdicts import Reason
from genbench.evaluation.catalogue import catalogue
from genbench.evaluation.protocol import BLURRED, TOPICS
from genbench.reporting import words
from genbench.reporting.charts import cost_charts, learning_charts
from genbench.reporting.commands import again_commands, calibrate_command, more_seeds_commands
from genbench.reporting.formats import deviation, number
from genbench.reporting.needs import Answer, answers, silent_needs
from genbench.reporting.score_tables import score_tables, verdict_tables
from genbench.runs.directory import Run
from genbench.runs.folder import read_folder
from genbench.runs.records import Absent, Cost, Estimate
from genbench.wording import word
from tests.reporting.synthetic import calibrate_in, data_record, foreign_config, run_of, synthetic_run, three_models


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
    assert words.outcome(found) == ("take the GAN. It is better on 6 of 6 scores, the VAE on none.",)
    by_need = {answer.need: answer for answer in answers(found)}
    assert by_need["varied images"].winners == ("GAN",)
    assert by_need["varied images"].sure == "sure, on every score"
    assert by_need["no copies of training images"].text == "any: none copies"
    classes = by_need["all classes, in the right shares"]
    assert (classes.winners, classes.sure, classes.decided_by) == (("GAN",), "sure", "")
    assert words.heading(found) == "GAN or VAE?"
    assert words.trainings(found) == (
        "5 trainings of GAN, 5 of VAE, which differ in nothing but the random seed."
        " Those of one setting saw equally many images."
    )


def test_the_best_one_is_not_recommended_without_a_word_if_it_copies(runs: Path) -> None:
    """The VAE-GAN on MNIST was "take it: nobody is better for any need", and copied, as the table below said."""
    better = dict.fromkeys(TOPICS, 0.5) | {"memorisation": -4.0}
    for seed in range(5):
        synthetic_run(runs, "gan", seed, better=better)
        synthetic_run(runs, "vae", seed, better={"memorisation": -4.0})
    (first,) = words.outcome(judged(runs))
    copies = "But GAN copies training images (50% of its samples are authentic, of unseen real images 65%)."
    assert first.endswith(f"; 1 is undecided. {copies}")  # nor is a word lost on the other


def test_the_best_of_bad_ones_is_not_recommended_without_a_word(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = two(runs, 0.5, 0.0)
    caution = " Neither is good yet: by Fréchet distance all are worse than blurred real images."
    for blurred, expected in ((20.0, True), (30.0, False), (50.0, False)):
        scale = Scale(catalogue()["fcd"], {BLURRED: blurred}, {"GAN": (24.0, 26.0), "VAE": (38.5,)})
        monkeypatch.setattr(words, "scales", lambda judgement, scale=scale: [scale])
        first = words.outcome(found)[0]
        assert first == "take the GAN. It is better on 6 of 6 scores, the VAE on none." + caution * expected


def test_the_conditions_stand_in_the_sentence(runs: Path) -> None:
    found = two(runs, 0.5, 0.0)
    conditions = (
        "After 60,000 images seen each, in about 10 min (GAN) and 60 s (VAE) of training on a processor, with 5"
    )
    assert words.headline(found) == f"{conditions} seeds each: {words.outcome(found)[0]}"
    for record in found.ranking.runs:
        data = data_record(record.told.run_name)
        Run(record.path).write_data(data)
    assert words.conditions(judged(runs)).endswith(", for 28x28 grey images (1,283 to train on)")
    for record in found.ranking.runs:
        on = Run(record.path).environment()
        Run(record.path).write_environment(on.model_copy(update={"device": "an abacus, 1 threads", "threads": 1}))
    assert "of training on 1 core of an abacus, with 5" in words.conditions(judged(runs))
    on = Run(found.ranking.runs[0].path).environment()
    free = on.model_copy(update={"device": "an abacus, 2 threads", "threads": 2})
    Run(found.ranking.runs[0].path).write_environment(free)  # one machine, that was not always as busy
    assert "of training on 1 to 2 cores of an abacus, with 5" in words.conditions(judged(runs))
    for record in found.contenders[0].runs:
        few = data_record(record.told.run_name)
        Run(record.path).write_data(few.model_copy(update={"images": {**few.images, "train": 100}}))
    assert words.conditions(judged(runs)).endswith("images (100 to train on (GAN) and 1,283 (VAE))")
    first = Run(found.contenders[0].runs[0].path)
    first.write_summary(first.summary().model_copy(update={"images_seen": 55_000}))
    uneven = judged(runs)
    assert words.conditions(uneven).startswith("After 59,000 images seen (GAN) and 60,000 (VAE), in about ")
    assert words.trainings(uneven).endswith(
        "but for 8.3 % at most. That is more than 5 %: the machine was not quiet, and nothing is decided of GAN."
    )
    by_need = {answer.need: answer for answer in answers(uneven)}
    assert by_need["varied images"].open == "undecided"
    assert by_need["varied images"].decided_by.startswith("trainings again, on a quiet machine")


def test_every_need_keeps_its_row_and_says_who_leads_where_nothing_may_vote(runs: Path) -> None:
    found = two(runs, 0.5, 0.0)
    silent = {answer.need: answer for answer in answers(found)}["legible single images"]
    assert (silent.winners, silent.open) == ((), "undecided")
    assert silent.sure.startswith("GAN leads on precision, density, ambiguous share, but no score of it may vote")
    assert silent.decided_by.startswith("more trainings cannot")
    assert silent_needs(found) == "No score may vote on: legible single images."
    assert [answer.need for answer in answers(found)] == [*TOPICS.values(), "low cost"]


def test_of_one_model_scores_vote_all_the_same(runs: Path) -> None:
    """There are no verdicts, and the page said that no score may vote."""
    for seed in range(2):
        synthetic_run(runs, "vae", seed)
    alone = judged(runs)
    assert silent_needs(alone) == "No score may vote on: legible single images."
    assert [answer.need for answer in answers(alone)] == [TOPICS["memorisation"], "low cost"]


def test_who_is_cheap_in_what_is_counted(runs: Path) -> None:
    cost = answers(two(runs, 0.5, 0.0, seeds=2))[-1]
    assert cost.text == "fewest parameters, shortest training: VAE; fastest to draw: all alike"
    assert cost.because[0].startswith("GAN: 2,531,458 parameters, trained 10 min ")
    run = Run(read_folder(runs)[0].path)
    run.write_summary(run.summary().model_copy(update={"validation_seconds": 0.2 * run.summary().train_seconds}))
    assert "(and 10% beside it for validations)" in answers(judged(runs))[-1].because[0]


def test_a_lead_is_no_winner(runs: Path) -> None:
    found = two(runs, 0.02, 0.0)
    (outcome,) = words.outcome(found)
    assert outcome.startswith("not decided. ")
    for answer in answers(found)[:4]:
        assert (answer.winners, answer.open) == ((), "undecided")
    by_need = {answer.need: answer for answer in answers(found)}
    assert "the trainings differ too much among themselves to tell" in by_need["images like the real ones"].sure
    assert by_need["images like the real ones"].decided_by.endswith(" trainings of each, likely (80 %)")
    assert "as small as between two sets of real images" in by_need["all classes, in the right shares"].sure
    assert by_need["all classes, in the right shares"].decided_by.startswith("more trainings cannot")


def test_few_trainings_decide_nothing_and_how_many_it_takes_is_said(runs: Path) -> None:
    found = two(runs, 0.5, 0.0, seeds=1)
    (outcome,) = words.outcome(found)
    assert outcome.startswith("not decided yet. GAN leads on ")
    assert outcome.endswith("but so few trainings (1 of GAN and 1 of VAE) may be luck: it takes 4 of each.")
    assert "A single training does not tell how much luck there is: make at least 4 of each." in words.remaining(found)


def test_trainings_that_are_few_and_uneven_need_both_mended(runs: Path) -> None:
    found = two(runs, 0.5, 0.0, seeds=2)
    first = Run(found.contenders[0].runs[0].path)
    first.write_summary(first.summary().model_copy(update={"images_seen": 30_000}))
    (outcome,) = words.outcome(judged(runs))
    assert outcome.endswith("may be luck: it takes 4 of each, equally long (images=N, or a quiet machine).")


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
    assert words.outcome(found)[0].startswith("not decided: no score may vote")
    *needs, _ = answers(found)
    assert [(answer.open, answer.decided_by) for answer in needs[:3]] == [("undecided", "a calibration, see below")] * 3
    note = words.calibration_note(found.ranking)
    command = split(calibrate_command(found.ranking))
    assert note.endswith(calibrate_command(found.ranking))
    assert command[:2] == ["genbench", "calibrate"]
    (config,) = compose("calibrate", command[2:]).configs
    assert (config.data.name, config.data.root) == ("folder", str(photos))


@pytest.mark.parametrize(
    "value",
    [
        *("a b", "it's", 'say "so"', "a,b", "{a}", "ends with \\", "x=1", "$HOME", "[1]", "ü", "a~b", "a&b", "a:b"),
        *("2024", "null", "True", "1e3", ".5", "-3", "inf", "NaN", "${x}", "\\${x}", "a\\'b", "0x10", "x" * 255),
    ],
)
def test_a_word_is_read_as_it_was_meant(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (written,) = split(word("out", value))
    (config,) = compose("report", [written]).configs
    assert config.out == str(tmp_path / value)


@pytest.mark.parametrize(
    "values",
    [["it's", "a, b"], ["3", 3], ["null", "~a", "a"], ["[a]", "{b}", "ends\\"], ["${x}"], [], ["x" * 300, "y" * 300]],
    ids=lambda values: str(len(str(values))),
)
def test_texts_in_a_list_are_read_as_they_were_meant(values: list[int | str]) -> None:
    (written,) = split(word("data.classes", values))
    (config,) = compose("data", [written]).configs
    assert config.data.classes == values


def test_the_commands_are_of_where_the_runs_lie_now(runs: Path, tmp_path: Path) -> None:
    """overwrite=true emptied the run of the same name in the folder that this is a copy of."""
    two(runs, 0.5, 0.0, seeds=1)
    copied = tmp_path / "a (b), 2 & [c]"
    shutil.copytree(runs, copied)
    found = judged(copied)
    for command, contender in zip(again_commands(found, None), found.contenders, strict=True):
        (config,) = compose("train", split(command)[2:]).configs
        assert config.overwrite
        assert config.directory.resolve() == contender.runs[0].path.resolve()


@pytest.mark.slow
def test_missing_seeds_are_sampled_as_those_that_there_are(runs: Path) -> None:
    for model in ("flow", "vae"):
        synthetic_run(runs, model, 0, "evaluation=full")
    (flow,) = [Run(record.path) for record in read_folder(runs) if record.model == "flow"]
    scores, told = flow.scorecard(), flow.config().sample_options
    assert isinstance(scores.cost, Cost)
    wanted = {**told, "steps": 77}
    flow.write_scorecard(scores.model_copy(update={"cost": scores.cost.model_copy(update={"sample_options": wanted})}))
    found = judged(runs)
    for commands in (more_seeds_commands(found, None), again_commands(found, None)):
        named = {config.model_name: config for line in commands for config in compose("train", split(line)[2:]).configs}
        assert named["flow"].sample_options == wanted
        assert [line for line in commands if "model.sample" in line] == [line for line in commands if "-flow-" in line]


@pytest.mark.slow
def test_missing_seeds_are_scored_as_those_that_there_are(runs: Path) -> None:
    """They may have been scored by a later command, with more samples for each likelihood."""
    for model in ("gan", "vae"):
        synthetic_run(runs, model, 0, "evaluation=none")
    (vae,) = [Run(record.path) for record in read_folder(runs) if record.model == "vae"]
    card, nll = vae.scorecard(), Estimate(mean=100.0, standard_error=0.1, n=9, method="a grid")
    more = {"model": {**card.model, "nll": nll}, "nll_samples": 4321, "nll_images": 987}
    vae.write_scorecard(card.model_copy(update=more))
    found = judged(runs)
    for commands in (more_seeds_commands(found, None), again_commands(found, None)):
        named = {config.model_name: config for line in commands for config in compose("train", split(line)[2:]).configs}
        assert {config.evaluation.level for config in named.values()} == {"full"}
        assert named["vae"].evaluation.values == {"nll_samples": 4321, "nll_images": 987}
        assert ["nll" in line for line in commands] == ["-vae-" in line for line in commands]


@pytest.mark.slow
def test_missing_seeds_go_on_where_the_first_was_once_overwritten(runs: Path) -> None:
    """Its config said so for ever, and each time that the command was given its seeds began anew."""
    for model in ("gan", "vae"):
        run = synthetic_run(runs, model, 0, "overwrite=true")
        assert not run.config().overwrite
    told = (run.path / "config.yaml").read_text(encoding="utf-8")
    (run.path / "config.yaml").write_text(
        told.replace("overwrite: false", "overwrite: true"), encoding="utf-8"
    )  # before
    assert run.config().overwrite
    commands = more_seeds_commands(judged(runs), None)
    assert len(commands) == 2
    for line in commands:
        assert not any(config.overwrite for config in compose("train", split(line)[2:]).configs)


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
    first, *needs = words.outcome(found)
    assert first == "take the Flow matching: nobody is better for any need."
    assert "For varied images best: Flow matching; then GAN; then VAE." in needs
    assert "For all classes, in the right shares best: Flow matching, GAN; then VAE." in needs
    (realism,) = [answer for answer in answers(found) if answer.need == "images like the real ones"]
    assert realism.winners == ("Flow matching", "GAN")
    assert realism.text == "then VAE"
    assert realism.sure == "sure for 2 of 3 pairs"
    assert words.trainings(found).startswith("6 trainings of each, which differ in nothing but the random seed.")


@pytest.mark.slow
def test_many_settings_are_named_by_what_differs_and_never_by_a_hash(runs: Path) -> None:
    three_models(runs, weights=False)
    found = judged(runs)
    said = " ".join([words.headline(found), words.remaining(found), words.heading(found)])
    said += " ".join(" ".join([*a.winners, a.text, a.sure, a.decided_by, *a.because]) for a in answers(found))
    assert "then all GAN settings; then all VAE settings" in said
    assert "Flow matching (width 64)" in said
    assert "VAE (latent size 8, learning rate 0.002)" in said
    assert not [record.variant for record in read_folder(runs) if record.variant in said]
    assert "other model" not in said
    assert len(answers(found)) == 6  # one a need, and the cost


@pytest.mark.slow
def test_the_missing_seeds_are_trained_by_the_commands(runs: Path) -> None:
    found = two(runs, 0.5, 0.0, seeds=1)
    for command, contender in zip(more_seeds_commands(found, None), found.contenders, strict=True):
        line = compose("train", split(command)[2:])
        assert [config.seed for config in line.configs] == [1, 2, 3]
        assert {config.model_copy(update={"seed": 0}).run_name for config in line.configs} == {contender.runs[0].name}
    with_code = more_seeds_commands(found, "my code")
    assert all(command.endswith("'code='\"'\"'my code'\"'\"''") for command in with_code)


@pytest.mark.slow
def test_who_is_left_out_of_too_many_is_said(tmp_path: Path) -> None:
    for latent in range(2, 12):
        synthetic_run(tmp_path, "vae", 0, f"model.latent_size={latent}", quick=False)
    said = words.not_judged(judged(tmp_path))
    assert said.startswith("Of 10 settings the 8 with the most seeds are judged")
    assert said.endswith("VAE (latent size 10) (1), VAE (latent size 11) (1).")


def test_a_title_says_no_more_than_what_tells_rankings_apart(runs: Path) -> None:
    other = {"random": "3" * 16, "pixels": "4" * 16}
    for seed in range(2):
        synthetic_run(runs, "gan", seed)
        synthetic_run(runs, "vae", seed, extractors=other)
    found = [judge(ranking) for ranking in rankings(read_folder(runs))]
    assert words.titles(found[:1]) == [found[0].ranking.title]
    assert sorted(words.titles(found)) == sorted(
        f"{each.ranking.title} (extractors {', '.join(each.ranking.extractors.values())})" for each in found
    )


def three(runs: Path) -> Judgement:
    for seed in range(6):
        synthetic_run(runs, "gan", seed, better=0.5)
        synthetic_run(runs, "vae", seed)
        run_of(runs, foreign_config(seed, "flow.Flow", "Flow matching"), better={"realism": 0.9, "diversity": 0.9})
    return judged(runs)


def test_no_trainings_are_asked_for_where_a_pair_is_decided_or_split(runs: Path) -> None:
    """The undecided scores of such a pair asked for 14 trainings, after which it would be as split as before."""
    found = three(runs)
    likeness = [v for v in found.between("GAN", "VAE") if v.score.topic == "realism"]
    others = [verdict for verdict in found.verdicts if verdict not in likeness]
    assert len(likeness) == 3

    def answered(*better: str | None) -> Answer:
        of_pair = [
            replace(verdict, better=label, why=() if label else (Reason.LUCK,), seeds=None if label else 14)
            for verdict, label in zip(likeness, better, strict=True)
        ]
        now = replace(found, verdicts=(*others, *of_pair))
        return next(answer for answer in answers(now) if answer.need == "images like the real ones")

    assert answered("GAN", None, None).decided_by == ""  # all pairs are decided
    split = answered("GAN", "VAE", None)
    assert "the scores disagree about GAN and VAE" in split.sure
    assert split.decided_by == "what you need"
    assert answered(None, None, None).decided_by == "14 trainings of each, likely (80 %)"


def test_nobody_is_cleared_of_copying_by_a_score_that_misjudges_known_images(runs: Path) -> None:
    found = two(runs, 0.5, 0.0, seeds=1)
    assert found.ranking.calibration is not None
    found.ranking.calibration.votes["classifier"]["auth_pct"]["votes"] = False
    (copies,) = [answer for answer in answers(found) if answer.need == TOPICS["memorisation"]]
    assert (copies.open, copies.text) == ("undecided", "")
    assert copies.sure == "no score of it may vote: each misjudges known images"
    assert copies.decided_by.startswith("more trainings cannot")
    assert copies.because[0].startswith("authentic samples: GAN ")


@pytest.mark.slow
def test_seconds_of_several_machines_are_said_to_be_and_compare_nobody(runs: Path) -> None:
    found = two(runs, 0.0, 0.5)
    compared = {chart.name: chart for chart in cost_charts(found)}
    assert "Beaten at no higher cost: GAN" in compared["optdigits-training-cost"].text
    run = Run(found.ranking.runs[0].path)
    run.write_environment(run.environment().model_copy(update={"device": "another"}))
    charts = {chart.name: chart for chart in cost_charts(judged(runs))}
    for name in ("optdigits-training-cost", "optdigits-sampling-cost", "optdigits-fcd-seconds"):
        assert "The seconds are of several machines" in charts[name].text
        assert "The seconds are of several machines" not in compared[name].text
        assert "surely better" not in charts[name].text
    assert [row[-1] for row in charts["optdigits-training-cost"].rows] == ["not compared"] * 2
    assert charts["optdigits-fcd-images"].text == compared["optdigits-fcd-images"].text


@pytest.mark.slow
def test_a_mean_over_fewer_seeds_says_so(runs: Path) -> None:
    found = two(runs, 0.5, 0.0, seeds=4)
    losses = {chart.model: chart for chart in learning_charts(found)}
    assert losses["GAN"].title.endswith("losses of GAN, 4 seeds")
    assert losses["GAN"].text.startswith("Mean over seeds, band")
    (Run(found.contenders[0].runs[1].path).path / "metrics.csv").unlink()
    found = judged(runs)
    losses = {chart.model: chart for chart in learning_charts(found)}
    assert losses["GAN"].title.endswith("losses of GAN, 3 of 4 seeds")
    assert losses["GAN"].text.startswith("Mean over seeds (train/loss: 3 of 4 seeds; validation/loss: 3 of 4 seeds), ")
    assert losses["VAE"].title.endswith("losses of VAE, 4 seeds")
    (quality,) = [chart for chart in cost_charts(found) if chart.name == "optdigits-fcd-images"]
    assert "mean over seeds (GAN: 3 of 4 seeds), band" in quality.text
    assert sorted({len(row) for chart in losses.values() for row in chart.rows}) == [5]


@pytest.mark.slow
def test_a_score_that_a_seed_lacks_says_of_how_many_it_is(runs: Path) -> None:
    found = two(runs, 0.5, 0.0, seeds=4)
    run = Run(found.contenders[0].runs[1].path)
    card = run.scorecard()
    spaces = {
        name: scores if isinstance(scores, Absent) else {k: v for k, v in scores.items() if k != "fcd"}
        for name, scores in card.spaces.items()
    }
    run.write_scorecard(card.model_copy(update={"spaces": spaces}))
    for table in score_tables(judged(runs)):
        place = [column.score.name for column in table.columns].index("fcd")
        said = {label: cells[place].text.endswith(" (3 of 4 seeds)") for label, cells in table.contenders}
        assert said == {"GAN (4 seeds)": True, "VAE (4 seeds)": False}
        others = [cell.text for _, cells in table.contenders for i, cell in enumerate(cells) if i != place]
        assert not any("seeds" in text for text in others)


@pytest.mark.parametrize(
    ("value", "digits", "said"),
    [
        *((999.4, 3, "999"), (999.7, 3, "1,000"), (-999.7, 3, "-1,000"), (1234.5, 3, "1,234"), (0.9996, 3, "1")),
        *((0.0123456, 3, "0.0123"), (149.0, 2, "149"), (99.7, 2, "100"), (9.96, 2, "10"), (14.9, 2, "15")),
    ],
)
def test_a_number_has_no_exponent_where_it_is_large(value: float, digits: int, said: str) -> None:
    assert number(value, digits) == said


@pytest.mark.parametrize(
    ("sd", "said"),
    [
        *((0.0, "0"), (0.0234, "0.02"), (9.4, "9"), (9.96, "10"), (14.9, "15"), (120.4, "120"), (1234.5, "1,234")),
        (float("inf"), "∞"),
    ],
)
def test_an_sd_has_no_exponent_where_it_is_large(sd: float, said: str) -> None:
    assert deviation(sd) == said


def test_text_columns_of_the_verdicts_sort_by_their_text_and_the_others_by_a_number(runs: Path) -> None:
    """A number that there is none of had no value, and stood first among the numbers as a dash."""
    (table,) = verdict_tables(two(runs, 0.5, 0.0))
    by_heading = list(zip(table.headings[2:], *(row.cells for row in table.rows), strict=True))
    texts = {heading for heading, *cells in by_heading if all(cell.value is None for cell in cells)}
    numbers = {heading for heading, *cells in by_heading if all(cell.value is not None for cell in cells)}
    assert texts == {"same sign in", "why it is undecided"}
    assert texts | numbers == set(table.headings[2:])
