"""A run as a repository of the Hugging Face Hub: weights, how to build them, model card with scores and pictures."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from genbench import __version__
from genbench.cache import whole_file
from genbench.errors import UserError
from genbench.models.weights import Loaded
from genbench.places import MARK
from genbench.reporting.cards import model_card, title
from genbench.runs.directory import Run
from genbench.runs.finished import SCORES, WEIGHTS
from genbench.runs.outputs import check_out
from genbench.runs.reading import RunRecord, read

CARD = "README.md"
PICTURES = {
    "samples.png": "samples",
    "reconstructions.png": "test images, and below each its reconstruction",
    "latent_grid.png": "the decoder over the latent plane",
    "latent_scatter.png": "where test images lie in the latent plane",
    "style_mixing.png": "coarse features of one image, fine ones of another",
}
_USAGE = """```
pip install 'genbench[hub]'
genbench sample run=hf://USER/NAME n=100 out=grid.png
```

with this repository's own name; in Python `genbench.load("hf://USER/NAME").sample(100)`."""
_OWN_CLASS = "The model's class, `{}`, is not genbench's: `code=DIR` says where its module lies."


def check_folder(out: Path, *, force: bool) -> None:
    """Refuse a folder that holds something else than what was written here before.

    Raises:
        UserError: see `check_out`; or there are files, and no card of genbench's.
    """
    if not out.exists():
        check_out([out], force=force)
        return
    if not out.is_dir():
        raise UserError(f"out={out}: is a file; give a folder")
    check_out([out / CARD], force=force)
    if not force and not (out / CARD).exists() and any(out.iterdir()):
        raise UserError(f"out={out}: holds other files: give a new folder, or add force=true")


def write_repository(run: Run, loaded: Loaded, out: Path) -> None:
    """Write all files of the repository, the card last.

    Args:
        run: whose weights these are.
        loaded: the weights, which therefore can be read.
        out: a folder that `check_folder` let pass.

    Raises:
        UserError: a file cannot be written, or one of the run's cannot be read.
    """
    record = read(run.path)
    pictures = {name: about for name, about in PICTURES.items() if run.has(name)}
    copied = {name: run.picture(name) for name in pictures} | {WEIGHTS: run.weights}
    texts = {"config.json": json.dumps(_config(loaded), indent=2) + "\n"}
    if run.has_scorecard:
        run.scorecard()  # that can be read
        copied[SCORES] = run.path / SCORES
    texts[CARD] = card(record, loaded, pictures)
    try:
        out.mkdir(exist_ok=True)
        for name in {*PICTURES, SCORES}:  # of an earlier run: no scores stand beside weights that are not theirs
            (out / name).unlink(missing_ok=True)
        for name, source in copied.items():
            with whole_file(out / name) as temporary:
                shutil.copyfile(source, temporary)
        for name, text in texts.items():
            with whole_file(out / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"out={out}: cannot be written ({error.strerror})") from error


def card(record: RunRecord, loaded: Loaded, pictures: Mapping[str, str], usage: str = _USAGE) -> str:
    """The model card with the Hub's metadata before it; pictures are file names, with what each shows."""
    target = str(loaded.about["_target_"])
    if not target.startswith("genbench."):
        usage += f"\n\n{_OWN_CLASS.format(target)}"
    shown = "\n\n".join(f"![{about}]({name})" for name, about in pictures.items())
    head = yaml.safe_dump(_metadata(record), sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n{model_card(record, usage, shown)}\n<!-- {MARK} {__version__} -->\n"


def _config(loaded: Loaded) -> dict[str, object]:
    """For people and other programs: genbench takes it from the weights' own metadata, which have a checksum."""
    return {
        "library_name": "genbench",
        "genbench": __version__,
        "model": dict(loaded.about),
        "image_shape": list(loaded.shape),
        "noise_shape": list(loaded.model.noise_shape),
        "classes": list(loaded.classes),
    }


def _metadata(record: RunRecord) -> dict[str, object]:
    """What the Hub reads: https://huggingface.co/docs/hub/model-cards."""
    found: dict[str, object] = {
        "library_name": "genbench",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["genbench", record.model.replace("_", "-"), record.data_name],
    }
    scores = record.scorecard
    values = {} if scores is None or scores.level != "full" else scores.values()  # of test images
    of_classifier = {key.score: score.mean for key, score in values.items() if key.space == "classifier"}
    if of_classifier:
        metrics = [{"type": name, "value": float(f"{value:.4g}")} for name, value in of_classifier.items()]
        result = {
            "task": {"type": "unconditional-image-generation"},
            "dataset": {"type": record.data_name, "name": record.data_title},
            "metrics": metrics,
        }
        found["model-index"] = [{"name": title(record), "results": [result]}]
    return found
