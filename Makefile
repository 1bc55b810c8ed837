# `make demo` and `make test` need Python >= 3.11, git and make; they do the rest.
PYTHON ?= python3
BIN = .venv/bin
JOBS ?= 2
DATA = $(or $(RESILIENT_DATA),$(abspath ../shared/data))
AGAINST_WHEEL = PYTHONPATH=$(abspath .wheel) RESILIENT_DATA=$(DATA) ../../$(BIN)/python

.PHONY: demo test lint types tests doctests wheel clean

demo: .venv/.ready
	$(BIN)/python -m resilient_estimator demo

test: lint types tests doctests wheel

lint: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/.dev
	$(BIN)/mypy

tests: .venv/.dev
	$(BIN)/python -m pytest -n $(JOBS) -q

doctests: .venv/.dev
	$(BIN)/python -m pytest -q --doctest-modules resilient_estimator
	$(BIN)/python -m pytest -q --doctest-glob='*.md' README.md docs

# The tests once more, against what a user installs: nothing of the checkout but tests.
wheel: .venv/.dev
	rm -rf dist .wheel
	$(BIN)/python -m build --quiet --wheel --no-isolation --outdir dist
	$(BIN)/python -m pip install --quiet --no-deps --target .wheel dist/*.whl
	mkdir -p .wheel/suite && cp -r tests docs examples pyproject.toml .wheel/suite/
	cd .wheel/suite && $(AGAINST_WHEEL) -c "import resilient_estimator, sys; \
		sys.exit('.wheel' not in resilient_estimator.__file__)"
	cd .wheel/suite && $(AGAINST_WHEEL) -m pytest -q -n $(JOBS) -m "not slow"

.venv/.ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/.dev: .venv/.ready
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

clean:
	rm -rf .venv .wheel dist
