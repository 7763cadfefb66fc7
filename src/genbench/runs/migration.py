"""Records of before in today's form, as plain data; what has another form than it had then is left to the schema."""

from typing import Any


def summary(content: dict[str, Any]) -> dict[str, Any]:
    """summary.json of version 1 or 2."""
    if "version" not in content:
        content = _named_dimensions(content)
    return _training_alone(content) if content.get("version") == 2 else content


def _training_alone(content: dict[str, Any]) -> dict[str, Any]:
    """Of version 2, where the time of the validations was part of that of the training."""
    seconds, beside = content.get("train_seconds"), content.get("validation_seconds", 0.0)
    images = content.get("images_seen")
    if not all(isinstance(value, int | float) and abs(value) <= 1e18 for value in (seconds, beside, images)):
        return {**content, "version": 3}
    alone = max(seconds - beside, 1e-9)
    return {**content, "version": 3, "train_seconds": alone, "images_per_second": images / alone}


def _named_dimensions(content: dict[str, Any]) -> dict[str, Any]:
    """Of version 1, where the KL of every latent dimension was a list."""
    test = content.get("test")
    if not isinstance(test, dict):
        return content
    per_dimension = test.get("kl_per_dimension", [])
    if not isinstance(per_dimension, list):
        raise ValueError("test.kl_per_dimension is no list")
    losses = {name: value for name, value in test.items() if name != "kl_per_dimension"}
    losses |= {f"kl_{i}": value for i, value in enumerate(per_dimension)}
    return {**content, "version": 2, "test": losses}


def scorecard(content: dict[str, Any]) -> dict[str, Any]:
    """scores.json of version 1.

    A bare text stood where there was no score, the scores that need a classifier beside the spaces, and a number that
    needs the model in a group of its own. The losses in the group `likelihood` are those of summary.json.
    """
    spaces = content.get("spaces")
    if "version" in content or not isinstance(spaces, dict):
        return content
    model: dict[str, Any] = {}
    spaces = {name: _absent_or(space) for name, space in spaces.items()}
    classes = content.get("class")
    if isinstance(classes, dict):
        if not isinstance(spaces.get("classifier"), dict):
            raise ValueError("class: these scores need a classifier, and there is none")
        spaces["classifier"] = {**spaces["classifier"], **classes}
    if "likelihood" in content:
        model |= _likelihood(content["likelihood"], _images(spaces))
    if "reconstruction" in content:
        model["mse"] = _reconstruction(content["reconstruction"])
    kept = {name: value for name, value in content.items() if name not in ("class", "likelihood", "reconstruction")}
    return {**kept, "version": 2, "spaces": spaces, "model": model, "cost": _absent_or(content.get("cost"))}


def _absent_or(content: Any) -> Any:
    return {"absent": content} if isinstance(content, str) else content


def _images(spaces: dict[str, Any]) -> Any:
    """How many test images there were: as many as there are images in a draw."""
    scores = [score for space in spaces.values() if isinstance(space, dict) for score in space.values()]
    return next((score["n"] for score in scores if isinstance(score, dict) and "n" in score), 0)


def _likelihood(content: Any, images: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        return {"nll": _absent_or(content), "active_units": _absent_or(content)}
    nll, active = content.get("nll"), content.get("active_units")
    if isinstance(nll, dict) and isinstance(nll.get("importance_samples"), int):
        nll = {**nll, "method": f"importance sampling, {nll['importance_samples']:,} samples an image"}
        del nll["importance_samples"]
    return {"nll": nll, "active_units": {"mean": active, "n": images}}


def _reconstruction(content: Any) -> Any:
    if not isinstance(content, dict) or "mse" not in content:
        return _absent_or(content)
    return {"mean": content["mse"], **{name: value for name, value in content.items() if name != "mse"}}
