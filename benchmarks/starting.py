"""Code of a process that trains as its words say, and ends with the first step."""

FIRST_STEP = """import os
from genbench.models.model import Model
step = Model.step
Model.step = lambda model, batch: (step(model, batch), os._exit(0))
from genbench.start import main
main("train")"""
