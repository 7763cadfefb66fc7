"""Export the generator, or decoder and encoder, of a trained model; docs/export.md shows how to load them.

genbench export run=runs/optdigits-vae-1a2b3c4d-s0 format=onnx
genbench export run=DIR format=safetensors out=folder
genbench export run=DIR format=hub out=digits  (a repository for the Hugging Face Hub; docs/sharing.md)
"""

from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from genbench.config.verbs import ExportConfig
from genbench.errors import UserError
from genbench.places import near
from genbench.progress import importing
from genbench.runs.finished import Finished, as_written, find
from genbench.runs.outputs import check_out, written
from genbench.wording import word

ONNX = ("onnx", "onnxscript", "onnxruntime")


def run(config: ExportConfig) -> None:
    """Write each of a run's networks into a file of its own, after comparing what it computes; or a repository.

    Raises:
        UserError: the run has no readable weights, a file cannot be written, or a library is missing.
    """
    out = near(config.out)
    if config.format == "hub":
        _export_repository(find(as_written(config.run)), out, config)
        return
    if not out.is_dir():
        raise UserError(f"out={out}: there is no such folder")
    found = find(as_written(config.run))
    missing = [name for name in ONNX if find_spec(name) is None]
    if config.format == "onnx" and missing:
        raise UserError(f"format=onnx needs {', '.join(missing)}: pip install 'genbench[export]'")

    importing("torch")
    from genbench.models.export import SUFFIXES, export, networks
    from genbench.models.weights import load

    loaded = load(found.weights, config.code)
    if not loaded.whole:
        raise UserError(f"{found.place} holds only the networks that draw: give the run's directory")
    about = {
        "run": found.name,
        "model": dict(loaded.about),
        "noise_shape": list(loaded.model.noise_shape),
        "image_shape": list(loaded.shape),
    }
    parts = networks(loaded.model, loaded.shape)
    paths = {name: out / f"{found.name}-{name}{SUFFIXES[config.format]}" for name in parts}
    check_out(paths.values(), force=config.force)
    for name, (function, rows) in parts.items():
        path = paths[name]
        with written(path) as temporary:
            worst = export(function, rows, config.format, temporary, {"network": name, **about})
        print(f"{path}: {(function.__doc__ or '').strip()} At most {worst:.1g} from what PyTorch computes.")


def _export_repository(found: Finished, out: Path, config: ExportConfig) -> None:
    if found.run is None:
        raise UserError(f"run={found.place}: is no run's directory, of which format=hub makes a repository")
    importing("torch")
    from genbench.models.weights import load
    from genbench.reporting.hub import check_folder, write_repository

    check_folder(out, force=config.force)
    write_repository(found.run, load(found.weights, config.code), out)
    print(f"{out}: {', '.join(sorted(path.name for path in out.iterdir()))}")
    if not found.run.has_scorecard:
        told = word("run", str(found.run.path))
        print(f"without scores: genbench evaluate {told}, and then the same again, adds them")
    print(f"next: hf upload USER/NAME {quote(str(out))}")
