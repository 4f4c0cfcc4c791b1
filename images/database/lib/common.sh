# Shared by the scripts of a database node. Sourced, never run.
# shellcheck shell=bash

state_folder=/var/lib/pg-continuity
config_folder=$state_folder/config
intent_file=$state_folder/intent.json
data_folder=/var/lib/postgresql/data

# Says on the log and in node-state.json what this node is doing now. "status" reads the file.
#   report STATE DETAIL     STATE: waiting | initialising | copying | asking | closed | starting
report() {
  printf '%s %s: %s: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)" "${reporter:-database node}" "$1" "$2" >&2
  jq -nc --arg state "$1" --arg detail "$2" --arg since "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)" \
    '{state: $state, detail: $detail, since: $since}' > "$state_folder/node-state.json.new"
  mv "$state_folder/node-state.json.new" "$state_folder/node-state.json"
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

intent() { jq -r --arg key "$1" '.[$key] // empty' "$intent_file"; }
node() { jq -r "$1 // empty" "$config_folder/node.json"; }

# A libpq connection string to a peer database, as one of the roles.
#   peer_conninfo PEER ROLE DBNAME
peer_conninfo() {
  local address port name
  read -r address port name < <(jq -r --arg peer "$1" '"\(.peers[$peer].address) \(.peers[$peer].port) \(.node)"' "$config_folder/node.json")
  printf "host=%s port=%s user=%s dbname=%s sslmode=verify-full sslrootcert=%s passfile=%s connect_timeout=2 application_name=%s keepalives_idle=5 keepalives_interval=2 keepalives_count=3 tcp_user_timeout=10000" \
    "$address" "$port" "$2" "$3" "$config_folder/ca.crt" "$config_folder/pgpass" "$name"
}

# A field of pg_controldata of the own data folder.
control() { pg_controldata "$data_folder" | sed -n "s/^$1: *//p"; }

own_system_id() { control 'Database system identifier'; }

# The highest timeline the own data knows of. pg_control learns of a promotion only with the checkpoint after it, which
# may take minutes; until then only the names of the WAL segments tell.
own_timeline() {
  local latest recovery wal
  latest=$(control "Latest checkpoint's TimeLineID")
  recovery=$(control "Min recovery ending loc's timeline")
  wal=$(find "$data_folder/pg_wal" -maxdepth 1 -type f -printf '%f\n' |
    sed -n 's/^\([0-9A-F]\{8\}\)[0-9A-F]\{16\}$/\1/p' | sort | tail -n 1)
  wal=$((16#${wal:-0}))
  [ "$recovery" -le "$latest" ] || latest=$recovery
  echo $((wal > latest ? wal : latest))
}
