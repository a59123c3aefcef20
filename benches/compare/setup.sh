#!/usr/bin/env bash
# Makes the virtual environment of the other side: PyTorch, transformers and lm-evaluation-harness from PyPI.
# Variables: VENV (its path), PYTHON (the interpreter), TORCH, TRANSFORMERS, LM_EVAL (requirements for pip),
# TORCH_INDEX (for example https://download.pytorch.org/whl/cpu, which has smaller wheels).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
VENV=${VENV:-$root/target/compare-venv}
PYTHON=${PYTHON:-python3}
TORCH=${TORCH:-torch==2.15.0}
TRANSFORMERS=${TRANSFORMERS:-transformers==5.23.0}
LM_EVAL=${LM_EVAL:-lm_eval[hf]==0.4.13}
TORCH_INDEX=${TORCH_INDEX:-}

is_complete() {
    "$VENV/bin/python" -c 'import importlib.metadata as m; [m.version(p) for p in ("torch", "transformers", "lm_eval", "accelerate")]' \
        2>/dev/null
}

if is_complete; then
    echo "reused: $VENV"
else
    "$PYTHON" -m venv "$VENV"
    "$VENV/bin/pip" install --quiet "$TORCH" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
    "$VENV/bin/pip" install --quiet "$TRANSFORMERS" "$LM_EVAL"
fi
"$VENV/bin/pip" list 2>/dev/null | grep -E '^(torch|transformers|lm_eval|tokenizers|datasets) '
