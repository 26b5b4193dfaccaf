# `make demo` and `make test` set up .venv themselves; nothing else is needed but Python 3.11+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GOLDEN ?= tests/golden

.PHONY: demo test test-all check golden clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/developed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

demo: $(VENV)/installed  ## Answer a question about a sample document with the embedded model.
	$(BIN)/foldctx answer samples/lease.pdf \
		--question "If the tenant uses the first break, what sum must it pay to the landlord?"

test: $(VENV)/developed  ## The tests that a change must pass.
	$(BIN)/python -m pytest -q -n auto --dist worksteal -m "not slow and not ray"
	$(BIN)/python -m pytest -q -m "ray and not slow"  # a cluster takes all cores for itself

test-all: $(VENV)/developed  ## Slow tests as well.
	$(BIN)/python -m pytest -q

check: $(VENV)/developed  ## Style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

golden: $(VENV)/installed  ## Numbers of the reference implementations; GOLDEN=folder for others.
	$(BIN)/python -m foldctx_pipelines.golden $(GOLDEN)

clean:
	rm -rf $(VENV) dist build
