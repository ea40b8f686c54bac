#!/usr/bin/env bash
# Installs the OpenID provider of this folder from npm, as the lock file names
# it. It does nothing if it is there.
set -euo pipefail
cd "$(dirname "$0")"

command -v node >/dev/null && command -v npm >/dev/null || { echo "The tests sign in with an OpenID provider that needs Node.js 20 or newer, with npm" >&2; exit 1; }
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || { echo "The tests' OpenID provider needs Node.js 20 or newer; this is $(node -v)" >&2; exit 1; }

wanted="$(cat package.json package-lock.json | cksum)"
[ "$(cat node_modules/.installed 2>/dev/null)" = "$wanted" ] && exit 0

echo "installing an OpenID provider from npm"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
echo "$wanted" >node_modules/.installed
