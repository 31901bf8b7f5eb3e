# Every target sets up what it needs. PYTHON names the interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
BUILD := .venv-build
CATALOGUE := .venv-catalogue
DOCS := .venv-docs
TESTERS ?= 3
GOAL_TO_MEASURE := $(if $(filter command line,$(origin GOAL)),yes)
GOAL ?= Become a backend engineer in Python
override GOAL := $(value GOAL)# as it was typed: neither make nor the shell reads what is in it
export GOAL
PYTEST := $(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile --no-loadscope-reorder $(if $(DURATIONS),--durations $(DURATIONS))
CHECKED := cli core roadmap_client mcp_server reliable_queue models roadmap tasks web migrations roadmap_app.py roadmap_cli.py testing tests benchmarks quality scripts examples deploy

# As it was given on make's command line: what the environment calls by such a name (RUN) is meant for others.
given = $(if $(filter command line,$(origin $(1))),$($(1)))

.DEFAULT_GOAL := help
.PHONY: help run run-code demo test test-all test-browser lint format texts examples lock audit quality wheel mcp s3 image bench bench-smoke docs clean

help: ## Show the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

run: $(VENV)/run ## Start the service on this machine: no key, no server, no account
	@SERVICE_TYPE=all exec ./entrypoint.sh

run-code: ## Bring Pyodide and sql.js from npm into web/run: lessons then run their Python and SQL in the page
	@./deploy/run-code/bring.sh

demo: $(VENV)/run ## Make one roadmap from the terminal: make demo GOAL="..."
	@$(BIN)/roadmap demo -- "$$GOAL"

test: $(VENV)/dev ## The daily suite against a real PostgreSQL and a real Redis; TESTERS=0 runs one test after the other, DURATIONS=40 names the slowest
	@$(PYTEST)

test-all: $(if $(ONLY),$(VENV)/dev,test test-browser) ## The daily suite and what it leaves out: faults, fuzz, long attacks ...; ONLY="fuzz faults" names subjects
	@$(BIN)/python -m tests.subjects $(ONLY)

test-browser: $(VENV)/dev ## Tests in a real browser; installs one where it can
	@./scripts/test_browser.sh

wheel: $(BUILD)/ready ## Build the wheel into dist/, for pip, pipx and uvx
	@$(BUILD)/bin/python -m hatchling build --target wheel --directory dist

mcp: $(VENV)/run ## Install the extra `mcp` into .venv, for `roadmap mcp` and /mcp
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/mcp.lock

s3: $(VENV)/run ## Install the extra `s3` into .venv, for backups in S3-compatible storage
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/s3.lock

image: $(VENV)/dev ## Build the image and start every service from it; installs a builder where it can; EXTRAS="mcp s3", RUN_CODE=1
	@./scripts/image.sh

lint: $(VENV)/dev ## Style, types and the figures of the layout
	@$(BIN)/ruff check $(CHECKED)
	@$(BIN)/ruff format --check $(CHECKED)
	@$(BIN)/mypy
	@$(BIN)/python -m scripts.layout

format: $(VENV)/dev ## Put the style right, and write tables of docs/ and lists of settings from the code
	@$(BIN)/ruff check --fix $(CHECKED)
	@$(BIN)/ruff format $(CHECKED)
	@$(BIN)/python -m scripts.tables
	@$(BIN)/python -m tests.goals.index

texts: $(VENV)/dev ## Collect the texts of pages and pictures into core/locales/, and compile the translations
	@$(BIN)/pybabel -q extract -F core/locales/babel.cfg --ignore-dirs '.*' -k gettext_noop --add-location=file --sort-output -w 130 -o $(VENV)/roadmap.pot core roadmap web
	@$(BIN)/pybabel -q update -N --ignore-obsolete --ignore-pot-creation-date --init-missing -w 130 -D roadmap -l zh_Hans -i $(VENV)/roadmap.pot -d core/locales
	@$(BIN)/pybabel compile --statistics -D roadmap -d core/locales

examples: $(VENV)/dev ## Write web/openapi.json, with examples from a real service; Spectral and Redocly must have nothing to say of it
	@$(BIN)/python -m scripts.examples
	@$(BIN)/python -m scripts.openapi
	@./scripts/lint_openapi.sh

lock: ## Write requirements/service.lock from requirements.txt, and those of the extras and of the build; UPGRADE=1 takes the newest versions that it allows
	@PYTHON=$(PYTHON) ./scripts/lock.sh $(if $(UPGRADE),--upgrade)

quality: $(VENV)/dev $(if $(call given,RUN),$(CATALOGUE)/ready) ## How well is taught: the built-in catalogue, or make quality GOAL="..." or FILE=roadmap.json; LINKS=0 visits none; RUN=1 runs the code
	@SERVICE_TYPE=all $(BIN)/python -m quality $(if $(GOAL_TO_MEASURE),--goal "$$GOAL") $(if $(FILE),--file "$(FILE)") $(if $(TRACK),--track "$(TRACK)") $(if $(filter 0,$(LINKS)),--no-links) $(if $(call given,RUN),--run)

docs: $(DOCS)/ready ## The documentation site in site/; a dead link is an error. SERVE=1 shows it on http://127.0.0.1:8080
	@./scripts/docs.sh $(if $(SERVE),serve)

audit: $(VENV)/run ## Look up known vulnerabilities of locked packages; STRICT=1 fails if no service answers
	@$(BIN)/python -m scripts.audit $(if $(STRICT),--strict)

bench: $(VENV)/$(if $(WRITE),dev,run) $(BENCH)/ready ## The service against what it replaces: make bench ONLY="accept queue" QUICK=1 ROADMAPS=100; WRITE=1 puts it into README and docs/
	@$(BENCH)/bin/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) $(if $(ROADMAPS),--roadmaps $(ROADMAPS)) $(if $(WRITE),--write --json benchmarks/results.json)
	@$(if $(WRITE),$(BIN)/python -m scripts.tables)

