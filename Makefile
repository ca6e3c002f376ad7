# Everything a new user needs; only Python (3.11 to 3.13), git and make have to be there.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo test docs clean

demo: $(VENV)/.demo  ## reconstruct the bundled event, print the tables, write demo/report.html
	$(BIN)/hitgraph demo --out demo

test: $(VENV)/.test  ## install what the tests need and run them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --quiet
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --durations 15

docs: $(VENV)/.test  ## build the documentation as a site, build/site/index.html
	$(BIN)/mkdocs build --quiet

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[plot]'
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev,dist,plot,sim,train]'
	touch $@

# the theme advertises its successor at each build
export NO_MKDOCS_2_WARNING = 1

clean:
	rm -rf $(VENV) demo build dist
