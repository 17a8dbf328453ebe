# make demo runs the main job, make test passes the tests; both do all the set-up they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT := $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get
R_PACKAGES := pandoc qpdf tidy r-base-core r-cran-cli r-cran-estimatr r-cran-generics r-cran-haven r-cran-knitr r-cran-readstata13 \
  r-cran-reticulate r-cran-rlang r-cran-rmarkdown r-cran-sandwich r-cran-testthat r-cran-tibble r-cran-vctrs r-cran-withr
# The coding page is tested in a browser: one that is there, or Debian's.
BROWSER := $(shell command -v chromium >/dev/null || command -v google-chrome >/dev/null || echo chromium)

.PHONY: setup setup-hashed demo test test-python pytest stops lint sbom fuzz bench site r-check r-check-here r-check-new vignettes vignettes-current clean

setup: $(VENV)/.ready

# The same with fingerprints: of every package but torch, whose build for processors has others than the index's.
setup-hashed: $(VENV)/pyvenv.cfg
	$(PIP) torch==2.13.0
	$(BIN)/python -m pip install --quiet --require-hashes -r hashes.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(VENV)/.ready

demo: $(VENV)/.ready
	$(BIN)/annotune demo

test: $(VENV)/.r-ready lint r-check vignettes-current pytest

# The same without checking the R package, on any system; R, what R_PACKAGES names and a browser are looked for on the path.
test-python: lint pytest

pytest: $(VENV)/.test-ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile python tests

# Kills processes before each of their file operations, and fills the disk at each: all of them, where tests try some.
stops: $(VENV)/.test-ready
	ANNOTUNE_STOPS=all OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rP tests/records/test_stopped.py

lint: $(VENV)/.test-ready
	$(BIN)/ruff check python tests benchmarks .ci
	$(BIN)/ruff format --check python tests benchmarks .ci
	$(BIN)/mypy
	.ci/audit $(BIN)/python

# What annotune is installed with here, package by package with versions and licences, for those who have to know.
sbom: $(VENV)/.ready
	mkdir -p build && $(BIN)/python .ci/sbom.py build/sbom.cdx.json

# Ten minutes for each reader of files; the tests read the same few hundred broken files of each. What is found lies in build/fuzz.
fuzz: $(VENV)/.test-ready
	$(BIN)/python tests/fuzz/fuzz.py --seconds 600

# Each benchmark prints ratios against its peers; what they need beyond the tests is named in each file. gpu.py needs a GPU.
bench: $(VENV)/.test-ready
	for file in $(filter-out %_methods.py benchmarks/gpu.py,$(wildcard benchmarks/*.py)); do $(BIN)/python $$file || exit 1; done

# The pages of docs/ as a site that opens without a server or a network: build/site/index.html.
site: $(VENV)/.test-ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

KNIT := RETICULATE_PYTHON=$(CURDIR)/$(BIN)/python R_LIBS=$(CURDIR)/build/r-library Rscript vignettes/knit.R

# The R package as CRAN checks it, with annotune's Python and without.
r-check: $(VENV)/.r-ready
	.ci/r-check build/r $(BIN)/python

# The same with the R on the path, of whatever version, and with the packages that it has.
r-check-here: $(VENV)/.test-ready
	.ci/r-check build/r $(BIN)/python

# The vignettes with their results are kept in the package, for builds where there is no Python, and their pages beside
# them, as R makes none where it installs a folder.
vignettes: build/r-library $(VENV)/.r-ready
	$(KNIT) r-package/vignettes
	.ci/r-pages build/r-pages

# Knits them again, and fails where words differ or numbers beyond what another processor computes.
vignettes-current: build/r-library $(VENV)/.r-ready
	rm -rf build/vignettes && mkdir -p build/vignettes
	$(KNIT) build/vignettes
	$(BIN)/python .ci/same_words.py r-package/vignettes build/vignettes

build/r-library: $(VENV)/.r-ready FORCE
	mkdir -p $@ && R CMD INSTALL --no-docs --no-test-load --library=$@ r-package >/dev/null
FORCE:

# r-check on today's R and reticulate, in a Debian 13 of its own; rpy2 as well.
r-check-new:
	$(SUDO) .ci/r-check-new

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); $(APT) update; $(APT) install -y python3-venv; $(PYTHON) -m venv $(VENV); }

# torch first: a later request would take whatever build another package asks for.
$(VENV)/.ready: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	$(PIP) torch==2.13.0
	$(PIP) --editable .
	touch $@

$(VENV)/.test-ready: $(VENV)/.ready
	$(PIP) --editable '.[test,lint,docs]'
	touch $@

# rpy2 is built against R; this mode needs no compiler.
$(VENV)/.r-ready: $(VENV)/.test-ready Makefile
	@dpkg -s $(R_PACKAGES) $(BROWSER) >/dev/null 2>&1 || \
	  { $(APT) update -q && $(APT) install -q -y --no-install-recommends $(R_PACKAGES) $(BROWSER); }
	RPY2_CFFI_MODE=ABI $(PIP) --editable '.[r]'
	touch $@

clean:
	[ ! -d build/trixie ] || $(SUDO) rm -rf build/trixie
	rm -rf build demo-output $(VENV)
