#!/usr/bin/env bash
# Installs what some tests need, from Debian's packages: Keystone, Placement with its drivers for
# databases, uwsgi to serve both, the OpenStack client, Nova's code for its client of Placement, the proxies
# that deploy/ has samples for, MariaDB with Galera, and promtool.
# Nothing is started. On a machine where that cannot be done, those tests are skipped; this script says
# why, and succeeds.
set -euo pipefail

# Not "keystone" and "placement-api", which would set up services; their code is in these.
packages=(python3-keystone python3-placement python3-pymysql python3-psycopg2)
packages+=(python3-openstackclient python3-osc-placement python3-nova)
packages+=(uwsgi-core uwsgi-plugin-python3 apache2-bin haproxy nginx-light)
packages+=(mariadb-server galera-4 rsync prometheus)

main() {
  if is_installed; then
    echo 'All that tests need is installed.'
    return
  fi
  command -v apt-get >/dev/null || give_up 'there is no apt-get'
  [ "$(id -u)" = 0 ] || give_up 'installing takes root'
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # in runlevel 1, no service is started
  apt-get update -qq || give_up 'the lists of packages cannot be had'
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
    give_up 'the packages cannot be had'
  echo 'All that tests need is installed.'
}

is_installed() {
  local program
  for program in keystone-manage placement-manage uwsgi apache2 haproxy nginx mariadbd rsync promtool; do
    command -v "$program" >/dev/null || return 1
  done
  [ -e /usr/lib/uwsgi/plugins/python3_plugin.so ] && [ -e /usr/lib/galera/libgalera_smm.so ] &&
    /usr/bin/python3 -c 'import pymysql, psycopg2, openstackclient, osc_placement, nova' 2>/dev/null
}

give_up() {
  echo "Not all that tests need is installed, because $1: tests of what is missing are skipped."
  exit 0
}

main
