#!/bin/sh
# Installs from Debian's packages what the tests and the benchmarks need, or with
# the argument "demo" what the demo needs: as root (or with passwordless sudo) by
# itself, else it says what to install. "conformance" adds what builds PostgreSQL's suites.
set -eu
missing=
need() { # need PACKAGE COMMAND…: the package, if the command fails
	package=$1; shift
	"$@" >/dev/null 2>&1 || missing="$missing $package"
}
have_postgres() {
	[ -z "${PGVEIL_PG_BINDIR:-}" ] || { [ -x "$PGVEIL_PG_BINDIR/postgres" ]; return; }
	for dir in /usr/lib/postgresql/*/bin; do [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && return 0; done
	command -v initdb && command -v postgres
}
have_pgbench() {
	for dir in /usr/lib/postgresql/*/bin; do [ -x "$dir/pgbench" ] && return 0; done
	command -v pgbench
}
need gcc command -v "${CC:-gcc}"
need libc6-dev test -e /usr/include/stdio.h
need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
need postgresql have_postgres
need postgresql-client command -v psql
if [ "${1:-}" = conformance ]; then
	need dpkg-dev command -v dpkg-source
	need make command -v make
	need perl command -v perl
	need bzip2 command -v bzip2
fi
if [ "${1:-}" != demo ]; then
	need postgresql-contrib have_pgbench
	need pgbouncer test -x /usr/sbin/pgbouncer
	need python3-psycopg2 /usr/bin/python3 -c 'import psycopg2'
	need python3-psycopg /usr/bin/python3 -c 'import psycopg'
	need default-jdk-headless command -v javac
	need libpostgresql-jdbc-java test -e "${PGVEIL_PGJDBC_JAR:-/usr/share/java/postgresql.jar}"
fi
if ! command -v "${GO:-go}" >/dev/null; then
	echo "Go is missing: install it (https://go.dev/doc/install) and run this again" >&2
	exit 1
fi
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
	echo "Missing (names of Debian's packages):$missing" >&2
	exit 1
fi
run=
if [ "$(id -u)" -ne 0 ]; then
	if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then run=sudo; else
		echo "Missing. Install with: sudo apt-get install --no-install-recommends$missing" >&2
		exit 1
	fi
fi
echo "installing$missing"
# No cluster of the machine's own is wanted: every PostgreSQL here is private and
# temporary. This is undone for whoever installs another version later.
dropin=/etc/postgresql-common/createcluster.d/pgveil-install.conf
# shellcheck disable=SC2064
trap "$run rm -f $dropin; $run rmdir --ignore-fail-on-non-empty ${dropin%/*}" EXIT
$run mkdir -p "${dropin%/*}"
echo 'create_main_cluster = false' | $run tee "$dropin" >/dev/null
$run apt-get update -qq
# shellcheck disable=SC2086
$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
# Debian starts PgBouncer at once, on the very port of the demo.
case $missing in
*" pgbouncer"*) $run systemctl disable --now pgbouncer >/dev/null 2>&1 || $run service pgbouncer stop >/dev/null 2>&1 || true ;;
esac
