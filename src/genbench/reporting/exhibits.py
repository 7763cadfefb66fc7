"""The report's pictures: chosen by seed, drawn anew from the weights, in files at their own size."""

import io
import math
from collections.abc import Sequence

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torchvision.utils import make_grid

from genbench.cache import cache_folder, regular_file
from genbench.comparison.ranking import Contender, Ranking
from genbench.data.images import ImageData
from genbench.errors import UserError
from genbench.evaluation.classes import class_histogram
from genbench.evaluation.extractors import SHIPPED, FeatureSpace, load_spaces
from genbench.models.model import LatentPlane, Model
from genbench.models.sampling import BLOCK as DRAWN_AT_ONCE
from genbench.models.sampling import decode
from genbench.models.weights import load
from genbench.reporting.formats import inline
from genbench.reporting.gallery import COUNTED, Exhibit, Explorer, Gallery, Picture, file_name
from genbench.runs.directory import Run
from genbench.runs.files import read_picture
from genbench.runs.images import load_named
from genbench.runs.reading import RunRecord

REACH = 3.0  # the plane runs from -3 to 3 in both dimensions
FRAMES = 25  # of a walk between two samples
PIXELS = 640  # a sprite's greatest height and width
BLOCK = 2500  # training images that are compared at once
OF_RUN = {  # pictures in the run's directory
    "reconstructions": "Test images of {data} in odd rows, below each its reconstruction by {label}",
    "latent_grid": "{label} on {data}, decoded over a grid of the latent plane",
    "latent_scatter": "Where {label} puts the test images of {data} in the latent plane, by class",
}


def gallery(ranking: Ranking, chosen: Sequence[Contender], code: str | None) -> Gallery:
    """Pictures of the lowest seed of each contender, beside real images where the data set is at hand."""
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
        text = f"The first 64 test images of {ranking.title}"
        real = _grid(f"{ranking.name}-real", "real", data.test.images[:64], 8, text)
    exhibits = tuple(_exhibit(ranking, contender, data, classifier, code) for contender in chosen)
    return Gallery(ranking.title, real, data.classes if data else (), counts, exhibits, tuple(problems))


def _data(run: RunRecord) -> ImageData:
    """The images that a run was trained on.

    Raises:
        UserError: they cannot be had, others are in their place now, or the run names a place without a fingerprint of
            what must be there: it may be a stranger's, and the pictures anybody's.
    """
    if run.config is None:
        raise UserError(f"{run.name} has no config that can be read")
    wanted = run.data.fingerprint if run.data is not None else run.scorecard.fingerprint if run.scorecard else ""
    data = load_named(run.path, run.config.data, wanted)
    if wanted and data.fingerprint != wanted:
        raise UserError(f"the images of {run.config.data.title} are not those that {run.name} was trained on")
    return data


def _classifier(data: ImageData, ranking: Ranking) -> FeatureSpace | None:
    """The classifier that scored the ranking, if it is at hand: a report trains nothing."""
    cache, wanted = cache_folder(), ranking.extractors.get("classifier")
    if cache is None or wanted is None:
        return None
    name = "*/classifier.safetensors"
    for path in (*SHIPPED.glob(name), *(cache / "extractors").glob(name)):
        try:
            with safe_open(regular_file(path), framework="pt") as file:
                found = (file.metadata() or {}).get("hash") == wanted
        except (OSError, ValueError, SafetensorError):
            continue
        if found:
            return load_spaces(data, cache).classifier
    return None


def _histogram(classifier: FeatureSpace, images: Tensor) -> Tensor:
    probabilities = classifier.embed(images).probabilities
    if probabilities is None:
        raise ValueError("a classifier gives probabilities")
    return class_histogram(probabilities.argmax(1), probabilities.shape[1])


