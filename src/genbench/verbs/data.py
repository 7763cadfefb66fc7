"""Look at a data set's images, without training.

genbench data data=mnist
genbench data data=folder data.root=photos out=photos.png
"""

import io
import math
from typing import TYPE_CHECKING

from rich.table import Table

from genbench.command.composition import compose
from genbench.config.data import DataConfig
from genbench.config.schema import CONF
from genbench.config.train import TrainConfig
from genbench.config.verbs import LookConfig
from genbench.console import duration, stdout
from genbench.errors import UserError
from genbench.places import near
from genbench.progress import advance, importing, task
from genbench.runs.outputs import check_out, written
from genbench.wording import counted, word

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from genbench.data.images import ImageData

SHOWN = 64  # images in the picture
FITTED = {  # to data.size
    "crop": "; of images of another shape the middle",
    "pad": "; images of another shape filled up",
    "stretch": "; images of another shape distorted",
}


def run(config: LookConfig) -> None:
    """Print the counts, write a picture of some images with their labels, and say what to do next.

    Raises:
        UserError: the images cannot be had, or the picture cannot be written.
    """
    out = near(config.out)
    if out.suffix != ".png":
        raise UserError(f"out={out}: must be a .png file")
    check_out([out], force=config.force)
    importing("torch")
    from genbench.data.sources import load_data

    data = load_data(config.data)
    console = stdout()
    for table in tables(data, config.data):
        console.print(table)
    for note in data.notes:
        console.print(f"note: {note}", soft_wrap=True, highlight=False)
    with written(out) as temporary:
        picture(data, config.seed).save(temporary)
    console.print(costs(data, config))

    words = " ".join(word(key, value) for key, value in config.data.words.items())
    print(f"{counted(min(SHOWN, len(data.train)), 'training image')}: {out}")
    print(f"next: genbench train model=vae {words}")
    print(f"      genbench compare {words} models=vae_prior,flow,vaegan seeds=5 minutes=5 out=page")


def tables(data: "ImageData", config: DataConfig) -> list[Table]:
    """What the data set is, and its images by split and class."""
    title, fit = config.title, config.fit if config.size is not None else None
    splits = {"training": data.train, "validation": data.validation, "test": data.test}
    facts = Table(title=title, show_header=False, box=None, padding=(0, 2), title_justify="left")
    channels, height, width = data.shape
    kind = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    order = "" if height == width else " (width x height)"
    facts.add_row("images", f"{width} x {height} pixels{order}, {kind}{FITTED[fit] if fit is not None else ''}")
    for name, split in splits.items():
        low, high, mean = levels(split.images)
        facts.add_row(name, f"{counted(len(split), 'image')}, values {low} to {high}, {mean:.1f} on average")
    facts.add_row("classes", f"{len(data.classes)}" if data.classes else "no labels")
    facts.add_row("fingerprint", data.fingerprint)
    if not data.classes:
        return [facts]
    counts = Table(box=None, padding=(0, 2))
    counts.add_column("class")
    for name in splits:
        counts.add_column(name, justify="right")
    by_split = [
        [0] * len(data.classes) if split.labels is None else split.labels.bincount(minlength=len(data.classes)).tolist()
        for split in splits.values()
    ]
    for label, name in enumerate(data.classes):
        counts.add_row(name, *(f"{found[label]:,}" for found in by_split))
    return [facts, counts]


def levels(images: "Tensor") -> tuple[int, int, float]:
    """The least, the largest and the mean value, some images at a time: they may lie on a disk, and fill no memory."""
    import torch

    from genbench.data.found import CHUNK_BYTES

    low, high, total = 255, 0, 0
    for block in torch.split(images, max(1, CHUNK_BYTES // images[0].numel())):
        low, high, total = min(low, int(block.min())), max(high, int(block.max())), total + int(block.sum())
    return low, high, total / images.numel()


def costs(data: "ImageData", config: LookConfig) -> Table:
    """What an epoch of each model takes here, by some steps of each."""
    from genbench.device import choose_device
    from genbench.models.weights import build, check_batch
    from genbench.training.cost import seconds_a_step

    names = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
    table = Table(box=None, padding=(0, 2), title_justify="left")
    table.add_column("model")
    table.add_column(f"an epoch of {len(data.train):,} images", justify="right")
    with task("timing the models", len(names)):
        for name in names:
            words = [f"model={name}", f"data.batch_size={config.data.batch_size}"]
            (training,) = compose("train", TrainConfig, words).configs
            device = choose_device(training.trainer)
            steps = len(data.train) / training.data.batch_size
            try:
                model = build(training.model, data.shape, len(data.classes), None)
                check_batch(model, data.train, training.data.batch_size)
                seconds = steps * seconds_a_step(model, data, training.data.batch_size, device)
                said = duration(seconds)
            except UserError as error:
                said = str(error)
            table.add_row(name, said)
            advance()
    table.title = str(device)
    return table


def picture(data: "ImageData", seed: int) -> "Image.Image":
    """Training images at random, each with its class below."""
    import torch
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    split = data.train
    chosen = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:SHOWN].tolist()
    side = math.ceil(math.sqrt(SHOWN))
    rows = math.ceil(len(chosen) / side)
    figure = Figure(figsize=(side, rows * (1.25 if data.classes else 1.0)), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, side, squeeze=False).flatten()
    for place in axes:
        place.axis("off")
    for place, index in zip(axes, chosen, strict=False):
        image = split.images[index].permute(1, 2, 0).numpy()
        grey = image.shape[2] == 1
        place.imshow(image[..., 0] if grey else image, cmap="gray" if grey else None, vmin=0, vmax=255)
        if split.labels is not None:
            name = data.classes[int(split.labels[index])][:12]
            place.set_title(name, fontsize=8, y=-0.25, parse_math=False)  # two dollars in a name are no formula
    buffer = io.BytesIO()
    figure.savefig(buffer)
    return Image.open(buffer).convert("RGB")
