"""The Python face: a finished run as an object, scores of anybody's images, a comparison.

Nothing is printed; what takes long has a bar below the cell of a notebook.

    import genbench

    run = genbench.load("runs/optdigits-vae-1a2b3c4d-s0")
    images = run.sample(64, seed=0)  # (64, 1, 28, 28) uint8
    genbench.score(run.sample(1000), data="optdigits")

Images are NumPy arrays or PyTorch tensors (N, C, H, W), of uint8 or of floats in [0, 1]. What comes out is NumPy's:
plotting, files and other libraries take that as it is, and torch.from_numpy makes a tensor of it without a copy.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from genbench.comparison.judgement import Judgement, judge
from genbench.comparison.ranking import rankings
from genbench.config.train import TrainConfig
from genbench.config.verbs import CompareConfig
from genbench.data.batches import as_bytes
from genbench.data.datamodule import ImageDataModule
from genbench.data.images import ImageData, ImageShape
from genbench.errors import UserError
from genbench.models.hyperparameters import check_values, sample_options
from genbench.models.model import Model, Posterior, Reconstruction
from genbench.models.sampling import draw, posterior_means, reconstructed
from genbench.models.weights import Loaded
from genbench.models.weights import load as load_weights
from genbench.places import absolute
from genbench.progress import shown_in_notebook
from genbench.runs.directory import Run
from genbench.runs.finished import Finished, find
from genbench.runs.folder import read_folder
from genbench.runs.reading import RunRecord
from genbench.runs.records import Absent, Scorecard, Summary
from genbench.wording import parse

Images: TypeAlias = NDArray[Any] | Tensor
Label: TypeAlias = int | str | Sequence[int] | NDArray[Any] | np.integer[Any] | Tensor


def load(path: str | Path, code: str | Path | None = None) -> "Trained":
    """A trained model.

    Args:
        path: a run's directory, a folder that `genbench export format=hub` wrote, or a file of weights;
            "hf://user/name", a repository of the Hugging Face Hub, with "@revision" if you like; or "zoo://mnist", a
            model that comes with genbench.
        code: a folder with Python modules of your own, where the model's class is in one; they are run.

    Raises:
        UserError: there is no trained model, its file is broken or cannot be had, or its class is one that nobody has
            allowed to be run.
    """
    folder = None if code is None else absolute(str(code))
    found = find(path)
    return Trained(found, folder, load_weights(found.weights, folder))


class Trained:
    """A trained model, and what its run tells of it; `load` makes one.

    Attributes:
        path: what was loaded.
        model: the LightningModule, in evaluation mode. It is on the CPU; after model.to("cuda") all that is here is
            worked out there.
    """

    def __init__(self, found: Finished, code: str | None, loaded: Loaded) -> None:
        self.path = found.path
        self.model: Model = loaded.model
        self._found = found
        self._code = code
        self._loaded = loaded

    def __repr__(self) -> str:
        return f"<{type(self.model).__name__} of {self._found.place}, images {'x'.join(map(str, self.shape))}>"

    @property
    def shape(self) -> ImageShape:
        """Channels, height and width of an image."""
        return self._loaded.shape

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the training images' classes by label; empty if they had none."""
        return self._loaded.classes

    @property
    def config(self) -> TrainConfig:
        """What the training was told; UserError if it is not a run's directory that was loaded."""
        return self._of_run("config").config()

    @property
    def summary(self) -> Summary:
        """What the training cost, and its losses; UserError if it is not a run's directory that was loaded."""
        return self._of_run("summary").summary()

    @property
    def scores(self) -> Scorecard | Absent:
        """The model's scores as they are now, or why there are none."""
        return self._found.scores()

    def sample(self, n: int, seed: int = 0, label: Label | None = None, **options: Any) -> NDArray[np.uint8]:
        """New images: those of `genbench sample` with the same seed.

        Args:
            n: how many. The same seed gives the same images, however many are asked for.
            seed: of the noise.
            label: for a conditional model the class wanted, by number or name, or one number for each image; None:
                all classes in turn.
            options: the model's own ways to sample (steps=50, say) instead of those in its YAML.

        Returns:
            (n, C, H, W).

        Raises:
            UserError: a number is out of its range, the model is told no class, or has no such option.
        """
        if operator.index(n) < 1:
            raise UserError(f"n={n}: must be a whole number at least 1")
        if not 0 <= operator.index(seed) < 2**32:
            raise UserError(f"seed={seed}: must be a whole number at least 0 and below 2**32")
        check_values(options, sample_options(str(self._loaded.about["_target_"]), self._code), "")
        return draw(self.model, n, seed, labels=self._labels(label, n), **options).numpy()

    def encode(self, images: Images, label: Label | None = None) -> NDArray[np.float32]:
        """Where the encoder puts images: the means of q(z|x).

        Args:
            images: (N, C, H, W), uint8 or floats in [0, 1].
            label: for a conditional model their class, or one for each image.

        Returns:
            (N, d).

        Raises:
            UserError: the model has no encoder, or the images or labels are not such.
        """
        if not isinstance(self.model, Posterior):
            raise UserError(f"{self.path}: this model has no encoder")
        self._check_whole()
        given = _bytes(images, self.shape)
        return posterior_means(self.model, given, self._labels_of(given, label)).numpy()

    def reconstruct(self, images: Images, label: Label | None = None) -> NDArray[np.uint8]:
        """Images (N, C, H, W) as the model renders them; arguments as `encode`.

        Raises:
            UserError: the model does not reconstruct, or the images or labels are not such.
        """
        if not isinstance(self.model, Reconstruction):
            raise UserError(f"{self.path}: this model does not reconstruct images")
        self._check_whole()
        given = _bytes(images, self.shape)
        return reconstructed(self.model, given, self._labels_of(given, label)).numpy()

    def _of_run(self, what: str) -> Run:
        if self._found.run is None:
            raise UserError(f"{self._found.place} is weights alone, without {what}: load the run's directory")
        return self._found.run

    def _check_whole(self) -> None:
        if not self._loaded.whole:
            raise UserError(f"{self._found.place} holds only the networks that draw: load the run's directory")

    def _labels_of(self, images: Tensor, label: Label | None) -> Tensor | None:
        if label is None and self.model.classes:
            raise UserError("this model is told the class: give label=, one for all images or one for each")
        return self._labels(label, len(images))

    def _labels(self, label: Label | None, n: int) -> Tensor | None:
        if isinstance(label, Tensor):
            label = label.cpu().numpy()
        if isinstance(label, np.ndarray | np.generic):
            label = label.tolist()
        return self._loaded.labels(label, n)


