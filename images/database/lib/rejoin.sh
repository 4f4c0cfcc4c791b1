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
# Returns 2, as psql does, where the upstream cannot be asked: that says nothing of its history.
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
# knowing of each other have both given the next number. Returns 2 where the upstream cannot be asked.
same_history() {
  local own theirs
  [ "$2" -gt 1 ] || return 0
  own=$(grep -v '^$' "$(printf '%s/pg_wal/%08X.history' "$data_folder" "$2")" 2>/dev/null) || return 1
  theirs=$(upstream_history "$1" "$2") || return
  [ "$own" = "$theirs" ] || return 1
  same_beginning "$1" "$2" "$(awk 'END { print $2 }' <<< "$own")"
}

# Whether a timeline begins with the same bytes on both sides: same_beginning UPSTREAM TIMELINE FORK
# Two databases that were promoted at one position have the same history; the first record of each tells its time. Where that
# is not there any more, or not yet, nobody can say. Returns 2 where the upstream cannot be asked.
same_beginning() {
  local segment file fork offset length=64 own theirs code=0
  fork=$(position_of "$3")
  offset=$((fork % $(wal_segment_bytes)))
  segment=$(printf '%08X' "$2")$(segment_of "$3")
  file=$data_folder/pg_wal/$segment
  [ -e "$file" ] || return 0
  # Its page bears its own address once it is written.
  [ $(($(od -An -t u8 -j $((offset - offset % 8192 + 8)) -N 8 "$file"))) -eq $((fork - fork % 8192)) ] || return 0
  own=$(od -An -v -t x1 -j "$offset" -N "$length" "$file" | tr -d ' \n')
  theirs=$(psql -XAtq -d "$(peer_conninfo "$1" rewind postgres)" \
    -c "SELECT encode(pg_read_binary_file('pg_wal/$segment', $offset, $length, true), 'hex')") || code=$?
  [ "$code" -ne 2 ] || return 2
  [ -z "$theirs" ] || [ "$own" = "$theirs" ]
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

# The number of a position's WAL segment, as it stands in the segment's name after the timeline.
segment_of() { printf '%08X%08X' $((16#${1%/*})) $((16#${1#*/} / $(wal_segment_bytes))); }

# Whether the upstream has not got the WAL any more that follows a position: wal_is_gone LSN OLDEST
# OLDEST is the oldest segment that it has, as it says itself.
wal_is_gone() {
  wants_copy walGone && return
  [ -n "$1" ] || return
  [[ $(segment_of "$1") < $2 ]]
}

# The own data ends where it still belongs to the upstream's history: as_is UPSTREAM REASON FORK END [NEEDED OLDEST]
# NEEDED is the position that streaming begins with, where the upstream may not have kept it; OLDEST what it has kept.
as_is() {
  if ! wal_is_gone "${5:-}" "${6:-}"; then
    rejoined as-is "$2" "$3" "$4"
    return
  fi
  copy_again "$2, but $1 has not kept the WAL since then" "$3" "$4"
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
    heed
    [ "$(psql -XAtq -d postgres -c "$streaming" 2>/dev/null)" = 0 ] || continue
    went_past "$upstream" || continue
    echo "its data goes past where $upstream was promoted" > "$state_folder/restart"
    kill -USR1 1
    return
  done
}

# Copies the own data again: copy_again REASON FORK END. The old one stays until the copy is complete, where there is room;
# else until there is one to copy from. Returns 1 when the intent has changed meanwhile.
copy_again() {
  local need free peer_fields=
  if [ -z "$kept" ] && ! has_room; then
    until [ -n "$(ask_peer "$(intent upstream)")" ]; do
      intent_changed && return 1
      report_change closed "waiting for $(intent upstream) to answer, before the own data makes room for a copy"
      pause 0.3
    done
    intent_changed && return 1
    discard_data
  fi
  copy_from_upstream || return
  rejoined base-backup "$1" "$2" "$3"
}

# Compares the upstream's history with the own one: leaves in is_same whether it is on the same timeline, in history its own
# where it is on a later one. Returns 1 where it cannot be asked, which must not be taken for another history: it may have
# crashed this very moment.
compare_histories() {
  local code=0
  is_same='' history=''
  if [ "$their" -gt "$own" ]; then
    history=$(upstream_history "$upstream" "$their") || code=$?
  else
    same_history "$upstream" "$own" || code=$?
    [ "$code" -ne 0 ] || is_same=yes
  fi
  [ "$code" -ne 2 ]
}

# Makes the own data such that it can follow the upstream. Returns 1 when the intent has changed meanwhile.
rejoin() {
  local upstream answer id their oldest own end fork history is_same needed='' kept='' not_kept='' need free control_data peer_fields
  upstream=$(intent upstream)
  control_data=$(pg_controldata "$data_folder")
  own=$(own_timeline)
  while true; do
    # Each time: where it is may change while it does not answer.
    peer_fields=$(fields_of_peer "$upstream")
    answer=$(ask_peer "$upstream")
    read -r id their _ oldest <<< "$answer"
    if [ -z "$answer" ]; then
      report_change closed "waiting for $upstream to answer, before following it"
    elif [ -e "$rewinding" ]; then
      break
    elif [ "$id" != "$(own_system_id)" ]; then
      report_change closed "$upstream has another system identifier ($id, own $(own_system_id)): it holds other data and cannot be followed"
    elif [ "$their" -lt "$own" ]; then
      # Also a standby that is just being promoted may still name the timeline before.
      report_change closed "$upstream is on timeline $their, own is $own: an older one cannot be followed"
    elif compare_histories; then
      break
    else
      report_change closed "waiting for $upstream to tell its history, before following it"
    fi
    intent_changed && return 1
    pause 0.1
  done
  if [ -e "$rewinding" ]; then
    rm -rf "$own_wal"
    copy_again "a rewind of the own data was interrupted, it was copied again" "" ""
    return
  fi
  if [ -n "$is_same" ]; then
    as_is "$upstream" "$upstream is on the same timeline $own" "" ""
    return
  fi
  end=$(own_end "$own")
  fork=
  if [ "$their" -gt "$own" ]; then
    fork=$(fork_point "$own" <<< "$history")
    if [ -n "$fork" ] && [ -n "$end" ] && lsn_at_least "$fork" "$end"; then
      # Known before the start: else the old timeline would be streamed first, to its end.
      write_file "$(printf '%s/pg_wal/%08X.history' "$data_folder" "$their")" <<< "$history"
      # What was stopped in order was so for the upstream's promotion, which its slot goes back to.
      ended_in_order || needed=$end
      as_is "$upstream" "own data ends before timeline $their begins" "$fork" "$end" "$needed" "$oldest"
      return
    fi
  fi
  report rejoining "own data went its own way (timeline $own, its end at ${end:-an unknown place}; $upstream left that timeline at ${fork:-an unknown place})"
  plan_keeping
  local why="own data could not be rewound, it was copied again"
  local no_wal="own data went its own way, and $upstream has not kept the WAL since then"
  if wal_is_gone "$fork" "$oldest"; then
    why=$no_wal
  # pg_rewind tells timelines apart by their number only.
  elif [ "$their" -gt "$own" ] && [ -n "$fork" ] && rewind "$upstream" "$fork" "$end"; then
    return
  fi
  copy_again "$why" "$fork" "$end"
}
