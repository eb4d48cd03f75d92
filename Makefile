# Shorthand for the plain commands in the README.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SITE = $(VENV)/requirements.txt# what `make site` needs is installed
DEV = $(VENV)/requirements-dev.txt# and what only a contributor needs
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
COMPILE = uv pip compile --universal --generate-hashes --python-version 3.11 --quiet
export NO_MKDOCS_2_WARNING = 1 # the README says what is known of it

.PHONY: help site serve rerun test lint stress lighthouse zensical lock clean

help: ## list the targets
	@echo "Between Processes: a site about exchanging data between Python processes."
	@echo
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 18
	@echo
	@echo "  QUICK=1 make site              a hundredth of the counting and measuring, for writing"
	@echo "  make test TESTS=tests/test_x.py    some of the tests"
	@echo "  make site PYTHON=python3.13    with another Python than python3 (3.11 or newer)"
	@echo "  PYTHONS=/path/to/python3.14 make site    what runs on each Python: on these besides, not on those found"

site: $(SITE) ## run every program and build the site into site/
	$(BIN)/python -m mkdocs build

serve: $(SITE) ## show the site on localhost, rebuilt when a page or a program changes
	$(BIN)/python -m mkdocs serve

rerun: $(SITE) ## forget every recording, so that the next build runs every program
	$(BIN)/python -m recorder forget --all

test: $(DEV) ## run the tests
	$(BIN)/python -m pytest $(TESTS)

lint: $(DEV) ## check the format, the style and the types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

stress: $(DEV) ## kill a worker of the work queue at a random moment, in 100 runs
	$(BIN)/python -m tests.stress_work_queue --runs 100

lighthouse: ## score every page of site/ for speed and accessibility (needs npm and Chromium)
	cd tests/lighthouse && npm ci --silent --no-audit --no-fund
	CHROME_PATH=$${CHROME_PATH:-$$(command -v chromium || command -v google-chrome)} \
	  node tests/lighthouse/score.mjs $(PAGES)

zensical: $(DEV) ## build the same site with Zensical, the successor of MkDocs and its theme
	$(BIN)/python -m zensical build --clean
	$(BIN)/python downloads.py site

lock: ## lock the dependencies again (needs uv; UPGRADE=--upgrade: to the newest versions)
	$(COMPILE) $(UPGRADE) --output-file requirements.txt requirements.in
	$(COMPILE) $(UPGRADE) --output-file requirements-dev.txt requirements-dev.in

clean: ## remove what the other targets have made
	rm -rf .venv* .recordings site .site-* tests/lighthouse/node_modules

# Each copy of a lock says which lock is installed.
$(SITE): requirements.txt
	@$(PYTHON) -c "$$CHECK_PYTHON"
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -r requirements.txt
	@cp requirements.txt $@

$(DEV): requirements-dev.txt $(SITE)
	$(INSTALL) -r requirements-dev.txt
	@cp requirements-dev.txt $@

define CHECK_PYTHON
import sys
from importlib.util import find_spec
version = sys.version.split()[0]
if sys.version_info < (3, 11):
    sys.exit("Python 3.11 or newer is needed; $(PYTHON) is %s. Try make PYTHON=python3.13" % version)
if not (find_spec("venv") and find_spec("ensurepip")):
    sys.exit("$(PYTHON) has no venv. On Debian and Ubuntu: apt install python3-venv")
endef
export CHECK_PYTHON
