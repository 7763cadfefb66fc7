"""python -m benchmarks.zoo: trains, scores and packs the models that come with genbench. Writes docs/zoo.md.

An hour on one core; called again it goes on where it stopped. A model in src/genbench/zoo is a folder as `genbench
export format=hub` writes it, without pictures: the networks that draw alone, in half precision.
"""

import copy
import shutil
import subprocess
import sys
from pathlib import Path

from genbench import cli
from genbench.console import duration
from genbench.models.export import networks
from genbench.models.pictures import COLUMNS, class_rows, grid
from genbench.models.sampling import draw
from genbench.models.weights import Loaded, load, save
from genbench.reporting.hub import CARD, card
from genbench.runs.directory import Run
from genbench.runs.finished import SCORES, WEIGHTS
from genbench.runs.outputs import mark
from genbench.runs.reading import RunRecord, read
from genbench.runs.records import Absent, Key

TOP = Path(__file__).resolve().parents[1]
ZOO, PAGE, PICTURES = TOP / "src" / "genbench" / "zoo", TOP / "docs" / "zoo.md", TOP / "docs" / "zoo"
IMAGES = {"mnist": 200_000, "fashion": 160_000, "optdigits": 60_000}  # that each training sees
# Narrower than the model's own 64: so that a file has less than 1 MB.
WORDS = ["model=vaegan", "model.conditional=true", "model.width=48", "evaluation=full", "runs=runs/zoo"]
LARGEST = 10**6  # bytes of a file of weights
SMALL = 1000  # numbers in a tensor that stays as it is: with the mixture's weights rounded others of it would be drawn
COMPARED = 10_000  # images drawn in both precisions
# Of the classifier's space or the model's own: how it is headed, how many of a unit there are, and its form.
COLUMNS_OF_SCORES = {
    "fcd": ("Fréchet distance", 1.0, ".2f"),
    "coverage": ("coverage", 1.0, ".2f"),
    "recall": ("recall", 1.0, ".2f"),
    "ambiguous_share": ("ambiguous, %", 100.0, ".1f"),
    "class_accuracy": ("class accuracy, %", 100.0, ".1f"),
    "usefulness": ("usefulness, %", 100.0, ".1f"),
}

OF_ZOO = "Of the networks only those that draw are here, in half precision."
TEXT = """# The zoo

Written by `python -m benchmarks.zoo`.

Three trained models come with genbench. They draw offline:

```
genbench sample zoo=mnist label=7 out=seven.png
genbench sample zoo=fashion n=100 out=clothes.png
```

In Python they are `genbench.load("zoo://mnist")`, with `.sample(64, label=7)`, `.scores` and `.classes`. Of each there
are the networks that draw, so that it neither encodes nor reconstructs. In the package's folder `zoo` each one's scores
and model card lie beside its weights.

## Scores

Of the trained model: one training, seed 0, test images, mean over the draws. [What each means](scores.md).

{scores}

## How they were made

`genbench train {words} data=... trainer.max_images=...`:
{environments}. The time is of training alone, beside other work on the machine. A file
has 16 bits a number where the run has 32, and only the networks that draw. What half precision changed of
{compared} images:

{made}

## Samples

A row a class, of seed 0; none was chosen.

{pictures}
"""


def main() -> None:
    """Train, score, pack, draw, write."""
    rows = []
    PICTURES.mkdir(exist_ok=True)
    for name, images in IMAGES.items():
        words = [f"data={name}", f"trainer.max_images={images}", *WORDS]
        subprocess.run([sys.executable, "-m", "genbench.train", *words], check=True)
        run = Run(cli.compose("train", words).configs[0].directory)
        whole = load(run.weights)
        made = ZOO / f"{name}.part"  # so that no weights stand beside the scores of others
        packed = load(pack(whole, made))
        shutil.copyfile(run.path / SCORES, made / SCORES)
        usage = f"```\ngenbench sample zoo={name} label=7 out=grid.png\n```\n\n{OF_ZOO}"
        (made / CARD).write_text(card(read(run.path), packed, {}, usage), encoding="utf-8")
        shutil.rmtree(ZOO / name, ignore_errors=True)
        weights = made.rename(ZOO / name) / WEIGHTS
        labels = class_rows(packed.model)
        picture = PICTURES / f"{name}.png"
        grid(draw(packed.model, COLUMNS * len(packed.classes), 0, labels=labels), COLUMNS).save(picture, optimize=True)
        mark(picture, ".png")
        rows.append((name, read(run.path), weights.stat().st_size, run.weights.stat().st_size, changed(whole, packed)))
    PAGE.write_text(page(rows), encoding="utf-8")
    print(page(rows))


def pack(whole: Loaded, folder: Path) -> Path:
    """Write a model's weights for drawing alone; returns the file.

    Raises:
        RuntimeError: it is too large to come with genbench.
    """
    generate = next(iter(networks(whole.model, whole.shape).values()))[0]
    needed = sorted(name for name, child in generate.model.named_children() if child.state_dict())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / WEIGHTS
    halved = copy.deepcopy(whole.model)
    for tensor in (*halved.parameters(), *halved.buffers()):
        if tensor.numel() > SMALL:
            tensor.data = tensor.data.half()
    save(halved, whole.about, whole.shape, whole.classes, path, needed)
    if path.stat().st_size >= LARGEST:
        raise RuntimeError(f"{path} has {path.stat().st_size:,} bytes: not less than {LARGEST:,}")
    return path


def changed(whole: Loaded, packed: Loaded) -> tuple[int, float]:
    """What half precision changes of 10,000 images: levels of grey at most, and of how many pixels, in percent."""
    ours, theirs = (draw(each.model, COMPARED, 0).int() for each in (whole, packed))
    difference = (ours - theirs).abs()
    return int(difference.max()), 100.0 * float((difference > 0).double().mean())


def page(rows: list[tuple[str, RunRecord, int, int, tuple[int, float]]]) -> str:
    """docs/zoo.md."""
    headings = [heading for heading, _, _ in COLUMNS_OF_SCORES.values()]
    scores = [f"| model | {' | '.join(headings)} |", f"| --- |{' ---: |' * len(headings)}"]
    made = ["| model | images seen | training | bytes | of the run's | most changed | pixels changed |"]
    made.append("| --- |" + " ---: |" * 6)
    environments = set()
    for name, record, size, before, (most, share) in rows:
        scores.append(f"| `zoo={name}` | {' | '.join(_cell(record, score) for score in COLUMNS_OF_SCORES)} |")
        summary, about = record.summary, record.environment
        told = ("", "") if summary is None else (f"{summary.images_seen:,}", duration(summary.train_seconds))
        made.append(f"| `zoo={name}` | {told[0]} | {told[1]} | {size:,} | {before:,} | {most} of 255 | {share:.2f} % |")
        if about is not None:
            environments.add(f"{about.device}, {about.precision}, torch {about.packages.get('torch')}")
    return TEXT.format(
        scores="\n".join(scores),
        made="\n".join(made),
        words=" ".join(WORDS[:3]),
        environments="; ".join(sorted(environments)),
        compared=f"{COMPARED:,}",
        pictures="\n\n".join(f"![{name}, a row a class](zoo/{name}.png)" for name, *_ in rows),
    )


def _cell(record: RunRecord, name: str) -> str:
    _, unit, form = COLUMNS_OF_SCORES[name]
    card = record.scorecard
    if card is None:
        return ""
    found = card.model[name] if name in card.model else card.score(Key("classifier", name))
    return "" if isinstance(found, Absent) else f"{unit * found.mean:{form}}"


if __name__ == "__main__":
    main()
