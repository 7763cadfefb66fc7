"""A few samples of each contender beside real images, with the share of them that is unclear to a classifier."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

from genbench.comparison.judgement import Judgement
from genbench.evaluation.protocol import TOPICS
from genbench.reporting.formats import inline
from genbench.reporting.gallery import Gallery, Picture

ACROSS, SHOWN = 8, 2  # images in a row of the grids that are cut, and rows that are left of them


@dataclass(frozen=True)
class Strip:
    """Some images and what is to be said of them."""

    name: str
    best_for: tuple[str, ...]  # needs, by the verdicts
    unclear: str
    picture: Picture | None  # none: they could not be drawn


def strips(judgement: Judgement, gallery: Gallery) -> list[Strip]:
    """Real images, then the contenders; who is best for the most needs comes first."""
    key = judgement.ranking.key("ambiguous_share")
    best = {label: _best_for(judgement, label) for label in judgement.labels}
    pictures = {
        exhibit.contender.label: picture
        for exhibit in gallery.exhibits
        for picture in exhibit.pictures
        if picture.kind == "samples"
    }
    real = judgement.ranking.real(key)
    text = "" if real is None else f"{_percent(real.mean)} of them are unclear to a classifier"
    found = [Strip("real images", (), text, _cut(gallery.real))] if gallery.real is not None or text else []
    for contender in sorted(judgement.contenders, key=lambda contender: -len(best[contender.label])):
        sample = contender.sample(key)
        text = "" if sample is None else f"{_percent(sample.mean)} of its samples are unclear to a classifier"
        picture = _cut(pictures.get(contender.label))
        found.append(Strip(inline(contender.label), best[contender.label], text, picture))
    return found


def unclear(found: Sequence[Strip]) -> str:
    """The shares of all strips, in a sentence; empty if none is known."""
    known = [f"{strip.name}: {strip.unclear}" for strip in found if strip.unclear]
    return f"{'; '.join(known)}." if known else ""


def _best_for(judgement: Judgement, label: str) -> tuple[str, ...]:
    standings = judgement.topics().items()
    return tuple(TOPICS[topic] for topic, standing in standings if standing.decided and label in standing.tiers[0])


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"


def _cut(picture: Picture | None) -> Picture | None:
    """The first rows of a grid, if it has more."""
    if picture is None:
        return None
    rows = -(-picture.count // ACROSS)
    if rows <= SHOWN:
        return replace(picture, name=f"{picture.name}-strip", kind="strip")
    grid = Image.open(io.BytesIO(picture.png))
    edge = 2  # between images
    cut = grid.crop((0, 0, grid.width, edge + (grid.height - edge) * SHOWN // rows))
    buffer = io.BytesIO()
    cut.save(buffer, "PNG", optimize=True)
    count = ACROSS * SHOWN
    text = picture.text.replace(str(picture.count), str(count), 1)
    return Picture(f"{picture.name}-strip", "strip", buffer.getvalue(), text, cut.width, cut.height, count)
