# `make up` and `make test` do all of their set-up; the scripts are in tests/setup.

# Outside the checkout: RocksDB's C++ takes most of a first build, and a fresh clone shall not pay for it again.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/daybook/target
export PATH := $(HOME)/.cargo/bin:$(PATH)

# `--workspace` everywhere: with the same crates come the same features, and nothing is compiled twice.
BUILD := cargo build --workspace
SETUP := tests/setup

.PHONY: help up down demo demo-analytics test sim fuzz bench fmt lint audit proto-baseline clean-data build setup

help:  ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

up: build  ## Build, start a node in the background, say what to try next
	@$(SETUP)/up.sh

down:  ## Stop the node
	@$(SETUP)/down.sh

demo: build  ## See a legal hold stop a deletion
	@bin/daybook demo

demo-analytics: build  ## See a product's use measured: in a browser, a month of ACTORS=1000000 people, in DuckDB
	@$(SETUP)/demo-analytics.sh

test:  ## Run every check and every test
	@$(SETUP)/test.sh

sim: setup  ## Simulate clusters with new seeds for SECONDS=60, or one SEED again
	@$(BUILD) --bin sim
	@$(CARGO_TARGET_DIR)/debug/sim $(if $(SEED),--seed $(SEED),--seconds $(or $(SECONDS),60))

fuzz: setup  ## Look for inputs that break a decoder for SECONDS=60 in all, or on one TARGET
	@$(SETUP)/fuzz.sh $(or $(SECONDS),60) $(TARGET)

bench: setup  ## Measure, print tables, write docs/performance.md
	@$(BUILD) --bin daybook-bench
	@DAYBOOK_KAFKA_LIBS=$$($(SETUP)/kafka.sh) && export DAYBOOK_KAFKA_LIBS && \
	    export DAYBOOK_PEERS_PYTHON=$$($(SETUP)/peers.sh) DAYBOOK_PEERS_CLASS_PATH=$$($(SETUP)/peers-streams.sh) && \
	    $(CARGO_TARGET_DIR)/debug/daybook-bench

fmt: setup  ## Format all code
	@cargo fmt --all

lint: setup  ## Format check, clippy, buf lint
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@buf=$$($(SETUP)/buf.sh) && $$buf lint proto

audit: setup  ## Check dependencies for known vulnerabilities; needs GitHub
	@deny=$$($(SETUP)/cargo-deny.sh) && $$deny check

proto-baseline:  ## Make the messages as they are now what `buf breaking` compares with
	@buf=$$($(SETUP)/buf.sh) && $$buf build proto --exclude-source-info --output proto/baseline.binpb

clean-data:  ## Stop the node and delete its data
	@$(SETUP)/down.sh --data

build: setup
	@[ -e $(CARGO_TARGET_DIR)/debug/daybook ] || echo "a first build takes about half an hour on 2 cores, half of it RocksDB"
	@$(BUILD) --bin daybook
	@# A copy: the target folder may serve several clones, and a running node keeps its program.
	@mkdir -p bin && install -m 755 $(CARGO_TARGET_DIR)/debug/daybook bin/daybook

setup:
	@$(SETUP)/build.sh
