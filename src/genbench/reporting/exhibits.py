"""The report's pictures: chosen by seed, drawn anew from the weights, in files at their own size."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor

from genbench.cache import cache_folder, regular_file
from genbench.comparison.curves import timed
from genbench.comparison.ranking import Contender, Ranking
from genbench.data.images import ImageData, Split, evenly_spaced
from genbench.errors import UserError
from genbench.evaluation.classes import class_histogram
from genbench.evaluation.conditions import labels_to_draw
from genbench.evaluation.extractors import SHIPPED, FeatureSpace, load_spaces
from genbench.evaluation.inspection import Inspector
from genbench.models.model import Model
from genbench.models.weights import load
from genbench.reporting.drawing import grid, of_run, sprite, strip
from genbench.reporting.formats import inline
from genbench.reporting.gallery import COUNTED, Exhibit, Gallery, Lapse, Look, Looks, Shown, file_names
from genbench.reporting.latents import explorer, has_plane, samples_of
from genbench.runs.directory import Run
from genbench.runs.files import read_picture
from genbench.runs.frames import frames
from genbench.runs.images import load_named
from genbench.runs.reading import RunRecord
from genbench.runs.records import Cost

SAMPLES = 64  # of each model, in a picture
HIDDEN = 40  # test images, and as many further samples of each model, for the blind test: four rounds without a repeat
PLACED = 400  # test images in a latent plane
LAPSES = 48  # frames of all models of a data set together, so that eight models take no more of the page than four
WIDEST_FRAME = 512  # pixels, as a training writes them
OF_RUN = {  # pictures in the run's directory
    "reconstructions": "Test images of {data} in odd rows, below each its reconstruction by {label}",
    "latent_grid": "{label} on {data}, decoded over a grid of the latent plane",
    "latent_scatter": "Where {label} puts the test images of {data} in the latent plane, by class",
    "style_mixing": "{label} on {data}: coarse features of each row's first image, fine ones of each column's",
}
UNSEEN = {  # why there are no training images beside samples, by whether those at hand have the samples' shape
    None: "The training images were not at hand when this page was made",
    False: "The training images at hand when this page was made have another shape",
    True: "This model has learnt from other images than those at hand when this page was made",
}
OF_ONE_CLASS = ("latent_grid", "style_mixing")  # of a conditional model


@dataclass(frozen=True, eq=False)
class _Scene:
    """What the exhibits of a ranking have in common."""

    ranking: Ranking
    data: ImageData | None
    inspector: Inspector | None  # None without the training images
    shown: Split | None  # test images for the latent planes
    lapses: int  # frames of each contender at most
    code: str | None

    @property
    def classifier(self) -> FeatureSpace | None:
        space = None if self.inspector is None else self.inspector.space
        return space if space is not None and space.name == "classifier" else None


def gallery(ranking: Ranking, chosen: Sequence[Contender], code: str | None) -> Gallery:
    """Pictures of the lowest seed of each contender, beside real images where the data set is at hand."""
    problems: list[str] = []
    data = space = None
    try:
        data = _data(chosen[0].runs[0])
    except (UserError, OSError) as error:
        problems.append(f"no real images beside the samples: {error}")
    if data is not None:
        try:
            space = _space(data, ranking)
            missing = "the features that scored these runs are not in the cache"
        except (UserError, OSError) as error:
            missing = str(error)
        if space is None:
            problems.append(f"classes are not counted, and the nearest training images are those in pixels: {missing}")
    inspector = None if data is None else Inspector(data, space, cache_folder())
    shown = None if data is None else evenly_spaced(data.test, PLACED)
    scene = _Scene(ranking, data, inspector, shown, max(4, min(20, LAPSES // len(chosen))), code)
    exhibits = tuple(_exhibit(scene, contender) for contender in chosen)
    if data is None or shown is None:
        return Gallery(ranking.title, None, (), (), exhibits, tuple(problems))
    chosen_ones, others = _apart(data.test)
    counts: tuple[float, ...] = ()
    if scene.classifier is not None:
        counts = tuple((_histogram(scene.classifier, data.test.images) * COUNTED).tolist())
    return Gallery(
        ranking.title,
        grid(
            f"{ranking.name}-real",
            "real",
            chosen_ones,
            8,
            f"{len(chosen_ones)} test images of {ranking.title}",
        ),
        data.classes,
        counts,
        exhibits,
        tuple(problems),
        sprite(others, 8, exact=True) if len(others) else None,
        _shown(shown) if any(e.explorer is not None and e.explorer.points for e in exhibits) else None,
    )


def _apart(test: Split) -> tuple[Tensor, Tensor]:
    """Test images for the gallery's picture and others for the blind test, each spread evenly over all.

    The first ones of class folders are all of one class.
    """
    shown = torch.linspace(0, len(test) - 1, min(SAMPLES, len(test))).long()
    left = torch.ones(len(test), dtype=torch.bool)
    left[shown] = False
    rest = left.nonzero()[:, 0]
    hidden = rest[torch.linspace(0, max(0, len(rest) - 1), min(HIDDEN, len(rest))).long()]
    return test.images[shown], test.images[hidden]


def _shown(split: Split) -> Shown:
    labels = () if split.labels is None else tuple(split.labels.tolist())
    return Shown(sprite(split.images, 20, exact=False), labels)


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


def _space(data: ImageData, ranking: Ranking) -> FeatureSpace | None:
    """The feature space that is judged in the ranking, if it is at hand: a report trains nothing."""
    cache = cache_folder()
    if cache is None or not ranking.spaces:
        return None
    judged = ranking.spaces[0]
    wanted = ranking.extractors[judged]
    if judged == "random" and data.train.labels is None:
        space = load_spaces(data, cache).random
        return space if space.hash == wanted else None
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


def _exhibit(scene: _Scene, contender: Contender) -> Exhibit:
    record, title = contender.runs[0], scene.ranking.title
    run, label = Run(record.path), inline(contender.label)
    name = f"{scene.ranking.name}-{file_names([c.label for c in scene.ranking.contenders])[contender.label]}"
    try:
        loaded = load(run.weights, scene.code)
        model = loaded.model
        if record.scorecard is not None and isinstance(record.scorecard.cost, Cost):  # of the samples that were scored
            model.sample_options |= record.scorecard.cost.sample_options
        drawn = samples_of(model, SAMPLES + HIDDEN)
    except (UserError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return Exhibit(contender, record, (), None, (), (f"{record.name}: no pictures ({reason})",))
    samples, hidden = drawn[:SAMPLES], drawn[SAMPLES:]
    text = f"{SAMPLES} samples of {label} on {title}, training seed {record.seed}"
    pictures = [grid(f"{name}-samples", "samples", samples, 8, text)]
    fits = scene.inspector is not None and scene.inspector.train.shape[1:] == samples.shape[1:]
    problems = []
    inspector = scene.inspector if fits else None
    learnt = "" if record.data is None else record.data.fingerprint  # from others with another data.limit, say
    if (
        inspector is not None and scene.data is not None and learnt not in ("", scene.data.fingerprint)
    ):  # data.limit, say
        problems.append(f"{label}: it has learnt from other images, and those nearest to its samples are not shown")
        inspector = None
    looks, nearest = _looks(model, samples, inspector, UNSEEN[None if scene.inspector is None else fits])
    if nearest is not None:
        where = {"pixels": "in pixels"}.get(looks.measured, f"in {looks.measured} features")
        text = f"Above, 12 samples of {label} on {title}; below each, the training image nearest to it {where}"
        pictures.append(grid(f"{name}-neighbours", "neighbours", torch.cat([samples[:12], nearest[:12]]), 12, text))
    told = inline(loaded.classes[0]) if model.classes else ""  # where only the noise is to differ
    for picture, text in OF_RUN.items():
        of_one = f", all of class {told}" if told and picture in OF_ONE_CLASS else ""
        pictures += of_run(run, picture, name, text.format(data=title, label=label) + of_one)
    counts: tuple[int, ...] = ()
    if scene.classifier is not None and scene.data is not None and fits:
        asked = labels_to_draw(model, scene.data, COUNTED, seed=0)
        histogram = _histogram(scene.classifier, samples_of(model, COUNTED, asked))
        counts = tuple(round(share * COUNTED) for share in histogram.tolist())
    return Exhibit(
        contender,
        record,
        tuple(pictures),
        explorer(model, scene.shown if fits and has_plane(model) else None, told),
        counts,
        tuple(problems),
        looks,
        sprite(hidden, 8, exact=True),
        _lapse(record, scene.lapses),
    )


def _looks(model: Model, samples: Tensor, inspector: Inspector | None, unseen: str) -> tuple[Looks, Tensor | None]:
    """What is to be said of each sample, and the training image nearest to each, (N, C, H, W).

    Args:
        model: that drew them.
        samples: (N, C, H, W) uint8.
        inspector: None without the training images.
        unseen: why it is None.
    """
    labels = model.labels_in_turn(len(samples))
    wanted = [None] * len(samples) if labels is None else labels.tolist()
    if inspector is None:
        return Looks(tuple(Look(label, None, None, False, None, False) for label in wanted), None, "", unseen), None
    found, none = inspector.look(samples), [None] * len(samples)
    columns = (found.classes, found.certainties, found.ambiguous, found.ratios, found.near_duplicates)
    looks = [
        Look(
            label,
            taken_for,
            None if certainty is None else round(certainty, 3),
            bool(ambiguous),
            None if ratio is None else round(ratio, 3),
            bool(near),
        )
        for label, taken_for, certainty, ambiguous, ratio, near in zip(
            wanted, *(none if column is None else column.tolist() for column in columns), strict=True
        )
    ]
    nearest = inspector.train[found.nearest]
    name = "pixels" if inspector.space is None else inspector.space.name
    return Looks(tuple(looks), sprite(nearest, 8, exact=True), name), nearest


def _lapse(record: RunRecord, most: int) -> Lapse | None:
    """The frames of a run, some spread evenly over them if there are more than may be shown; None of older runs."""
    pictures: list[Image.Image] = []
    seen: list[int] = []
    files = list(frames(record.path).items())
    n = min(most, len(files))
    for images_seen, path in [files[i * (len(files) - 1) // max(1, n - 1)] for i in range(n)]:  # the ends as well
        picture = read_picture(path)
        if picture is not None and picture.width <= WIDEST_FRAME and picture.size == (pictures or [picture])[0].size:
            pictures.append(picture)
            seen.append(images_seen)
    return Lapse(strip(pictures), tuple(timed(record, seen))) if pictures else None
