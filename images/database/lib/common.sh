# Shared by the scripts of a database node. Sourced, never run.
# shellcheck shell=bash

state_folder=/var/lib/pg-continuity
config_folder=$state_folder/config
intent_file=$state_folder/intent.json
data_folder=/var/lib/postgresql/data

# What another database had written and not sent, until it is in the own WAL.
unsent_wal=$state_folder/unsent-wal

# The time of day in UTC, with milliseconds, in "now". Starts no process.
read_clock() {
  local clock=$EPOCHREALTIME
  TZ=UTC0 printf -v now '%(%Y-%m-%dT%H:%M:%S)T.%sZ' "${clock%.*}" "${clock:11:3}"
}

# Says on the log and in node-state.json what this node is doing now. "status" reads the file.
#   report STATE DETAIL     STATE: waiting | initialising | copying | asking | closed | starting
report() {
  local now new=$state_folder/node-state.json.new.$BASHPID
  read_clock
  printf '%s %s: %s: %s\n' "$now" "${reporter:-database node}" "$1" "$2" >&2
  # By a name of its own: what runs beside reports as well.
  jq -nc --arg state "$1" --arg detail "$2" --arg since "$now" '{state: $state, detail: $detail, since: $since}' > "$new"
  mv "$new" "$state_folder/node-state.json"
}

# report, but only when the words have changed: for loops that wait.
last_report=
report_change() {
  [ "$last_report" = "$1 $2" ] && return
  last_report="$1 $2"
  report "$1" "$2"
}

# Replaces a file in one step; an interrupted write leaves the old one.
#   write_file PATH < CONTENT
write_file() {
  cat > "$1.new"
  sync "$1.new"
  mv "$1.new" "$1"
}

# An intent is laid ready on the disk before it counts, so that the moment it counts costs no waiting for the disk.
#   prepare_intent INTENT; then commit_intent, or nothing: what was only prepared is removed at the exit
prepare_intent() {
  prepared_intent=$intent_file.$$
  trap 'rm -f "$prepared_intent"' EXIT
  printf '%s\n' "$1" > "$prepared_intent"
  sync "$prepared_intent"
}
commit_intent() { mv "$prepared_intent" "$intent_file"; }

# Sleeps for fractions of a second without starting a process: a read of what never comes.
#   nap SECONDS
nap() {
  [ -n "${nap_fd:-}" ] || exec {nap_fd}<> <(:)
  read -r -t "$1" -u "$nap_fd" || true
}

# A WAL position in bytes.
position_of() { echo $(((16#${1%/*} << 32) + 16#${1#*/})); }

node() { jq -r "$1 // empty" "$config_folder/node.json"; }

# Where a peer database is, and as whom this node comes: ADDRESS PORT NODE
fields_of_peer() {
  jq -r --arg peer "$1" '"\(.peers[$peer].address) \(.peers[$peer].port) \(.node)"' "$config_folder/node.json"
}

# A libpq connection string to a peer database, as one of the roles: of what was read before (peer_fields), where something was.
#   peer_conninfo PEER ROLE DBNAME
peer_conninfo() {
  local address port name
  read -r address port name <<< "${peer_fields:-$(fields_of_peer "$1")}"
  printf "host=%s port=%s user=%s dbname=%s sslmode=verify-full sslrootcert=%s passfile=%s connect_timeout=2 application_name=%s keepalives_idle=5 keepalives_interval=2 keepalives_count=3 tcp_user_timeout=10000" \
    "$address" "$port" "$2" "$3" "$config_folder/ca.crt" "$config_folder/pgpass" "$name"
}

# A field of pg_controldata of the own data folder; of what was read before (control_data), where something was.
control() {
  local line
  while IFS= read -r line; do
    [[ $line == "$1:"* ]] || continue
    line=${line#"$1:"}
    printf '%s\n' "${line#"${line%%[! ]*}"}"
    return
  done <<< "${control_data:-$(pg_controldata "$data_folder")}"
}

# The size of a WAL segment in bytes: the data folder was made with it.
wal_segment_bytes() { control 'Bytes per WAL segment'; }

own_system_id() { control 'Database system identifier'; }

# The highest timeline the own data knows of. pg_control learns of a promotion only with the checkpoint after it, which
# may take minutes; until then only the names of the WAL segments tell.
own_timeline() {
  local control_data=${control_data:-$(pg_controldata "$data_folder")} latest recovery segment wal=0
  latest=$(control "Latest checkpoint's TimeLineID")
  recovery=$(control "Min recovery ending loc's timeline")
  for segment in "$data_folder"/pg_wal/????????????????????????; do
    segment=${segment##*/}
    [[ $segment =~ ^[0-9A-F]{24}$ ]] && [ $((16#${segment:0:8})) -gt "$wal" ] && wal=$((16#${segment:0:8}))
  done
  [ "$recovery" -le "$latest" ] || latest=$recovery
  echo $((wal > latest ? wal : latest))
}
