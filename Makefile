# Everything starts here. `make help` says what there is.

# The newest Python that is here, 3.11 or later; another one: make PYTHON=/path/to/python3.12 run
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

# Years to play, and further options: make score SEEDS=21-40 SCORE="--told rollup --rate same_price=0.8"
SEEDS ?= 1-20
SCORE ?=
# Seasons to forecast: the second half of them is held out
SEASONS ?= 1-80
# Storms to play, in memory where there is room: their faults are ours, not the disk's (that is for the power cuts)
STORMS ?= 10000
MEMORY := $(firstword $(wildcard /dev/shm /tmp))

# Where it is set, each process that is started compiles all of ours anew: a second, hundreds of times in the tests.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run install test check guards chaos golden office seed bench goals score forecast supply sbom lock

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*##/\1\t/p' Makefile | expand -t 10

run: install  ## start the desk; with no settings, a demo desk
	@$(BIN)/python manage.py run

seed: install  ## fill the demo desk with a year of invented payments
	@$(BIN)/python manage.py seed

test: .venv/.dev  ## run every test: both databases, a real browser, a real spreadsheet
	@$(BIN)/python tests/install_browser.py
	@$(BIN)/python tests/install_office.py
	@$(BIN)/python tests/install_nginx.py
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder; code=$$?; test $$code = 1 || exit $$code; \
	echo "── What failed beside the others runs once more, alone: a fault of ours fails again."; \
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none

check: .venv/.dev  ## format, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

guards: .venv/.dev  ## take each guard away in a copy: a test must go red
	@$(BIN)/python -m tests.guards

chaos: .venv/.dev  ## what docs/reliability.md counts, as often as asked for; make chaos STORMS=100
	@$(BIN)/python -m pytest tests/test_power.py -q -s --cuts 100
	@$(BIN)/python -m pytest tests/test_webhook_hostile.py -q -s -k "kill_minus or told_to_stop" --kills 200 --stops 50
	@$(BIN)/python -m pytest tests/test_mailing.py tests/test_races.py tests/test_sync.py tests/test_transport.py \
		tests/test_ikhokha.py tests/test_ikhokha_events.py tests/test_webhook.py tests/test_audit_chain.py tests/test_issuing_dies.py \
		tests/test_any_history.py -q --chaos
	@$(BIN)/python -m pytest tests/test_migrate.py -q -k any_statement --chaos
	@$(BIN)/python -m pytest tests/test_keys.py -q -s -k worked_through --chaos
	@$(BIN)/python -m pytest tests/test_hosts.py tests/test_forged_messages.py -q -s --chaos
	@$(BIN)/python -m pytest tests/test_disasters.py -q -k "server_that_ends" --chaos
	@$(BIN)/python -m pytest tests/test_flood.py -q -s -k forgeries --chaos
	@$(BIN)/python -m pytest tests/test_mutants.py -q --bodies 10000
	@$(BIN)/python -m pytest tests/test_imports_damaged.py tests/test_statements_damaged.py -q --mutations 5000
	@$(BIN)/python -m pytest tests/test_seeds.py -q -n auto --seeds $(STORMS) --basetemp $(MEMORY)/paydesk-storms \
		-o tmp_path_retention_policy=failed
	@$(BIN)/python benchmarks/rush.py

golden: .venv/.dev  ## the golden queries over a million payments, on both databases
	@$(BIN)/python -m pytest tests/test_golden.py -q --golden 1000000

office: .venv/.dev  ## files in LibreOffice, split at each separator there is
	@$(BIN)/python tests/install_office.py
	@$(BIN)/python -m pytest tests/test_office.py tests/test_report_office.py -q --separators comma,semicolon,tab,pipe

bench: .venv/.dev  ## each benchmark prints one JSON line
	@code=0; for bench in benchmarks/[a-z]*.py; do $(BIN)/python $$bench || code=1; done; exit $$code

goals: .venv/.dev  ## finding, live page and files at 10 000, 100 000 and a million, beside their goals: a quarter of an hour
	@$(BIN)/python -m benchmarks._goals

score: .venv/.dev  ## how right matching is on simulated years: make score SEEDS=1-20
	@$(BIN)/python -m benchmarks.score --seeds $(SEEDS) $(SCORE)

forecast: .venv/.dev  ## how often what came lay within a forecast's band: make forecast SEASONS=1-80
	@$(BIN)/python -m benchmarks.score.forecast --seasons $(SEASONS)

supply: .venv/.dev  ## what it is made of: hashes, known advisories, licences, secrets in the history
	@$(BIN)/python -m tests.supply

sbom: .venv/.dev  ## a bill of materials, CycloneDX: var/sbom.json
	@mkdir -p var && $(BIN)/python -m tests.supply sbom var/sbom.json

lock: .venv/.dev  ## after a change of requirements*.txt: pin all of it again, with hashes
	$(LOCK) requirements.txt -o requirements.lock
	$(LOCK) requirements-dev.txt -o requirements-dev.lock

install: .venv/.installed  ## .venv with exactly what requirements.lock says

.venv/.installed: requirements.lock | $(BIN)/python
	@echo "Installing Paydesk's packages, a minute or two …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/.dev: requirements-dev.lock | $(BIN)/python
	@echo "Installing what the tests need, a minute or two …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@ .venv/.installed

# Debian and Ubuntu ship Python without its venv module: as root we fetch it, otherwise we say how.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Paydesk needs Python 3.11 or later, and none is on the PATH." >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
		then apt-get update -qq && apt-get install -qq -y $$package; \
		else echo "$(PYTHON) has no venv module. Run: sudo apt-get install $$package" >&2; exit 2; fi; }
	@$(PYTHON) -m venv .venv
