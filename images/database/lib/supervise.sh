# Running children so that signals and changed intents are obeyed at once. Sourced, never run.
# shellcheck shell=bash

child=
postgres_pid=
watcher_pid=
stop_requested=
obeyed=

# Passes a signal on: postgres ends fast on INT and reloads on HUP, any other child is ended.
forward() {
  if [ -n "$postgres_pid" ]; then
    kill -"$1" "$postgres_pid" 2>/dev/null || true
  elif [ -n "$child" ] && [ "$1" != HUP ]; then
    kill -TERM "$child" 2>/dev/null || true
  fi
}

# Runs a command in the foreground, but so that a stop signal is obeyed at once, however long it takes.
run() {
  "$@" &
  await "$!"
}

# Waits for a child so that a stop signal is obeyed at once: await PROCESS
await() {
  local code
  child=$1
  while true; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
  done
  child=
  [ -z "$stop_requested" ] || exit 0
  return $code
}

# Runs a command, and another one beside it every so many seconds: run_beside SECONDS BESIDE COMMAND …
run_beside() {
  local seconds=$1 beside=$2 repeater code
  shift 2
  while nap "$seconds"; do "$beside"; done &
  repeater=$!
  run "$@"
  code=$?
  kill "$repeater" 2>/dev/null
  wait "$repeater" 2>/dev/null
  return $code
}

# Sleeps, unless a signal wakes it.
pause() {
  sleep "$1" &
  child=$!
  wait "$child"
  kill "$child" 2>/dev/null
  child=
  [ -z "$stop_requested" ] || exit 0
}

die() {
  report closed "$1"
  exit 1
}

# What the node was told to be, as read last: "obeyed" is the text, "intent KEY" a value of it.
declare -A told=()
read_intent() {
  local key value
  obeyed=$(< "$intent_file")
  told=()
  while read -r key value; do told[$key]=$value; done < <(jq -r 'to_entries[] | "\(.key) \(.value)"' <<< "$obeyed")
}
intent() { printf '%s\n' "${told[$1]:-}"; }
intent_changed() { [ "$(cat "$intent_file" 2>/dev/null)" != "$obeyed" ]; }

wait_for() {
  until [ -e "$1" ]; do
    report_change waiting "$2"
    pause 0.05
  done
}

# Stays closed, saying why, until the intent changes.
hold_closed() {
  until intent_changed; do
    report_change closed "$1"
    pause 0.3
  done
}

# Runs postgres until it ends by itself (then so does the container, and comes back through the guard), until a stop
# signal, or until the intent wants something else. What it was stopped at is left in stopped.json.
#   supervise primary | standby | promote
supervise() {
  local now=$1 wanted code transition_id options=()
  # What came since the intent was read has woken nobody.
  [ -z "$stop_requested" ] || exit 0
  intent_changed && return
  rm -f "$state_folder/stopped.json" "$state_folder/restart"
  chmod 0700 "$data_folder"
  # To make sure of each file is needless where all of them were written out just now.
  [ -z "${is_on_disk:-}" ] || options=(-c recovery_init_sync_method=syncfs)
  postgres -D "$data_folder" -c "config_file=$config_folder/postgresql.conf" "${options[@]}" &
  postgres_pid=$!
  settle "$now" &
  watcher_pid=$!
  while true; do
    wait "$postgres_pid"
    code=$?
    kill -0 "$postgres_pid" 2>/dev/null || break
    if [ -n "$stop_requested" ]; then
      continue
    elif [ -e "$state_folder/superseded" ]; then
      report closed "stopping at once: $(cat "$state_folder/superseded")"
      rm -f "$state_folder/superseded"
      kill -QUIT "$postgres_pid"
    elif [ -e "$state_folder/restart" ]; then
      # In order, and then the same role again: a primary asks the guard as at any other start.
      report starting "again: $(cat "$state_folder/restart")"
      rm -f "$state_folder/restart"
      kill -INT "$postgres_pid"
    elif intent_changed; then
      wanted=$(jq -r .role "$intent_file")
      if [ "$wanted" = primary ]; then
        # Promoted by take-over while running: nothing to stop, it is what it should be.
        read_intent
        [ "$now" != standby ] || restart_watcher promote
        now=primary
      else
        kill -INT "$postgres_pid"
        transition_id=$(jq -c .transitionId "$intent_file")
      fi
    fi
  done
  postgres_pid=
  kill "$watcher_pid" 2>/dev/null
  record_stop "${transition_id:-$(jq -c .transitionId "$intent_file")}"
  [ -z "$stop_requested" ] || exit 0
  if ! intent_changed && [ "$code" -ne 0 ]; then
    report closed "postgres ended by itself with code $code"
    exit "$code"
  fi
}

