"""Export the generator, or decoder and encoder, of a trained model; docs/export.md shows how to load them.

genbench export run=runs/optdigits-vae-1a2b3c4d-s0 format=onnx
genbench export run=DIR format=safetensors out=folder
"""

from importlib.util import find_spec

from genbench.config.verbs import ExportConfig
from genbench.errors import UserError
from genbench.places import near
from genbench.progress import importing
from genbench.runs.directory import Run
from genbench.runs.outputs import check_out, written
from genbench.verbs.sample import check_trained

ONNX = ("onnx", "onnxscript", "onnxruntime")


def run(config: ExportConfig) -> None:
    """Write each of a run's networks into a file of its own, after comparing what it computes.

    Raises:
        UserError: the run has no readable weights, a file cannot be written, or a library is missing.
    """
    out = near(config.out)
    if not out.is_dir():
        raise UserError(f"out={out}: there is no such folder")
    run = Run.open(near(config.run))
    check_trained(run)
    missing = [name for name in ONNX if find_spec(name) is None]
    if config.format == "onnx" and missing:
        raise UserError(f"format=onnx needs {', '.join(missing)}: pip install 'genbench[export]'")

    importing("torch")
    from genbench.models.export import SUFFIXES, export, networks
    from genbench.models.weights import load

    loaded = load(run.weights, config.code)
    about = {
        "run": run.path.name,
        "model": dict(loaded.about),
        "noise_shape": list(loaded.model.noise_shape),
        "image_shape": list(loaded.shape),
    }
    parts = networks(loaded.model, loaded.shape)
    paths = {name: out / f"{run.path.name}-{name}{SUFFIXES[config.format]}" for name in parts}
    check_out(paths.values(), force=config.force)
    for name, (function, rows) in parts.items():
        path = paths[name]
        with written(path) as temporary:
            worst = export(function, rows, config.format, temporary, {"network": name, **about})
        print(f"{path}: {(function.__doc__ or '').strip()} At most {worst:.1g} from what PyTorch computes.")
