# Shorthand for the plain commands in the README.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/requirements.txt
export NO_MKDOCS_2_WARNING = 1 # the README says what is known of it

.PHONY: help site zensical serve fresh test stress lighthouse lint lock clean

help: ## say what there is to make
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 16

site: $(READY) ## run the programs and build the site into site/ (QUICK=1: a hundredth of the work)
	$(BIN)/mkdocs build

zensical: $(READY) ## build the same site with the successor of MkDocs and Material
	$(BIN)/python downloads.py
	$(BIN)/python -m zensical build --clean
	$(BIN)/python downloads.py site

serve: $(READY) ## the site on localhost, rebuilt when a page or a program changes
	$(BIN)/mkdocs serve

fresh: $(READY) ## forget every recording, so that the next build runs every program
	$(BIN)/python -m recorder forget --all

test: $(READY) ## run the test suite (TESTS=FILE: some of it)
	$(BIN)/python -m pytest $(TESTS)

stress: $(READY) ## kill a worker of the work queue at a random moment, in 100 runs
	$(BIN)/python -m tests.stress_work_queue --runs 100

lighthouse: ## score every page of site/ with Lighthouse (needs npm and Chromium); fails below 100
	npm ci --silent --no-audit --no-fund
	CHROME_PATH=$${CHROME_PATH:-$$(command -v chromium || command -v google-chrome)} node tests/lighthouse.mjs $(PAGES)

lint: $(READY) ## check the format, the style and the types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

lock: $(READY) ## lock requirements.in again (needs uv)
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --quiet \
	  --output-file requirements.txt requirements.in

clean: ## remove what the other targets make
	rm -rf .venv* .recordings site .site-* docs/programs docs/assets node_modules

# The copy of the lock says which lock is installed.
$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; %s is %s. Try make PYTHON=python3.13" % ("$(PYTHON)", sys.version.split()[0]) if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@cp requirements.txt $(READY)