# What a standby is configured with besides: standby_configuration UPSTREAM. It keeps little WAL of its own, and has little
# made ready for later: once it is promoted, pg_rewind copies all of that to the old primary, which needs none of it.
standby_configuration() {
  local wal
  # The least that PostgreSQL takes.
  wal=$((2 * $(wal_segment_bytes) >> 20))MB
  printf "primary_conninfo = '%s'\nprimary_slot_name = '%s'\nwal_keep_size = '%s'\nmin_wal_size = '%s'\n" \
    "$(peer_conninfo "$1" replication postgres)" "$(node .slot)" "$wal" "$wal"
}

# A database that was promoted while it ran is configured as a standby until the checkpoint after its promotion, which
# removes the WAL from before it.
end_promotion() {
  [ -s "$state_folder/role.conf" ] || return 0
  [ "$(control "Latest checkpoint's TimeLineID")" = "$(psql -XAtq -d postgres -c "$running_timeline" 2>/dev/null)" ] || return 0
  # Not by a pipe, whose processes would go on when this one is ended.
  write_file "$state_folder/role.conf" < /dev/null
  psql -XAtq -d postgres -c 'SELECT pg_reload_conf()' > /dev/null
}

# Wakes the main process where the intent has changed: the signal may have come before there was anything to wake.
heed() { ! intent_changed || kill -USR1 1; }

# After a promotion by take-over. Writes have waited for it, and need the processors first.
restart_watcher() {
  kill "$watcher_pid" 2>/dev/null
  { sleep 0.2; settle "$1"; } &
  watcher_pid=$!
}

# Where the data ended: what the next writable database must have replayed. Writes wait for this answer, so it starts as
# few processes as it can, and is on the disk only afterwards.
#   record_stop TRANSITION_ID     as JSON
record_stop() {
  local line value state='' lsn='' timeline=''
  while IFS= read -r line; do
    value=${line#*:}
    value=${value#"${value%%[! ]*}"}
    case $line in
      'Database cluster state:'*) state=$value ;;
      'Latest checkpoint location:'*) lsn=$value ;;
      "Latest checkpoint's TimeLineID:"*) timeline=$value ;;
    esac
  done < <(pg_controldata "$data_folder")
  # After a stop in order the checkpoint is the end of the data, and names its timeline.
  [ "$state" = "shut down" ] || timeline=$(own_timeline)
  printf '{"state":"%s","lsn":"%s","timeline":%s,"transitionId":%s,"at":"%(%Y-%m-%dT%H:%M:%SZ)T"}\n' \
    "$state" "$lsn" "$timeline" "$1" -1 > "$state_folder/stopped.json.new"
  mv "$state_folder/stopped.json.new" "$state_folder/stopped.json"
  sync "$state_folder/stopped.json"
}

# Beside a running postgres: promotes it where it was told to take over, brings roles and slots to what they have to
# be, then watches whether the world has moved on without it.
settle() {
  trap - INT TERM HUP USR1
  local since=$SECONDS has_told=
  until pg_isready --quiet; do
    sleep 0.1
    if [ $((SECONDS - since)) -ge 2 ]; then
      heed
      since=$SECONDS has_told=1
      tell_recovery
    fi
  done
  [ -z "$has_told" ] || report starting "the database is open"
  if [ "$1" = promote ]; then
    until psql -XAtq -d postgres -c 'SELECT pg_promote(false) WHERE pg_is_in_recovery()' >/dev/null; do sleep 0.2; done
    # It ends when all that was received is replayed, however long that takes.
    until [ "$(psql -XAtq -d postgres -c 'SELECT pg_is_in_recovery()')" = f ]; do sleep 0.2; done
  fi
  # To stream comes first, and needs the processors.
  [ "$1" != standby ] || sleep 0.3
  converge >/dev/null || report starting "converge failed (see above)"
  if [ "$1" = standby ]; then watch_upstream; else watch_timelines; fi
}

# Says which WAL segment is replayed before the database opens: with much of it that takes minutes. Starts no process of
# its own: the database needs the processors.
tell_recovery() {
  local process title
  for process in /proc/[0-9]*; do
    # With the name of the cluster in it: postgres: CLUSTER: startup recovering SEGMENT
    { IFS= read -r -d '' title < "$process/cmdline"; } 2>/dev/null || continue
    case $title in 'postgres: '*'startup recovering '*) report_change starting "${title##*startup }" ;; esac
  done
}
