"""Your own small images: a folder of PNG or JPEG files, or an array file (.npy, .npz).

All images of a data set have one size, height and width divisible by 4 and at most 256 pixels. They are grey
(one channel) if red, green and blue are equal in every pixel of every image, however they are stored, else
colour (three channels). Transparent pixels are laid on white, as a browser shows them.
"""

import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from genbench.cache import regular_file
from genbench.data.images import ImageData, Split
from genbench.data.splits import divide, divide_train
from genbench.errors import UserError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
ARRAY_SUFFIXES = (".npz", ".npy")
MAX_SIDE = 256  # pixels
MIN_IMAGES = 20

Bytes = npt.NDArray[np.uint8]
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Keys:
    """The names of one split's images and labels in an .npz file."""

    images: str
    labels: str


WHOLE = Keys("images", "labels")
# Data sets that come with official splits: train, validation (may be missing), test.
OFFICIAL = (
    (
        Keys("train_images", "train_labels"),
        Keys("val_images", "val_labels"),
        Keys("test_images", "test_labels"),
    ),
    (Keys("x_train", "y_train"), Keys("x_val", "y_val"), Keys("x_test", "y_test")),
)


def load(root: str | None) -> ImageData:
    """Read the images; see the module for what they must be like.

    Args:
        root: a folder with images, flat or in one folder a class; a .npy file with images; an .npz file with
            `images` and perhaps `labels`, or with the official splits of MedMNIST's or Keras' files, which
            are kept; or a folder that holds one such array file and no image.

    Raises:
        UserError: there is no root, or it holds something else.
    """
    if root is None:
        raise UserError("data=folder needs data.root=DIR: a folder of PNG or JPEG images, or an .npz or .npy file")
    path, files = _source(root)
    if not files:
        return _from_arrays(path)
    split, classes = _from_files(path, files)
    return _divided(path.resolve().name, path, split, classes)


def read_images(source: str, channels: int) -> Tensor:
    """All images of a source such as `load` takes, in one tensor (N, C, H, W) uint8; classes and splits are ignored.

    Args:
        source: a folder of images, or an array file with the images as its only array or as `images`.
        channels: 1 or 3; grey images become colour ones where 3 are wanted.

    Raises:
        UserError: there is no such source, or it holds something else.
    """
    path, files = _source(source)
    if files:
        images = _from_files(path, files)[0].images
    else:
        arrays, names = _arrays(path)
        if WHOLE.images not in arrays:
            raise UserError(f"{path} has the arrays {', '.join(names) or 'none'}: save the images as `images`")
        (images,) = _to_tensors(path, [_pixels(path, WHOLE.images, arrays[WHOLE.images])])
    return images.expand(-1, 3, -1, -1).contiguous() if images.shape[1] == 1 and channels == 3 else images


def _source(root: str) -> tuple[Path, list[Path]]:
    """A folder and its image files, or an array file and none."""
    path = Path(os.path.expanduser(root))  # leaves an unknown user as it stands
    try:
        if path.is_dir():
            images, arrays = _listing(path)
            if not arrays:
                if not images:
                    raise UserError(f"{path} holds no PNG or JPEG image, and no .npz or .npy file")
                return path, images
            if images or len(arrays) > 1:
                raise UserError(f"{path} holds {arrays[0].name} and other data: give the one file to read")
            return arrays[0], []
        if not path.exists():
            raise UserError(f"{root}: there is no such file or folder")
    except OSError as error:
        raise UserError(f"cannot read {error.filename or path} ({error.strerror}): make it readable") from error
    if path.suffix.lower() not in ARRAY_SUFFIXES:
        raise UserError(f"{root}: must be a folder of PNG or JPEG images, or an .npz or .npy file")
    return path, []


# Files


def _listing(root: Path) -> tuple[list[Path], list[Path]]:
    """The images, flat or in class folders, sorted by folder and name; and the array files at the top."""
    visible = _visible(root)
    flat = [path for path in visible if _is_image(path)]
    arrays = [path for path in visible if path.suffix.lower() in ARRAY_SUFFIXES and not path.is_dir()]
    in_folders = [path for folder in visible if folder.is_dir() for path in _class_images(root, folder)]
    if flat and in_folders:
        raise UserError(
            f"{root} holds images ({flat[0].name}) beside class folders with images"
            f" ({in_folders[0].parent.name}): put every image into a class folder, or none"
        )
    return flat or in_folders, arrays


