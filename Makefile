# `make` alone lists the commands. Everything runs in .venv, which is made on first use from constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Much here starts a dozen processes: what is compiled once need not be compiled by each.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run demo test test-stories test-browser test-scale test-buckets test-rest check bench bench-full bench-smoke crashes soak format clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with make PYTHON=python3.12"; exit 1; }
	@echo "setting up $(VENV) (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: $(READY) ## the Dagster UI, the daemon and, where no finance is configured, a sandbox; Ctrl-C stops all of it
	@$(BIN)/arcadia up

demo: $(READY) ## the sample months from file to finance, in a temporary home
	@$(BIN)/arcadia demo

test: $(READY) ## the tests of every module and of the reference case; under three minutes
	@$(BIN)/python -m pytest
	@echo "Not run here: make test-stories, make test-browser, make test-scale, make test-buckets"

test-stories: $(READY) ## whole stories: a real deployment, the commands, bad input of every kind, parts, tenants, crashes, several at once, every order of arrival; and rules tried with many values; half an hour and more. SHARE=2/10 runs the most important ones, and the second tenth of the others
	@$(BIN)/python -m pytest arcadia_dagster_tests/stories arcadia_dagster_tests/thorough $(if $(SHARE),--share=$(SHARE))

$(VENV)/.browser-ready: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,browser]'
	@touch $@

test-browser: $(VENV)/.browser-ready ## the tests that need Debian's chromium: the UI and the statement as a browser shows and prints them
	@$(BIN)/python -m pytest -n 2 --timeout=300 arcadia_dagster_tests/browser

$(VENV)/.scale-ready: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,scale]'
	@touch $@

test-scale: $(VENV)/.scale-ready ## the tests that need Debian's postgresql, redis-server and nginx-light: a lake, several workers on it, a proxy
	@$(BIN)/python -m pytest -n 2 --timeout=300 arcadia_dagster_tests/scale

# 3.35.0 is the last version that says that it runs on Debian 12's node.
AZURITE := $(VENV)/azurite

$(VENV)/.azurite-ready: $(READY)
	@npm install --silent --no-audit --no-fund --prefix $(AZURITE) azurite@3.35.0
	@touch $@

$(VENV)/.buckets-ready: $(READY) $(VENV)/.azurite-ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,buckets,emulators,scale]'
	@touch $@ $(VENV)/.scale-ready

test-buckets: $(VENV)/.buckets-ready ## the tests that need npm and Debian's postgresql: S3, Azure and Google Cloud Storage as their emulators serve them, and their faults
	@$(BIN)/python -m pytest -n 2 --timeout=300 arcadia_dagster_tests/emulators

# All that the targets below `test-stories` need, by one pip: each looks through all packages again, which takes 20 s.
$(VENV)/.rest-ready: $(READY) $(VENV)/.azurite-ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[dev,bench,browser,buckets,emulators,scale]'
	@touch $@ $(VENV)/.bench-ready $(VENV)/.browser-ready $(VENV)/.buckets-ready $(VENV)/.scale-ready

# The tests wait for servers for a part of the time, and three groups of them for each other's processors: a test has 300 s.
# What all need is installed before one begins: pip must not change what is running.
test-rest: $(VENV)/.rest-ready ## test-buckets, test-scale, bench-smoke and test-browser, three at a time; seven to thirteen minutes
	@$(MAKE) --jobs=3 --output-sync=target test-buckets test-scale bench-smoke test-browser

check: $(READY) ## lint, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/sqlfluff lint --quiet --disable-progress-bar arcadia_dagster
	@$(BIN)/mypy

$(VENV)/.bench-ready: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench,buckets,emulators,scale]'
	@touch $@

bench: $(VENV)/.bench-ready ## how fast it is, beside what else one would use; four to ten minutes; writes benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks

bench-full: $(VENV)/.bench-ready ## the same with larger inputs and more runs, and further rows; more than an hour
	@$(BIN)/python -m benchmarks --full

bench-smoke: $(VENV)/.bench-ready ## every row of both with next to no input, and two crashes: does all of it work? two minutes; writes nothing
	@$(BIN)/python -m benchmarks --tiny
	@$(BIN)/python -m benchmarks.crashes --times 2
	@$(BIN)/python -m benchmarks.full_disk --times 1
	@$(BIN)/python -m benchmarks.soak --minutes 0.5 --files-an-hour 600

crashes: $(READY) ## kill a hundred deliveries and ingests at any moment, fill up disks, run thousands of random histories, and check that the next try completes each; up to an hour
	@$(BIN)/python -m benchmarks.crashes
	@$(BIN)/python -m benchmarks.full_disk
	@HISTORIES=6000 $(BIN)/python -m pytest -n 0 arcadia_dagster_tests/stories/test_model_of_delivery.py
	@HISTORIES=300 $(BIN)/python -m pytest -n 0 arcadia_dagster_tests/stories/test_model_of_landing_and_delivery.py

soak: $(VENV)/.bench-ready ## a deployment for an hour, with a thousand files, restarts, kills, a full disk and finance away; writes benchmarks/RESULTS-soak.md
	@$(BIN)/python -m benchmarks.soak --write

format: $(READY) ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/sqlfluff format --quiet --disable-progress-bar arcadia_dagster

clean: ## remove what make and the tools made; state in var/ stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
