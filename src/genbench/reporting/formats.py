"""How labels and numbers are written."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from genbench.comparison.sample import Sample


def inline(label: str) -> str:
    """A contender's label within a sentence or a list: "VAE (latent size 2)"."""
    title, _, settings = label.partition(", ")
    return f"{title} ({settings})" if settings else title


def listed(labels: Sequence[str], among: Sequence[str]) -> str:
    """Some contenders among others: "all VAE settings, GAN (latent size 2)"."""
    titles = {label: label.partition(", ")[0] for label in among}
    whole = {title: [label for label in among if titles[label] == title] for title in titles.values()}
    whole = {title: of for title, of in whole.items() if len(of) > 1 and set(of) <= set(labels)}
    named = (f"all {titles[label]} settings" if titles[label] in whole else inline(label) for label in labels)
    return ", ".join(dict.fromkeys(named))


def number(value: float, digits: int = 3) -> str:
    """So many significant digits at most; a dash for what there is not."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if abs(float(f"{value:.{digits}g}")) >= min(1000, 10**digits):  # as it is written: 999.7 would be 1e+03
        return f"{value:,.0f}"
    return f"{value:.{digits}g}".replace("-", "−") if abs(value) >= 0.001 else f"{value:.1g}".replace("-", "−")


def spread(sample: Sample | None) -> str:
    """Mean and sd."""
    if sample is None:
        return "–"
    return number(sample.mean) + ("" if math.isnan(sample.sd) else f" ± {number(sample.sd)}")


def deviation(sd: float) -> str:
    """An sd beside its mean, in a digit; from ten on in as many as it takes to be no power of ten."""
    return f"{sd:.1g}" if sd < 9.5 else number(sd, 2)


def finite(content: Any) -> Any:
    """Plain data with null for what is no finite number: JSON has no word for it, and a page's scripts would stop."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: finite(value) for key, value in content.items()}
    return list(map(finite, content)) if isinstance(content, list | tuple) else content
