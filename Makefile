# make demo   build .venv from requirements.lock, then run the bundled market through to a report
# make test   the fast tests and the examples in docstrings
# make test-all, lint, bench, lock: see below
#
# Needs Python 3.11 or later, make and a package index. PYTHON chooses the interpreter, VENV the environment's folder.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := $(BIN)/pytest --doctest-modules riskparams tests -n $(WORKERS)

.PHONY: demo test test-all lint bench lock

demo: $(READY)
	$(BIN)/riskparams demo

test: $(READY)
	$(PYTEST) -m "not slow and not browser and not notebook and not benchmark"

test-all: $(READY)
	$(PYTEST) -m "not benchmark"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Takes some ten minutes where RISKPARAMS_MARKET_DATA names the folder of historical prices; writes tests/benchmarks/README.md.
bench: $(READY)
	$(BIN)/pytest tests/benchmarks -m benchmark -s

# Pins what pyproject.toml asks for, keeping the pins there are: remove requirements.lock first to take the newest of everything.
lock: $(READY)
	$(BIN)/python -m pip install uv
	$(BIN)/uv pip compile pyproject.toml --group dev --extra notebook --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements.lock

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
