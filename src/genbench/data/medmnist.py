"""MedMNIST: twelve sets of medical images, 28x28, with official splits (Yang and others 2023)."""

from collections.abc import Mapping
from dataclasses import dataclass

from genbench.config.data import DataConfig
from genbench.data.arrays import part_of
from genbench.data.formats import npz
from genbench.data.found import Found
from genbench.data.official import Archive, Official, located, subset_of

SOURCES = (
    "https://zenodo.org/records/10519652/files/{}.npz?download=1",
    "https://zenodo.org/records/6496656/files/{}.npz?download=1",
)


@dataclass(frozen=True)
class MedSet:
    """What has to be known of one set."""

    md5: str
    classes: tuple[str, ...]  # none where an image may show several things at once


_ORGANS = (
    *("bladder", "femur-left", "femur-right", "heart", "kidney-left", "kidney-right"),
    *("liver", "lung-left", "lung-right", "pancreas", "spleen"),
)
SUBSETS: Mapping[str, MedSet] = {
    "pathmnist": MedSet(
        "a8b06965200029087d5bd730944a56c1",
        (
            *("adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle", "normal colon mucosa"),
            *("cancer-associated stroma", "colorectal adenocarcinoma epithelium"),
        ),
    ),
    "chestmnist": MedSet("02c8a6516a18b556561a56cbdd36c4a8", ()),
    "dermamnist": MedSet(
        "0744692d530f8e62ec473284d019b0c7",
        (
            *("actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma"),
            *("benign keratosis-like lesions", "dermatofibroma", "melanoma", "melanocytic nevi", "vascular lesions"),
        ),
    ),
    "octmnist": MedSet(
        "c68d92d5b585d8d81f7112f81e2d0842",
        ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    ),
    "pneumoniamnist": MedSet("28209eda62fecd6e6a2d98b1501bb15f", ("normal", "pneumonia")),
    "retinamnist": MedSet("bd4c0672f1bba3e3a89f0e4e876791e4", ("0", "1", "2", "3", "4")),
    "breastmnist": MedSet("750601b1f35ba3300ea97c75c52ff8f6", ("malignant", "normal, benign")),
    "bloodmnist": MedSet(
        "7053d0359d879ad8a5505303e11de1dc",
        (
            *("basophil", "eosinophil", "erythroblast"),
            "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
            *("lymphocyte", "monocyte", "neutrophil", "platelet"),
        ),
    ),
    "tissuemnist": MedSet(
        "ebe78ee8b05294063de985d821c1c34b",
        (
            *("Collecting Duct, Connecting Tubule", "Distal Convoluted Tubule", "Glomerular endothelial cells"),
            *("Interstitial endothelial cells", "Leukocytes", "Podocytes", "Proximal Tubule Segments"),
            "Thick Ascending Limb",
        ),
    ),
    "organamnist": MedSet("68e3f8846a6bd62f0c9bf841c0d9eacc", _ORGANS),
    "organcmnist": MedSet("b9ceb9546e10131b32923c5bbeaea2b1", _ORGANS),
    "organsmnist": MedSet("9ab87b696fb54e2a387ebe992d6ed5f1", _ORGANS),
}
_SPLITS = {"train": "train", "validation": "val", "test": "test"}  # by what they are called there


def load(config: DataConfig) -> Found:
    """The set that data.subset names, with its training, validation and test images; see `official.located`."""
    subset = subset_of("MedMNIST", SUBSETS, config, "bloodmnist")
    about = SUBSETS[subset]
    sources = tuple(source.format(subset) for source in SOURCES)
    archive = Archive(f"{subset}.npz", about.md5, sources)
    (path,) = located(Official(f"MedMNIST's {subset}", "MedMNIST", (archive,)), config.root)
    arrays = npz.arrays(path)
    parts = {}
    for split, name in _SPLITS.items():
        labels = arrays[f"{name}_labels"][:] if about.classes else None
        parts[split] = part_of(subset, arrays[f"{name}_images"], labels, config)
    several = f"{subset}: an image may show several findings at once, so that they are no classes: left out"
    return Found(subset, parts, about.classes, () if about.classes or not config.labels else (several,))