def _exhibit(
    ranking: Ranking, contender: Contender, data: ImageData | None, classifier: FeatureSpace | None, code: str | None
) -> Exhibit:
    record = contender.runs[0]
    run, label, name = Run(record.path), inline(contender.label), f"{ranking.name}-{file_name(contender.label)}"
    try:
        model = load(run.weights, code).model
        samples = samples_of(model, 64)
    except (UserError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return Exhibit(contender, record, (), None, (), (f"{record.name}: no pictures ({reason})",))
    text = f"64 samples of {label} on {ranking.title}, training seed {record.seed}"
    pictures = [_grid(f"{name}-samples", "samples", samples, 8, text)]
    if data is not None and tuple(data.shape) == tuple(samples.shape[1:]):
        nearest = nearest_in_pixels(samples[:12], data.train.images)
        text = (
            f"Above, 12 samples of {label} on {ranking.title}; below each, the training image nearest to it in pixels"
        )
        pictures.append(_grid(f"{name}-neighbours", "neighbours", torch.cat([samples[:12], nearest]), 12, text))
    for picture, text in OF_RUN.items():
        pictures += _of_run(run, picture, name, text.format(data=ranking.title, label=label))
    counts: tuple[int, ...] = ()
    if classifier is not None and classifier.shape == model.shape:
        histogram = _histogram(classifier, samples_of(model, COUNTED))
        counts = tuple(round(share * COUNTED) for share in histogram.tolist())
    return Exhibit(contender, record, tuple(pictures), _explorer(model, name, label), counts, ())


def _of_run(run: Run, file: str, name: str, text: str) -> list[Picture]:
    """A picture of the run's directory, as small as it can be without a loss; none if it cannot be read."""
    picture = read_picture(run.picture(f"{file}.png"))
    if picture is None:
        return []
    colours = picture.getcolors(256)
    if colours is not None and all(r == g == b for _, (r, g, b) in colours):  # type: ignore[misc]
        picture = picture.convert("L")
        for scale in (4, 3, 2):  # grids were enlarged to be looked at
            small = picture.resize((picture.width // scale, picture.height // scale), Image.Resampling.NEAREST)
            if small.resize(picture.size, Image.Resampling.NEAREST).tobytes() == picture.tobytes():
                picture = small
                break
    kind = file.replace("_", "-")
    return [_picture(f"{name}-{kind}", kind, picture, text)]


def _grid(name: str, kind: str, images: Tensor, columns: int, text: str) -> Picture:
    cells = make_grid(images, nrow=columns, padding=2, pad_value=255)
    return _picture(name, kind, _image(cells, grey=images.shape[1] == 1), text)


def _image(pixels: Tensor, *, grey: bool) -> Image.Image:
    picture = Image.fromarray(pixels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())
    return picture.convert("L") if grey else picture


def _picture(name: str, kind: str, picture: Image.Image, text: str) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return Picture(name, kind, buffer.getvalue(), text, picture.width, picture.height)


def _explorer(model: Model, name: str, label: str) -> Explorer:
    channels, height, width = model.shape
    if isinstance(model, LatentPlane) and model.noise_shape == (2,):
        side = max(5, min(21, PIXELS // max(height, width)))
        places = torch.linspace(-REACH, REACH, side)
        z = torch.stack([places.repeat(side), places.flip(0).repeat_interleave(side)], 1)
        sprite = make_grid(in_small_blocks(model, z), nrow=side, padding=0)
        text = f"{label} decoded over its latent plane"
        picture = _picture(f"{name}-plane", "plane", _image(sprite, grey=channels == 1), text)
        return Explorer("plane", picture, side, side, side**2, (width, height), REACH)
    start, end = torch.randn(2, *model.noise_shape, generator=torch.Generator().manual_seed(0))
    noise = walk(start, end, FRAMES)
    columns = math.isqrt(FRAMES)
    sprite = make_grid(in_small_blocks(model, noise), nrow=columns, padding=0)
    picture = _picture(f"{name}-walk", "walk", _image(sprite, grey=channels == 1), f"{label} between two samples")
    return Explorer("walk", picture, columns, -(-FRAMES // columns), FRAMES, (width, height), 0.0)


def samples_of(model: Model, n: int) -> Tensor:
    """The n images (n, C, H, W) uint8 that `sample seed=0` draws, up to the rounding of a smaller block."""
    generator = torch.Generator().manual_seed(0)
    blocks = [torch.randn(DRAWN_AT_ONCE, *model.noise_shape, generator=generator) for _ in range(0, n, DRAWN_AT_ONCE)]
    return in_small_blocks(model, torch.cat(blocks)[:n], model.labels_in_turn(n))


def in_small_blocks(model: Model, noise: Tensor, labels: Tensor | None = None) -> Tensor:
    """The images of noise, a few at a time: 250 at once take 200 MB.

    Without labels a conditional model draws its first class, so that only the noise differs.
    """
    if labels is None and model.classes:
        labels = torch.zeros(len(noise), dtype=torch.int64)
    blocks = torch.split(torch.arange(len(noise)), 32)
    return torch.cat([decode(model, noise[i], labels=None if labels is None else labels[i]) for i in blocks])


def walk(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Noise (steps, *shape) from one (*shape) to another on the arc between: a straight line would pass too near 0."""
    one, other = start.flatten(), end.flatten()
    cosine = torch.dot(one, other) / (one.norm() * other.norm()).clamp(min=1e-9)
    angle = torch.acos(cosine.clamp(-1.0, 1.0))
    t = torch.linspace(0.0, 1.0, steps).unsqueeze(1)
    if angle.sin() < 1e-4:
        points = one + t * (other - one)
    else:
        points = (((1 - t) * angle).sin() * one + (t * angle).sin() * other) / angle.sin()
    return points.reshape(steps, *start.shape)


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
