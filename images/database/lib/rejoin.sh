# How a node that was the writable database becomes a standby: as it is, else rewound, else copied again. Sourced,
# never run. What was done, and what its data held that nobody else has, is left in rejoin.json.
# shellcheck shell=bash

# Compares two WAL positions: lsn_at_least A B is true where A >= B.
lsn_at_least() {
  local a=${1%/*} b=${2%/*}
  if [ $((16#$a)) -ne $((16#$b)) ]; then [ $((16#$a)) -gt $((16#$b)) ]; return; fi
  a=${1#*/} b=${2#*/}
  [ $((16#$a)) -ge $((16#$b)) ]
}

# Where the last record of the own data begins: own_last_record OWN_TIMELINE. After a clean stop that is the shutdown
# checkpoint; after a crash the WAL tells. Prints nothing where that cannot be read: then nobody knows how far the data
# went.
own_last_record() {
  local checkpoint start
  checkpoint=$(control 'Latest checkpoint location')
  if [ "$(control 'Database cluster state')" = "shut down" ]; then
    echo "$checkpoint"
    return
  fi
  start=$checkpoint
  # Crashed before the checkpoint after its promotion: the own timeline's WAL begins where it left the one before.
  if [ "$(control "Latest checkpoint's TimeLineID")" -lt "$1" ]; then
    start=$(awk 'NF > 1 { at = $2 } END { print at }' "$(printf '%s/pg_wal/%08X.history' "$data_folder" "$1")")
  fi
  pg_waldump --path="$data_folder/pg_wal" --timeline="$1" --start="$start" 2>/dev/null |
    sed -n 's/.*lsn: \([0-9A-F]*\/[0-9A-F]*\),.*/\1/p' | tail -n 1
}

# The upstream's history of a timeline, a line a fork: upstream_history UPSTREAM TIMELINE
upstream_history() {
  psql -XAtq -d "$(peer_conninfo "$1" replication replication) replication=true" -c "TIMELINE_HISTORY $2" |
    sed '1s/^[^|]*|//' | grep -v '^$'
}

# Where the upstream's history left the own timeline: fork_point UPSTREAM THEIR_TIMELINE OWN_TIMELINE
fork_point() { upstream_history "$1" "$2" | awk -v own="$3" '$1 == own { print $2; exit }'; }

# Whether a timeline of the same number is the same timeline on both sides. Two databases that were promoted without
# knowing of each other have both given the next number.
same_history() {
  local own theirs
  [ "$2" -gt 1 ] || return 0
  own=$(grep -v '^$' "$(printf '%s/pg_wal/%08X.history' "$data_folder" "$2")" 2>/dev/null) || return 1
  theirs=$(upstream_history "$1" "$2") || return 1
  [ "$own" = "$theirs" ]
}

# Writes rejoin.json: rejoined METHOD REASON FORK OWN_END, and where diverged data is kept (kept) or why it is not (not_kept)
rejoined() {
  jq -nc --arg method "$1" --arg reason "$2" --arg fork "$3" --arg end "$4" --arg kept "$kept" --arg notKept "$not_kept" \
    --arg transitionId "$(intent transitionId)" --arg at "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)" \
    '{method: $method, reason: $reason, forkLsn: $fork, lastRecordLsn: $end, keptAt: $kept, notKept: $notKept, transitionId: $transitionId, at: $at}
     | with_entries(select(.value != ""))' | write_file "$state_folder/rejoin.json"
  report rejoining "$1: $2"
}

# What stands in this file while the own data is neither the old nor the new one: where the old one is kept, if it is.
rewinding=$state_folder/rewinding

kept_incoming=$data_folder.diverged.incoming
rewind_log=$state_folder/rewind.log
tell_keeping() { report_change rejoining "keeping the diverged data aside: $(($(du -sk "$kept_incoming" | cut -f1) / 1024)) MB of at most $((need / 1024)) MB"; }
tell_rewinding() {
  local line
  read -r line < <(tail -n 1 "$rewind_log")
  report_change rejoining "rewinding: ${line#pg_rewind: }"
}

# Copies the data folder with the WAL that is needed to start it: what begins with its last checkpoint. The rest, which is
# kept for standbys, may be many times the data.
#   copy_data TARGET
copy_data() {
  local file name redo
  redo=$(control "Latest checkpoint's REDO WAL file")
  mkdir -m 0700 "$1" "$1/pg_wal" "$1/pg_wal/archive_status" || return
  # The number of a process that is gone may be another one's by now, and would keep the copy from being started.
  find "$data_folder" -mindepth 1 -maxdepth 1 ! -name pg_wal ! -name postmaster.pid -exec cp -a --reflink=auto -t "$1" {} + || return
  for file in "$data_folder"/pg_wal/*; do
    name=${file##*/}
    # A segment's name is its timeline, then its number.
    if [[ $name =~ ^[0-9A-F]{24} && -n $redo && ${name:8:16} < ${redo:8:16} ]] || [ -d "$file" ]; then continue; fi
    cp -a --reflink=auto "$file" "$1/pg_wal/" || return
  done
  # On the disk before the data itself is changed.
  sync -f "$1"
}

# Keeps a copy of diverged data aside, where the intent wants it and the disk has room. Leaves in kept where, or in
# not_kept why not.
keep_aside() {
  local need free
  rm -rf "$kept_incoming"
  if [ "$(intent keepDiverged)" != true ]; then
    not_kept="as this transition was told (keepDiverged)"
    return
  fi
  need=$(du -sk "$data_folder" | cut -f1)
  free=$(df -Pk /var/lib/postgresql | awk 'NR == 2 { print $4 }')
  if [ $((need * 2)) -gt "$free" ]; then
    not_kept="$need kB needed twice over, $free kB free"
  elif run_beside 2 tell_keeping copy_data "$kept_incoming"; then
    kept="$data_folder.diverged-$(date -u +%Y%m%dT%H%M%SZ)"
    mv "$kept_incoming" "$kept"
    sync "$(dirname "$kept")"
    nice -n 19 kept-data > /dev/null &
  else
    not_kept="copying failed (see the log of this node)"
    rm -rf "$kept_incoming"
  fi
}

# Without JIT: compiling the query for the list of files took the source 1.5 to 10 s, running it takes 10 ms.
rewind_data() {
  exec pg_rewind --target-pgdata="$data_folder" --source-server="$(peer_conninfo "$1" rewind postgres) options=-cjit=off" \
    --config-file="$config_folder/postgresql.conf" --sync-method=syncfs --progress 2> "$rewind_log"
}

# Sets the own data back to where it left the upstream's timeline: rewind UPSTREAM
rewind() {
  local code
  printf '%s\n' "$kept" | write_file "$rewinding"
  report rejoining "rewinding to where $1 left the own timeline"
  run_beside 2 tell_rewinding rewind_data "$1"
  code=$?
  cat "$rewind_log" >&2
  rm -f "$rewind_log"
  return $code
}

# Makes the own data such that it can follow the upstream. Returns 1 when the intent has changed meanwhile.
rejoin() {
  local upstream answer id their own last fork kept='' not_kept=''
  upstream=$(intent upstream)
  own=$(own_timeline)
  while true; do
    answer=$(ask_peer "$upstream")
    read -r id their _ <<< "$answer"
    if [ -z "$answer" ]; then
      report_change closed "waiting for $upstream to answer, before following it"
    elif [ -e "$rewinding" ]; then
      break
    elif [ "$id" != "$(own_system_id)" ]; then
      report_change closed "$upstream has another system identifier ($id, own $(own_system_id)): it holds other data and cannot be followed"
    elif [ "$their" -lt "$own" ]; then
      # Also a standby that is just being promoted may still name the timeline before.
      report_change closed "$upstream is on timeline $their, own is $own: an older one cannot be followed"
    else
      break
    fi
    intent_changed && return 1
    pause 0.1
  done
  if [ -e "$rewinding" ]; then
    kept=$(< "$rewinding")
    copy_from_upstream || return 1
    rejoined base-backup "a rewind of the own data was interrupted, it was copied again" "" ""
    return 0
  fi
  if [ "$their" -eq "$own" ] && same_history "$upstream" "$own"; then
    rejoined as-is "$upstream is on the same timeline $own" "" ""
    return 0
  fi
  last=$(own_last_record "$own")
  fork=
  if [ "$their" -gt "$own" ]; then
    fork=$(fork_point "$upstream" "$their" "$own")
    if [ -n "$fork" ] && [ -n "$last" ] && ! lsn_at_least "$last" "$fork"; then
      rejoined as-is "own data ends before timeline $their begins" "$fork" "$last"
      return 0
    fi
  fi
  report rejoining "own data went its own way (timeline $own, last record at $last; $upstream left that timeline at ${fork:-an unknown place})"
  keep_aside
  # pg_rewind tells timelines apart by their number only.
  if [ "$their" -gt "$own" ] && rewind "$upstream"; then
    rejoined rewind "own data was set back to where it left the timeline of $upstream" "$fork" "$last"
    return 0
  fi
  copy_from_upstream || return 1
  rejoined base-backup "own data could not be rewound, it was copied again" "$fork" "$last"
}
