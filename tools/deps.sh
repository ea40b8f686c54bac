#!/usr/bin/env bash
# Installs what the targets need and this machine lacks. It asks before nothing
# but installs nothing either unless it may: as root, with apt-get. With "test"
# also what only the tests need.
set -euo pipefail

if [ "${1:-}" = test ]; then
  missing=()
  for tool in jq curl; do command -v $tool >/dev/null || missing+=("$tool"); done
  # Some take a Redis away.
  command -v redis-server >/dev/null || missing+=(redis-server)
  # One test opens a page in a browser.
  [ -n "${CHROMIUM:-}" ] || command -v chromium chromium-browser google-chrome >/dev/null || [ -e "/Applications/Google Chrome.app" ] || missing+=(chromium)
  if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
      echo "The tests follow the documentation, open a page and take a Redis away, which takes ${missing[*]}: sudo apt-get install ${missing[*]}" >&2
      exit 1
    fi
    echo "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
fi

have_postgres() {
  [ -n "${PG_BINDIR:-}" ] && return 0
  compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null && return 0
  compgen -G '/opt/homebrew/opt/postgresql@*/bin/postgres' >/dev/null && return 0
  command -v postgres >/dev/null
}

[ -n "${DATABASE_URL:-}" ] && exit 0
have_postgres && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing PostgreSQL"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
  exit 0
fi

cat >&2 <<'TEXT'
There is no PostgreSQL server on this machine. One of these helps:
  sudo apt-get install postgresql      Debian, Ubuntu
  brew install postgresql@17           macOS
  export PG_BINDIR=/path/to/bin        if it is somewhere else
  export DATABASE_URL=postgres://…     to use a server you run, as a superuser
TEXT
exit 1
