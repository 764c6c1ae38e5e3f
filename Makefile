# Two commands for a fresh machine with Python and make: `make demo` and `make test`.
# PYTHON is the interpreter that makes .venv (3.10 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all lint docs clean

demo: $(VENV)/.installed-demo
	@set -e; run=$$($(BIN)/charrnn train demo); \
	poems=$$(for prompt in 秋 春 月; do \
	$(BIN)/charrnn sample "$$run" --form qilü --tones --rhyme any --prompt $$prompt; echo; done); \
	echo; echo "$$poems"; echo; echo "$$poems" | $(BIN)/charrnn verse check -; \
	echo "The run lies in $$run: try  $(BIN)/charrnn sample $$run --prompt 山"

test: $(VENV)/.installed-dev lint
	$(BIN)/python -m pytest

test-all: $(VENV)/.installed-dev lint
	$(BIN)/python -m pytest -m "slow or not slow"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/api.py

# Installed anew whenever pyproject.toml changes.
$(VENV)/.installed-%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