def score(images: Images, data: str | ImageData, root: str | Path | None = None) -> Scorecard:
    """The scores of images that any tool made, by the protocol: as many whole draws as they make, up to 5.

    The first time on a data set other than mnist, fashion and optdigits a classifier is trained, which takes minutes.

    Args:
        images: (N, C, H, W), uint8 or floats in [0, 1]; at least 50, better five times the test images.
        data: what they imitate: mnist, cifar10, folder, ..., or the images themselves.
        root: where a named data set lies; for "folder" it must be given.

    Raises:
        UserError: they cannot be compared with the data set's, or that cannot be had.
    """
    from genbench.evaluation.of_samples import score_images

    with shown_in_notebook():
        real = ImageDataModule(data, root=None if root is None else str(root)).data
        return score_images(_bytes(images, real.shape), real)


@dataclass(frozen=True)
class Comparison:
    """What `compare` found."""

    judgements: tuple[Judgement, ...]  # one a data set: who is better on what, and what is undecided
    left_out: tuple[RunRecord, ...]  # trainings that are not ranked; `problems` of each says why
    page: Path  # index.html


def compare(
    data: str,
    models: Sequence[str] = ("gan", "vae"),
    seeds: int = 4,
    *,
    minutes: float | None = None,
    images: int | None = None,
    epochs: float | None = None,
    out: str | Path = "comparison",
    runs: str | Path | None = None,
    words: Sequence[str] = (),
    force: bool = False,
) -> Comparison:
    """Train, score and compare models, as `genbench compare` does; what is finished is not done again.

    Args:
        data: a data set, or several separated by commas.
        models: choices of model.
        seeds: trainings of each model on each data set.
        minutes: of each training.
        images: or real images seen by each.
        epochs: or epochs of each; with none of the three, 20 epochs.
        out: the folder for the page.
        runs: the folder for the trainings; None: <out>/runs.
        words: further words for `genbench train`: "data.root=photos", say.
        force: whether the page may be written over files that genbench did not make.

    Raises:
        UserError: a word is wrong, or nothing could be trained.
    """
    from genbench.verbs.compare import compared

    told = {"models": list(models), "seeds": seeds, "minutes": minutes, "images": images, "epochs": epochs}
    places = {"out": str(out), "runs": str(Path(out) / "runs" if runs is None else runs), "force": force}
    config = parse(CompareConfig, {**told, **places, "words": [f"data={data}", *words]})
    with shown_in_notebook():
        compared(config, Console(quiet=True))
    records = read_folder(Path(config.runs))
    return Comparison(
        tuple(judge(ranking) for ranking in rankings(records)),
        tuple(record for record in records if record.problems),
        Path(config.out) / "index.html",
    )


def _bytes(images: Images, shape: ImageShape) -> Tensor:
    """Images as (N, C, H, W) uint8 on the CPU; UserError if they are of another kind or shape."""
    try:  # a copy: PyTorch warns of arrays that must not be written to
        given = torch.from_numpy(np.array(images)) if isinstance(images, np.ndarray) else images
    except TypeError as error:
        raise UserError(f"images are {images.dtype}: give uint8, or floats in [0, 1]") from error
    if not isinstance(given, Tensor):
        raise UserError(f"images are a {type(images).__name__}: give a NumPy array or a PyTorch tensor (N, C, H, W)")
    return as_bytes(given.detach().cpu(), shape)
