#!/usr/bin/env bash
# Installs what some tests need, from Debian's packages: Keystone, uwsgi to serve it, and the proxies
# that deploy/ has samples for. Nothing is started. On a machine where that cannot be done, those tests
# are skipped; this script says why, and succeeds.
set -euo pipefail

# Without the package "keystone", which would set up a service; its code is in this one.
packages=(python3-keystone uwsgi-core uwsgi-plugin-python3 apache2-bin haproxy nginx-light)

main() {
  if is_installed; then
    echo 'Keystone and the proxies are installed.'
    return
  fi
  command -v apt-get >/dev/null || give_up 'there is no apt-get'
  [ "$(id -u)" = 0 ] || give_up 'installing takes root'
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # in runlevel 1, no service is started
  apt-get update -qq || give_up 'the lists of packages cannot be had'
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
    give_up 'the packages cannot be had'
  echo 'Keystone and the proxies are installed.'
}

is_installed() {
  local program
  for program in keystone-manage uwsgi apache2 haproxy nginx; do
    command -v "$program" >/dev/null || return 1
  done
  [ -e /usr/lib/uwsgi/plugins/python3_plugin.so ]
}

give_up() {
  echo "Keystone and the proxies are not installed, because $1: tests that need them are skipped."
  exit 0
}

main
