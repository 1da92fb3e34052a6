# The whole developer manual is `make help`. Every target sets up what it needs by itself.
PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header

# Whatever is started often, as a hub by its tests, is compiled once.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup dev demo micropython test test-long bench-edge bench-store bench-ingest bench-compliance bench-rules bench-muck
.PHONY: bench-companies bench-dashboards bench-field bench-start bench-hj212 bench-console torture torture-hj212
.PHONY: torture-jt808 torture-badges torture-uplink fuzz fuzz-hj212 fuzz-jt808 fuzz-badges fuzz-lorawan properties check
.PHONY: generate docs
.PHONY: pictures shots lock clean waves

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(VENV)/.product ## Make .venv with the fenceline command and its locked dependencies

dev: $(VENV)/.dev ## Make .venv with what the checks and tests need, too

demo: setup ## Run a simulated city here, e.g. make demo ARGS="--for 60 --json"
	@$(BIN)/fenceline demo $(ARGS)

micropython: setup ## Fetch the MicroPython that the demo's boards and 'fenceline sim board' run on; nothing is installed
	@$(BIN)/python -m tests.stack micropython

test: $(VENV)/.dev ## Run every test; sets up Mosquitto, InfluxDB and MicroPython where it can
	@$(BIN)/python -m tests.stack
	$(BIN)/pytest $(or $(ARGS),--numprocesses 4 --dist loadfile --no-loadscope-reorder)

test-long: $(VENV)/.dev ## Run the tests that take minutes, which make test leaves out
	@$(BIN)/python -m tests.stack
	$(BIN)/pytest -m long $(ARGS)

bench-edge: $(VENV)/.dev ## Measure the board's code on MicroPython; one JSON line last
	@$(BIN)/python -m tests.stack >&2
	@$(BIN)/python -m tests.bench.edge

bench-store: $(VENV)/.dev ## Measure how fast a backlog reaches SQLite, InfluxDB and the rollups; one JSON line last
	@$(BIN)/python -m tests.stack >&2
	@$(BIN)/python -m tests.bench.store $(ARGS)

bench-ingest: $(VENV)/.dev ## Measure how fast the hub takes messages, against a bare MQTT client; one JSON line last
	@$(BIN)/python -m tests.stack >&2
	@$(BIN)/python -m tests.bench.ingest $(ARGS)

bench-compliance: $(VENV)/.dev ## Measure how fast readings are judged and how soon people know; one JSON line last
	@$(BIN)/python -m tests.stack >&2
	@$(BIN)/python -m tests.bench.compliance $(ARGS)

bench-rules: $(VENV)/.dev ## Measure how fast a position is judged against 1,000 areas and routes; one JSON line last
	@$(BIN)/python -m tests.bench.rules $(ARGS)

bench-companies: $(VENV)/.dev ## Measure the pages of enterprises in a city of 1,000 of them; one JSON line last
	@$(BIN)/python -m tests.bench.companies $(ARGS)

bench-muck: $(VENV)/.dev ## Measure what a truck's fix costs from the bytes to the verdict; one JSON line last
	@$(BIN)/python -m tests.bench.muck $(ARGS)

bench-dashboards: $(VENV)/.dev ## Measure every panel's queries on a year of 200 sites, beside raw data; one JSON line last
	@$(BIN)/python -m tests.stack >&2
	@$(BIN)/python -m tests.bench.dashboards $(ARGS)

bench-field: $(VENV)/.dev ## Measure what a technician waits for, at 115200 baud; one JSON line last
	@$(BIN)/python -m tests.stack >&2
	@$(BIN)/python -m tests.bench.field

bench-start: $(VENV)/.dev ## Measure how soon a command answers, beside Python with typer alone; one JSON line last
	@$(BIN)/python -m tests.bench.start $(ARGS)

bench-hj212: $(VENV)/.dev ## Measure what a frame of HJ 212 costs beside an asyncio echo; one JSON line last
	@$(BIN)/python -m tests.bench.hj212 $(ARGS)

bench-console: $(VENV)/.dev ## Measure the console's pages in a city of 1,000 sites, and what they cost the hub; one JSON line last
	@$(BIN)/python -m tests.stack >&2
	@$(BIN)/python -m tests.bench.console $(ARGS)

torture: $(VENV)/.dev ## Kill everything at random and count every record, e.g. make torture ARGS="--kills 100 --json"
	@$(BIN)/python -m tests.stack >&2
	@$(BIN)/python -m tests.torture $(ARGS)

torture-hj212: $(VENV)/.dev ## Kill the hub while stations send HJ 212, and count, e.g. make torture-hj212 ARGS="--kills 200 --json"
	@$(BIN)/python -m tests.torture_stations $(ARGS)

