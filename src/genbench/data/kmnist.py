"""KMNIST: 70,000 handwritten characters of old Japanese, 28x28 (Clanuwat and others 2018)."""

from genbench.config.data import DataConfig
from genbench.data.arrays import part_of
from genbench.data.found import Found
from genbench.data.idx import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, parse_idx
from genbench.data.official import Archive, Official, gunzipped, located

_MIRRORS = ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/")
_MD5 = {
    f"{TRAIN_IMAGES}.gz": "bdb82020997e1d708af4cf47b453dcf7",
    f"{TRAIN_LABELS}.gz": "e144d726b3acfaa3e44228e80efcd344",
    f"{TEST_IMAGES}.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
    f"{TEST_LABELS}.gz": "7320c461ea6c1c855c0b718fb2a4b134",
}
KMNIST = Official(
    "KMNIST",
    "KMNIST/raw",
    tuple(Archive(name, md5, tuple(mirror + name for mirror in _MIRRORS)) for name, md5 in _MD5.items()),
)
CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


def load(config: DataConfig) -> Found:
    """60,000 training and 10,000 test images, 28x28; see `official.located`."""
    train_images, train_labels, test_images, test_labels = map(gunzipped, located(KMNIST, config.root))
    parts = {
        "train": part_of(KMNIST.title, parse_idx(train_images, 3), parse_idx(train_labels, 1), config),
        "test": part_of(KMNIST.title, parse_idx(test_images, 3), parse_idx(test_labels, 1), config),
    }
    return Found("kmnist", parts, CLASSES)
