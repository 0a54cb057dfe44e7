# Everything the project does; each target works on its own on a bare machine. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.made
SIDE_BY_SIDE = $(PYTHON) -m pytest -p tests.stories.side_by_side

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

.PHONY: demo
demo: venv ## the local network, and a consumer chain launched on it; leaves it running
	$(PYTHON) -m devnet demo

.PHONY: down
down: venv ## removes the local network, whatever state it is in
	$(PYTHON) -m devnet down

.PHONY: test
test: export MODEL_STEPS = 10000
test: static ## set-up and all tests, the real network's among them, side by side
	$(PYTHON) -m devnet build
	$(SIDE_BY_SIDE) -m 'not soak'

.PHONY: check
check: static ## format, lint, types, layers and the offline tests
	$(PYTHON) -m pytest

.PHONY: static
static: venv ## format, lint, layers and types
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(VENV)/bin/lint-imports
	$(PYTHON) -m mypy

.PHONY: format
format: venv ## formats the code and fixes what ruff can fix
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

.PHONY: e2e
e2e: venv ## the tests with real API servers and real chains; STORY=launch: one of them, on a network that is left up
	$(PYTHON) -m devnet build
ifdef STORY
	$(PYTHON) -m pytest -s -m '' $(or $(wildcard tests/*/test_$(STORY).py),$(error there is no tests/*/test_$(STORY).py))
else
	$(SIDE_BY_SIDE) -m 'cluster or pulumi or monitoring or network'
endif

.PHONY: bench
bench: venv ## what passes and convergences cost as chains grow, beside rivals and bare requests, and how long launches take; plots in bench/
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	$(PYTHON) -m devnet build
	$(PYTHON) -m tests.bench.curves bench
	$(PYTHON) -m tests.bench.growth
	$(PYTHON) -m tests.bench.passes
	$(PYTHON) -m tests.bench.observability
	$(PYTHON) -m tests.bench.launches
	$(PYTHON) -m tests.bench.first_blocks
	$(PYTHON) -m tests.bench.both_engines

.PHONY: soak
soak: venv ## what takes longer than a test may: ten channels, every kill, a stuck node, a day in an hour, fuzzing
	$(PYTHON) -m devnet build
	$(PYTHON) -m devnet down
	$(PYTHON) -m pytest -m 'soak' -s --ignore tests/network/test_places.py
	$(PYTHON) -m pytest -m '' -s tests/network/test_places.py
	$(PYTHON) -m devnet down
	$(MAKE) fuzz

.PHONY: fuzz
fuzz: venv ## everything that parses what others wrote, a million inputs or ten minutes each; a part of soak
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-soak.txt
	$(PYTHON) -m tests.fuzz

.PHONY: pictures
pictures: venv ## renders the pictures of docs/, in Chromium, which is unpacked from Debian's packages and not installed
	$(PYTHON) -m tests.pictures

.PHONY: wheel
wheel: venv ## the wheel in dist/, for operators who keep no checkout
	rm -rf build/lib
	$(PYTHON) -m build --wheel --no-isolation --outdir dist .

.PHONY: venv
venv: $(STAMP) ## the Python environment in .venv, with the package in it
	$(PYTHON) -m compileall -q -j 0 ics devnet tests

$(STAMP): requirements.txt pyproject.toml
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)
