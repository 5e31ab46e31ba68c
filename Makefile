# Each line can also be typed by hand. Everything lands in .venv, node_modules, console/static/vendor, var and out.
SHELL := /bin/bash
BIN := .venv/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PYTEST_ARGS ?=
BENCH_ARGS ?=

# The suite starts some two hundred processes; each would compile the house again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test story soak bench-media bench-queue bench-review bench-fanout lint assets shots doctor clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' Makefile | expand -t 13

run: .venv/.run assets  ## start everything for development, with three robot investors in the queue
	$(BIN)/console run --robots 3 $(if $(PORT),--port $(PORT))

test: .venv/.dev assets lint  ## lint and all tests, the stories in real browsers among them
	$(BIN)/python -m tests.browser --install
	$(BIN)/pytest -m 'not shots and not soak' -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

story: .venv/.dev assets  ## the whole job in two real browsers; pictures and recording in out/story
	$(BIN)/python -m tests.browser --install
	$(BIN)/pytest tests/stories -m 'not shots and not soak' --keep-pictures out/story $(PYTEST_ARGS)

soak: .venv/.dev assets  ## what takes minutes: calls that break in real browsers; pictures in out/soak
	$(BIN)/python -m tests.browser --install
	$(BIN)/pytest -m soak --keep-pictures out/soak $(PYTEST_ARGS)

bench-media: .venv/.dev  ## what the media engine costs beside others, measured here and now; some five minutes
	$(BIN)/python -m bench.media $(BENCH_ARGS)

bench-queue: .venv/.dev  ## what a claim and a look at one's place cost with 100,000 waiting; a minute
	$(BIN)/python -m bench.queue

bench-fanout: .venv/.dev  ## what it costs to tell 5,000 and 10,000 waiting browsers of a change; some four minutes
	$(BIN)/python -m bench.fanout $(BENCH_ARGS)

bench-review: .venv/.dev  ## what 复核 costs with a million cases decided before; three minutes
	$(BIN)/python -m bench.review $(BENCH_ARGS)

shots: .venv/.dev assets  ## a picture of every screen, in out/shots
	$(BIN)/python -m tests.browser --install
	$(BIN)/pytest tests/stories -m 'shots or not soak' --keep-pictures out/shots $(PYTEST_ARGS)

lint: .venv/.dev  ## style, import contracts, types of the core
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

doctor: .venv/.run  ## what is missing on this machine and how to get it
	$(BIN)/console doctor

assets: .venv/.run  ## the browser libraries, from npm into console/static/vendor (quick when they are there)
	$(BIN)/python -m console.assets

clean:  ## forget what make made (never var: that is your data)
	rm -rf .venv node_modules console/static/vendor out build *.so worker/media/*.so

.venv/.run: setup.cfg pyproject.toml setup.py $(wildcard worker/media/*.py)  # they are compiled
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing: install it, or say which one to use: make PYTHON=/path/to/python3.12"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv || { echo "no virtual environment: on Debian, apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.dev: .venv/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@
