#!/usr/bin/env bash
# The plugin SDKs in TypeScript and Python, and the examples written with them.
#
#   tools/sdks.sh build      make what the Go tests run; done once per change
#   tools/sdks.sh test       build, then the SDKs' own tests, types and drift
#   tools/sdks.sh generate   generated code anew, from plugins/proto
#   tools/sdks.sh path       print the PATH on which node and python3 are the right ones
#
# It asks for Node 20 with npm, and Python 3.11 with grpcio, protobuf and
# cryptography. As root on Debian it installs Python's packages itself.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf '%s\n' "$@" >&2; exit 1; }

node_dir() {
  command -v node >/dev/null && command -v npm >/dev/null || fail "There is no Node.js with npm on this machine; the TypeScript SDK needs version 20.3 or later."
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || a === 20 && b >= 3 ? 0 : 1)' ||
    fail "Node.js here is $(node --version); the TypeScript SDK needs 20.3 or later."
  dirname "$(command -v node)"
}

# The host runs an interpreter by where it really is, so a virtual environment
# would not be seen: the packages have to be the interpreter's own.
python_with() {
  local python
  for python in ${CARILLON_PYTHON:-} python3 /usr/bin/python3; do
    python=$(command -v "$python") || continue
    python=$(readlink -f "$python")
    if "$python" - 2>/dev/null <<'PY'; then echo "$python"; return; fi
import sys, grpc, google.protobuf, cryptography
sys.exit(sys.version_info < (3, 11))
PY
  done
  return 1
}

python_dir() {
  local python
  if ! python=$(python_with) && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      python3 python3-grpcio python3-protobuf python3-cryptography mypy; } >/dev/null 2>&1 || true
    python=$(python_with) || true
  fi
  [ -n "$python" ] || fail "There is no Python 3.11 with grpcio, protobuf and cryptography. One of these helps:" \
    "  sudo apt-get install python3-grpcio python3-protobuf python3-cryptography" \
    "  python3 -m pip install grpcio protobuf cryptography" \
    "  export CARILLON_PYTHON=/path/to/python3      if it is somewhere else"
  # A folder in which python3 is that one, whatever it is called at home.
  local bin="$STATE/bin"
  mkdir -p "$bin"
  ln -sfn "$python" "$bin/python3"
  echo "$bin"
}

# fresh STAMP FILE… : whether FILEs are what they were at the last `keep STAMP`.
sum() { find "$@" -type f ! -path '*/node_modules/*' ! -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum; }
fresh() { local stamp=$1; shift; [ "$(cat "$stamp" 2>/dev/null)" = "$(sum "$@")" ]; }
keep() { local stamp=$1; shift; sum "$@" >"$stamp"; }

STATE=.carillon/sdks
TS=plugins/sdk-ts PY=plugins/sdk-py EX=plugins/examples

packages() { # npm packages, as locked
  fresh "$1/node_modules/.stamp" "$1/package-lock.json" && return
  npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  keep "$1/node_modules/.stamp" "$1/package-lock.json"
}

build() {
  packages $TS
  if ! fresh $TS/dist/.stamp $TS/src $TS/package-lock.json $TS/tsconfig.json $TS/tsconfig.build.json; then
    rm -rf $TS/dist
    npm run --silent --prefix $TS build >&2
    keep $TS/dist/.stamp $TS/src $TS/package-lock.json $TS/tsconfig.json $TS/tsconfig.build.json
  fi
  packages $EX/ts-chirp
  if ! fresh $STATE/ts-chirp $EX/ts-chirp/src $EX/ts-chirp/package.json $TS/dist || ! [ -e $EX/ts-chirp/dist/main.mjs ]; then
    npm run --silent --prefix $EX/ts-chirp build >&2
    keep $STATE/ts-chirp $EX/ts-chirp/src $EX/ts-chirp/package.json $TS/dist
  fi
  if ! fresh $STATE/py-chirp $EX/py-chirp/main.py $EX/py-chirp/build.sh $PY/src || ! [ -e $EX/py-chirp/dist/__main__.py ]; then
    (cd $EX/py-chirp && sh build.sh) >&2
    keep $STATE/py-chirp $EX/py-chirp/main.py $EX/py-chirp/build.sh $PY/src
  fi
}

buf() { go tool -modfile=tools/buf.mod buf "$@"; }

generate() { # into folders that are theirs, or those given
  local ts=${1:-$TS/src/gen} py=${2:-$PY/src/carillon_plugin}
  packages $TS
  rm -rf "$ts"
  buf generate plugins/proto --template "$(sed "s#node_modules#$TS/node_modules#; s#src/gen#$ts#" $TS/buf.gen.yaml)"
  buf build plugins/proto --as-file-descriptor-set --exclude-source-info -o "$py/wire.binpb"
}

drift() {
  local new
  new=$(mktemp -d)
  generate "$new/gen" "$new"
  diff -r "$new/gen" $TS/src/gen >/dev/null && cmp -s "$new/wire.binpb" $PY/src/carillon_plugin/wire.binpb ||
    fail "The SDKs' generated code is not what plugins/proto makes: run tools/sdks.sh generate"
  rm -rf "$new"
}

tests() {
  drift
  npm test --silent --prefix $TS
  (cd $PY && PYTHONPATH=src python3 -B -W ignore::ResourceWarning -m unittest discover -s tests -t .)
  if ! python3 -c 'import mypy' 2>/dev/null; then
    echo "mypy is not on this machine: Python's types were not checked" >&2
    return
  fi
  (cd $PY && python3 -m mypy -p carillon_plugin -p tests)
  (cd $EX/py-chirp && python3 -m mypy --config-file ../../sdk-py/pyproject.toml main.py)
}

mkdir -p $STATE
PATH="$PWD/$(python_dir):$(node_dir):$PATH"
export PATH
exec 9>$STATE/lock
flock 9
case "${1:-build}" in
  build) build ;;
  test) build; tests ;;
  generate) generate ;;
  path) echo "$PATH" ;;
  *) fail "tools/sdks.sh build | test | generate | path" ;;
esac
