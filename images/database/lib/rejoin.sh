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

ended_in_order() { [ "$(control 'Database cluster state')" = "shut down" ]; }

# Where the own data ends: own_end OWN_TIMELINE. After a crash only the WAL tells. Prints nothing where it cannot be read:
# then nobody knows how far the data went.
own_end() {
  local start timeline segments
  start=$(control 'Latest checkpoint location')
  # Crashed before the checkpoint after its promotion: the own timeline's WAL begins where it left the one before.
  if [ "$(control "Latest checkpoint's TimeLineID")" -lt "$1" ]; then
    start=$(awk 'NF > 1 { at = $2 } END { print at }' "$(printf '%s/pg_wal/%08X.history' "$data_folder" "$1")")
  fi
  # The segments by their names: given none, pg_waldump looks into any one for its size, also into one that was made ready
  # for later and is empty. Given only the first, it ends with that.
  timeline=$data_folder/pg_wal/$(printf '%08X' "$1")
  segments=("$timeline"????????????????)
  pg_waldump --stats --start="$start" "$timeline$(segment_of "$start")" "${segments[-1]}" 2>/dev/null |
    sed -n 's/^WAL statistics between .* and \([0-9A-F]*\/[0-9A-F]*\):$/\1/p'
}

# The upstream's history of a timeline, a line a fork: upstream_history UPSTREAM TIMELINE
upstream_history() {
  psql -XAtq -d "$(peer_conninfo "$1" replication replication) replication=true" -c "TIMELINE_HISTORY $2" |
    sed '1s/^[^|]*|//; /^$/d'
}

# Where a history left a timeline: fork_point TIMELINE < HISTORY
fork_point() {
  local timeline lsn
  while read -r timeline lsn _; do
    if [ "$timeline" = "$1" ]; then
      echo "$lsn"
      return
    fi
  done
}

# Whether a timeline of the same number is the same timeline on both sides. Two databases that were promoted without
# knowing of each other have both given the next number.
same_history() {
  local own theirs
  [ "$2" -gt 1 ] || return 0
  own=$(grep -v '^$' "$(printf '%s/pg_wal/%08X.history' "$data_folder" "$2")" 2>/dev/null) || return 1
  theirs=$(upstream_history "$1" "$2") || return 1
  [ "$own" = "$theirs" ]
}

# Writes rejoin.json: rejoined METHOD REASON FORK END, and where diverged data is kept (kept) or why it is not (not_kept)
rejoined() {
  local now
  read_clock
  jq -nc --arg method "$1" --arg reason "$2" --arg fork "$3" --arg end "$4" --arg kept "$kept" --arg notKept "$not_kept" \
    --arg transitionId "$(intent transitionId)" --arg at "$now" \
    '{method: $method, reason: $reason, forkLsn: $fork, endLsn: $end, keptAt: $kept, notKept: $notKept, transitionId: $transitionId, at: $at}
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

# The number of a position's WAL segment, as it stands in the segment's name after the timeline: units of 16 MB.
segment_of() { printf '%08X%08X' $((16#${1%/*})) $((16#${1#*/} >> 24)); }

# Whether the upstream has not got the WAL any more that follows a position: wal_is_gone UPSTREAM LSN
wal_is_gone() {
  wants_copy walGone && return
  [ -n "$2" ] || return
  [ "$(psql -XAtq -d "$(peer_conninfo "$1" monitoring postgres)" \
    -c "SELECT count(*) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{8}$(segment_of "$2")\$'")" = 0 ]
}

# The own WAL as it was before the rewind, by hard links.
wal_before=$data_folder.wal

# What postgres is configured with while pg_rewind brings the own data to its end: it removes no WAL, and gives no segment
# a new name.
rewind_configuration() {
  printf "include '%s'\nwal_keep_size = '1TB'\nwal_recycle = off\n" "$config_folder/postgresql.conf"
}

# Without JIT: compiling the query for the list of files took the source 1.5 to 10 s, running it takes 10 ms.
rewind_data() {
  exec pg_rewind --target-pgdata="$data_folder" --source-server="$(peer_conninfo "$1" rewind postgres) options=-cjit=off" \
    --config-file="$state_folder/rewind.conf" --sync-method=syncfs --progress 2> "$rewind_log"
}

# Puts back what pg_rewind has removed of the WAL from before the fork: it keeps what follows the last common checkpoint,
# and replay begins earlier, where that checkpoint began. Fails where that WAL was not there at all.
#   bring_back_wal FORK
bring_back_wal() {
  local segment name begin forked
  forked=$(segment_of "$1")
  for segment in "$wal_before"/*; do
    name=${segment##*/}
    if [[ ${name:8} < $forked && ! -e $data_folder/pg_wal/$name ]]; then
      ln "$segment" "$data_folder/pg_wal/" || return
    fi
  done
  sync "$data_folder/pg_wal"
  begin=$(sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\)).*/\1/p' "$data_folder/backup_label")
  [ -n "$begin" ] && [ -e "$data_folder/pg_wal/$begin" ] && return
  echo "rewind: the WAL that replay would begin with is gone: ${begin:-no backup_label}" >&2
  return 1
}

# Has the upstream write a checkpoint, which takes as long as it takes. The upstream may be away for a moment.
checkpoint_of() {
  local attempt since=$SECONDS
  report rejoining "waiting for a checkpoint of $1"
  tell_checkpoint() { report_change rejoining "waiting for a checkpoint of $upstream, $((SECONDS - since)) s by now"; }
  for attempt in 1 2 3 4 5; do
    run_beside 5 tell_checkpoint psql -XAtq -d "$(peer_conninfo "$1" rewind postgres)" -c CHECKPOINT && return
    intent_changed && return 1
    [ "$attempt" = 5 ] || pause 1
  done
  return 1
}

# Sets the own data back to where it left the upstream's timeline: rewind UPSTREAM FORK
# The upstream makes a checkpoint first: changes that are in its memory only would have to be replayed, from WAL that it
# may be removing just then.
rewind() {
  local code
  checkpoint_of "$1" || return
  rm -rf "$wal_before"
  mkdir -m 0700 "$wal_before" || return
  find "$data_folder/pg_wal" -maxdepth 1 -type f -regex '.*/[0-9A-F]+' -exec ln -t "$wal_before" {} + || return
  rewind_configuration | write_file "$state_folder/rewind.conf"
  printf '%s\n' "$kept" | write_file "$rewinding"
  report rejoining "rewinding to where $1 left the own timeline"
  run_beside 2 tell_rewinding rewind_data "$1"
  code=$?
  cat "$rewind_log" >&2
  rm -f "$rewind_log"
  [ "$code" -ne 0 ] || bring_back_wal "$2" || code=$?
  rm -rf "$wal_before"
  return $code
}

# The own data ends where it still belongs to the upstream's history: as_is UPSTREAM REASON FORK END NEEDED
# NEEDED is the position that streaming begins with, where the upstream is to be asked for it.
as_is() {
  if ! wal_is_gone "$1" "$5"; then
    rejoined as-is "$2" "$3" "$4"
    return
  fi
  discard_data
  copy_from_upstream || return
  rejoined base-backup "$2, but $1 has not kept the WAL since then" "$3" "$4"
}

# Whether a standby's own data goes past where the upstream left its timeline: went_past UPSTREAM. What was started as a
# standby before the upstream was promoted may hold writes that the upstream never got, and would wait for ever.
went_past() {
  local answer their own fork end
  answer=$(ask_peer "$1")
  [ -n "$answer" ] || return
  read -r _ their _ <<< "$answer"
  own=$(own_timeline)
  [ "$their" -gt "$own" ] || return
  fork=$(upstream_history "$1" "$their" | fork_point "$own")
  end=$(own_end "$own")
  [ -n "$fork" ] && [ -n "$end" ] && ! lsn_at_least "$fork" "$end"
}

# Beside a running standby: looks now and then whether its upstream was promoted without what it has. PostgreSQL itself asks
# for the WAL again and again then.
watch_upstream() {
  local upstream streaming="SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"
  upstream=$(intent upstream)
  while sleep 10; do
    [ "$(psql -XAtq -d postgres -c "$streaming" 2>/dev/null)" = 0 ] || continue
    went_past "$upstream" || continue
    echo "its data goes past where $upstream was promoted" > "$state_folder/restart"
    kill -USR1 1
    return
  done
}

# Makes the own data such that it can follow the upstream. Returns 1 when the intent has changed meanwhile.
rejoin() {
  local upstream answer id their own end fork history needed='' kept='' not_kept='' control_data
  upstream=$(intent upstream)
  control_data=$(pg_controldata "$data_folder")
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
    rm -rf "$wal_before"
    copy_from_upstream || return 1
    rejoined base-backup "a rewind of the own data was interrupted, it was copied again" "" ""
    return 0
  fi
  if [ "$their" -eq "$own" ] && same_history "$upstream" "$own"; then
    as_is "$upstream" "$upstream is on the same timeline $own" "" "" ""
    return
  fi
  end=$(own_end "$own")
  fork=
  if [ "$their" -gt "$own" ]; then
    history=$(upstream_history "$upstream" "$their")
    fork=$(fork_point "$own" <<< "$history")
    if [ -n "$fork" ] && [ -n "$end" ] && lsn_at_least "$fork" "$end"; then
      # Known before the start: else the old timeline would be streamed first, to its end.
      write_file "$(printf '%s/pg_wal/%08X.history' "$data_folder" "$their")" <<< "$history"
      # What was stopped in order was so for the upstream's promotion, which its slot goes back to.
      ended_in_order || needed=$end
      as_is "$upstream" "own data ends before timeline $their begins" "$fork" "$end" "$needed"
      return
    fi
  fi
  report rejoining "own data went its own way (timeline $own, its end at ${end:-an unknown place}; $upstream left that timeline at ${fork:-an unknown place})"
  keep_aside
  if wal_is_gone "$upstream" "$fork"; then
    discard_data
    copy_from_upstream || return 1
    rejoined base-backup "own data went its own way, and $upstream has not kept the WAL since then" "$fork" "$end"
    return
  fi
  # pg_rewind tells timelines apart by their number only.
  if [ "$their" -gt "$own" ] && [ -n "$fork" ] && rewind "$upstream" "$fork"; then
    rejoined rewind "own data was set back to where it left the timeline of $upstream" "$fork" "$end"
    return
  fi
  copy_from_upstream || return 1
  rejoined base-backup "own data could not be rewound, it was copied again" "$fork" "$end"
}
