# Every command of the repository. None needs anything done first, beyond Python >= 3.11.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Of what is installed most is never imported: Python compiles what is, once, whatever the machine
# says, since tests start hundreds of processes. 0, because pip reads this setting the other way round.
export PIP_NO_COMPILE := 0
unexport PYTHONDONTWRITEBYTECODE
# A user's own site-packages and PYTHONPATH are no part of a tested environment.
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH

is_python = import sys; sys.exit(not sys.version_info[:2] $(1) tuple(map(int, "$(2)".split("."))))

# The newest supported Python, where all tests run; a second time, on $(PYTHON), run those that
# Pythons may differ in, unless that is the one. On the PATH, in pyenv, or beside the Python in use;
# each is asked for its version, since a pyenv shim may stand for nothing. CI fails without it;
# `NEWEST=` in the environment waives it.
# Looked for when the tests are asked for, or what they need, and not otherwise.
NEWEST ?= 3.13
ifneq ($(filter test ready,$(MAKECMDGOALS)),)
ONE_RUN := $(if $(NEWEST),$(shell $(PYTHON) -c '$(call is_python,==,$(NEWEST))' 2> /dev/null && echo yes),yes)
NEWEST_PYTHON := $(if $(ONE_RUN),,$(shell for each in python$(NEWEST) \
    "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$(NEWEST)*/bin/python3 \
    "$$($(PYTHON) -c 'import sys; print(sys.base_prefix)')"/../$(NEWEST)*/bin/python3; do \
    "$$each" -c '$(call is_python,==,$(NEWEST))' 2> /dev/null \
    && { command -v "$$each"; break; }; done))
endif

##@ To look around

.PHONY: help
help: ## list these commands
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: .venv/.run ## hash the files here with two worker processes, and show the log
	@$(BIN)/longshore demo

.PHONY: bench
bench: .venv/.dev ## measure tasks per second, beside huey
	@$(BIN)/longshore bench

##@ To change something

.PHONY: test
test: ready ## run every test, on the newest and the oldest Python at hand
	@$(FIRST)/bin/python --version
	@$(FIRST)/bin/python -m pytest $(spread) tests/unit
	@$(FIRST)/bin/python -m pytest $(spread) --ignore=tests/unit
	@$(if $(ONE_RUN),,$(if $(NEWEST_PYTHON),$(second_run),$(no_second_run)))

# All that tests need. CI asks for it beside the checks.
.PHONY: ready needed
ready: .venv/.warm $(if $(NEWEST_PYTHON),.venv-$(NEWEST)/.warm) needed

needed: .venv/.dev
	@$(BIN)/python -m tests.brokers up --needed

# Three times as many workers as CI has cores, because tests wait for more than half their time; who has nothing left takes from others.
spread := -n 6 --dist worksteal

# The newest Python runs every test; those of parts first, which chaos beside them would slow.
FIRST := $(if $(NEWEST_PYTHON),.venv-$(NEWEST),.venv)

# The second run is for what differs between Pythons, so it leaves out what is marked `once`:
# simulation, model and chaos; and of examples that are made up it tries fewer.
define second_run
$(BIN)/python --version
@$(BIN)/python -m pytest $(spread) -m "not once" --hypothesis-profile=again
endef

define no_second_run
echo 'No Python $(NEWEST) was found, so the tests did not run on it; CI fails here: put python$(NEWEST) on the PATH, or waive it with NEWEST= in the environment.'
@[ -z "$${CI:-}" ]
endef

# Nothing is decided by it, and before Python 3.14 counting branches takes as long as the tests.
.PHONY: coverage
coverage: .venv/.dev ## show which lines and branches the unit tests reach
	@$(BIN)/python -m pytest $(spread) tests/unit --cov --cov-report=term

# Seeds of the simulation; CI runs the first 1,000 of them with the tests.
SEEDS ?= 2000

.PHONY: simulate
simulate: .venv/.dev ## run SEEDS=2000 simulated worlds, and print the seeds that break a promise
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS)

.PHONY: check
check: .venv/.dev ## lint, formatting, types, import directions
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync check-pyright check-others

# The two type checkers use one core each, and basedpyright needs as long as all the rest.
.PHONY: check-pyright check-others
check-pyright:
	$(BIN)/basedpyright --pythonpath $(BIN)/python

check-others:
	$(BIN)/python -m pip check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: brokers
brokers: ## find or start every server that tests and examples use
	@$(call require_python,$(PYTHON))
	@$(PYTHON) -m tests.brokers up

##@ To release

.PHONY: build
build: .venv/.run ## make the sdist, and the wheel from the sdist, in dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist

.PHONY: lock
lock: .venv-lock/.ready ## write requirements/*.txt anew; UPGRADE=1 takes the newest versions
	@.venv-lock/bin/python requirements/lock.py $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## remove what these commands made, venvs included; stop the brokers they started
	@if [ -d .cache/brokers ]; then $(PYTHON) -m tests.brokers down; fi
	@rm -rf .venv .venv-* .cache dist build .coverage .coverage.* .hypothesis
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ----------------------------------------------------------------------------------- environments
# Each venv has two stages, so that a newcomer's `make demo` waits for a dozen small packages and
# not for the type checkers. Only what the lock files name is installed, and only by its hash; with
# --no-deps, because a lock names everything already, and pip, left to resolve `coverage[toml]`, takes
# the newest release of it and then finds no hash for that. `make check` asks `pip check`. The
# checkout itself is built with the locked hatchling, and again whenever pyproject.toml changes,
# because the entry points that name the adapters are read at install.

define require_python
$(1) -c '$(call is_python,>=,3.11)' || { echo "Longshore needs Python 3.11 or newer, and '$(1)' is not; name one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
endef

.PRECIOUS: %/.python %/.run %/.dev %/.warm
%/.python:
	@$(call require_python,$(PYTHON))
	@$(@D)/bin/python -c '$(call is_python,>=,3.11)' 2> /dev/null || $(PYTHON) -m venv --clear $(@D)
	@touch $@

.venv-$(NEWEST)/%: PYTHON = $(NEWEST_PYTHON)

%/.run: %/.python pyproject.toml requirements/run.txt requirements/build.txt
	@echo "Installing what Longshore needs to run into $(@D) …"
	@$(@D)/bin/python -m pip install --quiet --quiet --no-deps --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(@D)/bin/python -m pip install --quiet --quiet --no-deps --no-build-isolation --editable .
	@touch $@

%/.dev: %/.run requirements/dev.txt
	@echo "Installing what the tests and checks need into $(@D) …"
	@$(@D)/bin/python -m pip install --quiet --quiet --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

# What tests import is compiled once: else each of six workers does it, all at the same time, and
# that takes as long as half a minute of them. Of what cannot be imported the tests tell.
%/.warm: %/.dev
	@$(@D)/bin/python -m pytest --quiet --collect-only > /dev/null || true
	@touch $@

# pip-tools needs pip and setuptools as packages, which no other venv should have to pin.
.venv-lock/.ready: requirements/lock.py
	@$(call require_python,$(PYTHON))
	@$(PYTHON) -m venv --clear .venv-lock
	@.venv-lock/bin/python -m pip install --quiet --quiet 'pip-tools==7.6.2'
	@touch $@