def _class_images(root: Path, folder: Path) -> list[Path]:
    found = []
    for path in _visible(folder):
        if _is_image(path):
            found.append(path)
        elif path.is_dir():
            deeper = next(_images_below(path), None)
            if deeper is not None:
                raise UserError(
                    f"{deeper} lies deeper than one folder: put the images into {root}/CLASS/ or into {root}"
                    f" itself; they are split into train, validation and test here"
                )
    return found


def _images_below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if _is_image(Path(parent, name)))


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and not path.is_dir()


def _from_files(root: Path, paths: list[Path]) -> tuple[Split, tuple[str, ...]]:
    first = paths[0]
    size: tuple[int, int] | None = None
    pictures = []
    for path in paths:
        picture = _decode(path, size, first)
        size = (picture.shape[1], picture.shape[0])
        pictures.append(picture)
    (images,) = _to_tensors(root, [np.stack(pictures)])
    classes = tuple(sorted({path.parent.name for path in paths})) if first.parent != root else ()
    labels = torch.tensor([classes.index(path.parent.name) for path in paths]) if classes else None
    return Split(images, labels), classes


def _decode(path: Path, size: tuple[int, int] | None, first: Path) -> Bytes:
    """One image as (H, W, 3), if its header shows this (width, height); None: any that is allowed."""
    try:
        with warnings.catch_warnings():
            # The size is checked here, before anything is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(regular_file(path), formats=("PNG", "JPEG"))
        with opened as image:
            width, height = image.size
            if size is None:
                _check_size(f"{path} is", height, width)
            elif image.size != size:
                raise UserError(
                    f"{path} is {width}x{height} but {first.name} is {size[0]}x{size[1]}: bring all images to one size"
                )
            if image.format != "PNG":
                return np.asarray(_to_rgb(image))
            image.verify()  # the checksum of every piece, to the last; pixels are read without it, but not after it
        with Image.open(path, formats=("PNG",)) as image:
            return np.asarray(_to_rgb(image))
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: {error}; images may be at most {MAX_SIDE}x{MAX_SIDE}: make them smaller") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise UserError(f"{path} is not a readable PNG or JPEG image ({error}): replace or remove it") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip
        grey = (np.asarray(image).astype(np.int64) * 255 + 32767) // 65535
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if "transparency" in image.info or image.mode in ("LA", "PA", "RGBA"):
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


# Arrays


def _from_arrays(path: Path) -> ImageData:
    arrays, names = _arrays(path)
    if WHOLE.images in arrays:
        (images,), (labels,), classes = _read(path, arrays, [WHOLE])
        return _divided(path.stem, path, Split(images, labels), classes)
    for train_keys, validation_keys, test_keys in OFFICIAL:
        if train_keys.images in arrays:
            keys = [train_keys, test_keys, *([validation_keys] if validation_keys.images in arrays else [])]
            return _official(path, arrays, keys)
    expected = ", ".join([WHOLE.images, *(keys[0].images for keys in OFFICIAL)])
    raise UserError(f"{path} has the arrays {', '.join(names) or 'none'}: expected one of {expected}")


def _official(path: Path, arrays: Arrays, keys: list[Keys]) -> ImageData:
    """Train, test and perhaps validation as the file has them."""
    if keys[1].images not in arrays:
        raise UserError(f"{path} has {keys[0].images} but no {keys[1].images}: add it, or save all as images")
    images, labels, classes = _read(path, arrays, keys)
    train, test, *validations = [Split(*pair) for pair in zip(images, labels, strict=True)]
    if len(train) < MIN_IMAGES or not all(len(split) for split in (test, *validations)):
        raise UserError(f"{path} has too few images: at least {MIN_IMAGES} to train on and one in each split")
    train, validation = (train, validations[0]) if validations else divide_train(train)
    return ImageData(path.stem, train, validation, test, classes)


