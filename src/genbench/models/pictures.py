"""The pictures of a model: samples, and for one with an encoder the paper's figures 4, 5 and 7."""

import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from genbench.data.images import ImageData, evenly_spaced
from genbench.data.tiles import tiled
from genbench.models.model import LatentPlane, Model, Reconstruction
from genbench.models.sampling import decode, draw, evaluating, posterior_means, reconstructed
from genbench.models.style import StyleMixing

SCATTERED = 10_000  # of more images no point is seen for the others
COLUMNS = 8  # of a grid of samples


def draw_all(model: Model, data: ImageData) -> dict[str, Image.Image]:
    """All pictures of a finished model, by their files' names."""
    labels = class_rows(model)
    samples = draw(model, 64 if labels is None else len(labels), seed=0, labels=labels)
    pictures = {"samples.png": grid(samples, COLUMNS)}
    if isinstance(model, Reconstruction):
        some = evenly_spaced(data.test, 64)  # of class folders the first are all of one class
        pictures["reconstructions.png"] = reconstructions(model, some.images, some.labels)
    if isinstance(model, StyleMixing) and model.mixes:
        pictures["style_mixing.png"] = style_mixing(model)
    if isinstance(model, LatentPlane):
        pictures["latent_grid.png"] = latent_grid(model)
        shown = evenly_spaced(data.test, SCATTERED)
        figure = latent_scatter(model, shown.images, shown.labels, data.classes)
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=120)
        pictures["latent_scatter.png"] = Image.open(buffer)
    return pictures


def class_rows(model: Model) -> Tensor | None:
    """The labels of a grid of samples: a row a class, for ten classes at most; None for a model without classes."""
    return torch.arange(min(model.classes, 10)).repeat_interleave(COLUMNS) if model.classes else None


def grid(images: Tensor, columns: int) -> Image.Image:
    """Images (N, C, H, W) uint8, row by row in one picture, enlarged to some 900 pixels if it is small."""
    cells = tiled(images, columns, gap=2, empty=255)  # (3, h, w) uint8
    scale = max(1, round(900 / max(cells.shape[1:])))
    picture = Image.fromarray(cells.permute(1, 2, 0).contiguous().numpy())
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def reconstructions(
    model: Reconstruction, images: Tensor, labels: Tensor | None = None, columns: int = 16
) -> Image.Image:
    """Images (N, C, H, W) uint8 and below each its reconstruction; a last row that is not full ends in white."""
    restored = reconstructed(model, images, labels)
    white = images.new_full((-len(images) % columns, *images.shape[1:]), 255)
    above, below = (torch.split(torch.cat([part, white]), columns) for part in (images.cpu(), restored))
    return grid(torch.cat([row for pair in zip(above, below, strict=True) for row in pair]), columns)


def style_mixing(model: StyleMixing, rows: int = 5) -> Image.Image:
    """Images of which each has the coarse features of its row's first image, and the fine ones of its column's.

    Karras et al. 2019, figure 3. Of a conditional model all are of its first class.
    """
    noise = model.noise(rows + COLUMNS, torch.Generator().manual_seed(0))
    coarse, fine = noise[:rows], noise[rows:]
    left, above = coarse.repeat_interleave(COLUMNS, 0), fine.repeat(rows, *(1,) * (fine.ndim - 1))
    labels = torch.zeros(len(left), dtype=torch.int64, device=model.device) if model.classes else None
    with torch.no_grad(), evaluating(model):
        mixed = model.mix(left, above, labels).clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8).cpu()
    plain = decode(model, noise, labels=None if labels is None else labels[: len(noise)])
    cells = [torch.full_like(plain[:1], 255), plain[rows:]]
    for row, images in enumerate(torch.split(mixed, COLUMNS)):
        cells += [plain[row : row + 1], images]
    return grid(torch.cat(cells), COLUMNS + 1)


def latent_grid(model: LatentPlane, side: int = 20) -> Image.Image:
    """The decoder over a plane of normal quantiles (Kingma & Welling 2014, appendix A; the paper's figures 4 and 7).

    Latent dimensions beyond the first two are held at 0. The first grows to the right, the second upwards.
    """
    quantiles = torch.special.ndtri(torch.linspace(0.5 / side, 1.0 - 0.5 / side, side))
    z = torch.zeros(side * side, *model.noise_shape)
    z[:, 0] = quantiles.repeat(side)
    if z.shape[1] > 1:
        z[:, 1] = quantiles.flip(0).repeat_interleave(side)
    # Of a conditional model its first class: all in turn would make no plane.
    labels = torch.zeros(len(z), dtype=torch.int64) if model.classes else None
    return grid(decode(model, z, labels=labels), side)


def latent_scatter(model: LatentPlane, images: Tensor, labels: Tensor | None, classes: Sequence[str]) -> Figure:
    """Posterior means of images (N, C, H, W) uint8 in the first two latent dimensions, coloured by class (figure 5)."""
    means = posterior_means(model, images, labels).numpy()
    second = means[:, 1] if means.shape[1] > 1 else np.zeros(len(means))
    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if labels is None:
        axes.scatter(means[:, 0], second, s=3, alpha=0.5, linewidths=0)
    else:
        points = []
        for label, colour in enumerate(class_colours(len(classes))):
            chosen = (labels == label).numpy()
            points.append(axes.scatter(means[chosen, 0], second[chosen], s=3, alpha=0.5, linewidths=0, color=colour))
        _explain(axes, points, classes)
    axes.set(xlabel="latent dimension 1 (posterior mean)", ylabel="latent dimension 2 (posterior mean)")
    axes.set_title(f"{len(means):,} images in the latent plane")
    axes.set_aspect("equal", adjustable="datalim")
    return figure


def _explain(axes: Axes, points: Sequence[PathCollection], classes: Sequence[str]) -> None:
    """A legend of all classes, whatever they are called."""
    numbers = [str(label) for label in range(len(classes))]  # matplotlib leaves out what begins with an underscore
    legend = axes.legend(
        points, numbers, title="class", markerscale=4, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False
    )
    for text, name in zip(legend.get_texts(), classes, strict=True):
        text.set(text=name, parse_math=False)  # two dollars in a name are no formula
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)


def class_colours(n: int) -> list[tuple[float, ...]]:
    """Colours that can be told apart: ten named ones, or for more classes as many hues."""
    import matplotlib as mpl

    return [tuple(mpl.colormaps["tab10"](i)) if n <= 10 else tuple(mpl.colormaps["hsv"](i / n)) for i in range(n)]


def square(n: int) -> int:
    """How many columns make a grid of n images about square."""
    return max(1, math.ceil(math.sqrt(n)))
