# `make demo` and `make test` set up .venv themselves; nothing else is needed but Python 3.11+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GOLDEN ?= tests/golden

.PHONY: demo test test-all check golden clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --group dev --editable .
	@touch $@

demo: $(VENV)/installed  ## Answer a question about a sample document with the embedded model.
	$(BIN)/foldctx answer samples/lease.pdf \
		--question "Who at the managing agent has charge of the estate?"

test: $(VENV)/installed  ## The tests that a change must pass.
	$(BIN)/python -m pytest -q -n auto --dist worksteal -m "not slow"

test-all: $(VENV)/installed  ## Slow tests as well.
	$(BIN)/python -m pytest -q

check: $(VENV)/installed  ## Style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

golden: $(VENV)/installed  ## Numbers of the reference implementations; GOLDEN=folder for others.
	$(BIN)/python -m foldctx_pipelines.golden $(GOLDEN)

clean:
	rm -rf $(VENV) dist build
