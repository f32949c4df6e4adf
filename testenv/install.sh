#!/bin/sh
# Installs what the tests, the demo and the benchmarks need from Debian's packages:
# as root (or with passwordless sudo) by itself, else it says what to install.
set -eu
missing=
need() { # need PACKAGE COMMAND…: the package, if the command fails
	package=$1; shift
	"$@" >/dev/null 2>&1 || missing="$missing $package"
}
have_postgres() {
	for dir in /usr/lib/postgresql/*/bin; do [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && return 0; done
	command -v initdb && command -v postgres
}
need gcc command -v gcc
need libc6-dev test -e /usr/include/stdio.h
need postgresql have_postgres
need postgresql-client command -v psql
need postgresql-contrib command -v pgbench
need pgbouncer test -x /usr/sbin/pgbouncer
need python3-psycopg2 /usr/bin/python3 -c 'import psycopg2'
need python3-psycopg /usr/bin/python3 -c 'import psycopg'
need default-jdk-headless command -v javac
need libpostgresql-jdbc-java test -e /usr/share/java/postgresql.jar
if ! command -v go >/dev/null; then
	echo "Go is missing: install it and run this again" >&2
	exit 1
fi
[ -n "$missing" ] || exit 0
run=
if [ "$(id -u)" -ne 0 ]; then
	if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then run=sudo; else
		echo "Missing. Install with: sudo apt-get install --no-install-recommends$missing" >&2
		exit 1
	fi
fi
if ! command -v apt-get >/dev/null; then
	echo "Missing (names of Debian's packages):$missing" >&2
	exit 1
fi
echo "installing$missing"
# No cluster of its own is wanted: every PostgreSQL here is private and temporary.
if [ ! -e /etc/postgresql-common/createcluster.conf ] && [ -z "$run" ]; then
	mkdir -p /etc/postgresql-common
	echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
fi
$run apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq --no-install-recommends $missing >/dev/null
