# make demo   from nothing to a generated picture: install, train, measure, export, run without TensorFlow
# make test   the tests that need neither network nor data (minutes)
# make check  all tests, also the slow ones, and the style
# make arm    every exported file on an emulated ARM64 processor, compared with this one (Debian: minutes)
# make web    the web page with all exported models: build/site/, for any static host, and served on this machine

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
DEMO := runs/demo

LITERT := edge/web/node_modules/.package-lock.json

.PHONY: demo test check web site arm install install-dev
.DEFAULT_GOAL := demo

demo: install
	@rm -rf $(DEMO)
	$(RUN) -m recipes dcgan --preset digits --folder $(DEMO)
	$(RUN) -m edge $(DEMO)/export --count 100 --out $(DEMO)/edge.png
	$(RUN) -m edge $(DEMO)/export --interpolate 1 8 --count 12 --precision dynamic --out $(DEMO)/interpolation.png
	@echo
	@echo "Pictures that the exported file made without TensorFlow:"
	@echo "  $(DEMO)/edge.png             100 seeds"
	@echo "  $(DEMO)/interpolation.png    on the way from seed 1 to seed 8, quantised to 8 bits"
	@echo "How they took shape: $(DEMO)/samples/, how training went: $(DEMO)/curves.png"

test: install
	$(RUN) -m pytest -n 2 --dist worksteal -m "not slow"

check: install-dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(RUN) -m pytest -n 2 --dist worksteal

arm: install
	PYTHON=$(RUN) edge/arm/install.sh build/arm
	$(RUN) -m edge.arm build/arm

web: $(LITERT)
	$(PYTHON) -m edge.web

site: $(LITERT)
	$(PYTHON) -m edge.web --no-serve

$(LITERT): edge/web/package-lock.json
	@command -v npm >/dev/null || (echo "error: npm is needed to fetch LiteRT.js: install Node.js" >&2; exit 2)
	npm ci --prefix edge/web --ignore-scripts --no-audit --no-fund
	@touch $@

install: $(VENV)/installed

install-dev: install
	$(VENV)/bin/pip install --quiet --requirement requirements-dev.txt

$(VENV)/installed: requirements.txt
	@$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))" || (echo "error: Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ..." >&2; exit 2)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement requirements.txt
	touch $@
