"""The report's pictures: chosen by seed, drawn anew from the weights, in files at their own size."""

import io
import math
from pathlib import Path

import torch
from hydra.utils import get_method
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torchvision.utils import make_grid

from genbench.data.idx import cache_folder
from genbench.data.images import ImageData
from genbench.errors import UserError
from genbench.evaluation.classes import class_histogram
from genbench.evaluation.extractors import FeatureSpace, load_spaces
from genbench.models.interface import Encoding, Model
from genbench.models.sampling import BLOCK as DRAWN_AT_ONCE
from genbench.models.sampling import decode
from genbench.models.weights import load
from genbench.reporting.duels import main_contenders
from genbench.reporting.galleries import COUNTED, Exhibit, Explorer, Gallery, Picture
from genbench.reporting.inputs import Contender, Ranking, Record

MOST = 6  # contenders of a data set whose pictures are shown
REACH = 3.0  # the plane runs from -3 to 3 in both dimensions
FRAMES = 25  # of a walk between two latents
PIXELS = 640  # a sprite's greatest height and width
BLOCK = 2500  # training images that are compared at once


def gallery(ranking: Ranking) -> Gallery:
    """Pictures of the lowest seed of each main contender, beside real images where the data set is at hand."""
    chosen = main_contenders(ranking)[:MOST]
    problems: list[str] = []
    data = classifier = None
    try:
        data = _data(chosen[0].runs[0])
    except (UserError, OSError) as error:
        problems.append(f"no real images beside the samples: {error}")
    if data is not None:
        try:
            classifier = _classifier(data, ranking)
        except (UserError, OSError) as error:
            problems.append(f"classes are not counted: {error}")
        if classifier is None:
            problems.append("classes are not counted: the classifier that scored these runs is not in the cache")
    counts: tuple[float, ...] = ()
    if classifier is not None and data is not None:
        histogram = _histogram(classifier, data.test.images)
        counts = tuple((histogram * COUNTED).tolist())
    real = None
    if data is not None:
        real = _grid(f"{ranking.name}-real", data.test.images[:64], 8, f"The first 64 test images of {ranking.title}")
    exhibits = tuple(_exhibit(ranking, contender, data, classifier) for contender in chosen)
    return Gallery(ranking.title, real, data.classes if data else (), counts, exhibits, tuple(problems))


def _data(run: Record) -> ImageData:
    assert run.config is not None
    data: ImageData = get_method(run.config.data.load)(run.config.data.root)
    return data


def _classifier(data: ImageData, ranking: Ranking) -> FeatureSpace | None:
    """The classifier that scored the ranking, if the cache has it: a report trains nothing."""
    cache, wanted = cache_folder(), ranking.extractors.get("classifier")
    if cache is None or wanted is None:
        return None
    for path in cache.glob("extractors/*/classifier.safetensors"):
        try:
            with safe_open(path, framework="pt") as file:
                found = (file.metadata() or {}).get("hash") == wanted
        except (OSError, SafetensorError):
            continue
        if found:
            return load_spaces(data, cache).classifier
    return None


def _histogram(classifier: FeatureSpace, images: Tensor) -> Tensor:
    probabilities = classifier.embed(images).probabilities
    assert probabilities is not None
    return class_histogram(probabilities)


def _exhibit(
    ranking: Ranking, contender: Contender, data: ImageData | None, classifier: FeatureSpace | None
) -> Exhibit:
    run = contender.runs[0]
    data_name, name = ranking.title, f"{ranking.name}-{contender.label.replace(' ', '-')}"
    try:
        model, _ = load(run.path / "weights.safetensors")
        samples = samples_of(model, 64)
    except (UserError, RuntimeError, AssertionError) as error:
        return Exhibit(contender, run, (), None, (), (f"{run.name}: no pictures ({str(error).splitlines()[0]})",))
    label, seed = contender.label, run.seed
    pictures = [_grid(f"{name}-samples", samples, 8, f"64 samples of {label} on {data_name}, training seed {seed}")]
    if data is not None and tuple(data.shape) == tuple(samples.shape[1:]):
        nearest = nearest_in_pixels(samples[:12], data.train.images)
        text = f"Above, 12 samples of {label} on {data_name}; below each, the training image nearest to it in pixels"
        pictures.append(_grid(f"{name}-neighbours", torch.cat([samples[:12], nearest]), 12, text))
    for kind, text in (
        ("reconstructions", f"Test images of {data_name} in odd rows, below each its reconstruction by {label}"),
        ("latent_grid", f"{label} on {data_name}, decoded over a grid of the latent plane"),
        ("latent_scatter", f"Where {label} puts the test images of {data_name} in the latent plane, by class"),
    ):
        if (run.path / f"{kind}.png").is_file():
            pictures += _of_run(run.path / f"{kind}.png", f"{name}-{kind.replace('_', '-')}", text)
    counts: tuple[int, ...] = ()
    if classifier is not None:
        histogram = _histogram(classifier, samples_of(model, COUNTED))
        counts = tuple(round(share * COUNTED) for share in histogram.tolist())
    return Exhibit(contender, run, tuple(pictures), _explorer(model, name, label), counts, ())


