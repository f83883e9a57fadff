# Everything runs in .venv, which is made on first use and needs only PyPI.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
DATASET ?= weibo
ENCODER ?= zh-small
INIT ?=
RUNS := $(or $(DECOUPLED_NER_RUNS),runs)
DISTANT ?= $(RUNS)/distant
SEED ?= 1
ARGS ?=
MODEL ?= bert-crf
SYSTEMS ?= bert-fc,bert-crf,decoupled
SEEDS ?= 1,2,3
SOURCES ?=
RECIPE ?= small
START ?=

.DEFAULT_GOAL := help
.PHONY: help setup all demo unify tagger proposer compare augment embeddings gazetteers distant pretrain-encoder pretrain-mention pretrain-context test check format results clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[train,ltp,dev]'
	@touch $@

setup: .venv/.ready ## make the virtual environment

all: setup ## the whole chain, what is up to date left out: DATASET=demo TEXT=news.txt SOURCES=file.yaml
	$(BIN)/decoupled-ner all $(DATASET) --encoder $(ENCODER) --seed $(SEED) $(foreach file,$(TEXT),--text $(file)) $(if $(SOURCES),--sources $(SOURCES)) $(ARGS)

demo: setup ## train on the demo set, evaluate and show predictions (under five minutes on two cores with bf16)
	$(BIN)/decoupled-ner unify demo
	$(BIN)/decoupled-ner predict --dataset demo --limit 12 --format terminal
	$(BIN)/decoupled-ner predict --text 篮协成立于1956年6月 --format terminal

unify: setup ## train and evaluate: DATASET=weibo (or weibo:nom, a path …) ENCODER=zh-small INIT=none SEED=1 ARGS='--trainer.devices 2'
	$(BIN)/decoupled-ner unify $(DATASET) --encoder $(ENCODER) $(if $(INIT),--init $(INIT)) --seed $(SEED) $(ARGS)

tagger: setup ## a tagger to compare with: MODEL=bert-crf DATASET=weibo ENCODER=zh-small INIT=auto SEED=1
	$(BIN)/decoupled-ner tagger $(MODEL) --dataset $(DATASET) --encoder $(ENCODER) $(if $(INIT),--init $(INIT)) --seed $(SEED) $(ARGS)

proposer: setup ## a trained candidate generator: DATASET=weibo ENCODER=zh-small FOLDS=5 for unify's negatives
	$(BIN)/decoupled-ner proposer $(DATASET) --encoder $(ENCODER) --seed $(SEED) $(if $(FOLDS),--folds $(FOLDS)) $(ARGS)

compare: setup ## several systems in one table: DATASET=weibo SYSTEMS=bert-fc,decoupled SEEDS=1,2,3
	$(BIN)/decoupled-ner compare --dataset $(DATASET) --systems $(SYSTEMS) --seeds $(SEEDS) --encoder $(ENCODER) $(ARGS)

augment: setup ## copies of training sentences with other words: DATASET=weibo to runs/augmented/weibo.jsonl
	mkdir -p $(RUNS)/augmented
	$(BIN)/decoupled-ner augment --dataset $(DATASET) --encoder $(ENCODER) --seed $(SEED) --output $(RUNS)/augmented/$(subst :,-,$(DATASET)).jsonl $(ARGS)

embeddings: setup ## static vectors and the lexicon for SoftLexicon, to runs/embeddings: TEXT=news.txt
	$(BIN)/decoupled-ner embeddings train $(foreach file,$(TEXT),--text $(file)) --seed $(SEED) $(ARGS)

gazetteers: setup ## build runs/gazetteer from the seed dictionaries, or from SOURCES=file.yaml
	$(BIN)/decoupled-ner gazetteer build $(if $(SOURCES),--sources $(SOURCES)) $(ARGS)

distant: setup ## label raw text: TEXT=news.txt GAZETTEER=runs/gazetteer DISTANT=runs/distant
	$(BIN)/decoupled-ner distant label $(foreach file,$(TEXT),--text $(file)) --gazetteer $(or $(GAZETTEER),$(RUNS)/gazetteer) --output $(DISTANT) $(ARGS)

pretrain-encoder: setup ## an encoder from raw text: TEXT='a.txt b.txt.xz' RECIPE=small, or one that goes on: START=zh-small RECIPE=adapt
	$(BIN)/decoupled-ner pretrain encoder $(RECIPE) $(foreach file,$(TEXT),--text $(file)) $(if $(START),--encoder $(START)) --seed $(SEED) $(ARGS)

pretrain-mention: setup ## stage 1, from dictionaries: GAZETTEER=folder, by default gazetteers/seed; DATASET=weibo: its mentions are never O
	$(BIN)/decoupled-ner pretrain mention --encoder $(ENCODER) $(if $(GAZETTEER),--gazetteer $(GAZETTEER)) $(if $(INIT),--init $(INIT)) --seed $(SEED) $(if $(filter command environment,$(origin DATASET)),--data.exclude_mentions_of $(DATASET)) $(ARGS)

pretrain-context: setup ## stage 1, from distantly supervised text: DISTANT=runs/distant
	$(BIN)/decoupled-ner pretrain context --distant $(DISTANT) --encoder $(ENCODER) $(if $(INIT),--init $(INIT)) --seed $(SEED) $(ARGS)

test: setup ## run the tests, in one process a core: ARGS='-k crf'
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup ## lint, types, import order, and whether generated tables are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python benchmarks/tables.py --check

format: setup ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

results: setup ## write the tables and plots of docs/results.md anew
	$(BIN)/python benchmarks/tables.py

clean: ## remove the virtual environment and caches (runs stay)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
