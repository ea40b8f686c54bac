#!/usr/bin/env bash
# Installs the reference servers of this folder from npm, as the lock file names
# them. It does nothing if they are there. The first time takes a few minutes:
# one of them brings a database driver that is compiled here.
set -euo pipefail
cd "$(dirname "$0")"

command -v node >/dev/null && command -v npm >/dev/null || { echo "make peers needs Node.js 20 or newer, with npm" >&2; exit 1; }
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || { echo "make peers needs Node.js 20 or newer; this is $(node -v)" >&2; exit 1; }

# Compiled code fits one version of Node.
wanted="$(node -p 'process.versions.modules + " " + process.arch') $(cat package.json package-lock.json | cksum)"
[ "$(cat node_modules/.installed 2>/dev/null)" = "$wanted" ] && exit 0

echo "installing the reference servers from npm"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
npm rebuild better-sqlite3 --loglevel=error >/dev/null
node -e 'new (require("better-sqlite3"))(":memory:").close()' # it was compiled, and it loads
echo "$wanted" >node_modules/.installed
