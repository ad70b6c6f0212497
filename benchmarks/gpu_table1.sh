#!/usr/bin/env bash
# One piece of Table 1, of under ten minutes, for machines that are lent in pieces.
#
#   benchmarks/gpu_table1.sh OUT [BUDGET] [further options of `csglib table1`]
#
# OUT keeps everything: cohorts, runs, table.md. Call it again with the same words until it
# ends with 0; what was cut off goes on from its last whole epoch. BUDGET is paper unless said.
# PYTHON names another interpreter, SECONDS_A_PIECE another length.
set -euo pipefail
out=${1:?where to: benchmarks/gpu_table1.sh OUT [BUDGET]}
budget=${2:-paper}
shift $(($# < 2 ? $# : 2))

ended=0
timeout --signal=INT --kill-after=30 "${SECONDS_A_PIECE:-540}" \
  "${PYTHON:-python}" -m csglib table1 "$out" --preset "$budget" "$@" || ended=$?
if [ "$ended" = 124 ] || [ "$ended" = 130 ] || [ "$ended" = 137 ]; then
  echo "a piece is done; the same command does the next"
fi
exit "$ended"