bench-smoke: $(VENV)/run $(BENCH)/ready ## The shortest form of it; fails when a ratio is a quarter worse than usual at three looks
	@$(BENCH)/bin/python -m benchmarks --smoke $(if $(ONLY),--only $(ONLY))

# From the lock, like the image: the same files everywhere, also where only a mirror is reached, and none that was tampered with.
$(VENV)/run: requirements/service.lock bin/roadmap
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
	@echo "Setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/service.lock
	@ln -sf ../../bin/roadmap $(BIN)/roadmap
	@touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/run
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@

# What serves is locked there, too: the peers run on the same versions as the service.
$(BENCH)/ready: benchmarks/requirements.txt benchmarks/peers/fastapi_celery/requirements.txt requirements/service.lock
	@echo "Setting up $(BENCH) (once) ..."
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/service.lock
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

# As the image builds it: by locked packages, apart from what the service runs on.
$(BUILD)/ready: requirements/build.lock
	@echo "Setting up $(BUILD) (once) ..."
	@test -x $(BUILD)/bin/python || $(PYTHON) -m venv $(BUILD)
	@$(BUILD)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.lock
	@touch $@

# What the code of the catalogue imports, apart from what the service runs on.
$(CATALOGUE)/ready: quality/catalogue.txt
	@echo "Setting up $(CATALOGUE) (once) ..."
	@test -x $(CATALOGUE)/bin/python || $(PYTHON) -m venv $(CATALOGUE)
	@$(CATALOGUE)/bin/python -m pip install --quiet --disable-pip-version-check -r quality/catalogue.txt
	@touch $@

$(DOCS)/ready: requirements/docs.txt
	@echo "Setting up $(DOCS) (once) ..."
	@test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/docs.txt
	@touch $@

clean: ## Remove what the targets made
	rm -rf $(VENV) $(BENCH) $(BUILD) $(CATALOGUE) $(DOCS) site data dist .mypy_cache .ruff_cache .pytest_cache .hypothesis roadmap.md
