#!/usr/bin/env bash
# Brings PgBouncer for tests/startup/test_pooler.py, which says NOT RUN without it. PyPI has none: Debian's is installed where
# that is possible.
set -eu

not_run() {
    echo "NOT RUN, of the tests: those of a transaction pooler; $1"
    exit 0
}

PATH="$PATH:/usr/sbin"
if command -v pgbouncer >/dev/null; then exit 0; fi
command -v apt-get >/dev/null || not_run "there is no pgbouncer, and no apt-get to install it"
[ "$(id -u)" = 0 ] || not_run "there is no pgbouncer, and installing it needs root: apt-get install pgbouncer"
echo "Installing pgbouncer (once) ..."
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends pgbouncer; } \
    >/dev/null 2>&1 || not_run "apt-get could not install pgbouncer"
