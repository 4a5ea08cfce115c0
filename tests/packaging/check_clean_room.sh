#!/usr/bin/env bash
# Who goes back into a room as another user than the one it was made for is told so. usage: check_clean_room.sh CLEAN_ROOM
set -euo pipefail
[ "$(id -u)" -eq 0 ] || exit 77  # only root can make a room
SEALMQ_ROOMS=$(mktemp -d)
export SEALMQ_ROOMS
trap 'rm -rf "$SEALMQ_ROOMS"' EXIT

# refused USER OPTION WORD: of a room that USER has left
refused() {
  rm -rf "$SEALMQ_ROOMS/bookworm"
  mkdir -p "$SEALMQ_ROOMS/bookworm/room/$1/sealmq"
  said=$("$clean_room" --again $2 bookworm true 2>&1) && { echo "it goes on with $2"; exit 1; }
  [[ $said == *"go on $3, or leave out --again" ]] || { echo "$said"; exit 1; }
}
clean_room=$1
refused root --user "without --user"
refused home/tester "" "with --user"