def _of_run(path: Path, name: str, text: str) -> list[Picture]:
    """A picture of the run's directory, as small as it can be; none if the file is broken."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except OSError:
        return []
    colours = picture.getcolors(256)
    if colours is not None and all(r == g == b for _, (r, g, b) in colours):  # type: ignore[misc]
        picture = picture.convert("L")
        for scale in (4, 3, 2):  # grids were enlarged to be looked at
            small = picture.resize((picture.width // scale, picture.height // scale), Image.Resampling.NEAREST)
            if small.resize(picture.size, Image.Resampling.NEAREST).tobytes() == picture.tobytes():
                picture = small
                break
    else:
        picture = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
    return [_picture(name, picture, text)]


def _grid(name: str, images: Tensor, columns: int, text: str) -> Picture:
    cells = make_grid(images, nrow=columns, padding=2, pad_value=255)
    return _picture(name, _image(cells, grey=images.shape[1] == 1), text)


def _image(pixels: Tensor, *, grey: bool) -> Image.Image:
    picture = Image.fromarray(pixels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())
    return picture.convert("L") if grey else picture


def _picture(name: str, picture: Image.Image, text: str) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return Picture(name, buffer.getvalue(), text, picture.width, picture.height)


def _explorer(model: Model, name: str, label: str) -> Explorer:
    example = samples_of(model, 1)
    height, width = example.shape[2:]
    if isinstance(model, Encoding) and model.latent_size == 2:
        side = max(5, min(21, PIXELS // max(height, width)))
        places = torch.linspace(-REACH, REACH, side)
        z = torch.stack([places.repeat(side), places.flip(0).repeat_interleave(side)], 1)
        sprite = make_grid(in_small_blocks(model, z), nrow=side, padding=0)
        text = f"{label} decoded over its latent plane"
        picture = _picture(f"{name}-plane", _image(sprite, grey=example.shape[1] == 1), text)
        return Explorer("plane", picture, side, side, side**2, (width, height), REACH)
    ends = torch.randn(2, model.latent_size, generator=torch.Generator().manual_seed(0))
    z = walk(ends[0], ends[1], FRAMES)
    columns = math.isqrt(FRAMES)
    sprite = make_grid(in_small_blocks(model, z), nrow=columns, padding=0)
    picture = _picture(f"{name}-walk", _image(sprite, grey=example.shape[1] == 1), f"{label} between two latents")
    return Explorer("walk", picture, columns, -(-FRAMES // columns), FRAMES, (width, height), 0.0)


def samples_of(model: Model, n: int) -> Tensor:
    """The n images (n, C, H, W) uint8 that `sample seed=0` draws, up to the rounding of a smaller block."""
    noise = torch.Generator().manual_seed(0)
    z = torch.cat([torch.randn(DRAWN_AT_ONCE, model.latent_size, generator=noise) for _ in range(0, n, DRAWN_AT_ONCE)])
    return in_small_blocks(model, z[:n])


def in_small_blocks(model: Model, z: Tensor) -> Tensor:
    """The images of latents, a few at a time: 250 at once take 200 MB."""
    return torch.cat([decode(model, block) for block in torch.split(z, 32)])


def walk(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Latents (steps, d) from one (d,) to another on the arc between them: a straight line would pass too near 0."""
    cosine = torch.dot(start, end) / (start.norm() * end.norm()).clamp(min=1e-9)
    angle = torch.acos(cosine.clamp(-1.0, 1.0))
    t = torch.linspace(0.0, 1.0, steps).unsqueeze(1)
    if angle.sin() < 1e-4:
        return start + t * (end - start)
    return (((1 - t) * angle).sin() * start + (t * angle).sin() * end) / angle.sin()


def nearest_in_pixels(images: Tensor, train: Tensor) -> Tensor:
    """For each of images (N, C, H, W) uint8 the training image with the least squared difference."""
    flat = images.flatten(1).float()
    best, chosen = torch.full((len(images),), math.inf), torch.zeros(len(images), dtype=torch.int64)
    for start in range(0, len(train), BLOCK):
        block = train[start : start + BLOCK].flatten(1).float()
        distances = block.square().sum(1) - 2 * flat @ block.T  # (N, B), up to a constant of the image
        least, index = distances.min(1)
        closer = least < best
        best[closer], chosen[closer] = least[closer], index[closer] + start
    return train[chosen]
