"""What the page's scripts need to know, as data: samples, time-lapses, the blind test and the explorers."""

from collections.abc import Sequence
from typing import Any

from genbench.comparison.guesses import exact_interval
from genbench.comparison.ranking import Ranking, scorecard_of
from genbench.reporting.charts import Chart
from genbench.reporting.formats import inline
from genbench.reporting.gallery import Exhibit, Gallery, Look, Sprite
from genbench.runs.records import Score

GUESSES = 20  # images of a blind test, half of them real


def interaction(title: str, ranking: Ranking, gallery: Gallery, charts: Sequence[Chart]) -> dict[str, Any]:
    """Of one ranking."""
    return {
        "title": title,
        "classes": gallery.classes,
        "blind": _sprite(gallery.blind),
        "shown": None if gallery.shown is None else {**_of(gallery.shown.sprite), "labels": gallery.shown.labels},
        "exhibits": [_exhibit(exhibit, ranking) for exhibit in gallery.exhibits],
        "charts": [{"name": c.name, "over": c.over, "model": inline(c.model)} for c in charts if c.over],
    }


def intervals() -> list[tuple[float, float]]:
    """The exact interval of the share of right guesses, for every number of them in a blind test."""
    return [exact_interval(right, GUESSES) for right in range(GUESSES + 1)]


def _exhibit(exhibit: Exhibit, ranking: Ranking) -> dict[str, Any]:
    looks, lapse, explorer = exhibit.looks, exhibit.lapse, exhibit.explorer
    told_apart = scorecard_of(exhibit.run).score(ranking.key("c2st_linear"))
    return {
        "label": inline(exhibit.contender.label),
        "samples": [] if looks is None else [_look(look) for look in looks.samples],
        "nearest": None if looks is None else _sprite(looks.nearest),
        "measured": "" if looks is None else looks.measured,
        "unseen": "" if looks is None else looks.unseen,
        "blind": _sprite(exhibit.blind),
        "told_apart": round(told_apart.mean, 3) if isinstance(told_apart, Score) else None,
        "lapse": None if lapse is None else {**_of(lapse.sprite), "times": lapse.times},
        "explorer": None
        if explorer is None
        else {
            **_of(explorer.sprite),
            "kind": explorer.kind,
            "reach": explorer.reach,
            "points": explorer.points,
        },
    }


def _look(look: Look) -> dict[str, Any]:
    ratio = look.ratio if look.ratio is not None and look.ratio < float("inf") else None
    return {
        "wanted": look.wanted,
        "class": look.taken_for,
        "certainty": look.certainty,
        "ambiguous": look.ambiguous,
        "ratio": ratio,
        "copy": look.near_duplicate,
    }


def _sprite(sprite: Sprite | None) -> dict[str, Any] | None:
    return None if sprite is None else _of(sprite)


def _of(sprite: Sprite) -> dict[str, Any]:
    return {
        "src": sprite.uri,
        "columns": sprite.columns,
        "count": sprite.count,
        "width": sprite.side[0],
        "height": sprite.side[1],
    }
