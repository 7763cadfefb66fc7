"""The pictures of a run: samples, and for a model with an encoder the paper's figures 4, 5 and 7."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from genbench.data.images import ImageData
from genbench.models.interface import Encoding, Model
from genbench.models.sampling import decode, draw
from genbench.runs import Run


def draw_all(run: Run, model: Model, data: ImageData) -> None:
    """All pictures of a finished run into its directory."""
    pictures = {"samples.png": grid(draw(model, 64, seed=0), 8)}
    if isinstance(model, Encoding):
        pictures["reconstructions.png"] = reconstructions(model, data.test.images[:64])
        pictures["latent_grid.png"] = latent_grid(model)
        figure = latent_scatter(model, data.test.images, data.test.labels, data.classes)
        with run.whole("latent_scatter.png") as temporary:
            figure.savefig(temporary, dpi=120)
    for name, picture in pictures.items():
        with run.whole(name) as temporary:
            picture.save(temporary)


def grid(images: Tensor, columns: int) -> Image.Image:
    """Images (N, C, H, W) uint8, row by row in one picture, enlarged to some 900 pixels if it is small."""
    cells = make_grid(images, nrow=columns, padding=2, pad_value=255)  # (3, h, w) uint8
    scale = max(1, round(900 / max(cells.shape[1:])))
    picture = Image.fromarray(cells.permute(1, 2, 0).contiguous().numpy())
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def reconstructions(model: Model, images: Tensor, columns: int = 16) -> Image.Image:
    """Images (N, C, H, W) uint8 and below each its reconstruction from the posterior's mean."""
    restored = decode(model, posterior_means(model, images))
    rows = [
        torch.cat([original, copy])
        for original, copy in zip(torch.split(images, columns), torch.split(restored, columns), strict=True)
    ]
    return grid(torch.cat(rows), columns)


def latent_grid(model: Model, side: int = 20) -> Image.Image:
    """The decoder over a plane of normal quantiles (Kingma & Welling 2014, appendix A; the paper's figures 4 and 7).

    Latent dimensions beyond the first two are held at 0. The first grows to the right, the second upwards.
    """
    quantiles = torch.special.ndtri(torch.linspace(0.5 / side, 1.0 - 0.5 / side, side))
    z = torch.zeros(side * side, model.latent_size)
    z[:, 0] = quantiles.repeat(side)
    if z.shape[1] > 1:
        z[:, 1] = quantiles.flip(0).repeat_interleave(side)
    return grid(decode(model, z), side)


def latent_scatter(model: Model, images: Tensor, labels: Tensor | None, classes: Sequence[str]) -> Figure:
    """Posterior means of images (N, C, H, W) uint8 in the first two latent dimensions, coloured by class (figure 5)."""
    means = posterior_means(model, images).numpy()
    second = means[:, 1] if means.shape[1] > 1 else np.zeros(len(means))
    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if labels is None:
        axes.scatter(means[:, 0], second, s=3, alpha=0.5, linewidths=0)
    else:
        colours = class_colours(len(classes))
        for label, name in enumerate(classes):
            chosen = (labels == label).numpy()
            axes.scatter(
                means[chosen, 0],
                second[chosen],
                s=3,
                alpha=0.5,
                linewidths=0,
                color=colours[label],
                label=name,
            )
        legend = axes.legend(title="class", markerscale=4, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)
    axes.set(xlabel="latent dimension 1 (posterior mean)", ylabel="latent dimension 2 (posterior mean)")
    axes.set_title(f"{len(means):,} images in the latent plane")
    axes.set_aspect("equal", adjustable="datalim")
    return figure


def class_colours(n: int) -> list[tuple[float, ...]]:
    """Colours that can be told apart: ten named ones, or for more classes as many hues."""
    import matplotlib as mpl

    return [tuple(mpl.colormaps["tab10"](i)) if n <= 10 else tuple(mpl.colormaps["hsv"](i / n)) for i in range(n)]


@torch.no_grad()
def posterior_means(model: Model, images: Tensor) -> Tensor:
    """Means (N, latent_size) of q(z|x) for images (N, C, H, W) uint8, on the CPU; evaluation mode, float32."""
    assert isinstance(model, Encoding)
    training = model.training
    model.eval()
    with torch.autocast(model.device.type, enabled=False):
        blocks = [model.encode(block.to(model.device).float().div(255.0))[0] for block in torch.split(images, 500)]
    model.train(training)
    return torch.cat(blocks).float().cpu()


def square(n: int) -> int:
    """How many columns make a grid of n images about square."""
    return max(1, math.ceil(math.sqrt(n)))
