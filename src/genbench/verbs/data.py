"""Look at a data set's images, without training.

genbench data data=mnist
genbench data data=folder data.root=photos out=photos.png
"""

import io
import math
from typing import TYPE_CHECKING

from rich.table import Table

from genbench.config import LookConfig
from genbench.console import stdout
from genbench.errors import UserError
from genbench.places import near
from genbench.progress import importing
from genbench.runs.outputs import check_out, written

if TYPE_CHECKING:
    from PIL import Image

    from genbench.data.images import ImageData

SHOWN = 64  # images in the picture


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
    for table in tables(data, config.data.title):
        console.print(table)
    with written(out) as temporary:
        picture(data, config.seed).save(temporary)
    words = f"data={config.data.name}" + (f" data.root={config.data.root}" if config.data.root else "")
    print(f"{SHOWN} training images: {out}")
    print(f"next: genbench train model=vae {words}")
    print(f"      genbench compare {words} models=gan,vae seeds=4 minutes=5 out=page")


def tables(data: "ImageData", title: str) -> list[Table]:
    """What the data set is, and its images by split and class."""
    splits = {"training": data.train, "validation": data.validation, "test": data.test}
    facts = Table(title=title, show_header=False, box=None, padding=(0, 2), title_justify="left")
    channels, height, width = data.shape
    kind = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    facts.add_row("images", f"{height} x {width} pixels, {kind}")
    for name, split in splits.items():
        low, high, mean = int(split.images.min()), int(split.images.max()), float(split.images.float().mean())
        facts.add_row(name, f"{len(split):,} images, values {low} to {high}, {mean:.1f} on average")
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


def picture(data: "ImageData", seed: int) -> "Image.Image":
    """Training images at random, each with its class below."""
    import torch
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    split = data.train
    chosen = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:SHOWN].tolist()
    side = math.ceil(math.sqrt(SHOWN))
    figure = Figure(figsize=(side, side * (1.25 if data.classes else 1.0)), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots(side, side).flatten()
    for place in axes:
        place.axis("off")
    for place, index in zip(axes, chosen, strict=False):
        image = split.images[index].permute(1, 2, 0).numpy()
        grey = image.shape[2] == 1
        place.imshow(image[..., 0] if grey else image, cmap="gray" if grey else None, vmin=0, vmax=255)
        if split.labels is not None:
            place.set_title(data.classes[int(split.labels[index])][:12], fontsize=8, y=-0.25)
    buffer = io.BytesIO()
    figure.savefig(buffer)
    return Image.open(buffer).convert("RGB")
