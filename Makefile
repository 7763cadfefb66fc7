# Every target makes .venv when there is none. PYTHON chooses the interpreter that it is made with.
PYTHON ?= python3
BIN := .venv/bin

# make paper BUDGET=5min SEEDS=5: 5min, 90s or 5 (minutes) for each training; without BUDGET the paper's epochs.
SEEDS ?= 5
BUDGET ?=
LAUNCHER ?=             # further words for the trainings, how to run several trainings at once, say
PAPER ?= runs/paper
PAGE ?= report
MINUTES = $(shell echo '$(BUDGET)' | awk '/^[0-9.]+ *(min)?$$/ {print $$1 + 0} /^[0-9.]+ *s$$/ {print $$1 / 60}')

.PHONY: setup demo test check bench record docs dist tensorboard paper verdicts reliability

setup: .venv/installed

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# Three minutes on two cores that do nothing else.
demo: setup
	mkdir -p runs/demo
	$(BIN)/genbench compare data=optdigits models=vae,vaegan seeds=1 minutes=0.6 model.conditional=true evaluation.nll_images=50 \
		runs=runs/demo out=runs/demo/page
	$(BIN)/genbench sample run="$$(ls -d runs/demo/optdigits-vaegan-*-s0 | head -1)" n=100 out=runs/demo/digits.png
	@echo
	@echo "Digits, a column a class: runs/demo/digits.png"
	@echo "The page:                 runs/demo/page/index.html"
	@echo "Next:"
	@echo "  genbench compare data=optdigits models=vae,vae_prior,vaegan seeds=5 minutes=1 out=page   # with a verdict"
	@echo "  genbench data data=folder data.root=DIR data.size=32                                     # your own images"
	@echo "  genbench sample zoo=mnist label=7 out=seven.png                                          # a better model"

test: setup
	$(BIN)/python -m ruff check . && $(BIN)/python -m ruff format --check . && $(BIN)/python -m mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: setup
	$(BIN)/python -m ruff check . && $(BIN)/python -m ruff format --check . && $(BIN)/python -m mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m 'not slow' -n 2 --dist loadfile --no-loadscope-reorder

# How fast, against what: benchmarks/results. It says how long it takes; the machine should do nothing else.
bench: setup
	$(BIN)/python -m pip install --quiet --editable '.[dev,bench]'
	$(BIN)/python -m benchmarks

# Seconds to a quality: docs/record.md. WORDS='mnist gan' measures these alone.
record: setup
	$(BIN)/python -m pip install --quiet --editable '.[dev,bench]'
	$(BIN)/python -m benchmarks.record $(WORDS)

# site/html/index.html. It needs no network; the notebooks are run where they have changed since.
docs: setup
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --doctree-dir site/doctrees docs site/html

# A wheel and an sdist in dist/, as they would be published.
dist: setup
	$(BIN)/python -m hatchling build -d dist && $(BIN)/python -m twine check --strict dist/*

# Finished trainings and scores are kept, so that it goes on where it stopped. A training that fails does not stop it.
paper: setup
	test -z '$(BUDGET)' -o -n '$(MINUTES)' || { echo 'BUDGET=$(BUDGET): write 5min, 90s or 5 (minutes)' >&2; exit 2; }
	$(BIN)/genbench compare data=mnist,fashion models=gan,vae seeds=$(SEEDS) runs=$(PAPER) out=$(PAGE) \
		$(if $(MINUTES),minutes=$(MINUTES),experiment=paper) $(LAUNCHER)

# How often the report's verdict rule errs: docs/verdicts.md.
verdicts: setup
	$(BIN)/python -m genbench.reporting.verdict_rates docs/verdicts.md

# What can go wrong, made to go wrong: docs/reliability.md. An hour and a half of a processor; ROWS=kills runs that row alone.
reliability: setup
	$(BIN)/python -m tests.faults $(ROWS)

tensorboard: setup
	$(BIN)/tensorboard --logdir runs
