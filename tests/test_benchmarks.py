"""The README's table of speeds is what the files of results say; pages keep what other machines measured."""

from pathlib import Path

from benchmarks.by_machine import write_section
from benchmarks.tables import side_by_side, with_processors

ROOT = Path(__file__).parents[1]


def test_the_readme_says_what_was_measured_on_every_processor() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_processors(readme, ROOT / "benchmarks" / "results") == readme


def test_what_one_machine_did_not_measure_is_said() -> None:
    one = {
        "device": "cpu (An abacus)",
        "torch": "2",
        "command": "bench",
        "training": {
            "gan 128": {
                "genbench": {"images_per_second": 1234.4, "genbench_is_faster_by": 1.0},
                "loop": {"images_per_second": 617.2, "genbench_is_faster_by": 2.0},
            }
        },
        "start_up_seconds": {"--help": 0.5},
        "sampling_images_per_second": {"gan": 2000.0},
        "scorecard": {"gan": {"seconds": 30.2, "peak_memory_bytes": 1.5e9}},
    }
    other = {**one, "device": "cpu (Another)", "scorecard": {}}
    lines = side_by_side([one, other]).splitlines()
    assert "2. cpu (Another); torch 2: `bench`" in lines
    assert "| gan 128 | 1,234; 2.00 x | 1,234; 2.00 x |" in lines
    assert "| sampling, gan | 2,000 images/s | 2,000 images/s |" in lines
    assert "| full scorecard, gan | 30 s, 1.50 GB | not measured |" in lines


def test_a_measurement_takes_the_place_of_its_own_machine_s_alone(tmp_path: Path) -> None:
    page, head = tmp_path / "page.md", ["# Speed", "", "By hand."]
    write_section(page, head, "abacus", ["| old |"])
    write_section(page, head, "slide rule", ["| other |", "", "| more |"])
    text = write_section(page, head, "abacus", ["| new |"])
    assert text == "# Speed\n\nBy hand.\n\n## abacus\n\n| new |\n\n## slide rule\n\n| other |\n\n| more |\n"
    assert page.read_text(encoding="utf-8") == text
