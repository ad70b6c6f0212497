# A bare `make` lists what there is. PYTHON=... names another Python for the environment.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.installed
# JupyterLab refuses root unless told. From the repository's root, a notebook's links to csglib open.
LAB := --ip=localhost --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
  $(if $(filter 0,$(shell id -u)),--allow-root)

# Two processes, a file of tests each at a time.
TWO := -n 2 --dist loadfile

# Threads that wait by spinning are faster alone (0.2 s a training step against 0.4) and much slower
# beside another busy program (up to 2.5 s): tests had better take the same time everywhere.
test test-long fast notebooks: export OMP_WAIT_POLICY := PASSIVE

.PHONY: help lab test test-long fast check notebooks book clean

help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{printf "%-16s%s\n", $$1, $$2}'

lab: $(READY)    ## open the course in JupyterLab (the first time, this also installs it)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m jupyterlab $(LAB)

test: $(READY)   ## run everything: library, browser, and the notebooks, compared cell by cell
	$(BIN)/python -m pytest $(TWO) -m "not long"
	$(BIN)/python -m pytest $(TWO) --nbval notebooks/

test-long: $(READY)  ## run what takes minutes each: ten times the broken files, every notebook in Lab
	$(BIN)/python -m pytest -m long

fast: $(READY)   ## run the quick tests only
	$(BIN)/python -m pytest $(TWO) -m "not slow and not browser and not long"

check: $(READY)  ## formatting, lint and types
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

notebooks: $(READY)  ## run all notebooks and save them with their outputs
	$(BIN)/python -m csgcourse.notebooks

book: $(READY)   ## build the course as web pages, and the network's page, in book/site (needs npm, once)
	$(BIN)/python book/pages.py
	$(BIN)/python book/lab.py

clean:           ## remove the environment and caches; runs/ stays
	rm -rf .venv build csglib.egg-info .pytest_cache .ruff_cache .mypy_cache

# The stamp comes last: whatever fails on the way is tried again the next time.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, but $(PYTHON) is" \
	    "$$($(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null || echo missing)." \
	    "Get one (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python)" \
	    "or name one: make PYTHON=/path/to/python3.11 lab"; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make environments: its venv module is missing. Get it with:" \
	    "apt-get install $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"; \
	  exit 1; } >&2
	@$(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || $(PYTHON) -m venv --clear .venv
	@echo "Installing the course into .venv: a few minutes and 2 GB or more, once; silent until it is done."
	@$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@
