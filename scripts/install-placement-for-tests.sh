#!/usr/bin/env bash
# Installs what the tests in test/placement need: Debian's Placement, its drivers for databases, and
# uwsgi to serve it. Nothing is started. On a machine where that cannot be done, those tests are
# skipped; this script says why, and succeeds.
set -euo pipefail

main() {
  if [ -x /usr/bin/placement-manage ] && [ -e /usr/lib/uwsgi/plugins/python3_plugin.so ] &&
    /usr/bin/python3 -c 'import pymysql, psycopg2' 2>/dev/null; then
    echo 'Placement is installed.'
    return
  fi
  command -v apt-get >/dev/null || give_up 'there is no apt-get'
  [ "$(id -u)" = 0 ] || give_up 'installing takes root'
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # in runlevel 1, no service is started
  apt-get update -qq || give_up 'the lists of packages cannot be had'
  # Without the package "placement-api", which would set up a service; its code is in this one.
  apt-get install -y -qq --no-install-recommends python3-placement python3-pymysql \
    python3-psycopg2 uwsgi-core uwsgi-plugin-python3 >/dev/null || give_up 'the packages cannot be had'
  echo 'Placement is installed.'
}

give_up() {
  echo "Placement is not installed, because $1: tests beside a real Placement are skipped."
  exit 0
}

main
