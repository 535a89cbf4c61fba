# Everything runs from a virtual environment of its own; each target alone works on a fresh machine.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# On a machine with NVIDIA GPUs: make install GPU=1
GPU ?=
# Some environments set it. The installation compiles nothing, so each worker would then compile all it imports: seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test soak lint format bench clean

help:  ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed  ## Create .venv and install everything

demo: $(VENV)/.installed  ## The whole road on the shipped documents, on this machine, without GPU or network
	$(BIN)/goat run configs/demo.yaml

test: $(VENV)/.installed  ## All tests, two processes of them, each with a local Ray cluster
	$(BIN)/pytest -n 2

soak: $(VENV)/.installed  ## Longer variants of tests, which would make "make test" too long
	$(BIN)/pytest -n 2 -m soak

lint: $(VENV)/.installed  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed  ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed  ## Speed of each part on one core; figures are kept in tests/benchmarks/RESULTS.md
	$(BIN)/python -m tests.benchmarks.bench_road configs/demo/documents

clean:  ## Remove the environment and caches; runs stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.installed: pyproject.toml requirements/constraints.txt requirements/install
	PYTHON="$(PYTHON)" VENV="$(VENV)" GPU="$(GPU)" sh requirements/install
	touch $@
