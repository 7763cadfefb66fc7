"""What a report found, as data: results.json and results.csv."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from genbench import __version__
from genbench.comparison.judgement import Judgement
from genbench.comparison.sample import Sample
from genbench.comparison.verdicts import Verdict
from genbench.places import MARK
from genbench.reporting.claims import Claim
from genbench.reporting.words import headline, placed, reasons
from genbench.runs.reading import RunRecord


def results(
    version: str, command: str, judgements: Sequence[Judgement], claims: Sequence[Claim], records: Sequence[RunRecord]
) -> dict[str, Any]:
    """All that was found, as plain data without NaN."""
    return {
        "genbench": version,
        "command": command,
        "rankings": [_ranking(judgement) for judgement in judgements],
        "claims": [
            {
                "claim": claim.text,
                "findings": [{"data": f.data, "outcome": f.outcome, "numbers": f.numbers} for f in claim.findings],
            }
            for claim in claims
        ],
        "runs": [_run(record) for record in records],
    }


def _ranking(judgement: Judgement) -> dict[str, Any]:
    ranking = judgement.ranking
    return {
        "data": ranking.data,
        "protocol": ranking.protocol,
        "extractors": dict(ranking.extractors),
        "calibration": ranking.note or "used",
        "votes": [f"{space}.{score}" for space, score in judgement.votes],
        "contenders": [
            {"label": c.label, "model": c.model, "variant": c.variant, "seeds": [run.seed for run in c.runs]}
            for c in judgement.contenders
        ],
        "not_judged": [contender.label for contender in judgement.left_out],
        "headline": headline(judgement) if len(judgement.contenders) > 1 else "",
        "standings": {
            topic: {"standing": placed(standing), "tiers": list(standing.tiers), "not_placed": list(standing.unplaced)}
            for topic, standing in judgement.topics().items()
        },
        "verdicts": [_verdict(verdict) for verdict in judgement.verdicts],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "score": verdict.score.name,
        "space": verdict.space,
        "contenders": {label: _sample(sample) for label, sample in verdict.samples.items()},
        "better": verdict.better or "undecided",
        "why_undecided": reasons(verdict),
        "difference": _finite(verdict.difference),  # the first contender's mean minus the second's
        "low": _finite(verdict.low),
        "high": _finite(verdict.high),
        "welch_p": _finite(verdict.p),
        "welch_p_holm": _finite(verdict.p_holm),
        "threshold": _finite(verdict.threshold),
        "leads": dict(verdict.leaders),
        "seeds_that_would_decide": verdict.seeds,
    }


def _sample(sample: Sample) -> dict[str, float | None]:
    return {"mean": _finite(sample.mean), "sd": _finite(sample.sd), "n": sample.n}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _run(record: RunRecord) -> dict[str, Any]:
    return {
        "run": record.name,
        "data": record.data_name,
        "model": record.model,
        "variant": record.variant,
        "seed": record.seed,
        "state": record.state,
        "problems": list(record.problems),
        "notes": list(record.notes),
    }


def results_csv(records: Sequence[RunRecord]) -> str:
    """A row a run and score, whether it is ranked or not."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        ["run", "data", "model", "variant", "seed", "state", "ranked", "space", "score", "mean", "sd_of_draws", MARK]
    )
    for record in records:
        about = [record.name, record.data_name, record.model, record.variant, record.seed if record.config else ""]
        about += [record.state, "no" if record.problems else "yes"]
        if record.summary is not None:
            for name in ("train_seconds", "images_seen", "images_per_second"):
                rows.writerow([*about, "cost", name, getattr(record.summary, name), "", __version__])
        scores = record.scorecard.values() if record.scorecard is not None else {}
        for key, score in scores.items():
            sd = "" if score.sd is None else score.sd
            rows.writerow([*about, key.space, key.score, score.mean, sd, __version__])
        if record.summary is None and not scores:
            rows.writerow([*about, "", "", "", "", __version__])
    return text.getvalue()
