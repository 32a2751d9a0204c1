# make demo   makes its own environment, then generates, verifies and scores the demo corpus
# make test   runs the tests in that environment
# make check  ruff and mypy
# make cards  renews the data card of the demo corpus in data_cards/

PYTHON ?= python3
VENV ?= .venv
OUT ?= out
BIN := $(VENV)/bin
DONE := $(VENV)/.installed

.PHONY: demo test check cards clean

demo: $(DONE)
	$(BIN)/st-audioqa generate demo --out $(OUT)/demo
	$(BIN)/st-audioqa verify $(OUT)/demo
	for model in oracle majority chance; do \
	  $(BIN)/st-audioqa eval run $$model $(OUT)/demo --split test \
	    --out $(OUT)/results/$$model.jsonl && \
	  $(BIN)/st-audioqa eval score $(OUT)/results/$$model.jsonl $(OUT)/demo --split test \
	    --json $(OUT)/results/$$model.json --quiet || exit; \
	done
	$(BIN)/st-audioqa eval report $(OUT)/results/oracle.json $(OUT)/results/majority.json \
	  $(OUT)/results/chance.json --markdown $(OUT)/results/table.md
	@echo "The corpus lies in $(OUT)/demo (start with README.md), the scores in $(OUT)/results."

test: $(DONE)
	$(BIN)/python -m pytest -n auto

check: $(DONE)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The RLR engine is built by a C++ compiler; everything works without it, on the built-in engine.
$(DONE): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[hub,meshes,models,plots,dev]'
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[soundspaces]' \
	  || echo "The RLR engine cannot be built here; the built-in engine is used instead."
	touch $@

cards: demo
	cp $(OUT)/demo/README.md data_cards/demo.md

clean:
	rm -rf $(VENV) $(OUT) build *.egg-info