def _arrays(path: Path) -> tuple[Arrays, list[str]]:
    """The arrays that mean something here, and the names of all; a .npy file's array is `images`."""
    wanted = {name for keys in (WHOLE, *sum(OFFICIAL, ())) for name in (keys.images, keys.labels)}
    try:
        with regular_file(path).open("rb") as file:
            if file.read(2) == b"PK":  # a zip file, which .npz files are
                file.seek(0)
                opened = np.load(file, allow_pickle=False)
                return {name: opened[name] for name in opened.files if name in wanted}, sorted(opened.files)
        # A memory map: the shape is seen before the images are read.
        return {WHOLE.images: np.load(path, mmap_mode="r", allow_pickle=False)}, [WHOLE.images]
    except (OSError, ValueError, EOFError, SyntaxError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not a readable array file ({reason}): save it anew with numpy") from error


def _read(
    path: Path, arrays: Arrays, keys: list[Keys]
) -> tuple[list[Tensor], Sequence[Tensor | None], tuple[str, ...]]:
    """The images and labels of each split, and the classes of them all."""
    images = _to_tensors(path, [_pixels(path, key.images, arrays[key.images]) for key in keys])
    labelled = [key.labels for key in keys if key.labels in arrays]
    if not labelled:
        return images, [None] * len(keys), ()
    if len(labelled) < len(keys):
        raise UserError(f"{path} has {labelled[0]} but not labels for each split: add the others, or remove it")
    labels = [
        _labels(path, key.labels, arrays[key.labels], len(pixels)) for key, pixels in zip(keys, images, strict=True)
    ]
    names, numbers = np.unique(np.concatenate(labels), return_inverse=True)
    parts = torch.split(torch.from_numpy(numbers.astype(np.int64)), [len(part) for part in labels])
    return images, parts, tuple(str(name) for name in names)


def _labels(path: Path, key: str, labels: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    if labels.shape not in ((count,), (count, 1)) or labels.dtype.kind not in "iuU":
        raise UserError(
            f"{path}: {key} is {labels.dtype} of shape {labels.shape}: must be {count} whole numbers or"
            f" names, one an image"
        )
    return labels.reshape(-1)


def _pixels(path: Path, key: str, array: npt.NDArray[Any]) -> Bytes:
    """The array as (N, H, W, C) unsigned bytes, C 1 or 3."""
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in (1, 3):
        raise UserError(
            f"{path}: {key} has shape {array.shape}: must be (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3"
        )
    _check_size(f"{path}: the images of {key} are", array.shape[1], array.shape[2])
    if array.dtype == np.uint8:
        return np.asarray(array)
    if array.dtype.kind != "f":
        raise UserError(f"{path}: {key} is {array.dtype}: must be uint8, or floats from 0 to 1")
    # NaN fails the comparison.
    if not (array.min(initial=0.0) >= 0 and array.max(initial=0.0) <= 1):
        raise UserError(f"{path}: {key} has values that are not from 0 to 1: scale them, or save 0..255 as uint8")
    quantised: Bytes = np.rint(array * 255).astype(np.uint8)
    return quantised


# Both


def _check_size(what: str, height: int, width: int) -> None:
    if not all(0 < side <= MAX_SIDE and side % 4 == 0 for side in (height, width)):
        raise UserError(
            f"{what} {width}x{height} pixels: height and width must be divisible by 4 and at most {MAX_SIDE}:"
            f" crop, pad or resize the images"
        )


def _to_tensors(path: Path, splits: list[Bytes]) -> list[Tensor]:
    """(N, H, W, C) arrays as (N, C, H, W) tensors: one channel if all images are grey, else three."""
    sizes = sorted({f"{split.shape[2]}x{split.shape[1]}" for split in splits})
    if len(sizes) > 1:
        raise UserError(f"{path} has images of {' and '.join(sizes)} pixels: bring all images to one size")
    channels = 1 if all(bool((split == split[..., :1]).all()) for split in splits) else 3
    return [torch.from_numpy(_with_channels(split, channels).transpose(0, 3, 1, 2).copy()) for split in splits]


def _with_channels(split: Bytes, channels: int) -> Bytes:
    return split[..., :channels] if split.shape[3] >= channels else split.repeat(channels, axis=3)


def _divided(name: str, path: Path, whole: Split, classes: tuple[str, ...]) -> ImageData:
    if len(whole) < MIN_IMAGES:
        raise UserError(f"{path} holds {len(whole)} images: at least {MIN_IMAGES} are needed")
    train, validation, test = divide(whole)
    return ImageData(name, train, validation, test, classes)
