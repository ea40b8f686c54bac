#!/usr/bin/env bash
# Runs every fuzz target for a while. go test takes one target at a time.
set -euo pipefail
time=${1:-10s}
grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do
  for target in $(grep -oE '^func Fuzz[A-Za-z0-9]+' "$file" | cut -c6-); do
    echo "== $(dirname "$file") $target"
    go test "$(dirname "$file")" -run '^$' -fuzz "^${target}\$" -fuzztime "$time"
  done
done
