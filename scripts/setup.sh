#!/usr/bin/env bash
# Make the virtual environment .venv: the locked dependencies, then the rooms, editable.
#   scripts/setup.sh run|dev     dev adds what tests and linters need
# PYTHON names the interpreter; else python3 if it is new enough, else one of its sisters.
set -euo pipefail
cd "$(dirname "$0")/.."

UV=uv==0.13.9
ROOMS=(services/{contracts,ingest,simulator,predictor,board,audit,alerts} spark-jobs models scripts)
NEW_ENOUGH='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))'

find_python() {
  local name
  for name in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
    if "$name" -c "$NEW_ENOUGH" >/dev/null 2>&1; then
      echo "$name"
      return
    fi
  done
  echo "error: no Python 3.11 to 3.14 with its venv module was found." \
    "Install one (on Debian python3 and python3-venv) or name it: make PYTHON=/path/to/python3" >&2
  exit 2
}

python=$(find_python)
if ! .venv/bin/python -c "$NEW_ENOUGH" >/dev/null 2>&1; then
  "$python" -m venv --clear .venv
fi
echo "setup: $(.venv/bin/python --version), installing into .venv (a minute or two the first time)" >&2
.venv/bin/uv --version 2>/dev/null | grep -q "^uv ${UV#uv==}" ||
  .venv/bin/python -m pip install --quiet --disable-pip-version-check "$UV"
files=(-r requirements.txt)
if [ "${1:-run}" = dev ]; then files+=(-r requirements-dev.txt); fi
install() { .venv/bin/uv pip install --quiet --python .venv/bin/python "$@"; }
# Bytecode now, on all cores, not by every process at its first start.
install --compile-bytecode --require-hashes "${files[@]}"
install --no-deps "${ROOMS[@]/#/-e./}"
