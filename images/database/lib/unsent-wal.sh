# WAL that another database had written and not sent: it is put where streaming would have put it. Sourced, never run.
# shellcheck shell=bash

page_bytes=8192
segment_bytes=$(wal_segment_bytes)

# It is as secret as the data.
umask 077

# Takes so many bytes from standard input: take_unsent LENGTH. Fails where fewer come: who sends them is gone.
take_unsent() {
  head -c "$1" > "$unsent_wal"
  [ "$(stat -c %s "$unsent_wal")" = "$1" ]
}

# The file of the WAL segment that holds a position in bytes: segment_file TIMELINE POSITION
segment_file() {
  printf '%s/pg_wal/%08X%08X%08X' "$data_folder" "$1" $(($2 >> 32)) $((($2 & 0xFFFFFFFF) / segment_bytes))
}

# Whether what was taken goes on where the own WAL ends: from its begin to there both are the same.
#   is_continuation TIMELINE START LENGTH RECEIVED     all but the timeline in bytes
is_continuation() {
  local same=$(($4 - $2)) offset=$(($2 % segment_bytes))
  [ "$same" -ge 0 ] && [ "$same" -le "$3" ] || return
  [ $((offset + same)) -le "$segment_bytes" ] || same=$((segment_bytes - offset))
  [ "$same" -eq 0 ] || cmp -s -n "$same" -i "$offset:0" "$(segment_file "$1" "$2")" "$unsent_wal"
}

# Writes what was taken into the own WAL: put_unsent TIMELINE START LENGTH
# Writes wait for this. The segment in which the WAL ends need not be on the disk: the promotion puts a copy of it there, as
# the first one of the new timeline.
put_unsent() {
  local file at=0 part offset position flush
  while [ "$at" -lt "$3" ]; do
    position=$(($2 + at))
    offset=$((position % segment_bytes))
    part=$((segment_bytes - offset < $3 - at ? segment_bytes - offset : $3 - at))
    file=$(segment_file "$1" "$position")
    flush=,fsync
    [ $((offset + part)) -eq "$segment_bytes" ] || flush=
    [ -e "$file" ] || { truncate -s "$segment_bytes" "$file" && sync "$data_folder/pg_wal"; } || return
    dd if="$unsent_wal" of="$file" bs="$page_bytes" skip=$((at / page_bytes)) seek=$((offset / page_bytes)) \
      count=$((part / page_bytes)) conv="notrunc$flush" status=none || return
    at=$((at + part))
  done
}
