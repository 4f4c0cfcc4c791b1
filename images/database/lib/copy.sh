# Base backup from the upstream. Sourced, never run.
# shellcheck shell=bash

# Data that is not complete yet.
incoming=$data_folder.incoming

# In a copied data folder: for which transition it was copied.
copy_marker=pg-continuity-copy

# Whether the intent wants the data copied again, and that was not done yet: wants_copy KEY
#   fresh     whatever it holds
#   walGone   because the upstream has not kept the WAL that it needs; what nobody else has is kept aside before
wants_copy() {
  [ "$(intent "$1")" = true ] && [ "$(cat "$data_folder/$copy_marker" 2>/dev/null)" != "$(intent transitionId)" ]
}

# The option that lets the copy's WAL be kept by this node's own slot, from the first byte to the start. Nothing while
# another node uses the slot, whose place this one takes: then by a slot that ends with the copy, and after that by what
# the upstream keeps anyway (wal_keep_size).
slot_option() {
  local active
  active=$(PGOPTIONS='-c statement_timeout=2000' timeout 4 psql -XAtq -d "$(peer_conninfo "$1" monitoring postgres)" \
    -c "SELECT active FROM pg_replication_slots WHERE slot_name = '$(node .slot)'" 2>/dev/null)
  [ "$active" = t ] || echo "--slot=$(node .slot)"
}

# Whether the disk has room for the own data once more, with as much to spare. Leaves its size in need, what is free in
# free, both in kB.
has_room() {
  rm -rf "$incoming"
  need=$(du -sk "$data_folder" | cut -f1)
  free=$(df -Pk /var/lib/postgresql | awk 'NR == 2 { print $4 }')
  [ $((need * 2)) -le "$free" ]
}

# Old data is out of the way at once; its removal, a second for every 2 GB or so, goes on beside the copy.
discarded=$data_folder.discarded
discard_data() {
  [ -e "$data_folder" ] || return 0
  rm -rf "$discarded"
  mv "$data_folder" "$discarded"
  nice -n 19 rm -rf "$discarded" &
}

# Has what was copied so far written to the disk while the rest is copied, so that little is left at the end. The small
# files can wait: they are quick together, and slow one by one.
write_out() { nice -n 19 find "$incoming" -type f -size +8M -exec sync --data {} + 2>/dev/null; }

# Copies the upstream's data into an empty node. What an interrupted copy left is thrown away first. Returns 1 when
# the intent has changed meanwhile.
copy_from_upstream() {
  local upstream slot
  upstream=$(intent upstream)
  while true; do
    intent_changed && return 1
    rm -rf "$incoming"
    report_change copying "base backup from $upstream"
    mapfile -t slot < <(slot_option "$upstream")
    # Pages are checked where they are read, and TLS keeps them as they are: nobody reads a manifest.
    if run_beside 1 write_out \
      pg_basebackup --dbname="$(peer_conninfo "$upstream" replication replication)" --pgdata="$incoming" \
      --wal-method=stream --checkpoint=fast "${slot[@]}" --no-password --no-manifest --no-sync; then
      break
    fi
    report_change copying "base backup from $upstream failed (see above), trying again"
    pause 1
  done
  intent transitionId > "$incoming/$copy_marker"
  touch "$incoming/standby.signal"
  adopt_incoming
}

# Puts a complete data folder in its place, durably. What stood there is kept where that was planned (kept).
adopt_incoming() {
  sync -f "$incoming"
  is_on_disk=yes
  if [ -n "${kept:-}" ]; then
    replace_data "$incoming"
    return
  fi
  discard_data
  mv "$incoming" "$data_folder"
  sync -f /var/lib/postgresql
}
