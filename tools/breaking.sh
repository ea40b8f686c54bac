#!/usr/bin/env bash
# Refuses a contract that breaks clients of the last release, which
# adapters/httpapi/released.json is. With -release, the present contract becomes it.
set -euo pipefail
cd "$(dirname "$0")/.."
now=adapters/httpapi/openapi.json released=adapters/httpapi/released.json
if [ "${1:-}" = -release ]; then
  cp "$now" "$released"
  exit
fi
go tool -modfile=tools/oasdiff.mod oasdiff breaking --fail-on ERR "$released" "${1:-$now}" || {
  echo "clients of the last release would break: keep what they use, and add beside it" >&2
  exit 1
}
