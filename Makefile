# Every target sets itself up from nothing: a virtual environment, pinned packages, the CDK command line.
# Needed beforehand: Python >= 3.11, Node >= 22 (20 works, its support has ended), make.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready
MINISTACK := .venv-ministack
# A third of the time of a test is spent waiting, so there is one more worker than processors, and at most four.
WORKERS   := $(shell n=$$(getconf _NPROCESSORS_ONLN); [ $$n -lt 4 ] && echo $$((n + 1)) || echo 4)
# pytest removes old temporary folders at its end; those of make test have gigabytes of databases.
FAST_TMP  := $(or $(TMPDIR),/tmp)/blocks-test-fast-$(shell id -u)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# Tests start hundreds of processes: compiled modules are kept, also where the environment says not to write them.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/.pytest_cache/bytecode
# jsii calls Node 20 old on every start; the version in use is the user's business.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo worldseat test test-fast test-slow test-pythons conformance cloudformation lint format docs screenshots isolation faults bench synth release-check clean

help:  ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 15

setup: $(READY)  ## Install everything; the other targets do it themselves

$(READY): requirements.txt pyproject.toml package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "setup: $(PYTHON) is missing or older than 3.11; run make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@node -e 'process.exit(+(parseInt(process.versions.node) < 20))' || \
	  { echo "setup: no Node on PATH that the AWS CDK runs on; install Node 22 or later from nodejs.org" >&2; exit 2; }
	@echo "setup: virtual environment and pinned packages (a minute or two, once)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --no-compile -r requirements.txt
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	@npm ci --no-audit --no-fund --loglevel=error
	@echo "setup: driver wheels for the Lambda layer"
	@$(PY) -m blocks.bundling prefetch
	@touch $@

demo: $(READY)  ## Synthesize, deploy locally, run 200 concurrent transfers, check the balances
	@$(PY) -m examples.bank.demo

worldseat: $(READY)  ## Serve the page of examples/worldseat, which sells seats in two Regions, on loopback
	@$(PY) -m examples.worldseat serve

test: $(READY)  ## Run all tests but the slow ones, in about fifteen minutes
	@$(PY) -m pytest -q -m "not slow" -n $(WORKERS) --dist loadfile

test-fast: $(READY)  ## Run the tests that need no PostgreSQL, Node or other process, in under 30 seconds
	@mkdir -p -m 700 $(FAST_TMP)
	@PYTEST_DEBUG_TEMPROOT=$(FAST_TMP) $(PY) -m pytest -q --fast -m "not slow" -n auto --maxprocesses 4 --dist worksteal

test-slow: $(READY)  ## Run the tests that take minutes: long fuzz runs, kill matrices
	@$(PY) -m pytest -q -m slow

test-pythons: $(READY)  ## Run the runtime's tests under every python3.x on PATH, or PYTHONS='...', from the built wheel
	@$(PY) -m tests.support.pythons $(PYTHONS)

conformance: $(READY)  ## Compare the local DSQL with the recorded answers of a real one; DSN=... compares another cluster
	@$(PY) -m pytest -q --pyargs local_dsql.conformance $(if $(DSN),--dsn "$(DSN)")

isolation: $(READY)  ## Check isolation of the local DSQL and of PostgreSQL, as one table; DSN=... adds a database
	@$(PY) -m tests.proof.isolation $(if $(DSN),--dsn "$(DSN)")

faults: $(READY)  ## Kill, cut and fill the disk while clients work, then 150 clients for SECONDS=600; one table
	@$(PY) -m tests.proof.faults $(if $(DSN),--dsn "$(DSN)") $(if $(SECONDS),--steady "$(SECONDS)")

cloudformation: $(READY) $(MINISTACK)/.ready  ## Deploy with the CDK command line to MiniStack, an AWS on loopback that others wrote
	@$(PY) -m pytest -q -m slow tests/cloudformation

$(MINISTACK)/.ready: tests/cloudformation/requirements.txt
	@echo "cloudformation: MiniStack in a virtual environment of its own"
	@test -x $(MINISTACK)/bin/python || $(PY) -m venv $(MINISTACK)
	@$(MINISTACK)/bin/python -m pip install --quiet --no-compile -r $<
	@touch $@

lint: $(READY)  ## Run ruff, and mypy in strict mode, over packages, tests and examples
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: $(READY)  ## Format the code, and generate the runtime for threads from the one for asyncio
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix --quiet .
	@$(PY) tools/async_to_sync.py

docs: $(READY)  ## Build the documentation site in build/site; a broken link or an unlisted page is an error
	@$(PY) -m tools.site

screenshots: $(READY)  ## Make the pictures and recorded sessions of the pages from the running system; needs a Chromium
	@$(PY) -m tools.screenshots

bench: $(READY)  ## Run every benchmark: ratios to other programs, on one core; BLOCKS_WRITE_DOCS=1 writes the page
	@$(PY) -m benchmarks

synth: $(READY)  ## Print the CloudFormation template of the reference app
	@npx --no-install cdk synth --no-validation

release-check: $(READY)  ## Check a release up to the upload: builds, extras, licences, SBOM; prints the commands that remain
	@$(PY) -m tools.release

clean:  ## Remove what the targets created, the local database included
	rm -rf $(VENV) build .venv-pythons .venv-release $(MINISTACK) node_modules cdk.out .blocks .mypy_cache .ruff_cache .pytest_cache
