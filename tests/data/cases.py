"""python -m tests.data.cases: every kind of source with what comes of it, as the table of docs/data.md.

tests/data/test_cases.py makes the same table and compares it.
"""

import gzip
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from genbench.config.data import DataConfig
from genbench.data.images import ImageData
from genbench.data.sources import load_data
from genbench.errors import UserError
from genbench.wording import word

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"
BEGIN, END = "<!-- table: python -m tests.data.cases -->", "<!-- end of the table -->"
N = 30
Make = Callable[[Path], Path]


def grey(n: int = N, side: int = 28, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side), dtype=np.uint8)


def labels(n: int = N) -> npt.NDArray[np.int64]:
    return np.arange(n) % 3


def files(folder: Path, n: int = N, suffix: str = ".png", side: int = 28, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(grey(n, side, seed)):
        Image.fromarray(image).save(folder / f"{i:02}{suffix}")
    return folder


def folders(root: Path, *names: str, n: int = N) -> Path:
    for i, name in enumerate(names):
        files(root / name, n, seed=i)
    return root


def coloured(root: Path, alpha: int, mode: str = "RGBA") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(grey()):
        pixels = np.full((28, 28, 4), 255, np.uint8)
        if alpha:
            pixels[..., 0], pixels[:9, :9, 3] = image, 0
        else:
            pixels[..., 3] = image
        Image.fromarray(pixels).convert(mode).save(root / f"{i:02}.png")
    return root


def see_through() -> npt.NDArray[np.uint8]:
    pixels = np.full((N, 28, 28, 4), 255, np.uint8)
    pixels[..., :3], pixels[:, :9, :9, 3] = grey()[..., None], 0
    return pixels


def scans(root: Path, most: int) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for i in range(N):
        values = np.random.default_rng(i).integers(0, most + 1, (28, 28), dtype=np.uint16)
        Image.fromarray(values).save(root / f"{i:02}.png")
    return root


def photos(root: Path, turned: bool = False) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for i in range(N):
        rng = np.random.default_rng(i)
        size = (40, 60) if turned else (int(rng.integers(30, 90)), int(rng.integers(30, 90)))
        exif = Image.Exif()
        exif[0x0112] = 6 if turned else 1
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(root / f"{i:02}.jpg", exif=exif)
    return root


def every_format(root: Path) -> Path:
    for name, some in (("plain", (".png", ".bmp", ".pgm", ".TIF")), ("packed", (".jpg", ".webp", ".gif", ".jfif"))):
        for i, suffix in enumerate(some):
            (root / name).mkdir(parents=True, exist_ok=True)
            for j, image in enumerate(grey(8, seed=i + 10 * len(name))):
                kind = {".jfif": "JPEG", ".TIF": "TIFF"}.get(suffix)
                Image.fromarray(image).save(root / name / f"{i}{j}{suffix}", kind)
    return root


def with_table(root: Path) -> Path:
    files(root / "images")
    rows = "".join(f"{i:02}.png,{'cat' if i % 2 else 'dog'}\n" for i in range(N))
    (root / "labels.csv").write_text(f"file,label\n{rows}")
    return root


def folders_with_table(root: Path, column: str, values: tuple[str, str]) -> Path:
    folders(root, "cat", "dog")
    rows = "".join(f"{name}/{i:02}.png, {values[i > 19]}\n" for name in ("cat", "dog") for i in range(N))
    (root / "metadata.csv").write_text(f"file_name, {column}\n{rows}")
    return root


def hugging_face(root: Path) -> Path:
    for split in ("train", "validation", "test"):
        files(root / split, 20, seed=len(split))
        rows = "".join(f"{i:02}.png,{i % 2}\n" for i in range(20))
        (root / split / "metadata.csv").write_text(f"file_name,label\n{rows}")
    return root


def damaged(root: Path) -> Path:
    files(root)
    (root / "03.png").write_bytes((root / "03.png").read_bytes()[:100])
    (root / "gone.png").symlink_to(root / "nowhere")
    (root / "film.mp4").write_bytes(b"")
    return root


def twice(root: Path) -> Path:
    folders(root, "train", "test")
    (root / "train" / "99.png").write_bytes((root / "test" / "05.png").read_bytes())
    return root


def packed(root: Path, name: str) -> Path:
    inside = folders(root / "in", "a", "b")
    path = root / name
    each = sorted(inside.rglob("*.png"))
    if name.endswith("zip"):
        with zipfile.ZipFile(path, "w") as zipped:
            for file in each:
                zipped.write(file, file.relative_to(inside))
    else:
        with tarfile.open(path, "w:gz") as tar:
            for file in each:
                tar.add(file, file.relative_to(inside))
    return path


def npy(array: npt.NDArray[Any]) -> Make:
    def make(root: Path) -> Path:
        root.mkdir(parents=True, exist_ok=True)
        np.save(root / "images.npy", array)
        return root / "images.npy"

    return make


def npz(**arrays: npt.NDArray[Any]) -> Make:
    def make(root: Path) -> Path:
        root.mkdir(parents=True, exist_ok=True)
        np.savez(root / "set.npz", allow_pickle=True, **arrays)
        return root / "set.npz"

    return make


def pair_of_npy(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    np.save(root / "X.npy", grey())
    np.save(root / "Y.npy", np.eye(3)[labels()])
    return root


def npy_and_table(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    np.save(root / "images.npy", grey())
    (root / "labels.csv").write_text("id,label\n" + "".join(f"{i},{i % 2}\n" for i in range(N)))
    return root


def idx(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for split, n in (("train", N), ("t10k", 20)):
        images = struct.pack(">IIII", 0x803, n, 28, 28) + grey(n, seed=n).tobytes()
        (root / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        numbers = struct.pack(">II", 0x801, n) + labels(n).astype(np.uint8).tobytes()
        (root / f"{split}-labels-idx1-ubyte").write_bytes(numbers)
    return root


def kaggle(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    header = "label," + ",".join(f"pixel{i}" for i in range(784))
    table = np.column_stack([labels(), grey().reshape(N, -1)])
    np.savetxt(root / "train.csv", table, "%d", ",", header=header, comments="")
    return root / "train.csv"


def faces(root: Path) -> Path:
    """As fer2013.csv is written: https://www.kaggle.com/c/challenges-in-representation-learning."""
    root.mkdir(parents=True, exist_ok=True)
    usage = ["Training"] * 20 + ["PublicTest"] * 5 + ["PrivateTest"] * 5
    rows = zip(labels().tolist(), grey().reshape(N, -1), usage, strict=True)
    lines = [f"{label},{' '.join(map(str, image))},{used}" for label, image, used in rows]
    (root / "faces.csv").write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n")
    return root / "faces.csv"


def packed_faces(root: Path) -> Path:
    table = faces(root)
    with zipfile.ZipFile(root / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(table, table.name)
    return root / "archive.zip"


def matlab(root: Path) -> Path:
    from scipy.io import savemat

    root.mkdir(parents=True, exist_ok=True)
    savemat(root / "letters.mat", {"X": grey().transpose(1, 2, 0), "y": labels()[None] + 1})
    return root / "letters.mat"


def hdf5(root: Path) -> Path:
    import h5py

    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "set.h5", "w") as file:
        for split in ("train", "test"):
            file[f"{split}/images"], file[f"{split}/labels"] = grey(seed=len(split)), labels()
    return root / "set.h5"


def parquet(root: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (root / "data").mkdir(parents=True)
    for split in ("train", "test"):
        inside = files(root / split, seed=len(split))
        encoded = [{"bytes": path.read_bytes(), "path": path.name} for path in sorted(inside.iterdir())]
        table = pa.table({"image": encoded, "label": labels().tolist()})
        pq.write_table(table, root / "data" / f"{split}-00000-of-00001.parquet")
    return root / "data"


def tensors(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    torch.save((torch.from_numpy(grey()), torch.from_numpy(labels())), root / "images.pt")
    return root / "images.pt"


# What lies there, how it is made, and the words that are given.
CASES: tuple[tuple[str, Make, Mapping[str, Any]], ...] = (
    ("images in a folder", lambda root: files(root / "photos"), {}),
    ("a folder for each class", lambda root: folders(root / "set", "cat", "dog"), {}),
    ("deeper folders", lambda root: folders(root / "set", "Greek/alpha", "Greek/beta", "Latin/a"), {}),
    ("folders train, valid, test", lambda root: folders(root / "set", "train", "valid", "test"), {}),
    (
        "the same with class folders",
        lambda root: folders(root / "set", "train/a", "train/b", "test/a", "test/b"),
        {},
    ),
    ("Hugging Face's imagefolder with metadata.csv", lambda root: hugging_face(root / "set"), {}),
    ("images/ beside labels.csv", lambda root: with_table(root / "set"), {}),
    (
        "class folders beside metadata.csv with splits",
        lambda root: folders_with_table(root / "set", "split", ("train", "test")),
        {},
    ),
    (
        "class folders beside metadata.csv with cameras",
        lambda root: folders_with_table(root / "set", "camera", ("A", "B")),
        {},
    ),
    ("PNG, BMP, PGM, TIFF, JPEG, WebP, GIF, JFIF, mixed", lambda root: every_format(root / "set"), {}),
    ("photos that the camera turned", lambda root: photos(root / "set", turned=True), {}),
    ("photos of all sizes", lambda root: photos(root / "set"), {}),
    ("photos of all sizes", lambda root: photos(root / "set"), {"size": 32}),
    ("photos of all sizes", lambda root: photos(root / "set"), {"size": "48x32", "fit": "pad", "channels": 1}),
    ("30x30 pixels", lambda root: files(root / "set", side=30), {}),
    ("30x30 pixels", lambda root: files(root / "set", side=30), {"size": 32, "fit": "pad"}),
    ("transparent pixels", lambda root: coloured(root / "set", 1), {}),
    ("white signs on nothing", lambda root: coloured(root / "set", 0), {}),
    ("16 bits", lambda root: scans(root / "set", 65535), {}),
    ("12 bits in files of 16", lambda root: scans(root / "set", 4095), {}),
    ("12 bits in files of 16", lambda root: scans(root / "set", 4095), {"scale": 4095}),
    ("a damaged file, a link to nothing, a film", lambda root: damaged(root / "set"), {}),
    ("a test image among the training images", lambda root: twice(root / "set"), {}),
    ("a test image among the training images", lambda root: twice(root / "set"), {"deduplicate": True}),
    ("some of the images", lambda root: folders(root / "set", "a", "b"), {"limit": 10}),
    ("some of the classes", lambda root: folders(root / "set", "a", "b", "c"), {"classes": ["a", "c"]}),
    ("a zip of folders", lambda root: packed(root, "set.zip"), {}),
    ("a tar.gz of folders", lambda root: packed(root, "set.tar.gz"), {}),
    (".npy (N, 28, 28)", npy(grey()), {}),
    (".npy (N, 784)", npy(grey().reshape(N, -1)), {}),
    (".npy (N, 3, 28, 28)", npy(grey()[:, None].repeat(3, axis=1)), {}),
    (".npy (N, 28, 28, 4), transparent corners", npy(see_through()), {}),
    (".npy of objects", npy(np.array([{}] * N)), {}),
    (".npy of int64, 0 to 255", npy(grey().astype(np.int64)), {}),
    (".npy of true and false", npy(grey() > 127), {}),
    (".npy of 0 and 1", npy(grey() // 128), {}),
    (".npy of 0 and 1", npy(grey() // 128), {"scale": 1}),
    (".npy of 0 to 16", npy(grey() // 15), {}),
    (".npy of floats 0 to 1", npy(grey() / 255), {}),
    (".npy of floats 0 to 255", npy(grey().astype(np.float32)), {}),
    (".npy of floats 0 to 255", npy(grey().astype(np.float32)), {"scale": 255}),
    (".npy of floats -1 to 1", npy(grey() / 127.5 - 1), {}),
    (".npy of floats -1 to 1", npy(grey() / 127.5 - 1), {"range": [-1, 1]}),
    (".npy of one image N times", npy(grey(1).repeat(N, axis=0)), {}),
    (
        ".npz X_train, y_train, X_test, y_test",
        npz(X_train=grey(), y_train=labels(), X_test=grey(seed=1), y_test=labels()),
        {},
    ),
    (".npz x, y", npz(x=grey(), y=labels()), {}),
    (".npz image, label; floats that are whole", npz(image=grey(), label=labels().astype(float)), {}),
    (".npz data, target; one-hot", npz(data=grey(), target=np.eye(3)[labels()]), {}),
    (".npz images, labels; several labels an image", npz(images=grey(), labels=np.ones((N, 3))), {}),
    (".npz images, labels; several labels an image", npz(images=grey(), labels=np.ones((N, 3))), {"labels": False}),
    (".npz arr_0", npz(arr_0=grey()), {}),
    (".npz a, b", npz(a=grey(), b=grey()), {}),
    ("X.npy and Y.npy", lambda root: pair_of_npy(root / "set"), {}),
    ("images.npy and labels.csv", lambda root: npy_and_table(root / "set"), {}),
    ("images.npy and labels.csv", lambda root: npy_and_table(root / "set"), {"labels": False}),
    ("IDX files, packed or not", lambda root: idx(root / "set"), {}),
    (".npz images, split", npz(images=grey(), split=np.repeat(["train", "test"], [20, 10])), {}),
    ("a CSV of pixels (Kaggle)", kaggle, {}),
    ("a CSV with all pixels in one column (fer2013)", faces, {}),
    ("the same in a zip", packed_faces, {}),
    (".mat, X (28, 28, N)", matlab, {}),
    (".h5 with groups", hdf5, {}),
    ("parquet as Hugging Face has it", parquet, {}),
    (".pt, (images, labels) or by their names", tensors, {}),
)


def outcome(root: Path, words: Mapping[str, Any]) -> str:
    """What comes of a source, in a line."""
    config = DataConfig(load="genbench.data.folder.load", root=str(root), batch_size=64, **words)
    try:
        data = load_data(config)
    except UserError as error:
        text = str(error)
        for place in (root, root.parent):
            text = text.replace(str(place), place.name if place == root else "...")
        return f"refused: {text}"
    return described(data)


def described(data: ImageData) -> str:
    """Shape, splits, classes and notes."""
    channels, height, width = data.shape
    kind = "grey" if channels == 1 else "colour"
    counts = " + ".join(f"{len(split)}" for split in (data.train, data.validation, data.test))
    classes = f"classes {', '.join(data.classes)}" if data.classes else "no classes"
    return "; ".join([f"{width}x{height} {kind}, {counts} images, {classes}", *data.notes])


def table(folder: Path) -> str:
    """The rows of all cases."""
    lines = ["| what lies there | words | what comes of it (training + validation + test) |", "| --- | --- | --- |"]
    for i, (what, make, words) in enumerate(CASES):
        found = outcome(make(folder / f"{i}"), words)
        said = " ".join(f"`{word(f'data.{key}', value)}`" for key, value in words.items())
        lines.append(f"| {what} | {said} | {found.replace('|', ' ')} |")
    return "\n".join(lines)


def main() -> None:
    """Write the table into the page."""
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        made = table(Path(folder))
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}", encoding="utf-8")
    print(made)


if __name__ == "__main__":
    main()
