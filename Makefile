# `make demo` and `make test` need Python >= 3.11, git and make; they do the rest.
PYTHON ?= python3
BIN = .venv/bin
JOBS ?= 2
AGAINST_WHEEL = PYTHONPATH=$(abspath .wheel) ../../$(BIN)/python

# Tests run side by side: with a thread per core each, they would wait for one another.
tests doctests wheel: export OMP_NUM_THREADS = 1
tests doctests wheel: export OPENBLAS_NUM_THREADS = 1
tests doctests wheel: export MKL_NUM_THREADS = 1
tests doctests wheel: export LOKY_MAX_CPU_COUNT = $(JOBS)

.PHONY: demo test test-engines lint types tests doctests wheel clean

demo: .venv/.ready
	$(BIN)/python -m resilient_estimator demo

test: lint types tests doctests wheel

lint: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/.dev
	$(BIN)/mypy

tests: .venv/.dev
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

doctests: .venv/.dev
	$(BIN)/python -m pytest -q --doctest-modules --doctest-glob='*.md' \
		resilient_estimator README.md docs/*.md

# What packaging can break, against what a user installs: nothing of the checkout but
# one file of tests and the README.
wheel: .venv/.dev
	rm -rf dist .wheel
	$(BIN)/python -m build --quiet --wheel --no-isolation --outdir dist
	$(BIN)/python -m pip install --quiet --no-deps --target .wheel dist/*.whl
	mkdir -p .wheel/suite && cp tests/test_package.py README.md pyproject.toml .wheel/suite/
	cd .wheel/suite && $(AGAINST_WHEEL) -c "import resilient_estimator, sys; \
		sys.exit('.wheel' not in resilient_estimator.__file__)"
	cd .wheel/suite && $(AGAINST_WHEEL) -m pytest -q --doctest-glob='*.md' .

# What needs a server, Java or a browser: it is installed here, and what is skipped says
# why. At most 15 minutes.
test-engines:
	@echo "test-engines: nothing to run; no part of this package needs an engine yet."

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
