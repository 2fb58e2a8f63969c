# Everything rests on `install`: a virtual environment with the locked versions of constraints.txt and every extra.
PYTHON ?= python3
BIN := .venv/bin
# What builds and runs the image: docker, or a program that takes its words, such as podman. BUILD_OPTIONS go to its build,
# such as --build-arg TORCH_INDEX=..., and RUN_OPTIONS to each of its runs.
CONTAINER ?= docker
IMAGE ?= cvs-med

.PHONY: install demo test test-slow test-browser image image-test sbom audit-dependencies image-environment bench docs screenshots clean
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
	$(BIN)/hadolint Dockerfile
	$(BIN)/pytest -n 2 -m 'not slow and not browser'

test-slow: install
	$(BIN)/pytest -m slow

# Chromium itself comes from the system, such as Debian's package chromium.
test-browser: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[browser]'
	$(BIN)/pytest -m browser -rs

image:
	$(CONTAINER) build --tag $(IMAGE) $(BUILD_OPTIONS) .

image-test: image
	CONTAINER='$(CONTAINER)' RUN_OPTIONS='$(RUN_OPTIONS)' tests/try_image.sh $(IMAGE)

# What the two after it look at: what `make install` installs, or, with ENVIRONMENT=build/image, the Python packages of the
# built image, which has other extras. Both look from an environment of their own, so that they do not list themselves.
ENVIRONMENT := .venv

.venv-supply/installed: constraints.txt
	$(PYTHON) -m venv .venv-supply
	.venv-supply/bin/python -m pip install --quiet --constraint constraints.txt cyclonedx-bom pip-audit
	touch $@

.venv/bin/python: install

# What the image's packages say of themselves, without the packages.
build/image/bin/python: image-environment

image-environment:
	rm -rf build/image
	$(PYTHON) -m venv --without-pip build/image
	$(CONTAINER) run --rm $(RUN_OPTIONS) --entrypoint sh $(IMAGE) -c 'cd /opt/cvs-med/lib/python3*/site-packages && tar -c *.dist-info' \
	    | tar -x -C build/image/lib/python3*/site-packages

# What is installed, as a CycloneDX bill of materials; needs no network.
sbom: $(ENVIRONMENT)/bin/python .venv-supply/installed
	.venv-supply/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file sbom.json $(ENVIRONMENT)/bin/python

# Known weaknesses of what is installed; 0 says that there are none, 1 that there are some, 69 that nothing was looked up:
# a package index that keeps no such records makes pip-audit pass over every package, and say that it found nothing.
audit-dependencies: $(ENVIRONMENT)/bin/python .venv-supply/installed
	@rm -f vulnerabilities.json
	@code=0; .venv-supply/bin/pip-audit --path $(ENVIRONMENT)/lib/python3*/site-packages --skip-editable --progress-spinner off \
	    --format cyclonedx-json --output vulnerabilities.json 2>pip-audit.log || code=$$?; \
	if grep -qs '"components"' vulnerabilities.json; then cat pip-audit.log >&2; exit $$code; fi; \
	rm -f vulnerabilities.json; \
	echo 'Expected an answer for at least one package, found none: the records of known weaknesses are on the network.' >&2; \
	echo 'Run this where they can be reached. What was said is in pip-audit.log.' >&2; exit 69

# Every benchmark on synthetic photographs, and of whole photographs by the networks of a demo run; renews docs/results.md.
BENCH := build/bench
bench: install
	rm -rf $(BENCH)
	mkdir -p $(BENCH)
	$(BIN)/cvs-med data make phantom --out $(BENCH)/phantom
	$(BIN)/cvs-med cv --dataset phantom --data-dir $(BENCH)/phantom --out $(BENCH)/run
	for name in train loader step limits cache; do \
	    $(BIN)/cvs-med bench $$name --dataset phantom --data-dir $(BENCH)/phantom --json >$(BENCH)/$$name.json || exit; \
	done
	for name in predict engines; do \
	    $(BIN)/cvs-med bench $$name $(BENCH)/phantom/images/01_h.jpg --run $(BENCH)/run --json >$(BENCH)/$$name.json || exit; \
	done
	if command -v chromium >/dev/null && $(BIN)/python -c 'import playwright' 2>/dev/null; then \
	    $(BIN)/cvs-med bench app --run $(BENCH)/run --data-dir $(BENCH)/phantom --json >$(BENCH)/app.json || exit; \
	fi
	$(BIN)/python -m cvs_med.benchmark.page docs/results.md $(BENCH)/*.json

docs: install
	$(BIN)/python -m cvs_med.cli.reference > docs/cli.md

# Pictures of the review app for docs/review.md, on synthetic photographs; needs Chromium, as test-browser does.
SHOWN := build/shown
screenshots: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[browser]'
	test -d $(SHOWN)/phantom || $(BIN)/cvs-med data make phantom --out $(SHOWN)/phantom
	$(BIN)/cvs-med cv --dataset phantom --data-dir $(SHOWN)/phantom --folds 3 --out $(SHOWN)/run
	$(BIN)/python docs/screenshots.py $(SHOWN)/run $(SHOWN)/phantom docs/pictures

clean:
	rm -rf .venv .venv-supply build
