# Every target makes .venv when there is none. PYTHON chooses the interpreter that it is made with.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test check tensorboard

setup: .venv/installed

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/python -m genbench.train -m model=vae,gan data=optdigits experiment=quick runs=runs/demo
	@echo
	@echo "Samples:    runs/demo/*/samples.png"
	@echo "Dashboards: make tensorboard"

test: setup
	$(BIN)/python -m ruff check . && $(BIN)/python -m ruff format --check . && $(BIN)/python -m mypy
	$(BIN)/python -m pytest

check: setup
	$(BIN)/python -m ruff check . && $(BIN)/python -m ruff format --check . && $(BIN)/python -m mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m 'not slow' -n 2 --dist loadfile

tensorboard: setup
	$(BIN)/tensorboard --logdir runs
