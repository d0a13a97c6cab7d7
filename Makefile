# `make run` and `make test` do all the set-up on a machine with Python 3.11 or newer.

PYTHON ?= python3
BIN := .venv/bin
SPECTACULAR := $(BIN)/python manage.py spectacular --validate --fail-on-warn --format openapi-json

.PHONY: install install-dev run schema pictures bench chaos fuzz test check audit

install: .venv/installed

install-dev: .venv/installed-dev

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	@echo "Installing the development tools into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

run: install
	@exec $(BIN)/python manage.py run_service

schema: install
	$(SPECTACULAR) --file docs/openapi.json

# Those of docs/admin.md. Needs Chromium.
pictures: install-dev
	$(BIN)/python docs/screenshots.py

# About 10 minutes; the figures go to .bench. With BENCH="--quick", for one, only what it takes to see that it works.
bench: install-dev
	@$(BIN)/python -m benchmarks $(BENCH)

# About 4 minutes; exits with 1 where something was lost, late or left behind. CHAOS="--seconds 60 --seed 1a2b" is
# shorter, and repeats the run of that seed.
chaos: install-dev
	@$(BIN)/python -m tests.chaos $(CHAOS)

# At least 20,000 requests by the document of the API, and many examples for the tests that have them made up: about 20
# minutes. Exits with 1 where anything was wrong. FUZZ="--cases 2000 --seed 7" is shorter, and repeats that run.
fuzz: install-dev
	@$(BIN)/python -m tests.fuzz $(FUZZ)

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive alarms escalations inbox messaging_project organizations manage.py
	@# Without a running database: only the files are compared.
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check
	@# Has the document of the API moved on from the code? `make schema` writes it anew.
	$(SPECTACULAR) --file .venv/openapi.json
	@diff docs/openapi.json .venv/openapi.json || { echo "docs/openapi.json is out of date: run make schema" >&2; exit 1; }

# Are vulnerabilities known of what is installed?
audit: install-dev
	@$(BIN)/python -m tests.audit

# More processes than cores: many tests wait for other processes.
test: check
	$(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder
