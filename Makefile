# Everything rests on `install`: a virtual environment with the locked versions of constraints.txt and every extra.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test test-slow test-browser bench docs clean
.DEFAULT_GOAL := demo

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/cvs-med cv --dataset phantom --folds 5

test: install
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 -m 'not slow and not browser'

test-slow: install
	$(BIN)/pytest -m slow

# Chromium itself comes from the system, such as Debian's package chromium.
test-browser: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[browser]'
	$(BIN)/pytest -m browser -rs

bench: install
	$(BIN)/cvs-med bench train --dataset phantom

docs: install
	$(BIN)/python -m cvs_med.cli.reference > docs/cli.md

clean:
	rm -rf .venv
