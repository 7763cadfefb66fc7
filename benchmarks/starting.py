"""Code of a process that trains as its words say, and ends with the first step: nothing is imported sooner for it."""

FIRST_STEP = """import functools, os
from genbench.verbs import train
run = train.run
@functools.wraps(run)
def to_the_first_step(config):
    from genbench.models.model import Model
    step = Model.step
    Model.step = lambda model, batch: (step(model, batch), os._exit(0))
    run(config)
train.run = to_the_first_step
from genbench.start import main
main("train")"""
