# Everything runs in .venv, which the first target that needs it makes. Needs Python 3.11 or newer, and make.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
PEERS := .venv-peers
TWO := -n 2 --dist loadgroup --durations 12
# To import the other modules would take longer than most of these tests.
KERNELS = $(shell grep --recursive --files-with-matches --include '*.py' mark.kernels tests)
# In plain Python NumPy checks the bounds of all kernels. These are also compiled with bounds checks; `make nightly` compiles all.
BOUNDS := tests/kernels/learning/test_rules.py tests/kernels/planning

.PHONY: setup demo test nightly check style docs dist smoke bench bench-peers performance scaling picture lock clean

setup: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Clew needs Python 3.11 or newer: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(INSTALLED)

demo: setup ## the chapter's maze, learned in one process and over two Ray actors: the same table, bit for bit
	@one=$$($(BIN)/clew train book --simulations 4 --sync-every 25) && echo "$$one" && echo && \
	two=$$($(BIN)/clew train book --simulations 4 --sync-every 25 --actors 2) && echo "$$two" && echo && \
	table() { echo "$$1" | grep sha256; } && \
	if [ "$$(table "$$one")" = "$$(table "$$two")" ]; then echo "Both tables are the same, bit for bit."; \
	else echo "The tables differ: that is a fault of Clew."; exit 1; fi

test: setup ## the tests, in two processes; the kernels also without the compiler, and some with bounds checks
	$(BIN)/pytest $(TWO) -m "not nightly"
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest $(TWO) -q -m "kernels and not nightly" $(KERNELS)
	NUMBA_BOUNDSCHECK=1 $(BIN)/pytest $(TWO) -q -m "kernels and not nightly" $(BOUNDS)

nightly: setup ## the tests that are too slow for every commit, and more moments at which drivers are killed
	$(BIN)/pytest $(TWO) -m nightly --moments 20
	NUMBA_BOUNDSCHECK=1 $(BIN)/pytest $(TWO) -q -m kernels $(KERNELS)

check: style ## style, and the fast tests
	$(BIN)/pytest $(TWO) -q -m "not ray and not data and not long and not nightly"

style: setup ## style, types, the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: setup ## the site, in docs/_build/html; a warning or a dead internal link fails
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build/html

dist: setup ## the sdist, and the wheel that is made of it
	rm -rf dist
	$(BIN)/python -m hatchling build --target sdist
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist dist/*.tar.gz

smoke: dist ## that wheel in an empty environment of PYTHON, outside the checkout; with LOWEST=--lowest, the lowest versions that are declared
	$(PYTHON) tests/smoke.py dist/*.whl $(LOWEST)

bench: setup ## speed against the chapter's loop and against C, as ratios in one run
	$(BIN)/python -m benchmarks

$(PEERS)/installed: pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet '.[peers]'
	@touch $(PEERS)/installed

bench-peers: setup $(PEERS)/installed ## all, beside other libraries; with DATA=folder, which holds maps/, large mazes: an hour
	$(BIN)/python -m benchmarks --peers-python $(PEERS)/bin/python --long --large-peers $(if $(DATA),--data $(DATA))

performance: setup ## docs/performance.md and its picture, of what `make bench` or `make bench-peers` measured last
	$(BIN)/python -m benchmarks.report

scaling: setup ## docs/scaling.md: the model of a round measured, checked and asked; minutes; as root over two hosts too
	$(BIN)/python -m benchmarks.scaling $(DRAW)

picture: setup ## the picture in the README
	$(BIN)/python examples/picture.py docs/picture.svg

lock: setup ## pin versions and hashes anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --python-version 3.11 --quiet --output-file requirements.lock

clean:
	rm -rf .venv .venv-peers .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build docs/_build docs/reference/command-line.md
