# The index of everything a developer or CI does here; `make help` prints it.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

include versions.env

VENV := .venv
READY := $(VENV)/.ready
STEPS := $(VENV)/bin/python tools/steps
SANITY := build/tools/csi-sanity-$(CSI_SANITY_VERSION)
HELM := build/cluster/bin/helm

.PHONY: help setup check unit lab-test compliance sanity demo image image-test e2e e2e-upstream cluster cluster-down docs docs-serve proto readme test torture clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Install Debian packages and a virtual environment; quick when it is done

$(READY): pyproject.toml versions.env tools/setup tools/newer-kernel
	tools/setup $(VENV)
	@touch $@

check: $(READY) ## Format, lint, types, import contracts, spelling
	$(STEPS) --group check

unit: $(READY) $(HELM) ## The tests that need no root and no device-mapper
	$(STEPS) unit

lab-test: $(READY) $(SANITY) ## All tests on real LVM, in user-mode Linux
	$(STEPS) --group lab

compliance: $(READY) ## The compliance kit against every registered driver
	$(STEPS) --group compliance

sanity: $(READY) $(SANITY) ## The real csi-sanity against LVM thin, LVM thick and loop
	$(STEPS) --group sanity

$(SANITY): tools/build-csi-sanity
	tools/build-csi-sanity $@

$(HELM): tools/cluster-binaries/helm/go.mod
	tools/build-helm
	@touch $@

demo: $(READY) ## Watch volumes live and die on real LVM, bytes compared at every step
	tools/lab run --disk 3G --disk 3G -- $(VENV)/bin/python -m tools.demo

image: $(READY) ## Build the container image, with docker or without, into build/image/hearth.tar
	tools/image build

image-test: $(READY) ## Look into the image: programs, processes, contents, size; needs root, no cluster
	$(STEPS) image image-test

e2e: $(READY) ## Everything in a real Kubernetes: image, cluster, chart, every example, and down again
	$(STEPS) --group e2e

e2e-upstream: $(READY) ## Kubernetes' own tests for external storage, all of them: hours, on that cluster
	tools/e2e-upstream

cluster: ## Start Kubernetes on two user-mode Linux nodes; builds it the first time
	tools/cluster up --prepare

cluster-down: ## End that cluster and remove it
	tools/cluster down

docs: $(READY) ## Write the generated reference pages and build the site into build/site
	$(VENV)/bin/python -m tools.driverdocs
	$(VENV)/bin/python -m tools.chartdocs
	$(VENV)/bin/python -m tools.crddocs
	$(STEPS) docs

docs-serve: docs ## Read the documentation in a browser
	$(VENV)/bin/mkdocs serve --strict

proto: $(READY) ## Generate the protobuf code from csi/spec/*.proto
	PYTHON=$(VENV)/bin/python tools/proto

readme: $(READY) ## Write the table of README.md from the registry and the last test reports
	$(VENV)/bin/python -m tools.readme

test: $(READY) $(SANITY) $(HELM) ## Everything, as CI runs it
	$(STEPS) --group test

torture: $(READY) ## What takes hours: a thousand cuts of each kind of group, deaths at every step, again and again
	$(STEPS) --group torture

clean: ## Remove what was built and the virtual environment
	rm -rf build $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .tox
