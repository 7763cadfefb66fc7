"""What the terminal shows of runs, from typed records."""

from dataclasses import replace
from pathlib import Path
from shlex import split
from typing import Any

import pytest
from rich.console import Console

from genbench.cli import compose
from genbench.errors import UserError
from genbench.reporting.tables import comparison_tables, scores_table, summary_table, sweep_table
from genbench.runs.reading import read
from genbench.runs.records import Absent, Estimate
from tests.reporting.synthetic import EXTRACTORS, synthetic_run


def printed(table: Any) -> str:
    console = Console(width=200, color_system=None, markup=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_a_summary_says_numbers_alarms_and_what_to_do_next(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "gan", 0)
    (run.path / "samples.png").write_bytes(b"")
    text = printed(summary_table(read(run.path)))
    assert "generator 2,318,209, discriminator 213,249" in text
    assert "60,000 images in" in text
    assert "mode collapse: hardly any sample looks like class 3" in text
    assert "samples.png" in text
    assert f"sample run={run.path} n=100" in text
    record = read(run.path)
    assert record.config is not None
    own = replace(record, config=record.config.model_copy(update={"code": "mine"}))
    assert f"sample run={run.path} code=mine n=100" in printed(summary_table(own))


def test_the_next_commands_are_read_as_they_were_meant(tmp_path: Path) -> None:
    folder = tmp_path / "a (b), 2=3 & [c]"
    run = synthetic_run(folder, "vae", 0)
    (run.path / "scores.json").unlink()
    record = read(run.path)
    assert record.config is not None
    record = replace(record, config=record.config.model_copy(update={"code": str(folder)}))
    console = Console(width=2000, color_system=None)
    with console.capture() as captured:
        console.print(summary_table(record))
    lines = [line.strip() for line in captured.get().splitlines() if "genbench " in line]
    lines += [problem for problem in record.problems if "genbench " in problem]
    told = [split(line[line.index("genbench ") :]) for line in lines]
    assert [verb for _, verb, *_ in told] == ["sample", "evaluate", "evaluate"]
    for _, verb, *words in told:
        (config,) = compose(verb, words).configs
        assert Path(config.run) == run.path


def test_losses_of_many_dimensions_are_one_entry(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "vae", 0)
    test = {"loss": 150.0, **{f"kl_{i}": float(i) for i in range(6)}}
    run.write_summary(run.summary().model_copy(update={"test": test}))
    assert "loss 150  kl per dimension 0 1 2 3 ..." in printed(summary_table(read(run.path)))


def test_a_run_without_a_summary_has_no_summary_table(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, "vae", 0)
    (run.path / "summary.json").unlink()
    with pytest.raises(UserError, match=r"summary\.json is missing"):
        summary_table(read(run.path))


def test_scores_have_a_row_each_and_reasons_where_there_is_none(tmp_path: Path) -> None:
    scores = synthetic_run(tmp_path, "vae", 0).scorecard()
    lines = {line.split()[0]: line for line in printed(scores_table(scores, "here")).splitlines() if line.split()}
    assert lines["fcd"].count("±") == 3
    assert lines["class_kl"].count("±") == 3
    assert lines["ambiguous_share"].count("±") == 1  # in the one space that gives probabilities
    assert "no likelihood: implicit model" in lines["nll"]
    assert "0.01 ± 0.001" in lines["mse"]
    assert lines["seconds_for_10000_samples"].split()[1] == "2"
    changed = scores.model_copy(
        update={
            "spaces": {**scores.spaces, "classifier": Absent(absent="no labels [of any kind]")},
            "cost": Absent(absent="samples of another tool"),
            "model": {"nll": Estimate(mean=98.5, n=10)},
        }
    )
    text = printed(scores_table(changed, "here"))
    assert "no labels [of any kind]" in text
    assert "samples of another tool" in text
    assert "98.5" in text


def test_a_comparison_has_a_column_a_run_and_refuses_what_was_scored_otherwise(tmp_path: Path) -> None:
    records = [read(synthetic_run(tmp_path, model, 0).path) for model in ("gan", "vae")]
    (table,) = comparison_tables(records)
    text = printed(table)
    assert "GAN s0" in text and "VAE s0" in text
    assert "classifier fcd" in text and "pixels coverage" in text
    other = synthetic_run(tmp_path, "vae", 1, extractors=EXTRACTORS | {"classifier": "f" * 16})
    with pytest.raises(UserError, match="had different extractors and cannot be compared"):
        comparison_tables([*records, read(other.path)])
    # Other images of the same name are another table, and runs that look alike are told apart.
    elsewhere = synthetic_run(tmp_path / "b", "vae", 0, extractors=dict.fromkeys(EXTRACTORS, "e" * 16))
    wide = synthetic_run(tmp_path, "vae", 0, "model.latent_size=8")
    first, second = comparison_tables([*records, read(wide.path), read(elsewhere.path)])
    assert wide.path.name in printed(first) and records[1].name in printed(first)
    assert "VAE s0" in printed(second)


def test_a_sweep_has_a_line_a_run_with_its_end(tmp_path: Path) -> None:
    good, bad = synthetic_run(tmp_path, "gan", 0), synthetic_run(tmp_path, "vae", 0)
    bad.set_status("failed", "ValueError: [bold]no[/]")
    assert "train.log" not in printed(sweep_table([read(bad.path)]))  # there is none
    bad.log_path.touch()
    text = printed(sweep_table([read(good.path), read(bad.path)]))
    assert "60,000" in text and "loss 1" in text
    assert "failed" in text and "ValueError: [bold]no[/]" in text and "train.log" in text