torture-jt808: $(VENV)/.dev ## Kill the hub while terminals send JT/T 808, and count, e.g. make torture-jt808 ARGS="--kills 200 --json"
	@$(BIN)/python -m tests.torture_terminals $(ARGS)

torture-badges: $(VENV)/.dev ## Kill the hub while badges and bins send, and count, e.g. make torture-badges ARGS="--kills 200 --json"
	@$(BIN)/python -m tests.torture_badges $(ARGS)

torture-uplink: $(VENV)/.dev ## Kill a hub and the platform above it, and count, e.g. make torture-uplink ARGS="--kills 50 --json"
	@$(BIN)/python -m tests.torture_uplink $(ARGS)

waves: $(VENV)/.dev ## Bring a version to 10,000 simulated boards, 5 % failing in five ways; one JSON line last
	@$(BIN)/python -m tests.hub.orders.fleet $(or $(ARGS),10000)

fuzz: $(VENV)/.dev ## Send random messages and count every one, e.g. make fuzz ARGS="--messages 1000000 --json"
	@$(BIN)/python -m tests.stack >&2
	@$(BIN)/python -m tests.fuzz.run $(ARGS)

fuzz-hj212: $(VENV)/.dev ## Give the hub random HJ 212 and count every byte, e.g. make fuzz-hj212 ARGS="--frames 1000000 --json"
	@$(BIN)/python -m tests.fuzz.stations $(ARGS)

fuzz-jt808: $(VENV)/.dev ## Give the hub random JT/T 808 and count every byte, e.g. make fuzz-jt808 ARGS="--frames 1000000 --json"
	@$(BIN)/python -m tests.fuzz.terminals $(ARGS)

fuzz-badges: $(VENV)/.dev ## Give the hub random frames of badges and count every byte, e.g. make fuzz-badges ARGS="--frames 1000000 --json"
	@$(BIN)/python -m tests.fuzz.badges $(ARGS)

fuzz-lorawan: $(VENV)/.dev ## Give the hub random uplinks of LoRaWAN and count every one, e.g. make fuzz-lorawan ARGS="--frames 1000000 --json"
	@$(BIN)/python -m tests.fuzz.lorawan $(ARGS)

properties: $(VENV)/.dev ## Try the property tests with examples that nobody has tried yet; repeat it as often as you like
	@$(BIN)/python -m tests.stack
	FENCELINE_PROPERTIES=search $(BIN)/pytest -m hypothesis $(or $(ARGS),--numprocesses 3)

check: $(VENV)/.dev .cache/stubs/.done ## Lint, formatting, strict types, imports, and that generated files are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file edge/mypy.ini
	$(BIN)/lint-imports
	$(BIN)/python -m schemas.generate --check
	$(BIN)/fenceline grafana build --check
	$(BIN)/python -m docs.generate --check

generate: $(VENV)/.dev ## Write the generated files again (catalogue for the board, dashboards, references)
	$(BIN)/python -m schemas.generate
	$(BIN)/fenceline grafana build
	$(BIN)/python -m docs.generate

docs: $(VENV)/.dev ## Build a site of all pages; a dead link or anchor is an error
	@$(BIN)/python -m docs.site

pictures: $(VENV)/.dev ## Take the pictures of docs/ again, from a real demo (two minutes)
	@$(BIN)/python -m docs.pictures

shots: $(VENV)/.dev ## Take the pictures of the console again, from a real demo in a real Chromium (five minutes)
	@$(BIN)/python -m docs.shots

lock: $(VENV)/.dev ## Choose the newest dependencies and pin them again
	$(LOCK) --upgrade --all-extras pyproject.toml -o requirements-dev.lock
	$(LOCK) --extra build --extra board --extra grafana --extra sim -c requirements-dev.lock pyproject.toml -o requirements.lock

clean: ## Remove .venv, caches and what the demo left
	rm -rf $(VENV) .cache .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"fenceline needs Python 3.11 or newer, this is {sys.version.split()[0]}: name another with make PYTHON=python3.12")'
	@echo "Setting up .venv (once) ..." >&2
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing: install it with 'apt install python3-venv' and run make again" >&2; exit 2; }
	@touch $@

$(VENV)/.product: $(VENV)/.venv requirements.lock pyproject.toml
	@echo "Installing the locked dependencies ..." >&2
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# What the board's API looks like to mypy. Apart from .venv, because it describes MicroPython's standard library too.
.cache/stubs/.done: requirements-dev.lock | $(VENV)/.dev
	@rm -rf $(@D)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(@D) --constraints requirements-dev.lock micropython-esp32-stubs
	@touch $@

$(VENV)/.dev: $(VENV)/.product requirements-dev.lock
	@echo "Installing what the checks and tests need ..." >&2
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
