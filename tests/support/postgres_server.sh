#!/bin/sh
# A PostgreSQL server for one test: on the loopback interface, a free port, and files of its own.
#
#   postgres_server.sh start FOLDER OWNER [FRESH]   prints its URL; the server ends with the process OWNER at the latest. FRESH: where
#                                                   an empty database is kept, which costs seconds to make, for those that come later
#   postgres_server.sh stop FOLDER                  by its pid; start brings it back, with the same data and port
set -eu
bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)  # the newest
command=$1 folder=$2
data=$folder/data

[ -x "$bin/postgres" ] || { echo "PostgreSQL is missing: install the test dependencies (./dev does)" >&2; exit 1; }

# The server refuses to run as root.
as_server() {
  if [ "$(id -u)" -eq 0 ]; then
    setpriv --reuid=postgres --regid=postgres --clear-groups env HOME="$folder" "$@"
  else
    "$@"
  fi
}

is_running() { [ -e "$data/postmaster.pid" ] && kill -0 "$(head -n 1 "$data/postmaster.pid")" 2>/dev/null; }

stop() {
  is_running || return 0
  pid=$(head -n 1 "$data/postmaster.pid")
  kill -INT "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}

launch() {
  as_server "$bin"/pg_ctl -D "$data" -w -t 60 -l "$folder/log" start \
    -o "-p $1 -h 127.0.0.1 -F -c unix_socket_directories= -c max_connections=40 -c shared_buffers=16MB -c autovacuum=off" >/dev/null 2>&1
}

make_database() {
  mkdir -p "$1"
  if [ "$(id -u)" -eq 0 ]; then chown postgres "$1"; fi
  as_server "$bin"/initdb -D "$1/data" -U tests -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$1/initdb.log" 2>&1 ||
    { cat "$1/initdb.log" >&2; exit 1; }
}

start() {
  if [ ! -e "$folder/port" ]; then
    fresh=${2:-}
    if [ -z "$fresh" ]; then
      make_database "$folder"
    else
      [ -e "$fresh/data/PG_VERSION" ] || make_database "$fresh"
      mkdir -p "$folder"
      if [ "$(id -u)" -eq 0 ]; then chown postgres "$folder"; fi
      cp -a "$fresh/data" "$data"
    fi
    for _ in 1 2 3 4 5 6 7 8 9 10; do
      port=$(shuf -i 20000-32000 -n 1)
      launch "$port" && { echo "$port" >"$folder/port"; break; }
    done
  else
    launch "$(cat "$folder/port")" || true
  fi
  is_running || { cat "$folder/log" >&2; exit 1; }
  pid=$(head -n 1 "$data/postmaster.pid")
  (while kill -0 "$1" 2>/dev/null && kill -0 "$pid" 2>/dev/null; do sleep 1; done
   kill -INT "$pid" 2>/dev/null) </dev/null >/dev/null 2>&1 &
  echo "postgresql://tests@127.0.0.1:$(cat "$folder/port")/postgres"
}

case $command in
  start) start "$3" "${4:-}" ;;
  stop) stop ;;
  *) exit 1 ;;
esac
