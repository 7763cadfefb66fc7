"""Draw images from a trained model.

genbench sample run=runs/optdigits-vae-1a2b3c4d-s0
genbench sample run=DIR n=100 seed=7 out=grid.png
genbench sample run=DIR n=10000 out=samples.npz
genbench sample run=DIR label=7 out=sevens.png
genbench sample zoo=mnist label=7 out=seven.png
genbench sample run=hf://USER/NAME
"""

from genbench.config.verbs import SampleConfig
from genbench.errors import UserError
from genbench.models.hyperparameters import check_values, sample_options
from genbench.places import near
from genbench.progress import importing
from genbench.runs.finished import ZOO_SCHEME, as_written, find, zoo
from genbench.runs.outputs import check_out, written


def run(config: SampleConfig) -> None:
    """Write n images of a finished model: the same seed, the same images, however many are asked for.

    Raises:
        UserError: the run has no readable weights, its model no such option or class, or the file cannot be written.
    """
    out = near(config.out)
    if out.suffix not in (".png", ".npz"):
        raise UserError(f"out={out}: must end in .png (one grid) or .npz (an array)")
    check_out([out], force=config.force)
    places = [as_written(config.run)] if config.run is not None else []
    places += [f"{ZOO_SCHEME}{config.zoo}"] if config.zoo is not None else []
    if len(places) != 1:
        raise UserError(f"say what to draw from: run=DIR, or zoo=NAME with one of {', '.join(zoo())}")
    found = find(places[0])

    importing("torch")
    import numpy as np

    from genbench.models.pictures import grid, square
    from genbench.models.sampling import draw
    from genbench.models.weights import load

    loaded = load(found.weights, config.code)
    check_values(config.options, sample_options(str(loaded.about["_target_"]), config.code), "options.")
    labels = loaded.labels(config.label, config.n)
    images = draw(loaded.model, config.n, config.seed, labels=labels, **config.options)
    with written(out) as temporary:
        if out.suffix == ".npz":
            np.savez_compressed(temporary, images=images.numpy())
        else:
            grid(images, square(config.n)).save(temporary)
    of_class = "" if labels is None or not loaded.classes else f", class {loaded.classes[int(labels[0])]}"
    print(f"{config.n} images of {found.name}{of_class}, seed {config.seed}: {out}")
