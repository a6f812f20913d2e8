# make run               set up whatever is missing, then serve on http://127.0.0.1:8080
# make run FILE=talk.mp4 send that file through a service of its own; the MP3s land in ./out
# make setup             only set up (.venv)
# make check             set up, then format, lint, types, import contracts and unit tests: a minute
# make test              the same, then all other tests: 25 minutes the first time
# make coverage          what unit and integration tests reach, by branches
# make bench             measure, and write the figures to docs/explanation/benchmarks.md (half an hour; for options
#                        BENCH="--help")
# make docs              the pages of docs/ as a site, in dist/docs
# make diarizer          set up who speaks when, once: PyTorch, pyannote.audio and models (2 to 6 GB, some minutes)
# make chaos             break programs, disks, clocks and networks, check every promise, and write the figures to
#                        docs/reliability.md (an hour; for options CHAOS="--help")
# make bench-diarization measure it, and write the figures (a quarter of an hour)
# make images            build the container images with docker, try them, and show their sizes
# make sbom              list what is in each image, as CycloneDX, in dist/sbom
# make cluster           the service on a real cluster of processes on this machine (root), until Ctrl-C
# make kind              the service on kind (docker, kind, helm)
# make e2e               the tests on a cluster alone (root); with KUBECONFIG=… REGISTRY=… TAG=… on one of yours
# make lock              renew the locks in requirements/ (needs uv)
# make clean             remove what the above made, but for data/ and out/
#
# For `make run`: PORT, DATA_DIR, WHISPERJOB_API_KEYS; with FILE also OUT (./out). For all: PYTHON.

# As it was given: a $ in a file's name is a $.
override FILE := $(value FILE)
export FILE

.DEFAULT_GOAL := help
.PHONY: help setup run check test coverage bench chaos docs diarizer bench-diarization images sbom cluster kind e2e lock clean
.SILENT: help setup run docs

BIN := .venv/bin
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links
COMPILE_DIARIZER := $(subst --python-version 3.11,--extra diarizer,$(COMPILE))

help:
	sed -n "/^#/!q; s/^# \{0,1\}//p" Makefile

setup:
	deploy/local/setup.sh local

run: setup
	if [ -n "$$FILE" ]; then exec $(BIN)/whisperjob local run "$$FILE" --output "$${OUT:-out}"; else exec $(BIN)/whisperjob serve; fi

check:
	deploy/local/setup.sh dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --no-cache .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/unit

test: check
	$(BIN)/pytest --ignore tests/unit

# The figures are printed even if a test failed.
coverage:
	deploy/local/setup.sh dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest tests/unit tests/integration; tests=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report && exit $$tests

bench:
	deploy/local/setup.sh bench
	PYTHONPATH=tests $(BIN)/python -m bench $(BENCH)

chaos:
	deploy/local/setup.sh dev
	PYTHONPATH=tests $(BIN)/python -m chaos $(CHAOS)

# In a copy: the generator takes a folder .cache beside its settings for its own.
docs:
	deploy/local/setup.sh docs
	rm -rf dist/.docs dist/docs
	mkdir -p dist/.docs
	cp -R zensical.toml docs dist/.docs
	.cache/docs/venv/bin/zensical build --strict --config-file dist/.docs/zensical.toml
	mv dist/.docs/site dist/docs
	rm -rf dist/.docs
	echo "dist/docs/index.html (to search in it, serve it: python3 -m http.server -d dist/docs)"

diarizer:
	deploy/diarizer/setup.sh $(WAY)

bench-diarization:
	deploy/local/setup.sh bench
	PYTHONPATH=tests $(BIN)/python -m bench.diarization $(BENCH)

images:
	images/build --registry "$${REGISTRY:-localhost/whisperjob}"

sbom:
	deploy/local/setup.sh sbom
	.cache/sbom/venv/bin/python images/sbom.py --registry "$${REGISTRY:-localhost/whisperjob}" dist/sbom

cluster:
	deploy/local/setup.sh dev
	WHISPERJOB_BUILD_CLUSTER=1 PYTHONPATH=tests exec $(BIN)/python -m cluster

kind:
	deploy/kind/up.sh

e2e:
	deploy/local/setup.sh dev
	WHISPERJOB_BUILD_CLUSTER=1 WHISPERJOB_E2E_KUBECONFIG="$$KUBECONFIG" $(BIN)/pytest -m cluster tests/e2e

lock:
	$(COMPILE) --extra local pyproject.toml requirements/build.in -o requirements/local.txt
	$(COMPILE) --extra dev pyproject.toml -o requirements/dev.txt
	$(COMPILE) --extra api --extra kubernetes pyproject.toml -o requirements/api.txt
	$(COMPILE) --extra operator pyproject.toml -o requirements/operator.txt
	$(COMPILE) --extra optimizer pyproject.toml -o requirements/optimizer.txt
	$(COMPILE_DIARIZER) --python-version 3.12 --override requirements/diarizer.in pyproject.toml -o requirements/diarizer.txt
	$(COMPILE_DIARIZER) --python-version 3.13 --override requirements/diarizer-debian.in pyproject.toml -o requirements/diarizer-debian.txt
	$(COMPILE) requirements/docs.in -o requirements/docs.txt
	$(COMPILE) requirements/sbom.in -o requirements/sbom.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
