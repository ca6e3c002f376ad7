# Everything a new user needs; only Python (3.11 to 3.13), git and make have to be there.
PYTHON ?= python3
VENV ?= .venv
LOWEST ?= .venv-lowest
# The floor, 2.10, is in PyPI for CUDA only, several GB: take it with LOWEST_TORCH=2.10.0
LOWEST_TORCH ?= 2.13.0
BIN := $(VENV)/bin
# most modules are never imported: Python compiles those that are
INSTALL := -m pip install --quiet --no-compile --constraint
PIP := $(BIN)/python $(INSTALL) constraints.txt
# so that they are compiled once: a process that may not keep them compiles PyTorch for 4 s
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lowest docs clean

demo: $(VENV)/.demo  ## reconstruct the bundled event, print the tables, write demo/report.html
	$(BIN)/hitgraph demo --out demo

test: $(VENV)/.test  ## install what the tests need and run them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --quiet
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 15

lowest: $(LOWEST)/.done  ## install the lowest versions that are allowed, with all extras, and try them
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python tools/smoke.py build/lowest

docs: $(VENV)/.test  ## build the documentation as a site, build/site/index.html
	$(BIN)/mkdocs build --quiet

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[plot]'
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev,dist,export,plot,root,search,serve,sim,train]'
	touch $@

$(LOWEST)/.done: pyproject.toml constraints-lowest.txt $(shell find src -name '*.py')
	test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python $(INSTALL) constraints-lowest.txt \
	  torch==$(LOWEST_TORCH) '.[dist,export,plot,root,search,serve,sim,train]'
	touch $@

# the theme advertises its successor at each build
export NO_MKDOCS_2_WARNING = 1

clean:
	rm -rf $(VENV) $(LOWEST) demo build dist
