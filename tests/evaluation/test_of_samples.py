"""Images that any tool made: their order changes nothing, and what looks wrong is said."""

import pytest
import torch

from genbench.evaluation.of_samples import canonical_order, doubts, score_images
from tests.digits import optdigits

DATA = optdigits()
IMAGES = DATA.train.images
SHUFFLED = torch.randperm(len(IMAGES), generator=torch.Generator().manual_seed(0))


def test_the_order_is_the_images_own() -> None:
    first, second = IMAGES, IMAGES[SHUFFLED]
    assert torch.equal(first[canonical_order(first)], second[canonical_order(second)])


def test_images_sorted_by_class_are_mixed() -> None:
    assert DATA.train.labels is not None
    by_class = DATA.train.labels.sort(stable=True).indices
    in_draw = DATA.train.labels[by_class][canonical_order(IMAGES[by_class])][:257]
    assert in_draw.bincount(minlength=10).min() > 10


def test_copies_are_dealt_into_all_draws() -> None:
    """All copies of an image stood side by side, and a draw of them showed a fifth of what a model draws."""
    images = IMAGES[:10].repeat_interleave(50, 0)
    order = canonical_order(images)
    assert sorted(order.tolist()) == list(range(500))
    for draw in torch.split(images[order], 100):
        assert len(torch.unique(draw, dim=0)) == 10
    mixed = images[SHUFFLED[SHUFFLED < 500]]
    assert torch.equal(mixed[canonical_order(mixed)], images[order])


@pytest.mark.slow
def test_sorted_and_shuffled_images_have_the_same_scores_and_what_is_left_over_is_said(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    few = DATA.train.images[:600]
    cards = [score_images(images, DATA) for images in (few, few.flip(0))]
    assert cards[0].spaces == cards[1].spaces
    assert cards[0].notes == ("86 of 600 images are left over: 2 x 257 are scored",)
    against = score_images(few, DATA, level="fast")
    assert against.level == "fast"
    assert against.spaces != cards[0].spaces


def test_what_looks_wrong_is_said() -> None:
    def said(images: torch.Tensor) -> str:
        return " ".join(doubts(images, DATA))

    assert said(DATA.test.images) == ""
    assert "values 0 to 1" in said((DATA.test.images > 127).to(torch.uint8))
    assert "values 0 to 16" in said(DATA.test.images // 16 + (DATA.test.images == 255))
    assert "negatives" in said(255 - DATA.test.images)
    assert "mean grey is" in said(torch.full_like(DATA.test.images, 128))
    assert "rows and columns exchanged" in said(DATA.test.images.transpose(2, 3).contiguous())
