# The two commands of the README are `make run` and `make test`; `make check`, `make bench` and `make faults` guard the house.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test check format bench faults clean

run: $(VENV)/.run
	$(BIN)/python -m runner $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/house.py

format: $(VENV)/.check
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench
	$(BIN)/python -m tests.bench $(ARGS)

faults: $(VENV)/.test
	$(BIN)/python -m pytest tests/faults tests/nodes -m 'long or not long' -k 'not short' $(ARGS)

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.run: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[runner,metrics]'
	touch $@

$(VENV)/.test $(VENV)/.check $(VENV)/.bench: $(VENV)/.%: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[runner,metrics,testing]' --group $*
	touch $@
