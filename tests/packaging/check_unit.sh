#!/bin/sh
# check_unit.sh UNIT SEALMQ: what systemd itself says about the unit, with the program where it was built instead of where it will be.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
sed "s|^\(Exec[A-Za-z]*=\)[^ ]*/sealmq |\1$2 |" "$1" >"$folder/sealmq.service"
grep -q "^ExecStart=$2 broker " "$folder/sealmq.service"
said=$(systemd-analyze verify "$folder/sealmq.service" 2>&1) || { echo "$said"; exit 1; }
# Other units of this machine may have their own troubles.
if echo "$said" | grep -F sealmq; then exit 1; fi
# A service that holds keys leaves no memory behind.
grep -qx LimitCORE=0 "$1"
