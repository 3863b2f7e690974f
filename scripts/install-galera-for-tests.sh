#!/usr/bin/env bash
# Installs what the tests in test/galera need: Debian's MariaDB with Galera. No server is started. On a
# machine where that cannot be done, those tests are skipped; this script says why, and succeeds.
set -euo pipefail

main() {
  if [ -x /usr/sbin/mariadbd ] && [ -e /usr/lib/galera/libgalera_smm.so ] && [ -x /usr/bin/rsync ]; then
    echo 'MariaDB and Galera are installed.'
    return
  fi
  command -v apt-get >/dev/null || give_up 'there is no apt-get'
  [ "$(id -u)" = 0 ] || give_up 'installing takes root'
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # in runlevel 1, no service is started
  apt-get update -qq || give_up 'the lists of packages cannot be had'
  apt-get install -y -qq --no-install-recommends \
    mariadb-server galera-4 rsync >/dev/null || give_up 'the packages cannot be had'
  echo 'MariaDB and Galera are installed.'
}

give_up() {
  echo "Galera is not installed, because $1: tests on a cluster are skipped."
  exit 0
}

main
