# The guard: before a node opens as the writable database it makes sure that nobody was promoted meanwhile.
# Whom it asks stands in guard.json (armed peers) and node.json (addresses, witnesses). Sourced, never run.
# shellcheck shell=bash

peer_question="SELECT (SELECT system_identifier FROM pg_control_system()),
  greatest((SELECT timeline_id FROM pg_control_checkpoint()),
           (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
           coalesce((SELECT received_tli FROM pg_stat_wal_receiver), 0),
           coalesce((SELECT max(('x' || substr(name, 1, 8))::bit(32)::int) FROM pg_ls_waldir()
                     WHERE pg_is_in_recovery() AND name ~ '^[0-9A-F]{24}$'), 0),
           CASE WHEN pg_is_in_recovery() THEN 0
                ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END),
  CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'writable' END,
  (SELECT min(substr(name, 9)) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$')"

running_timeline="SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int WHERE NOT pg_is_in_recovery()"

# Asks one peer database. Prints "SYSTEM_ID TIMELINE standby|writable SEGMENT", where SEGMENT is the number of the oldest
# WAL segment that it has, as in its name; nothing when it does not answer.
ask_peer() {
  PGOPTIONS='-c statement_timeout=2000' timeout 4 \
    psql -XAtq -F ' ' -d "$(peer_conninfo "$1" monitoring postgres)" -c "$peer_question" 2>/dev/null || true
}

# Asks the servers what timeline they have seen. Prints "SYSTEM_ID TIMELINE SERVER" for each that answers and knows one.
ask_witnesses() {
  local witnesses
  mapfile -t witnesses < <(jq -r '.witnesses[]?' "$config_folder/node.json")
  [ "${#witnesses[@]}" -gt 0 ] || return 0
  curl --silent --fail --max-time 2 --cacert "$config_folder/ca.crt" --write-out '\n' "${witnesses[@]}" 2>/dev/null |
    jq -Rr 'fromjson? | select(.systemId? != null and .highestTimeline != null) | "\(.systemId) \(.highestTimeline) \(.server)"'
}

# One round of questions, about the data of system_id. Sets verdict to open | closed | unknown and reason to a sentence.
# While postgres runs ("running") it says itself on which timeline it is: right after a promotion pg_control does not know yet. As that is
# asked every few seconds, it starts as few processes as it can.
guard_round() {
  local timeline peer answer id their role witness confirmed=
  if [ "${1:-}" = running ]; then
    verdict=unknown reason="this database is not writable"
    timeline=$(psql -XAtq -d postgres -c "$running_timeline" 2>/dev/null)
    [ -n "$timeline" ] || return
  else
    timeline=$(own_timeline)
  fi
  while read -r peer; do
    [ -n "$peer" ] || continue
    answer=$(ask_peer "$peer")
    [ -n "$answer" ] || continue
    read -r id their role _ <<< "$answer"
    if [ "$id" != "$system_id" ]; then
      verdict=closed reason="database $peer has another system identifier ($id, own $system_id): it holds other data"
      return
    fi
    if [ "$their" -gt "$timeline" ]; then
      verdict=closed reason="database $peer is on timeline $their, own is $timeline: it was promoted, this node is the old primary"
      return
    fi
    if [ "$role" = writable ]; then
      verdict=closed reason="database $peer accepts writes on timeline $their: there may be only one writable database"
      return
    fi
    confirmed="database $peer follows on timeline $their"
  done <<< "$(jq -r '.peers[]?' "$state_folder/guard.json" 2>/dev/null)"

  while read -r id their witness; do
    [ "$id" = "$system_id" ] || continue
    if [ "$their" -gt "$timeline" ]; then
      verdict=closed reason="witness $witness has seen timeline $their, own is $timeline: another database was promoted"
      return
    fi
    [ -n "$confirmed" ] || confirmed="witness $witness has seen no timeline above $their"
  done < <(ask_witnesses)

  if [ -n "$confirmed" ]; then verdict=open reason=$confirmed
  else
    verdict=unknown
    reason="nobody can say whether another database was promoted meanwhile. Start a peer or a server, or, if you know that none was, run: docker exec $(node .containerName) override-guard"
  fi
}

# Whether another database was ever attached. Where that cannot be read it is asked as if one had been.
is_armed() {
  [ -e "$state_folder/guard.json" ] && [ "$(jq -r '.peers | length' "$state_folder/guard.json")" != 0 ]
}

# Returns when this node may open as the writable database, or when its intent has changed. Waits closed as long as it
# takes. A person's word counts for this wait alone: it bears its ticket (waiting), so that one that comes too late opens nothing
# another time.
guard() {
  local verdict reason ticket system_id
  system_id=$(own_system_id)
  if ! is_armed; then
    report starting "no other database could have been promoted: none was ever attached"
    return
  fi
  ticket=$(cat /proc/sys/kernel/random/uuid)
  write_file "$state_folder/waiting" <<< "$ticket"
  until intent_changed; do
    if [ -s "$state_folder/override" ] && [ "$(< "$state_folder/override")" = "$ticket" ]; then
      report starting "opened by a person's override"
      break
    fi
    guard_round
    if [ "$verdict" = open ]; then
      report starting "may open: $reason"
      break
    fi
    report_change closed "$reason"
    pause 0.3
  done
  rm -f "$state_folder/waiting" "$state_folder/override"
}

# Beside a running writable database: looks every few seconds whether somebody knows a higher timeline. A primary that
# was cut off while another was promoted is stopped as soon as it can hear of that.
watch_timelines() {
  local verdict reason system_id
  system_id=$(own_system_id)
  while sleep 3; do
    heed
    end_promotion
    is_armed || continue
    guard_round running
    [ "$verdict" = closed ] || continue
    echo "$reason" > "$state_folder/superseded"
    kill -USR1 1
    return
  done
}
